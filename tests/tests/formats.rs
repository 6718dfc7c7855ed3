//! A directory of every format that was ever written is kept, opened, and asked: whoever reads an old one otherwise,
//! or writes a new one that nobody kept, is told here.
//!
//! After a change of a layout: raise the version of its kind in `storage/src/frame.rs` (`VERSIONS`), and, once there are
//! released formats, `FORMAT` in `storage/src/identity.rs`; then
//!
//! ```text
//! NIGH_WRITE_FIXTURE=1 cargo test -p nigh-tests --test formats
//! ```
//!
//! writes `tests/fixtures/format-N` anew, with what it answers.

use nigh_storage::disk::FsDisk;
use nigh_storage::frame::{self, Kind, Versions};
use nigh_storage::identity;
use nigh_storage::store::Store;
use nigh_storage::verify::verify;
use nigh_tests::large::{self, LARGE};
use nigh_tests::sample::{self, Answers, Ask, MANY, SIDE, copy_folder};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A stored directory is in every checkout: it stays small.
const BYTES_MAX: u64 = 1_200_000;
/// Points of each segment of the collection with something of everything.
const ROWS: u64 = 60;
const AGAIN: &str = "NIGH_WRITE_FIXTURE=1 cargo test -p nigh-tests --test formats";
/// Kinds that stand in no data directory.
const NOT_STORED: [Kind; 1] = [Kind::Backup];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The stored directories, by the format of each.
fn stored() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(fixtures())
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    all.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("format-")));
    all.sort();
    all
}

async fn ask(store: &Arc<Store>) -> BTreeMap<String, Answers> {
    let mut all = BTreeMap::new();
    for name in [MANY, SIDE] {
        all.insert(name.to_owned(), sample::answers(store, name, Ask::WhatIsExact).await.unwrap());
    }
    all.insert(LARGE.to_owned(), large::answers(store).unwrap());
    all
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

async fn write_anew() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let store = Store::open(Arc::new(FsDisk), &data, sample::options()).unwrap();
    sample::lay_down(&store, ROWS);
    large::lay_down(&store);
    store.close();
    drop(store);
    // The lock file says on which machine this was.
    fs::remove_file(data.join("LOCK")).unwrap();
    let target = fixtures().join(format!("format-{}", identity::FORMAT));
    let _ = fs::remove_dir_all(&target);
    copy_folder(&data, &target.join("data"));
    let store = Store::open(Arc::new(FsDisk), &data, sample::options()).unwrap();
    let answers = serde_json::to_string(&ask(&store).await).unwrap();
    fs::write(target.join("answers.json"), answers + "\n").unwrap();
}

#[tokio::test]
async fn every_format_that_was_ever_written_is_read() {
    if std::env::var_os("NIGH_WRITE_FIXTURE").is_some() {
        write_anew().await;
    }
    let all = stored();
    assert!(!all.is_empty(), "there is no stored directory: {AGAIN}");
    for from in all {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        copy_folder(&from.join("data"), &data);
        let mut damaged = Vec::new();
        let report = verify(&FsDisk, &data, None, &mut |file| {
            if !matches!(file.found, nigh_storage::verify::Found::Whole { .. }) {
                damaged.push(file.clone());
            }
        });
        let name = from.display();
        let changed = format!("a layout has changed and its version has not, or an old one is no longer read: {AGAIN}");
        assert!(report.unwrap().damaged == 0, "{name}: {damaged:?}; {changed}");
        let store = Store::open(Arc::new(FsDisk), &data, sample::options()).unwrap();
        let expected: BTreeMap<String, Answers> =
            serde_json::from_slice(&fs::read(from.join("answers.json")).unwrap()).unwrap();
        let got = ask(&store).await;
        for (collection, answers) in &expected {
            for (question, answer) in answers {
                assert_eq!(got[collection].get(question), Some(answer), "{name}, {collection}, {question}: {changed}");
            }
            assert_eq!(got[collection].len(), answers.len(), "{name}, {collection}");
        }
        store.close();
    }
}

/// Kind and version of every stored file, by its header.
fn headers(folder: &Path) -> BTreeSet<(u16, u16)> {
    let header = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap();
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        (half(4), half(6))
    };
    files(&folder.join("data")).iter().map(header).collect()
}

#[test]
fn every_version_that_is_written_is_stored() {
    let stored: BTreeSet<(u16, u16)> = stored().iter().flat_map(|folder| headers(folder)).collect();
    for (kind, Versions { least, current }) in frame::VERSIONS {
        if NOT_STORED.contains(kind) {
            continue;
        }
        for version in *least..=*current {
            let there = stored.contains(&(*kind as u16, version));
            assert!(there, "{kind:?} is read in version {version}, and no stored directory has it: {AGAIN}");
        }
    }
}

#[test]
fn stored_directories_are_small_and_name_no_machine() {
    for folder in stored() {
        let all = files(&folder);
        let bytes: u64 = all.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        assert!(bytes <= BYTES_MAX, "{} has {bytes} bytes", folder.display());
        assert!(!all.iter().any(|path| path.ends_with("LOCK")), "the lock file says on which machine it was made");
    }
}
