//! The one mutable truth of a collection: what it is, which segments it has, where its log begins.
//!
//! `MANIFEST` is a frame around the text of a JSON object. Keys that are not known are passed over,
//! so that a version may add some; one that changes the meaning of a key raises the frame's version.

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::frame::{self, FrameInfo, HEADER_BYTES, Kind};
use crate::ledger::SourcePosition;
use crate::schema::CollectionSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;
use uuid::Uuid;

/// Its file, in the folder of the collection.
pub const FILE_NAME: &str = "MANIFEST";

/// What a collection consists of. A file that is not named here is rubbish.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Which collection it is.
    #[serde(with = "uuid_text")]
    pub collection: Uuid,
    /// What the collection holds.
    pub spec: CollectionSpec,
    /// Operations below this one are in the segments, the others in the log.
    pub replay_from: u64,
    /// When the last operation before that one was committed, in Unix milliseconds.
    #[serde(default)]
    pub time_ms: u64,
    /// The number of the next segment. A number is never used twice.
    pub next_segment: u64,
    /// The segments, oldest first.
    pub segments: Vec<SegmentEntry>,
    /// How far each source has come with the operations below `replay_from`.
    #[serde(default)]
    pub positions: Vec<SourcePosition>,
    /// What became of the last of those batches that had an id, oldest page first.
    #[serde(default)]
    pub outcomes: Vec<OutcomesEntry>,
}

/// A page of outcomes, in the folder of the collection (see [`crate::ledger`]).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OutcomesEntry {
    /// How many it holds.
    pub count: u64,
    /// Its file.
    pub file: FileEntry,
}

/// A segment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// Its number.
    pub number: u64,
    /// Its rows, the dead ones included.
    pub rows: u32,
    /// Its files.
    pub files: Vec<FileEntry>,
    /// The file of its dead rows, once there are some.
    #[serde(default)]
    pub dead: Option<FileEntry>,
}

/// A file of a segment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name in the segment's folder.
    pub name: String,
    /// Its length, header included.
    pub bytes: u64,
    /// The checksum of its body.
    pub checksum: u64,
}

impl SegmentEntry {
    /// Bytes of its files, that of the dead rows left out.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

impl FileEntry {
    fn stays_in_folder(&self) -> bool {
        !(self.name.is_empty() || self.name.starts_with('.') || self.name.contains(['/', '\\', '\0']))
    }

    /// What its frame has to say.
    pub fn info(&self) -> FrameInfo {
        FrameInfo { bytes: self.bytes, checksum: self.checksum }
    }
}

impl Manifest {
    /// Reads the manifest of this folder; a crash does not bring an older one back.
    pub fn load(disk: &dyn Disk, dir: &Path) -> Result<Self> {
        let path = dir.join(FILE_NAME);
        let body = frame::read_replaced(disk, &path, Kind::Manifest)?;
        let corrupt = |why: String| Error::corrupt(&path, HEADER_BYTES, why);
        let manifest: Self = serde_json::from_slice(&body).map_err(|err| corrupt(err.to_string()))?;
        manifest.check().map_err(corrupt)?;
        Ok(manifest)
    }

    /// Replaces the manifest of this folder, durably: a crash finds the old one or this one.
    pub fn save(&self, disk: &dyn Disk, dir: &Path) -> Result<()> {
        self.write_beside(disk, dir)?;
        Self::put_in_place(disk, dir)
    }

    /// The first half of a save: where it fails, nothing has changed.
    pub(crate) fn write_beside(&self, disk: &dyn Disk, dir: &Path) -> Result<()> {
        let path = dir.join(FILE_NAME);
        let body = serde_json::to_vec(self).map_err(|err| Error::corrupt(&path, HEADER_BYTES, err.to_string()))?;
        frame::write_beside(disk, &path, Kind::Manifest, &body)
    }

    /// The second half: where it fails, nobody knows which manifest a crash would find.
    pub(crate) fn put_in_place(disk: &dyn Disk, dir: &Path) -> Result<()> {
        frame::put_in_place(disk, &dir.join(FILE_NAME))
    }

    /// What a reader may rely on: numbers are unique and used up, names stay in their folder.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        let mut numbers = BTreeSet::new();
        for segment in &self.segments {
            if segment.number >= self.next_segment || !numbers.insert(segment.number) {
                return Err(format!("segment {} is named twice or not yet", segment.number));
            }
            for file in segment.files.iter().chain(&segment.dead) {
                if !file.stays_in_folder() {
                    return Err(format!("segment {} names a file {:?}", segment.number, file.name));
                }
            }
        }
        if let Some(page) = self.outcomes.iter().find(|page| !page.file.stays_in_folder()) {
            return Err(format!("outcomes are in a file {:?}", page.file.name));
        }
        if self.replay_from == 0 {
            return Err("the log begins at operation 0, but operations begin at 1".to_owned());
        }
        Ok(())
    }
}

mod uuid_text {
    use serde::{Deserialize, Deserializer, Serializer};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(uuid: &Uuid, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(uuid)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Uuid, D::Error> {
        let text = String::deserialize(from)?;
        Uuid::try_parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::cruel::{CruelDisk, Fault, Lie, every_power_cut};
    use std::path::PathBuf;
    use std::sync::Arc;

    fn sample(segments: u64) -> Manifest {
        let file = |name: &str| FileEntry { name: name.to_owned(), bytes: 1234, checksum: u64::MAX - 1 };
        let entry = |number| SegmentEntry {
            number,
            rows: 20_000,
            files: vec![file("ids"), file("payload")],
            dead: (number % 2 == 0).then(|| file("dead.17")),
        };
        Manifest {
            collection: Uuid::from_u128(0x1234_5678),
            spec: CollectionSpec::default(),
            replay_from: segments * 100 + 1,
            time_ms: 1_700_000_000_000,
            next_segment: segments + 1,
            segments: (1..=segments).map(entry).collect(),
            positions: vec![SourcePosition { source: "s".into(), partition: "p".into(), offset: segments, seq: 9 }],
            outcomes: vec![OutcomesEntry { count: segments, file: file("ops.17") }],
        }
    }

    fn save_body(disk: &CruelDisk, body: &[u8]) {
        frame::replace(disk, &PathBuf::from(FILE_NAME), Kind::Manifest, body).unwrap();
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let disk = CruelDisk::new();
        for segments in [0, 1, 5] {
            sample(segments).save(&disk, Path::new("")).unwrap();
            assert_eq!(Manifest::load(&disk, Path::new("")).unwrap(), sample(segments));
        }
    }

    #[test]
    fn keys_of_a_later_version_are_passed_over() {
        let disk = CruelDisk::new();
        let mut value = serde_json::to_value(sample(2)).unwrap();
        value["mood"] = "sunny".into();
        value["segments"][0]["colour"] = 3.into();
        save_body(&disk, value.to_string().as_bytes());
        assert_eq!(Manifest::load(&disk, Path::new("")).unwrap(), sample(2));
    }

    #[test]
    fn names_and_numbers_are_checked() {
        let disk = CruelDisk::new();
        for name in ["", "../../x", "a/b", ".."] {
            let mut bad = sample(2);
            bad.segments[0].files[0].name = name.to_owned();
            save_body(&disk, &serde_json::to_vec(&bad).unwrap());
            assert!(Manifest::load(&disk, Path::new("")).is_err(), "{name:?}");
        }
        let twice = Manifest { segments: vec![sample(2).segments[0].clone(); 2], ..sample(2) };
        save_body(&disk, &serde_json::to_vec(&twice).unwrap());
        assert!(Manifest::load(&disk, Path::new("")).is_err());
    }

    /// Saves three manifests; whoever finds the disk finds the last one that was saved, or the one
    /// that was being saved.
    fn cut_while_saving(lie: Option<Lie>) -> std::result::Result<u64, String> {
        let disk = || {
            let disk = CruelDisk::new();
            disk.create_dir(Path::new("c")).unwrap();
            disk.sync_dir(Path::new("")).unwrap();
            lie.into_iter().for_each(|lie| disk.lie(lie));
            disk
        };
        let script = |disk: &Arc<CruelDisk>, saved: &mut u64| {
            for segments in 1..=3 {
                if sample(segments).save(&**disk, Path::new("c")).is_err() {
                    return;
                }
                *saved = segments;
            }
        };
        every_power_cut(0..40, disk, script, |found, saved| {
            let loaded = match Manifest::load(&**found, Path::new("c")) {
                Ok(loaded) => loaded,
                Err(Error::Io { .. }) if *saved == 0 => return Ok(()),
                Err(err) => return Err(err.to_string()),
            };
            match (*saved..=*saved + 1).any(|segments| loaded == sample(segments)) {
                true => Ok(()),
                false => Err(format!("{saved} were saved, {} found", loaded.segments.len())),
            }
        })
    }

    #[test]
    fn a_power_cut_finds_the_old_manifest_or_the_new_one() {
        let cuts = cut_while_saving(None).unwrap();
        assert!(cuts > 500, "{cuts} cuts");
    }

    /// Saves fail at each call in turn; what is loaded then, without a restart of the machine, may be
    /// acted upon, so that it must still be there after a power cut.
    #[test]
    fn what_was_loaded_is_found_again() {
        let folder = Path::new("");
        for call in 0..20 {
            let disk = CruelDisk::new();
            sample(1).save(&disk, folder).unwrap();
            disk.fail_at(call, Fault::Io);
            let _ = sample(2).save(&disk, folder);
            disk.heal();
            let loaded = Manifest::load(&disk, folder).unwrap();
            for seed in 0..20 {
                assert_eq!(Manifest::load(&disk.crash(seed), folder).unwrap(), loaded, "call {call}, seed {seed}");
            }
            sample(3).save(&disk, folder).unwrap();
        }
    }

    #[test]
    fn without_its_syncs_a_save_would_lose() {
        cut_while_saving(Some(Lie::Sync)).unwrap_err();
        cut_while_saving(Some(Lie::SyncDir)).unwrap_err();
    }
}
