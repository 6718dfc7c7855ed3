//! Where backups and archives go: a directory or a bucket, spoken to as an object store.
//!
//! ```text
//! files/<hash>-<bytes>      what segments hold; a file is named by what is in it, so it is there once
//! backups/<id>              a backup: written last, if absent
//! active/<id>               a backup that is being made: while there is one, no file is removed
//! collecting                files are being removed: while it is there, no backup begins
//! archive/<collection>/<first>-<last>.log
//! ```
//!
//! All that is asked of a store is to create an object if it is absent, to read, list and remove: a bucket does it as well
//! as a directory.

#[cfg(feature = "s3")]
mod bucket;

use crate::engine::error::{Error, Result};
use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_stream::StreamExt;

/// A file above this many bytes is sent in parts of as many.
const PART_BYTES: usize = 16 << 20;
/// An object that is read whole has at most this many bytes.
const WHOLE_BYTES_MAX: u64 = 1 << 30;

/// A place for backups, open.
pub struct Target {
    name: String,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

/// A directory, created where it is not there.
fn directory(place: &str) -> std::result::Result<LocalFileSystem, String> {
    std::fs::create_dir_all(place).map_err(|err| format!("the directory cannot be created: {err}"))?;
    let local = LocalFileSystem::new_with_prefix(place).map_err(|err| err.to_string())?;
    // An object that was told of is there after a power cut.
    Ok(local.with_fsync(true))
}

/// The store's own tag; of one that gives none, when the object was changed last.
fn tag(meta: &ObjectMeta) -> String {
    meta.e_tag.clone().unwrap_or_else(|| meta.last_modified.timestamp_micros().to_string())
}

/// Hears how many bytes more were sent; an error calls it off.
pub(crate) type Sent<'s> = &'s mut (dyn FnMut(u64) -> Result<()> + Send);

/// An object of a listing.
pub struct Listed {
    /// Its name below the folder that was listed.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// What changes with what it holds.
    pub tag: String,
    pub(crate) age: Duration,
}

impl Target {
    /// Opens a directory, created where it is not there, or a bucket (`s3://bucket/folder`), whose credentials come from
    /// the environment. A bucket is first spoken to when it is needed.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the place makes no sense, with the reason: only who starts the process
    /// names places.
    pub fn open(name: &str, place: &str) -> Result<Self> {
        let wrong = |why: String| Error::invalid(format!("backup target `{name}`"), format!("`{place}`"), why);
        let (store, prefix): (Arc<dyn ObjectStore>, Path) = match place.split_once("://") {
            None => (Arc::new(directory(place).map_err(wrong)?), Path::default()),
            #[cfg(feature = "s3")]
            Some(("s3", place)) => {
                let (store, prefix) = bucket::open(place).map_err(wrong)?;
                (Arc::new(store), prefix)
            }
            Some((scheme, _)) => {
                let known = if cfg!(feature = "s3") { "a directory, or s3://BUCKET/FOLDER" } else { "a directory" };
                return Err(wrong(format!("`{scheme}` is not known: a target is {known}")));
            }
        };
        Ok(Self { name: name.to_owned(), store, prefix })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn path(&self, key: &str) -> Path {
        key.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    fn failed(&self, doing: &'static str, key: &str, err: &object_store::Error) -> Error {
        tracing::error!(target_name = self.name, key, %err, "could not {doing} an object of a backup target");
        match err {
            object_store::Error::NotFound { .. } => {
                Error::Missing { what: "object of the target", name: key.to_owned() }
            }
            _ => Error::Target { doing, target: self.name.clone(), key: key.to_owned() },
        }
    }

    /// Creates an object; false where there is one of this name already.
    pub(crate) async fn create(&self, key: &str, bytes: impl Into<Bytes>) -> Result<bool> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let payload = PutPayload::from(bytes.into());
        match self.store.put_opts(&self.path(key), payload, options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(err) => Err(self.failed("create", key, &err)),
        }
    }

    /// Writes an object that is named by what is in it: who wrote it before wrote the same, or not all of it.
    pub(crate) async fn put(&self, key: &str, bytes: Bytes, sent: Sent<'_>) -> Result<()> {
        if bytes.len() <= PART_BYTES {
            let size = bytes.len() as u64;
            self.store
                .put(&self.path(key), PutPayload::from(bytes))
                .await
                .map_err(|err| self.failed("write", key, &err))?;
            return sent(size);
        }
        let failed = |err| self.failed("write", key, &err);
        let mut upload = self.store.put_multipart(&self.path(key)).await.map_err(failed)?;
        let mut at = 0;
        while at < bytes.len() {
            let end = bytes.len().min(at + PART_BYTES);
            let part = upload.put_part(PutPayload::from(bytes.slice(at..end))).await.map_err(failed);
            if let Err(err) = part.and_then(|()| sent((end - at) as u64)) {
                // What was sent is of no use to anybody.
                let _ = upload.abort().await;
                return Err(err);
            }
            at = end;
        }
        upload.complete().await.map(drop).map_err(failed)
    }

    /// The length of an object, if it is there.
    pub async fn length(&self, key: &str) -> Result<Option<u64>> {
        Ok(self.head(key).await?.map(|meta| meta.size))
    }

    /// The length of an object, and what changes with what it holds, if it is there.
    pub async fn state(&self, key: &str) -> Result<Option<(u64, String)>> {
        Ok(self.head(key).await?.map(|meta| (meta.size, tag(&meta))))
    }

    /// How long an object has been there, if it is.
    pub(crate) async fn age(&self, key: &str) -> Result<Option<Duration>> {
        let age = |meta: ObjectMeta| SystemTime::now().duration_since(meta.last_modified.into()).unwrap_or_default();
        Ok(self.head(key).await?.map(age))
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        match self.store.head(&self.path(key)).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(err) => Err(self.failed("look at", key, &err)),
        }
    }

    /// A whole object.
    pub(crate) async fn read(&self, key: &str) -> Result<Bytes> {
        let found = self.store.get(&self.path(key)).await.map_err(|err| self.failed("read", key, &err))?;
        if found.meta.size > WHOLE_BYTES_MAX {
            return Err(Error::invalid(
                key,
                format!("{} bytes", found.meta.size),
                format!("at most {WHOLE_BYTES_MAX}"),
            ));
        }
        found.bytes().await.map_err(|err| self.failed("read", key, &err))
    }

    /// An object, piece by piece.
    pub async fn stream(&self, key: &str, see: &mut dyn FnMut(Bytes) -> Result<()>) -> Result<()> {
        let found = self.store.get(&self.path(key)).await.map_err(|err| self.failed("read", key, &err))?;
        let mut pieces = found.into_stream();
        while let Some(piece) = pieces.next().await {
            see(piece.map_err(|err| self.failed("read", key, &err))?)?;
        }
        Ok(())
    }

    /// The objects of a folder, by name.
    pub async fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let prefix = self.path(folder);
        let mut found = self.store.list(Some(&prefix));
        let mut listed = Vec::new();
        let now = SystemTime::now();
        while let Some(meta) = found.next().await {
            let meta = meta.map_err(|err| self.failed("list", folder, &err))?;
            let Some(parts) = meta.location.prefix_match(&prefix) else { continue };
            let name = parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
            let age = now.duration_since(SystemTime::from(meta.last_modified)).unwrap_or_default();
            listed.push(Listed { name, bytes: meta.size, tag: tag(&meta), age });
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// Removes an object; one that is not there is removed.
    pub(crate) async fn remove(&self, key: &str) -> Result<()> {
        match self.store.delete(&self.path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(err) => Err(self.failed("remove", key, &err)),
        }
    }
}
