//! What of an archive no restore can need, and when it goes.
//!
//! A restore begins with a backup and replays what is archived behind it. So a piece that ends at or before the oldest
//! backup that holds its collection is of no use to anybody, and neither is one of a collection that no backup holds.
//! Such pieces are kept for a while all the same, for whoever drops a backup by mistake, or is about to make the first
//! one. The last piece of an archive always stays: it says how far the archive is.

use crate::engine::backup::MARK_HOLDS;
use crate::engine::error::Result;
use crate::engine::restore::piece_end;
use crate::engine::target::Target;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// What was removed of archives.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Pruned {
    /// Pieces.
    pub pieces: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Target {
    /// Removes pieces that no restore can need and that were archived so long ago. Nothing where a backup is being made
    /// or cannot be read: nobody knows then what is needed.
    pub async fn prune_archive(&self, kept_for: Duration) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        if self.list("active").await?.iter().any(|mark| mark.age < MARK_HOLDS) {
            return Ok(pruned);
        }
        // The oldest operation that a backup of a collection ends with.
        let mut oldest: HashMap<String, u64> = HashMap::new();
        for backup in self.list("backups").await? {
            let Ok(backup) = self.backup(&backup.name).await else {
                tracing::warn!(backup = backup.name, "a backup cannot be read: no piece of the archive is removed");
                return Ok(pruned);
            };
            for one in backup.collections {
                let of = oldest.entry(one.version.manifest.collection.to_string()).or_insert(u64::MAX);
                *of = (*of).min(one.version.seq());
            }
        }
        let mut archives: BTreeMap<String, Vec<(u64, String, u64, Duration)>> = BTreeMap::new();
        for piece in self.list("archive").await? {
            let (Some((collection, name)), age) = (piece.name.split_once('/'), piece.age) else { continue };
            let Some(end) = piece_end(name) else { continue };
            archives.entry(collection.to_owned()).or_default().push((end, piece.name.clone(), piece.bytes, age));
        }
        for (collection, mut pieces) in archives {
            pieces.sort_unstable();
            pieces.pop();
            let needed_behind = oldest.get(&collection).copied().unwrap_or(u64::MAX);
            for (end, name, bytes, age) in pieces {
                if end <= needed_behind && age >= kept_for {
                    self.remove(&format!("archive/{name}")).await?;
                    pruned = Pruned { pieces: pruned.pieces + 1, bytes: pruned.bytes + bytes };
                }
            }
        }
        Ok(pruned)
    }
}
