//! The archiver: what the log has on disk goes to a target, piece by piece, before the log may be cut.
//!
//! ```text
//! every so often, for every collection: pieces behind the last one that is there -> archive/<collection>/<first>-<last>.log
//! ```
//!
//! A piece is created if it is absent, and holds operations that are known to be on disk, so that whoever
//! tries again tries the same. What fails is tried again at the next turn; the log waits for it, up to a
//! bound of the storage.

use crate::engine::Engine;
use crate::engine::error::{Error, Result};
use crate::engine::restore::piece_end;
use crate::engine::retention::Pruned;
use crate::engine::target::Target;
use nigh_storage::collection::Collection;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A piece has about this many bytes at most.
const PIECE_BYTES: usize = 8 << 20;
/// How often pieces are looked for that no restore can need.
const PRUNED_EVERY: Duration = Duration::from_secs(3600);

/// What the archiver knows.
#[derive(Default)]
pub(crate) struct Archiver {
    /// The last operation that is in the archive of a collection.
    reached: Mutex<HashMap<Uuid, u64>>,
    /// Why its last turn failed, where it did.
    failed: Mutex<Option<String>>,
}

impl Engine {
    /// Archives the logs of all collections every so often; does not return. Pieces that no restore can need are
    /// removed when they are so old; never where that is left out.
    pub async fn keep_archive(self: Arc<Self>, target: Arc<Target>, every: Duration, kept_for: Option<Duration>) {
        let mut turns = tokio::time::interval(every);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut pruned: Option<Instant> = None;
        loop {
            turns.tick().await;
            let failed = self.archive_all(&target).await.err().map(|err| err.to_string());
            if let Some(kept_for) = kept_for.filter(|_| pruned.is_none_or(|last| last.elapsed() >= PRUNED_EVERY)) {
                pruned = Some(Instant::now());
                match target.prune_archive(kept_for).await {
                    Ok(Pruned { pieces: 0, .. }) => {}
                    Ok(Pruned { pieces, bytes }) => tracing::info!(pieces, bytes, "removed what no restore can need"),
                    Err(err) => tracing::warn!(%err, "the archive could not be pruned; it is tried again in an hour"),
                }
            }
            if let Some(why) = &failed {
                tracing::error!(why, "the log could not be archived; it is tried again");
            }
            *self.archiver.failed.lock() = failed;
        }
    }

    /// One turn; one collection that fails does not stand in the way of the others.
    pub async fn archive_all(&self, target: &Target) -> Result<()> {
        let mut failed = None;
        for (name, _) in self.store.list() {
            if let Ok(collection) = self.store.collection(&name)
                && let Err(err) = self.archive_one(target, &collection).await
            {
                failed = Some(err);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn archive_one(&self, target: &Target, collection: &Arc<Collection>) -> Result<()> {
        let id = collection.id();
        let folder = format!("archive/{id}");
        let known = self.archiver.reached.lock().get(&id).copied();
        let mut reached = match known {
            Some(reached) => reached,
            None => {
                let pieces = target.list(&folder).await?;
                let reached = pieces.iter().filter_map(|one| piece_end(&one.name)).max().unwrap_or(0);
                let durable = collection.status().durable_seq;
                if reached > durable {
                    // An older copy of the data: its new operations are not those of the archive.
                    let limit = format!("the collection ends at {durable}; restore it, or give it another archive");
                    return Err(Error::invalid(format!("archive of `{}`", collection.name()), reached, limit));
                }
                reached
            }
        };
        loop {
            let (from, told) = (collection.clone(), collection.archive());
            let piece = tokio::task::spawn_blocking(move || from.unarchived(reached, PIECE_BYTES)).await;
            let Some(piece) = piece.map_err(|_| Error::Internal("reading the log failed"))?? else {
                // What the log has not, it never had: a collection that was restored begins behind its backup.
                reached = reached.max(told.seq + told.lag);
                break;
            };
            let key = format!("{folder}/{:020}-{:020}.log", piece.first_seq, piece.last_seq);
            // One that is there holds the same operations.
            target.create(&key, piece.bytes).await?;
            reached = piece.last_seq;
            self.reached(collection, id, reached).await?;
        }
        if known != Some(reached) {
            self.reached(collection, id, reached).await?;
        }
        Ok(())
    }

    async fn reached(&self, collection: &Arc<Collection>, id: Uuid, seq: u64) -> Result<()> {
        self.archiver.reached.lock().insert(id, seq);
        let of = collection.clone();
        // The log may be cut now, which touches the disk.
        let told = tokio::task::spawn_blocking(move || of.archived(seq)).await;
        told.map_err(|_| Error::Internal("cutting the log failed"))
    }

    /// Why the last turn of the archiver failed, where it did.
    pub fn archive_failed(&self) -> Option<String> {
        self.archiver.failed.lock().clone()
    }
}
