//! Which collections there are, and how they are.

use crate::engine::Engine;
use crate::engine::error::{Error, Result};
use crate::engine::pool::Deadline;
use nigh_index::text::analyzer::{Analyzer, Place};
use nigh_storage::collection::Collection;
use nigh_storage::error::Error as Storage;
use nigh_storage::estimate::{self, Estimate, Load};
use nigh_storage::opening::Opening;
use nigh_storage::schema::{CollectionSpec, NewField, TextField};
use nigh_storage::status::Status;
use nigh_storage::store::State;
use nigh_storage::store::names::AliasChange;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How far the opening of the collections is.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Whether every one is open or quarantined.
    pub ready: bool,
    /// Collections that serve.
    pub open: usize,
    /// Collections that are being opened.
    pub opening: usize,
    /// Collections that cannot be served.
    pub quarantined: usize,
}

impl Engine {
    /// Opens every collection; each serves as soon as it is open. Blocks until the last one is.
    pub fn open_all(&self) {
        self.store.open_all();
        self.opened.store(true, Ordering::Release);
        self.store.read_rest_behind();
    }

    /// How far that is.
    pub fn progress(&self) -> Progress {
        let mut progress = Progress { ready: self.opened.load(Ordering::Acquire), ..Progress::default() };
        for (_, state) in self.store.list() {
            match state {
                State::Open => progress.open += 1,
                State::Opening(_) => progress.opening += 1,
                State::Quarantined(_) => progress.quarantined += 1,
            }
        }
        progress
    }

    /// The collections that are being opened, and how far that is.
    pub fn openings(&self) -> Vec<(String, Opening)> {
        let opening = |(name, state)| match state {
            State::Opening(opening) => Some((name, opening)),
            _ => None,
        };
        self.store.list().into_iter().filter_map(opening).filter(|(name, _)| self.may_see(name)).collect()
    }

    /// An open collection.
    pub fn collection(&self, name: &str) -> Result<Arc<Collection>> {
        match self.store.collection(name) {
            Ok(collection) => self.permit(name, collection.name()).map(|()| collection),
            Err(err) => {
                // Who may not see it does not hear either whether it is there.
                self.permit(name, &self.resolved(name))?;
                Err(match err {
                    // Which file it is helps whoever has to mend it; where the data lies stays out.
                    Storage::Quarantined { name, why } => Error::Quarantined { name, why: self.without_root(&why) },
                    other => other.into(),
                })
            }
        }
    }

    /// Every collection by name that the caller may see, and why it is not served, where it is not.
    pub fn list(&self) -> Vec<(String, State)> {
        let told = |(name, state)| match state {
            State::Quarantined(why) => (name, State::Quarantined(self.without_root(&why))),
            other => (name, other),
        };
        self.store.list().into_iter().filter(|(name, _)| self.may_see(name)).map(told).collect()
    }

    /// Creates a collection; false where one of this name and spec was there and that is fine.
    pub async fn create(
        self: Arc<Self>,
        name: String,
        spec: CollectionSpec,
        if_absent: bool,
        deadline: &Deadline,
    ) -> Result<bool> {
        self.permit(&name, &name)?;
        let engine = self.clone();
        let work = move || match engine.store.create(&name, spec)? {
            false if !if_absent => Err(Error::Exists(format!("collection `{name}` is there already"))),
            created => Ok(created),
        };
        self.writes.run(deadline, work).await
    }

    /// What an analyzer makes of a text: its terms, and where they stand.
    pub async fn analyze(&self, analyzer: String, text: String, deadline: &Deadline) -> Result<Vec<(String, Place)>> {
        let most = self.limits.query_text_bytes_max;
        if text.len() > most {
            return Err(Error::invalid("text", format!("{} bytes", text.len()), format!("it has at most {most}")));
        }
        let work = move || {
            let mut tokens = Vec::new();
            Analyzer::new(&analyzer)?.each_placed(&text, &mut |term, place| tokens.push((term.to_owned(), place)));
            Ok(tokens)
        };
        self.reads.run(deadline, work).await
    }

    /// Adds a vector field; false where an equal one was there and that is fine.
    pub async fn add_vectors(
        self: Arc<Self>,
        collection: Arc<Collection>,
        field: NewField,
        if_absent: bool,
        deadline: &Deadline,
    ) -> Result<bool> {
        let work = move || {
            let name = field.name().to_owned();
            match collection.add_vectors(field)? {
                false if !if_absent => Err(Error::Exists(format!("vector field `{name}` is there already"))),
                added => Ok(added),
            }
        };
        self.writes.run(deadline, work).await
    }

    /// Drops a vector field; false where there was none.
    pub async fn drop_vectors(
        self: Arc<Self>,
        collection: Arc<Collection>,
        name: String,
        deadline: &Deadline,
    ) -> Result<bool> {
        let recalls = self.recalls.clone();
        let work = move || {
            let dropped = collection.drop_vectors(&name)?;
            recalls.forget(collection.id(), Some(&name));
            Ok(dropped)
        };
        self.writes.run(deadline, work).await
    }

    /// Adds a text field and reads all that was written before for it; false where an equal one was there and that is fine.
    /// Whoever gives up before that leaves the rest to upkeep.
    pub async fn add_text(
        self: Arc<Self>,
        collection: Arc<Collection>,
        field: TextField,
        if_absent: bool,
        deadline: &Deadline,
    ) -> Result<bool> {
        let (name, adding) = (field.name.clone(), collection.clone());
        let work = move || match adding.add_text(field)? {
            false if !if_absent => Err(Error::Exists(format!("text field `{name}` is there already"))),
            added => Ok(added),
        };
        let added = self.writes.run(deadline, work).await?;
        self.chores.run(deadline, move || Ok(collection.read_texts()?)).await?;
        Ok(added)
    }

    /// Drops a text field; false where there was none.
    pub async fn drop_text(
        self: Arc<Self>,
        collection: Arc<Collection>,
        name: String,
        deadline: &Deadline,
    ) -> Result<bool> {
        self.writes.run(deadline, move || Ok(collection.drop_text(&name)?)).await
    }

    /// Drops a collection; false where there was none.
    pub async fn drop_collection(self: Arc<Self>, name: String, deadline: &Deadline) -> Result<bool> {
        // A collection is dropped by its own name, never by an alias.
        self.permit(&name, &name)?;
        let engine = self.clone();
        let work = move || {
            let dropped = engine.store.collection(&name).ok().filter(|collection| collection.name() == name);
            let was_there = engine.store.drop_collection(&name)?;
            if let Some(collection) = dropped {
                engine.recalls.forget(collection.id(), None);
            }
            Ok(was_there)
        };
        self.writes.run(deadline, work).await
    }

    /// What a collection holds and how it is.
    pub async fn describe(self: Arc<Self>, name: String, deadline: &Deadline) -> Result<(Arc<CollectionSpec>, Status)> {
        let (engine, collection) = (self.clone(), self.collection(&name)?);
        let work = move || {
            let mut status = collection.status();
            status.refuses_writes = status.refuses_writes.map(|why| engine.without_root(&why));
            Ok((collection.spec(), status))
        };
        self.reads.run(deadline, work).await
    }

    /// Seals what is live and merges all segments into one; then says how it is.
    pub async fn optimize(self: Arc<Self>, name: String, deadline: &Deadline) -> Result<Status> {
        let collection = self.collection(&name)?;
        let work = move || {
            collection.settle()?;
            Ok(collection.status())
        };
        self.chores.run(deadline, work).await
    }

    /// Every alias, with the collection that it stands for, where the caller may see that.
    pub fn aliases(&self) -> BTreeMap<String, String> {
        self.store.aliases().into_iter().filter(|(_, collection)| self.may_see(collection)).collect()
    }

    /// Changes aliases in one step.
    pub async fn change_aliases(self: Arc<Self>, changes: Vec<AliasChange>, deadline: &Deadline) -> Result<()> {
        self.permit_all()?;
        let engine = self.clone();
        self.writes.run(deadline, move || Ok(engine.store.change_aliases(&changes)?)).await
    }

    /// What was noted beside a collection.
    pub fn note(&self, name: &str) -> Option<String> {
        let found = self.resolved(name);
        self.permit(name, &found).ok()?;
        self.store.note(&found)
    }

    /// Notes something beside a collection, made of what was noted before.
    pub async fn change_note(
        self: Arc<Self>,
        name: String,
        change: impl FnOnce(Option<&str>) -> String + Send + 'static,
        deadline: &Deadline,
    ) -> Result<()> {
        let (engine, found) = (self.clone(), self.resolved(&name));
        self.permit(&name, &found)?;
        self.writes.run(deadline, move || Ok(engine.store.change_note(&found, change)?)).await
    }

    /// What a collection of a given size would take here.
    pub async fn estimate(self: Arc<Self>, spec: CollectionSpec, load: Load, deadline: &Deadline) -> Result<Estimate> {
        let (engine, until) = (self.clone(), deadline.clone());
        let work = move || {
            let found = estimate::estimate(&spec, &load, engine.store.options(), until.gone())?;
            // It is stopped for nobody but a caller who went away.
            found.ok_or(Error::Gone)
        };
        self.estimates.run(deadline, work).await
    }

    /// Calls off a merge that runs: whether one did.
    pub fn cancel_merge(&self, name: &str) -> Result<bool> {
        Ok(self.collection(name)?.cancel_merge())
    }

    /// How every open collection is. Blocks for a moment where a log is being synced.
    pub fn statuses(&self) -> Vec<(String, Status)> {
        let status = |(name, _): (String, State)| {
            let status = self.store.collection(&name).ok()?.status();
            Some((name, status))
        };
        self.store.list().into_iter().filter_map(status).collect()
    }

    /// Callers that run or wait, of reads and of writes.
    pub fn callers(&self) -> (usize, usize) {
        (self.reads.taken(), self.writes.taken())
    }

    /// Syncs and closes every collection; blocks until that is done.
    pub fn close(&self) {
        if let Some(snapshots) = &self.snapshots {
            snapshots.stop();
        }
        self.store.close();
    }

    /// A reason without the place of the data directory, which callers need not know.
    pub(crate) fn without_root(&self, why: &str) -> String {
        why.replace(&self.root.display().to_string(), "data")
    }
}

/// Bytes of this process that are in memory; 0 where the system does not tell.
pub fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.map_or(0, |kib: u64| kib * 1024)
}
