//! A snapshot is there whole or not at all, whichever call of the disk is the last one; and no name leads elsewhere.

use super::*;
use crate::disk::cruel::{CruelDisk, Fault};

const TIME_MS: u64 = 1_795_286_112_345;

fn open(disk: &CruelDisk) -> Shelf {
    Shelf::open(Arc::new(disk.clone()), Path::new("data/snapshots")).unwrap()
}

fn lay(shelf: &Shelf, collection: &str, bytes: &[u8]) -> Result<Shelved> {
    lay_at(shelf, collection, TIME_MS, bytes)
}

fn lay_at(shelf: &Shelf, collection: &str, time_ms: u64, bytes: &[u8]) -> Result<Shelved> {
    let name = new_name(collection, time_ms);
    shelf.lay(collection, &name, |path, out| out.write_all(bytes).map_err(doing("write", path)))
}

fn names(shelf: &Shelf, collection: &str) -> Vec<String> {
    shelf.list(collection).unwrap().into_iter().map(|one| one.name).collect()
}

#[test]
fn snapshots_are_laid_down_listed_read_and_removed() {
    let disk = CruelDisk::new();
    let shelf = open(&disk);
    assert_eq!((shelf.list("c").unwrap(), shelf.remove("c", "x").unwrap()), (Vec::new(), false));
    let laid = lay(&shelf, "c", b"abc").unwrap();
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!((laid.bytes, laid.time_ms, laid.sha256.as_deref()), (3, TIME_MS, Some(sum)));
    assert_eq!(shelf.list("c").unwrap(), std::slice::from_ref(&laid));
    let (path, bytes) = shelf.find("c", &laid.name).unwrap();
    let mut text = String::new();
    shelf.read(&path).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), bytes), ("abc", 3));
    assert_eq!(shelf.sha256(&path, &mut || Ok(())).unwrap(), sum);
    // Collections do not see each other's, also where their names differ in capitals alone.
    assert!(names(&shelf, "C").is_empty() && shelf.find("C", &laid.name).is_err());
    assert!(shelf.remove("c", &laid.name).unwrap() && names(&shelf, "c").is_empty());
    assert!(disk.list(path.parent().unwrap()).unwrap().is_empty());
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let good = new_name("a-b", TIME_MS);
    assert_eq!(read_name(&good), Some(("a-b", TIME_MS)));
    let shelf = open(&CruelDisk::new());
    for name in [
        "",
        ".snapshot",
        "../c-1795286112345-00000000.snapshot",
        "c/../../x-1795286112345-00000000.snapshot",
        "c-1795286112345-0000000g.snapshot",
        "c-1795286112345-00000000.snapshot.part",
        "c-179528611234-00000000.snapshot",
        "c-1795286112345-00000000",
        "c-+795286112345-00000000.snapshot",
        "-1795286112345-00000000.snapshot",
    ] {
        assert_eq!(read_name(name), None, "{name}");
        assert!(matches!(shelf.find("c", name), Err(Error::Missing { .. })), "{name}");
        assert!(!shelf.remove("c", name).unwrap(), "{name}");
    }
    assert!(shelf.list("../c").is_err() && shelf.find("..", &new_name("..", TIME_MS)).is_err());
}

#[test]
fn a_snapshot_is_whole_or_not_there() {
    let mut failed = 0;
    for call in 0.. {
        let disk = CruelDisk::new();
        let shelf = open(&disk);
        let first = lay(&shelf, "c", &[1; 1000]).unwrap();
        disk.fail_at(call, Fault::Io);
        let second = lay_at(&shelf, "c", TIME_MS + 1, &[2; 1000]);
        disk.heal();
        failed += u64::from(second.is_err());
        for seed in 0..3 {
            let after = open(&disk.crash(seed));
            let found = after.list("c").unwrap();
            assert_eq!(found[0], first, "call {call}");
            match (&second, &found[1..]) {
                (Ok(second), [only]) => assert_eq!(only, second),
                (Err(_), []) => {}
                // It had its name, and nobody was told that it has.
                (Err(_), [only]) => assert_eq!(only.bytes, 1000),
                other => panic!("call {call}: {other:?}"),
            }
        }
        if second.is_ok() && call > 12 {
            break;
        }
    }
    assert!(failed > 5, "{failed}");
}

#[test]
fn what_a_process_left_behind_is_removed_and_what_others_put_there_stays() {
    let disk = CruelDisk::new();
    let shelf = open(&disk);
    let laid = lay(&shelf, "c", b"abc").unwrap();
    let folder = shelf.folder("c").unwrap();
    let other = new_name("c", TIME_MS);
    let put = |name: &str| disk.create(&folder.join(name)).unwrap().append(b"x").unwrap();
    put(&format!("{other}.part"));
    put(&format!("{other}.sha256"));
    put("notes.txt");
    let mut upload = shelf.arriving().unwrap();
    upload.write(b"ab").unwrap();
    assert_eq!(upload.bytes(), 2);
    let killed = disk.kill();
    let shelf = open(&killed);
    assert_eq!(names(&shelf, "c"), std::slice::from_ref(&laid.name));
    let left = killed.list(&folder).unwrap();
    assert_eq!(left, [laid.name.clone(), format!("{}.sha256", laid.name), "notes.txt".to_owned()]);
    assert_eq!(shelf.names(&shelf.root.join(ARRIVING)).unwrap(), [""; 0]);

    let mut upload = shelf.arriving().unwrap();
    upload.write(b"abc").unwrap();
    assert!(upload.sum().is_err(), "it is not all there");
    upload.finish().unwrap();
    assert_eq!(upload.sum().unwrap(), (3, laid.sha256.unwrap()));
    let path = upload.path().to_owned();
    drop(upload);
    assert!(killed.length(&path).is_err());
    // One that somebody brought is taken as it is.
    disk.create(&folder.join(&other)).unwrap().append(b"xyz").unwrap();
    let brought = open(&disk).list("c").unwrap().into_iter().find(|one| one.name == other).unwrap();
    assert_eq!((brought.bytes, brought.sha256), (3, None));
}
