//! Backups: made, listed, dropped; every file goes to the target once, however many backups hold it.
//!
//! ```text
//! hold every collection -> files that the target has not -> the backup's own object, created last
//! ```
//!
//! What fails, or is called off, leaves the backups that are there as they are, and perhaps files that
//! nobody names: they go when a backup is dropped. No copy is made on the local disk.

use crate::engine::Engine;
use crate::engine::error::{Error, Result};
use crate::engine::target::Target;
use nigh_storage::backup::{BackedUp, Backup, Stored};
use nigh_storage::collection::Collection;
use nigh_storage::manifest::FileEntry;
use nigh_storage::pins::Hold;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// A collection that is being opened is waited for so long, and looked at so often.
const OPENING_WITHIN: Duration = Duration::from_secs(1800);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// So many backups are looked at for files that are at the target already.
const KNOWN_BACKUPS: usize = 4;
/// A mark of a backup, or of a removal, that is older than this was left by one that was killed.
pub(crate) const MARK_HOLDS: Duration = Duration::from_secs(24 * 3600);
/// Files that nobody names are removed when they are this old.
const UNNAMED_FOR: Duration = Duration::from_secs(3600);

/// How far a backup, or a restore, is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// The collection at hand.
    pub collection: String,
    /// Files that are done, of so many.
    pub files: (u64, u64),
    /// Bytes that are done, of so many.
    pub bytes: (u64, u64),
    /// Bytes of those that were at the target already.
    pub bytes_reused: u64,
}

/// Hears of the progress; false calls the work off.
pub type Seen = Box<dyn FnMut(&Progress) -> bool + Send>;

/// A backup, as it is listed.
#[derive(Clone, PartialEq, Debug)]
pub struct Summary {
    /// Its name.
    pub id: String,
    /// When it began, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its collections.
    pub collections: Vec<CollectionSummary>,
    /// Its description cannot be read.
    pub broken: bool,
    /// Collections that it should hold and does not, and why; known when it is made, not when it is listed.
    pub left_out: Vec<(String, String)>,
}

/// A collection of a backup.
#[derive(Clone, PartialEq, Debug)]
pub struct CollectionSummary {
    /// Its name.
    pub name: String,
    /// The last operation that is part of it.
    pub seq: u64,
    /// When that was committed, in milliseconds since 1970.
    pub seq_time_ms: u64,
    /// Its points.
    pub points: u64,
    /// The bytes of its files.
    pub bytes: u64,
}

impl Summary {
    pub(crate) fn of(backup: &Backup) -> Self {
        let collection = |one: &BackedUp| CollectionSummary {
            name: one.collection.clone(),
            seq: one.version.seq(),
            seq_time_ms: one.version.manifest.time_ms,
            points: one.version.points,
            bytes: one.bytes(),
        };
        let collections = backup.collections.iter().map(collection).collect();
        Self { id: backup.id.clone(), time_ms: backup.time_ms, collections, broken: false, left_out: Vec::new() }
    }
}

impl Engine {
    /// A target that was named when the server started.
    ///
    /// What is there is of all collections: who may not do it to every one is refused.
    pub fn target(&self, name: &str) -> Result<Arc<Target>> {
        self.permit_all()?;
        self.configured_target(name)
    }

    /// The same, for the server itself.
    pub(crate) fn configured_target(&self, name: &str) -> Result<Arc<Target>> {
        let missing = || Error::Missing { what: "backup target", name: name.chars().take(128).collect() };
        match (name, self.targets.len()) {
            ("", 1) => Ok(self.targets[0].clone()),
            _ => self.targets.iter().find(|target| target.name() == name).cloned().ok_or_else(missing),
        }
    }

    /// Backs these collections up, all of them where none is named; given up when `stop` comes.
    ///
    /// Collections that are being opened are waited for, up to half an hour. One of all that cannot be read is left out, and
    /// the summary says so; one that was named ends it.
    ///
    /// To be run to its end: the mark that keeps files from being removed meanwhile is taken away there.
    pub async fn backup(
        &self,
        target: &Target,
        names: Vec<String>,
        seen: Seen,
        stop: impl Future<Output = ()>,
    ) -> Result<Summary> {
        let running = || Error::Unavailable("a backup is running already".to_owned());
        let _one = self.backing.try_lock().map_err(|_| running())?;
        let time_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let id = format!("{time_ms:013}-{:08x}", Uuid::new_v4().as_fields().0);
        target.begin(&id).await?;
        let made = tokio::select! {
            made = self.backup_all(target, &id, time_ms, names, seen) => made,
            // A server that stops waits for nobody's upload.
            () = stop => Err(Error::Unavailable("the server is stopping".to_owned())),
        };
        if let Err(err) = target.remove(&format!("active/{id}")).await {
            tracing::warn!(%err, "the mark of a backup could not be removed; it holds for a day");
        }
        made
    }

    async fn backup_all(
        &self,
        target: &Target,
        id: &str,
        time_ms: u64,
        names: Vec<String>,
        mut seen: Seen,
    ) -> Result<Summary> {
        let (holds, left_out) = self.hold(names, &mut seen).await?;
        let known = Known::of(&target.newest(KNOWN_BACKUPS).await?);
        let files = |hold: &Arc<Hold>| hold.version().files().map(|(_, file)| file.bytes).collect::<Vec<_>>();
        let sizes: Vec<u64> = holds.iter().flat_map(|(_, hold)| files(hold)).collect();
        let mut progress = Progress::default();
        (progress.files.1, progress.bytes.1) = (sizes.len() as u64, sizes.iter().sum());
        let mut copying = Copying { target, known, progress, seen };
        let mut collections = Vec::with_capacity(holds.len());
        for (name, hold) in holds {
            copying.progress.collection.clone_from(&name);
            let files = copying.collection(&hold).await?;
            collections.push(BackedUp { collection: name, version: hold.version().clone(), files });
        }
        let backup = Backup { id: id.to_owned(), time_ms, collections };
        if !target.create(&format!("backups/{id}"), backup.encode()?).await? {
            return Err(Error::Exists(format!("there is a backup `{id}` already")));
        }
        Ok(Summary { left_out, ..Summary::of(&backup) })
    }

    /// Holds the newest state of these collections: nothing that it names goes away meanwhile. Beside them what is left out.
    async fn hold(&self, names: Vec<String>, seen: &mut Seen) -> Result<(Vec<Held>, Vec<(String, String)>)> {
        let all = names.is_empty();
        let names = if all { self.store.list().into_iter().map(|(name, _)| name).collect() } else { names };
        let (mut open, mut left_out) = (Vec::with_capacity(names.len()), Vec::new());
        for name in names {
            match self.opened(&name, seen).await {
                Ok(collection) => open.push((name, collection)),
                // What cannot be read must not stand in the way of the others.
                Err(err @ (Error::Quarantined { .. } | Error::Opening { .. })) if all => {
                    tracing::error!(collection = name, %err, "left out of a backup");
                    left_out.push((name, err.to_string()));
                }
                // It was dropped meanwhile.
                Err(Error::Missing { .. }) if all => {}
                Err(err) => return Err(err),
            }
        }
        let mut holds = Vec::with_capacity(open.len());
        for (name, collection) in open {
            let hold = tokio::task::spawn_blocking(move || collection.hold()).await;
            holds.push((name, Arc::new(hold.map_err(|_| Error::Internal("holding a version failed"))??)));
        }
        Ok((holds, left_out))
    }

    /// An open collection; one that is being opened is waited for.
    async fn opened(&self, name: &str, seen: &mut Seen) -> Result<Arc<Collection>> {
        let begin = Instant::now();
        loop {
            match self.collection(name) {
                Err(Error::Opening { .. }) if begin.elapsed() < OPENING_WITHIN => {
                    if !seen(&Progress { collection: name.to_owned(), ..Progress::default() }) {
                        return Err(Error::Gone);
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                other => return other,
            }
        }
    }
}

/// A collection's name, and the state of it that is held.
type Held = (String, Arc<Hold>);

/// Files that are at the target, by the place that they had in a collection.
struct Known(HashMap<(Uuid, u64, String, u64, u64), Stored>);

impl Known {
    fn of(backups: &[Backup]) -> Self {
        let mut known = HashMap::new();
        for one in backups.iter().flat_map(|backup| &backup.collections) {
            let stored: HashMap<_, _> = one.files.iter().map(|file| ((file.segment, &file.name), file)).collect();
            for (segment, file) in one.version.files() {
                if let Some(stored) = stored.get(&(segment.number, &file.name)) {
                    known.insert(Self::key(one.version.manifest.collection, segment.number, file), (*stored).clone());
                }
            }
        }
        Self(known)
    }

    fn key(collection: Uuid, segment: u64, file: &FileEntry) -> (Uuid, u64, String, u64, u64) {
        (collection, segment, file.name.clone(), file.bytes, file.checksum)
    }
}

struct Copying<'t> {
    target: &'t Target,
    known: Known,
    progress: Progress,
    seen: Seen,
}

impl Copying<'_> {
    async fn collection(&mut self, hold: &Arc<Hold>) -> Result<Vec<Stored>> {
        let id = hold.version().manifest.collection;
        let entries: Vec<(u64, FileEntry)> =
            hold.version().files().map(|(segment, file)| (segment.number, file.clone())).collect();
        let mut files = Vec::with_capacity(entries.len());
        for (segment, file) in entries {
            let known = self.known.0.get(&Known::key(id, segment, &file)).cloned();
            let stored = match known {
                Some(stored) if self.target.has(&stored).await? => self.reused(stored)?,
                _ => self.copy(hold, segment, file).await?,
            };
            self.progress.files.0 += 1;
            self.tell(0)?;
            files.push(stored);
        }
        Ok(files)
    }

    async fn copy(&mut self, hold: &Arc<Hold>, segment: u64, file: FileEntry) -> Result<Stored> {
        let from = hold.clone();
        // Reading and hashing a file is work for a thread that may block.
        let read = tokio::task::spawn_blocking(move || from.read(segment, &file)).await;
        let (bytes, stored) = read.map_err(|_| Error::Internal("reading a file failed"))??;
        if self.target.has(&stored).await? {
            return self.reused(stored);
        }
        let (target, key) = (self.target, format!("files/{}", stored.key()));
        target.put(&key, bytes, &mut |sent| self.tell(sent)).await?;
        Ok(stored)
    }

    fn reused(&mut self, stored: Stored) -> Result<Stored> {
        self.progress.bytes_reused += stored.bytes;
        self.tell(stored.bytes)?;
        Ok(stored)
    }

    fn tell(&mut self, bytes: u64) -> Result<()> {
        self.progress.bytes.0 += bytes;
        if (self.seen)(&self.progress) { Ok(()) } else { Err(Error::Gone) }
    }
}

impl Target {
    /// Whether a file is there, by what is in it, and whole.
    async fn has(&self, stored: &Stored) -> Result<bool> {
        Ok(self.length(&format!("files/{}", stored.key())).await? == Some(stored.bytes))
    }

    /// Marks that a backup is being made, and makes sure that nobody removes files meanwhile.
    async fn begin(&self, id: &str) -> Result<()> {
        let mark = format!("active/{id}");
        let first = self.create(&mark, Vec::new()).await?;
        // A store that creates what is there already would let two writers believe that they were first.
        if !first || self.create(&mark, Vec::new()).await? {
            self.remove(&mark).await?;
            let limit = "it does not refuse to create what is there already";
            return Err(Error::invalid("backup target", format!("`{}`", self.name()), limit));
        }
        if self.age("collecting").await?.is_some_and(|age| age < MARK_HOLDS) {
            self.remove(&mark).await?;
            return Err(Error::Unavailable("files of dropped backups are being removed from the target".to_owned()));
        }
        Ok(())
    }

    /// The newest backups that can be read, the newest first.
    async fn newest(&self, most: usize) -> Result<Vec<Backup>> {
        let mut newest = Vec::new();
        for one in self.list("backups").await?.iter().rev().take(most) {
            match self.backup(&one.name).await {
                Ok(backup) => newest.push(backup),
                Err(err) => {
                    tracing::warn!(backup = one.name, %err, "a backup cannot be read; its files are not reused")
                }
            }
        }
        Ok(newest)
    }

    /// A backup by its name.
    pub async fn backup(&self, id: &str) -> Result<Backup> {
        let key = format!("backups/{id}");
        let bytes = self.read(&key).await?;
        Backup::decode(Path::new(&key), &bytes).map_err(|err| Error::Damaged(err.to_string()))
    }

    /// Every backup, the oldest first.
    pub async fn backups(&self) -> Result<Vec<Summary>> {
        let mut all = Vec::new();
        for one in self.list("backups").await? {
            let broken = Summary {
                id: one.name.clone(),
                time_ms: 0,
                collections: Vec::new(),
                broken: true,
                left_out: Vec::new(),
            };
            match self.backup(&one.name).await {
                Ok(backup) => all.push(Summary::of(&backup)),
                Err(Error::Damaged(why)) => {
                    tracing::error!(backup = one.name, why, "a backup cannot be read");
                    all.push(broken);
                }
                Err(err) => return Err(err),
            }
        }
        Ok(all)
    }

    /// Drops a backup, and removes the files that no other one names; gives the bytes that came free. Nothing is dropped
    /// while a backup is being made.
    pub async fn drop_backup(self: &Arc<Self>, id: &str) -> Result<u64> {
        self.collecting(Some(id.to_owned()), UNNAMED_FOR).await
    }

    /// Removes the files that no backup names and that are older than this.
    pub async fn collect(self: &Arc<Self>, unnamed_for: Duration) -> Result<u64> {
        self.collecting(None, unnamed_for).await
    }

    /// In a task of its own: whoever asked for it may go away, but the mark that keeps backups from being made must not
    /// stay behind.
    async fn collecting(self: &Arc<Self>, dropped: Option<String>, unnamed_for: Duration) -> Result<u64> {
        let target = self.clone();
        let work = async move {
            if let Some(id) = &dropped
                && target.length(&format!("backups/{id}")).await?.is_none()
            {
                return Err(Error::Missing { what: "backup", name: id.chars().take(128).collect() });
            }
            target.mark_collecting().await?;
            let freed = target.marked(dropped.as_deref(), unnamed_for).await;
            let unmarked = target.remove("collecting").await;
            freed.and_then(|freed| unmarked.map(|()| freed))
        };
        tokio::spawn(work).await.map_err(|_| Error::Internal("removing files of a backup failed"))?
    }

    async fn mark_collecting(&self) -> Result<()> {
        if self.create("collecting", Vec::new()).await? {
            return Ok(());
        }
        if self.age("collecting").await?.is_some_and(|age| age < MARK_HOLDS) {
            return Err(Self::taken());
        }
        self.remove("collecting").await?;
        match self.create("collecting", Vec::new()).await? {
            true => Ok(()),
            false => Err(Self::taken()),
        }
    }

    fn taken() -> Error {
        Error::Unavailable("a backup is being made, or files are being removed; try again later".to_owned())
    }

    /// What is done while the mark is there: marks of others are looked at before anything is removed.
    async fn marked(&self, dropped: Option<&str>, unnamed_for: Duration) -> Result<u64> {
        if self.list("active").await?.iter().any(|mark| mark.age < MARK_HOLDS) {
            return Err(Self::taken());
        }
        if let Some(id) = dropped {
            self.remove(&format!("backups/{id}")).await?;
        }
        self.remove_unnamed(unnamed_for).await
    }

    async fn remove_unnamed(&self, unnamed_for: Duration) -> Result<u64> {
        let mut named = BTreeSet::new();
        for one in self.list("backups").await? {
            // One that cannot be read may name any file: nothing is removed then.
            let backup = self.backup(&one.name).await?;
            named.extend(backup.collections.iter().flat_map(|one| &one.files).map(Stored::key));
        }
        let mut freed = 0;
        for file in self.list("files").await? {
            if !named.contains(&file.name) && file.age >= unnamed_for {
                self.remove(&format!("files/{}", file.name)).await?;
                freed += file.bytes;
            }
        }
        Ok(freed)
    }
}
