//! Backups and restores: asked for here, done by the server, to and from the targets that it was started with.

use crate::client::Client;
use crate::error::{Error, Result};
use crate::retry::Repeat;
use nigh_proto::v1::{self, restore_request};
use tonic::Streaming;

/// A backup.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Backup {
    /// Its name.
    pub id: String,
    /// When it began, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its collections.
    pub collections: Vec<BackedUp>,
    /// Its description cannot be read.
    pub broken: bool,
    /// Collections that it should hold and does not, and why; told when it is made, not when it is listed.
    pub left_out: Vec<(String, String)>,
}

/// A collection of a backup.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BackedUp {
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

/// A moment to restore.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Until {
    /// That of the backup.
    #[default]
    Backup,
    /// This operation, and with it.
    Seq(u64),
    /// Everything that was committed at this time or before, in milliseconds since 1970.
    TimeMs(u64),
    /// As far as the archive reaches.
    Newest,
}

/// What to restore; what is left empty is the server's only target, the newest backup that fits, the same name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restore {
    /// The target's name.
    pub target: String,
    /// The backup.
    pub backup: String,
    /// The collection, as the backup calls it.
    pub collection: String,
    /// The new collection's name, which must be free.
    pub into: String,
    /// The moment.
    pub until: Until,
}

/// What was restored.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    /// The backup that was taken.
    pub backup: String,
    /// The new collection.
    pub collection: String,
    /// The last operation that is part of it.
    pub seq: u64,
    /// Its points.
    pub points: u64,
}

/// How far a backup or a restore is.
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

/// A backup or a restore on its way; it is called off when this is dropped.
#[derive(Debug)]
pub struct Transfer<T> {
    stream: Streaming<v1::TransferProgress>,
    endpoint: String,
    done: fn(v1::TransferProgress) -> Option<T>,
}

impl<T> Transfer<T> {
    /// Waits until it is done; `see` hears how far it is.
    pub async fn done(mut self, mut see: impl FnMut(&Progress)) -> Result<T> {
        loop {
            let word = self.stream.message().await.map_err(|status| Error::from_status(&self.endpoint, &status))?;
            let word = word.ok_or_else(|| Error::reply("no outcome"))?;
            see(&Progress {
                collection: word.collection.clone(),
                files: (word.files, word.files_total),
                bytes: (word.bytes, word.bytes_total),
                bytes_reused: word.bytes_reused,
            });
            if word.backup.is_some() || word.restored.is_some() {
                return (self.done)(word).ok_or_else(|| Error::reply("another outcome"));
            }
        }
    }
}

impl Client {
    /// Begins a backup of these collections, of all that are open where none is named.
    pub async fn backup<S: Into<String>>(
        &self,
        target: &str,
        collections: impl IntoIterator<Item = S>,
    ) -> Result<Transfer<Backup>> {
        let collections = collections.into_iter().map(Into::into).collect();
        let request = v1::BackupRequest { target: target.to_owned(), collections };
        let endpoint = self.shared.endpoint.clone();
        let reply = self.versions().backup(request).await.map_err(|status| Error::from_status(&endpoint, &status))?;
        Ok(Transfer { stream: reply.into_inner(), endpoint, done: |word| word.backup.map(backup_in) })
    }

    /// Begins a restore.
    pub async fn restore(&self, restore: Restore) -> Result<Transfer<Restored>> {
        let Restore { target, backup, collection, into, until } = restore;
        let until = match until {
            Until::Backup => None,
            Until::Seq(seq) => Some(restore_request::Until::Seq(seq)),
            Until::TimeMs(time_ms) => Some(restore_request::Until::TimeMs(time_ms)),
            Until::Newest => Some(restore_request::Until::Newest(true)),
        };
        let request = v1::RestoreRequest { target, backup, collection, into, until };
        let endpoint = self.shared.endpoint.clone();
        let reply = self.versions().restore(request).await.map_err(|status| Error::from_status(&endpoint, &status))?;
        Ok(Transfer { stream: reply.into_inner(), endpoint, done: |word| word.restored.map(restored_in) })
    }

    /// Every backup of a target, the oldest first.
    pub async fn backups(&self, target: &str) -> Result<Vec<Backup>> {
        let request = v1::BackupsRequest { target: target.to_owned() };
        let reply = self.call(Repeat::Harmless, request, |request| {
            let mut versions = self.versions();
            async move { versions.backups(request).await }
        });
        Ok(reply.await?.backups.into_iter().map(backup_in).collect())
    }

    /// Drops a backup and the files that no other one holds: the bytes that came free.
    pub async fn drop_backup(&self, target: &str, backup: &str) -> Result<u64> {
        let request = v1::DropBackupRequest { target: target.to_owned(), backup: backup.to_owned() };
        let reply = self.call(Repeat::Matters, request, |request| {
            let mut versions = self.versions();
            async move { versions.drop_backup(request).await }
        });
        Ok(reply.await?.bytes_freed)
    }
}

fn backup_in(backup: v1::BackupSummary) -> Backup {
    let collection = |one: v1::BackedUpCollection| {
        let v1::BackedUpCollection { name, seq, seq_time_ms, points, bytes } = one;
        BackedUp { name, seq, seq_time_ms, points, bytes }
    };
    let collections = backup.collections.into_iter().map(collection).collect();
    let left_out = backup.left_out.into_iter().map(|one| (one.name, one.reason)).collect();
    Backup { id: backup.id, time_ms: backup.time_ms, collections, broken: backup.broken, left_out }
}

fn restored_in(done: v1::RestoreSummary) -> Restored {
    let v1::RestoreSummary { backup, collection, seq, points } = done;
    Restored { backup, collection, seq, points }
}
