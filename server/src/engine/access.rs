//! Who asks, and what of which collection they may: carried beside a call, asked where a name becomes a collection.
//!
//! A door says once, before a call begins, what the caller may and what the call needs ([`Access::within`]). Every way of
//! the engine from a name to a collection then asks [`Engine::permit`], also for names that stand deep in a request: so a
//! door that forgets to ask opens nothing. Where the server has keys and a call comes without its access, it is refused.

use crate::engine::Engine;
use crate::engine::error::{Error, Result};
use crate::traces::Trace;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tracing::Instrument;

/// What a caller may, and what a call needs. Each is also all before it.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Right {
    /// Search, read, count.
    Read,
    /// Change points.
    Write,
    /// Create, change and drop collections; upkeep, backups.
    Admin,
}

impl Right {
    /// The verb of a refusal.
    fn verb(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write to",
            Self::Admin => "administer",
        }
    }
}

/// What a caller may do to what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Nothing: a caller who is not known, at what is open to everybody.
    Nothing,
    /// This, to every collection and to the server as a whole.
    All(Right),
    /// These, to these collections. A name may be an alias: what it stands for now.
    Collections(BTreeMap<String, Right>),
}

impl Scope {
    /// The most that is allowed anywhere.
    pub fn most(&self) -> Option<Right> {
        match self {
            Self::Nothing => None,
            Self::All(right) => Some(*right),
            Self::Collections(rights) => rights.values().max().copied(),
        }
    }

    /// Whether it holds for every collection.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::All(_))
    }

    fn allows(&self, name: &str, right: Right) -> bool {
        match self {
            Self::Nothing => false,
            Self::All(most) => *most >= right,
            Self::Collections(rights) => rights.get(name).is_some_and(|most| *most >= right),
        }
    }
}

/// One call's access.
pub struct Access {
    caller: Arc<str>,
    scope: Scope,
    needs: Right,
    /// The collections that it named, for the audit log.
    named: Mutex<BTreeSet<String>>,
    standing: Standing,
    /// Where the call's stages are told, where somebody wants that.
    trace: Option<Arc<Trace>>,
}

/// Whether a caller of this scope is still known for that; the error says why not.
pub type Standing = Box<dyn Fn(&Scope) -> std::result::Result<(), String> + Send + Sync>;

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("caller", &self.caller).field("needs", &self.needs).finish_non_exhaustive()
    }
}

tokio::task_local! {
    static ACCESS: Arc<Access>;
}

impl Access {
    /// Of a caller with this scope, for a call that needs this right.
    pub fn new(caller: Arc<str>, scope: Scope, needs: Right, standing: Standing) -> Arc<Self> {
        Self::traced(caller, scope, needs, standing, None)
    }

    /// As [`Self::new`], of a call whose stages are told.
    pub(crate) fn traced(
        caller: Arc<str>,
        scope: Scope,
        needs: Right,
        standing: Standing,
        trace: Option<Arc<Trace>>,
    ) -> Arc<Self> {
        let trace = trace.filter(|trace| trace.is_wanted());
        Arc::new(Self { caller, scope, needs, named: Mutex::default(), standing, trace })
    }

    /// Where the stages of the call at hand are told, where somebody wants that.
    pub(crate) fn trace() -> Option<Arc<Trace>> {
        ACCESS.try_with(|access| access.trace.clone()).ok().flatten()
    }

    /// That of the call at hand, for work that goes on beside it.
    pub fn current() -> Option<Arc<Self>> {
        ACCESS.try_with(Arc::clone).ok()
    }

    /// Whether it still holds: a call that lasts asks for it again and again. The error says why not.
    pub fn still(&self) -> std::result::Result<(), String> {
        (self.standing)(&self.scope)
    }

    /// Runs a call with it.
    pub async fn within<T>(self: Arc<Self>, call: impl Future<Output = T>) -> T {
        ACCESS.scope(self, call).await
    }

    /// An alias is what it stands for, whoever asks by which name.
    fn allows(&self, name: &str, found: &str) -> bool {
        [name, found].into_iter().any(|name| self.scope.allows(name, self.needs))
    }

    /// Whose it is.
    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// The collections that the call has named so far.
    pub fn named(&self) -> Vec<String> {
        self.named.lock().iter().cloned().collect()
    }
}

/// The work, for another thread, with the access of the call that hands it over.
pub fn carried<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let (access, span) = (Access::current(), tracing::Span::current());
    move || {
        let _told = span.entered();
        match access {
            Some(access) => ACCESS.sync_scope(access, work),
            None => work(),
        }
    }
}

/// The work, to go on beside the call that hands it over: with its access, and told in the log as its own.
pub fn beside<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let access = Access::current();
    let work = async move {
        match access {
            Some(access) => access.within(work).await,
            None => work.await,
        }
    };
    work.in_current_span()
}

/// Collections that one call names and that are remembered, at the most.
const NAMED_MAX: usize = 64;
/// What is said of a name, which callers make as long as they like.
const NAME_CHARS_SHOWN: usize = 255;

fn shown(name: &str) -> String {
    name.chars().take(NAME_CHARS_SHOWN).collect()
}

impl Engine {
    /// From now on calls without access are refused (true), or served (false: a server without keys, an embedded one).
    pub fn guard(&self, guarded: bool) {
        self.guarded.store(guarded, Ordering::Release);
    }

    /// Whether calls need access.
    pub(crate) fn is_guarded(&self) -> bool {
        self.guarded.load(Ordering::Acquire)
    }

    /// Refuses what the caller of this call may not do to the collection that was found by this name, or that of the
    /// name itself. What an alias stands for is asked once, where the collection is found: it may stand for another one
    /// a moment later, and the rights to the one must not become work on the other.
    pub(crate) fn permit(&self, name: &str, found: &str) -> Result<()> {
        let asked = ACCESS.try_with(|access| {
            let mut named = access.named.lock();
            if named.len() < NAMED_MAX {
                named.insert(shown(name));
            }
            drop(named);
            if access.allows(name, found) {
                return Ok(());
            }
            let (caller, verb) = (access.caller.to_string(), access.needs.verb());
            Err(Error::Forbidden(format!("`{caller}` may not {verb} collection `{}`", shown(name))))
        });
        asked.unwrap_or_else(|_| self.unaccompanied())
    }

    /// What a name stands for now.
    pub(crate) fn resolved(&self, name: &str) -> String {
        self.store.stands_for(name).unwrap_or_else(|| name.to_owned())
    }

    /// Refuses who may not do it to every collection: what a call names is not known, or it is all of them.
    pub(crate) fn permit_all(&self) -> Result<()> {
        let found = ACCESS.try_with(|access| match &access.scope {
            Scope::All(right) if *right >= access.needs => Ok(()),
            _ => {
                let (caller, verb) = (access.caller.to_string(), access.needs.verb());
                Err(Error::Forbidden(format!("`{caller}` may not {verb} every collection")))
            }
        });
        found.unwrap_or_else(|_| self.unaccompanied())
    }

    /// Whether the caller of this call may know of the collection of this name.
    pub(crate) fn may_see(&self, name: &str) -> bool {
        ACCESS.try_with(|access| access.allows(name, name)).unwrap_or_else(|_| self.unaccompanied().is_ok())
    }

    fn unaccompanied(&self) -> Result<()> {
        match self.is_guarded() {
            true => Err(Error::Internal("a call came without its caller's rights")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::engine::pool::Deadline;
    use nigh_storage::disk::FsDisk;
    use nigh_storage::schema::CollectionSpec;
    use nigh_storage::store::names::AliasChange;
    use nigh_storage::store::{Options, Store};

    fn point(name: &str, to: &str) -> [AliasChange; 1] {
        [AliasChange::Set { alias: name.to_owned(), collection: to.to_owned() }]
    }

    /// An alias that is turned while a call waits for its turn: the rights were to the collection that it stood for.
    #[tokio::test]
    async fn what_was_permitted_is_what_is_worked_on() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { background: false, ..Options::default() };
        let store = Store::attach(Arc::new(FsDisk), folder.path(), options).unwrap();
        store.open_all();
        let limits = Limits { reads_running: 1, ..Limits::default() };
        let engine = Arc::new(Engine::new(store.clone(), folder.path().to_owned(), limits));
        engine.guard(true);
        for (name, no_auto_index) in [("mine", false), ("theirs", true)] {
            store.create(name, CollectionSpec { no_auto_index, ..CollectionSpec::default() }).unwrap();
        }
        store.change_aliases(&point("it", "mine")).unwrap();
        let rights = BTreeMap::from([("mine".to_owned(), Right::Read)]);
        let access = Access::new("somebody".into(), Scope::Collections(rights), Right::Read, Box::new(|_| Ok(())));
        let busy = engine.reads.spare();
        let deadline = Deadline::default();
        let mut call = std::pin::pin!(access.clone().within(engine.clone().describe("it".into(), &deadline)));
        tokio::select! {
            biased;
            _ = &mut call => panic!("it was answered without a permit"),
            () = std::future::ready(()) => {}
        }
        store.change_aliases(&point("it", "theirs")).unwrap();
        drop(busy);
        let (spec, _) = call.await.unwrap();
        assert!(!spec.no_auto_index, "the other collection was described");
        let again = access.within(engine.clone().describe("it".into(), &deadline)).await;
        assert!(matches!(again, Err(Error::Forbidden(_))), "{again:?}");
        engine.close();
    }
}
