//! Reading everything again, and erasing what was deleted, with a receipt.

use crate::engine::Engine;
use crate::engine::error::{Error, Result};
use crate::engine::pool::Deadline;
use nigh_storage::erase::Erased;
use nigh_storage::scrub::{ScrubCounts, Scrubbed, Scrubber};
use nigh_storage::write::{Durability, Selector, Write};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whoever asks for a scrub cannot have it slower: it would hold the place of all other upkeep for days.
const SCRUB_BYTES_PER_SECOND_MIN: u64 = 1 << 20;

impl Engine {
    /// The thread that reads everything again now and then, until it is dropped.
    pub fn scrubber(&self) -> nigh_storage::error::Result<Scrubber> {
        Scrubber::start(&self.store)
    }

    /// What reading everything again came to.
    pub fn scrubs(&self) -> ScrubCounts {
        self.store.scrubs().counts()
    }

    /// Reads every file of a collection, or of all, from the medium; damage is told by the file below the data directory.
    pub async fn scrub(
        self: Arc<Self>,
        only: Option<String>,
        bytes_per_second: Option<u64>,
        deadline: &Deadline,
    ) -> Result<Vec<Scrubbed>> {
        let only = match only {
            Some(name) => Some(self.collection(&name)?.name().to_owned()),
            None => self.permit_all().map(|()| None)?,
        };
        if let Some(rate) = bytes_per_second.filter(|rate| *rate < SCRUB_BYTES_PER_SECOND_MIN) {
            let limit = format!("it is at least {SCRUB_BYTES_PER_SECOND_MIN}, or 0: as fast as it goes");
            return Err(Error::invalid("bytes_per_second", rate, limit));
        }
        let (engine, until) = (self.clone(), deadline.clone());
        let work = move || {
            let mut all = engine.store.scrub(only.as_deref(), bytes_per_second, &|| until.check().is_err())?;
            until.check()?;
            for one in &mut all {
                one.mended.iter_mut().for_each(|why| *why = engine.without_root(why));
                one.damage = one.damage.take().map(|why| engine.without_root(&why));
            }
            Ok(all)
        };
        self.chores.run(deadline, work).await
    }

    /// Deletes points, where some are given, and removes all that was deleted until then from the disk: the receipt.
    pub async fn erase(self: Arc<Self>, name: String, points: Option<Selector>, deadline: &Deadline) -> Result<Value> {
        let collection = self.collection(&name)?;
        let work = move || {
            let name = collection.name();
            let asked = points.as_ref().map(selected);
            let deleted = match points {
                Some(points) => Some(collection.write(vec![Write::Delete(points)], Durability::Durable)?.affected),
                None => None,
            };
            let erased = collection.erase()?;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            if !erased.removed.is_empty() {
                tracing::info!(collection = name, files = erased.removed.len(), rows = erased.rows, "erased");
            }
            Ok(receipt(name, asked, deleted, &erased, now))
        };
        self.chores.run(deadline, work).await
    }
}

/// What was asked to be deleted; ids are counted, for a receipt that repeats them would keep them.
fn selected(points: &Selector) -> Value {
    match points {
        Selector::Ids(ids) => json!({"ids": ids.len()}),
        Selector::Filter(filter) => json!({"filter": filter.to_string()}),
    }
}

/// A receipt, with the checksum of all the rest of it at its end.
fn receipt(collection: &str, asked: Option<Value>, deleted: Option<u64>, erased: &Erased, unix_s: u64) -> Value {
    let files: Vec<Value> = erased
        .removed
        .iter()
        .map(|file| json!({"file": file.path, "bytes": file.bytes, "xxh3": format!("{:016x}", file.checksum)}))
        .collect();
    let mut receipt = json!({
        "receipt": "nigh erasure 1",
        "collection": collection,
        "seq": erased.seq,
        "unix_seconds": unix_s,
        "asked": asked,
        "points_deleted": deleted,
        "rows_erased": erased.rows,
        "segments_rewritten": erased.segments,
        "files_removed": files,
        "files_left": erased.left,
        "versions_that_hold": erased.held_by,
        "not_covered": "backups and archives made before, and blocks that the device keeps of removed files",
    });
    receipt["sha256"] = sha256(receipt.to_string().as_bytes()).into();
    receipt
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a receipt is whole: its checksum is that of the rest of it.
///
/// # Errors
///
/// [`Error::Invalid`] where it is not.
pub fn check_receipt(text: &str) -> Result<()> {
    let wrong =
        |value: String| Error::invalid("receipt", value, "it is a JSON object with the SHA-256 of the rest of it");
    let mut receipt: Value = serde_json::from_str(text).map_err(|err| wrong(err.to_string()))?;
    let told = receipt.as_object_mut().and_then(|object| object.shift_remove("sha256"));
    let got = sha256(receipt.to_string().as_bytes());
    match told.as_ref().and_then(Value::as_str) {
        Some(told) if told == got => Ok(()),
        other => Err(wrong(format!("of checksum {got}, and says {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_that_was_changed_is_told() {
        let erased = Erased { seq: 7, rows: 3, segments: vec![1], ..Erased::default() };
        let receipt = receipt("c", Some(json!({"ids": 3})), Some(3), &erased, 1_700_000_000).to_string();
        check_receipt(&receipt).unwrap();
        for (from, to) in [("\"seq\":7", "\"seq\":8"), ("\"rows_erased\":3", "\"rows_erased\":4"), ("sha256", "sha257")]
        {
            assert!(receipt.contains(from), "{receipt}");
            assert!(check_receipt(&receipt.replace(from, to)).is_err(), "{from}");
        }
        assert!(check_receipt("{}").is_err() && check_receipt("[").is_err());
    }
}
