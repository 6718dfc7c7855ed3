//! What was packed comes out again, and what is bent is refused: by whoever reads it, or by the restore.

use super::*;
use crate::disk::cruel::CruelDisk;
use crate::point::Point;
use crate::schema::CollectionSpec;
use crate::store::restore::{Pieces, Restored};
use crate::store::{Options, Store};
use crate::write::{Durability, Selector, Write as Op};
use bytes::Bytes;
use proptest::prelude::*;
use std::io::Cursor;
use std::sync::{Arc, LazyLock};

const TIME_MS: u64 = 1_795_286_112_345;

fn open(disk: Arc<CruelDisk>) -> Arc<Store> {
    let options = Options { background: false, build_threads: 1, ballast_bytes: 0, ..Options::default() };
    Store::open(disk, Path::new("data"), options).unwrap()
}

/// A collection of two segments, of which the first has dead rows: thirty points.
fn packed() -> &'static [u8] {
    static PACKED: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let disk = Arc::new(CruelDisk::new());
        let store = open(disk.clone());
        store.create("c", CollectionSpec::default()).unwrap();
        let collection = store.collection("c").unwrap();
        let point = |id: u64| Point { payload: Bytes::from(format!("{{\"n\":{id}}}")), ..Point::new(id) };
        let write = |ops| collection.write(ops, Durability::Durable).unwrap();
        write((0..20).map(point).map(Op::Upsert).collect());
        collection.seal().unwrap();
        write(vec![Op::Delete(Selector::Ids(vec![3_u64.into(), 4_u64.into()]))]);
        write((20..32).map(point).map(Op::Upsert).collect());
        let hold = collection.hold().unwrap();
        let mut wanted = || Ok(());
        let packing = Packing::of(&hold, &*disk, "c", ("id", TIME_MS), "a note".to_owned(), &mut wanted).unwrap();
        let mut out = Vec::new();
        packing.write(&*disk, Path::new("c.snapshot"), &mut out, &mut wanted).unwrap();
        assert_eq!(out.len() as u64, packing.bytes());
        out
    });
    &PACKED
}

fn unpacked(store: &Store, bytes: &[u8]) -> Result<Restored> {
    let unpacking = Unpacking::begin(Path::new("c.snapshot"), Cursor::new(bytes), bytes.len() as u64)?;
    let (from, note, mut files) = unpacking.parts();
    let mut fetch = |stored: &Stored, incoming: &mut Incoming<'_>| files.fetch(stored, incoming, &mut || Ok(()));
    store.restore_over("c", &from, note, &mut Pieces { fetch: &mut fetch, next_log: &mut || Ok(None) })
}

#[test]
fn what_was_packed_comes_out_again() {
    let store = open(Arc::new(CruelDisk::new()));
    assert_eq!(unpacked(&store, packed()).unwrap().points, 30);
    let snapshot = store.collection("c").unwrap().snapshot();
    let ids = |id: u64| snapshot.parts.iter().any(|view| view.find_alive(&id.into()).is_some());
    assert_eq!((0..40).filter(|id| ids(*id)).count(), 30);
    assert!(!ids(3) && ids(31));
    assert_eq!(store.note("c").as_deref(), Some("a note"));
}

#[test]
fn other_programs_read_its_headers() {
    let block = header("segments/0000000007/ids", 0o1234);
    assert_eq!(&block[..23], b"segments/0000000007/ids");
    assert_eq!((&block[124..136], &block[257..265], block[156]), (&b"00000001234\0"[..], &b"ustar\x0000"[..], b'0'));
    let mut sum = block;
    sum[148..156].fill(b' ');
    let sum: u32 = sum.iter().map(|byte| u32::from(*byte)).sum();
    assert_eq!(octal(&block[148..154]), Some(sum.into()));
    let large = header("x", OCTAL_SIZE_MAX + 1);
    assert_eq!(&large[124..136], [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
}

#[test]
fn an_archive_that_is_cut_or_longer_is_refused() {
    let (whole, store) = (packed(), open(Arc::new(CruelDisk::new())));
    for length in (0..whole.len()).step_by(97) {
        assert!(unpacked(&store, &whole[..length]).is_err(), "{length}");
    }
    assert!(unpacked(&store, &[whole, &[0; 512]].concat()).is_err());
    // What was told of its length is not believed either.
    let told = Unpacking::begin(Path::new("c"), Cursor::new(&whole[..whole.len() - 600]), whole.len() as u64);
    assert!(told.is_ok(), "the files come later");
    assert!(store.collection("c").is_err(), "nothing came of it");
}

/// An archive by another program, an entry of another kind, a path that leads out.
#[test]
fn no_other_entry_is_taken() {
    let (whole, store) = (packed(), open(Arc::new(CruelDisk::new())));
    let at = |name: &str| whole.windows(name.len()).position(|found| found == name.as_bytes()).unwrap();
    let with = |place: usize, bytes: &[u8]| {
        let mut bent = whole.to_vec();
        bent[place..place + bytes.len()].copy_from_slice(bytes);
        bent
    };
    // The names stand in the description as well, but not with their folder.
    let file = at("segments/0000000001/");
    for (what, bent) in [
        ("a symbolic link", with(file + 156, b"2")),
        ("a folder", with(file + 156, b"5")),
        ("an extension", with(file + 156, b"x")),
        ("a path upwards", with(file, b"../../../../../../x\0")),
        ("an absolute path", with(file, b"/etc/passwd\0")),
        ("a link's target", with(file + 157, b"/etc/passwd")),
        ("another size", with(file + 124, b"77777777777")),
        ("another first entry", with(0, b"backup\0\0")),
        ("a huge description", header("snapshot", OCTAL_SIZE_MAX).to_vec()),
        ("nothing", Vec::new()),
        ("zeros", vec![0; 10_240]),
    ] {
        let told = unpacked(&store, &bent);
        assert!(matches!(told, Err(Error::Corrupt { .. })), "{what}: {told:?}");
    }
}

#[test]
fn work_that_is_called_off_ends() {
    let store = open(Arc::new(CruelDisk::new()));
    let (from, note, mut files) =
        Unpacking::begin(Path::new("c"), Cursor::new(packed()), packed().len() as u64).unwrap().parts();
    let mut left = 2;
    let mut wanted = || match left {
        0 => Err(Error::Closed { name: "c".to_owned() }),
        _ => {
            left -= 1;
            Ok(())
        }
    };
    let mut fetch = |stored: &Stored, incoming: &mut Incoming<'_>| files.fetch(stored, incoming, &mut wanted);
    let told = store.restore_over("c", &from, note, &mut Pieces { fetch: &mut fetch, next_log: &mut || Ok(None) });
    assert!(matches!(told, Err(Error::Closed { .. })), "{told:?}");
    assert!(store.list().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Wherever it is bent: it is refused, and the collection that is there stays; or what was bent says nothing.
    #[test]
    fn a_bent_archive_is_refused_or_the_same(edits in prop::collection::vec((0.0..1.0_f64, any::<u8>(), 0..3_u8), 1..4)) {
        let whole = packed();
        let mut bent = whole.to_vec();
        for (place, value, deed) in edits {
            // Half of the places lie in the first blocks, where nearly everything is decided.
            let at = (place * place * bent.len() as f64) as usize;
            match deed {
                0 => bent[at] = value,
                1 => bent.insert(at, value),
                _ => drop(bent.remove(at)),
            }
        }
        let store = open(Arc::new(CruelDisk::new()));
        store.create("c", CollectionSpec::default()).unwrap();
        match unpacked(&store, &bent) {
            Ok(restored) => {
                let blocks_of_zeros = whole.len() - END;
                prop_assert!(bent[..blocks_of_zeros] == whole[..blocks_of_zeros] || restored.points == 30);
                prop_assert_eq!(store.collection("c").unwrap().snapshot().points(), 30);
            }
            Err(_) => prop_assert_eq!(store.collection("c").unwrap().snapshot().points(), 0),
        }
    }
}
