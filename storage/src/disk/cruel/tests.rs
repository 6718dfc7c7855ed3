//! The cruel disk is as cruel as it says.

use super::*;

fn path(name: &str) -> &Path {
    Path::new(name)
}

#[test]
fn what_is_synced_is_found() {
    for seed in 0..200 {
        let disk = CruelDisk::new();
        disk.create_dir(path("/d")).unwrap();
        disk.sync_dir(path("/")).unwrap();
        let mut file = disk.create(path("/d/f")).unwrap();
        file.append(&[1; 2000]).unwrap();
        file.overwrite(10, &[2; 700]).unwrap();
        file.sync().unwrap();
        disk.sync_dir(path("/d")).unwrap();
        file.append(&[3; 2000]).unwrap();
        let found = disk.crash(seed).read(path("/d/f")).unwrap();
        assert_eq!(&found[..2000], &disk.read(path("/d/f")).unwrap()[..2000], "seed {seed}");
    }
}

#[test]
fn what_is_not_synced_is_found_in_every_state() {
    let disk = CruelDisk::new();
    let mut file = disk.create(path("f")).unwrap();
    disk.sync_dir(path("")).unwrap();
    file.append(&[1; 1024]).unwrap();
    let found: HashSet<Vec<u8>> = (0..300).map(|seed| disk.crash(seed).read(path("f")).unwrap()).collect();
    for state in [vec![], vec![1; 1024], vec![1; 512], [[0; 512], [1; 512]].concat(), vec![0; 0]] {
        assert!(found.contains(&state), "{} bytes", state.len());
    }
}

#[test]
fn names_are_lost_alone() {
    let disk = CruelDisk::new();
    disk.create(path("a")).unwrap();
    disk.sync_dir(path("")).unwrap();
    disk.create(path("b")).unwrap();
    disk.rename(path("b"), path("c")).unwrap();
    disk.remove(path("a")).unwrap();
    let found: HashSet<Vec<String>> = (0..300).map(|seed| disk.crash(seed).list(path("")).unwrap()).collect();
    for state in [&["a"][..], &["a", "b"], &["a", "c"], &["c"], &["b"], &[]] {
        assert!(found.contains(&state.iter().map(|name| name.to_string()).collect::<Vec<_>>()), "{state:?}");
    }
}

#[test]
fn a_failed_sync_loses_what_a_second_one_promises() {
    let disk = CruelDisk::new();
    let mut file = disk.create(path("f")).unwrap();
    disk.sync_dir(path("")).unwrap();
    file.append(&[1; 4096]).unwrap();
    disk.fail_at(0, Fault::Io);
    file.sync().unwrap_err();
    file.sync().unwrap();
    assert_eq!(disk.read(path("f")).unwrap(), [1; 4096]);
    assert_ne!(disk.crash(1).read(path("f")).unwrap(), [1; 4096]);
}

#[test]
fn a_full_disk_writes_a_part() {
    let disk = CruelDisk::new();
    let mut file = disk.create(path("f")).unwrap();
    disk.fail_from(0, Fault::NoSpace);
    assert_eq!(file.append(&[1; 1000]).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(disk.create(path("g")).is_err());
    disk.heal();
    file.append(&[2; 10]).unwrap();
    assert!(disk.length(path("f")).unwrap() < 1010);
    assert_eq!(disk.count(Call::Append), 2);
}

#[test]
fn a_bounded_disk_fills_and_gives_room_back() {
    let disk = CruelDisk::new();
    disk.bound(Some(1000));
    let mut file = disk.create(path("f")).unwrap();
    file.append(&[1; 300]).unwrap();
    file.reserve(600).unwrap();
    assert_eq!(disk.space(path("")).unwrap(), Space { free: 400, total: 1000 });
    assert_eq!(file.reserve(1001).unwrap_err().kind(), io::ErrorKind::StorageFull);
    let mut other = disk.create(path("g")).unwrap();
    assert_eq!(other.append(&[2; 500]).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!((disk.length(path("g")).unwrap(), disk.used()), (400, 1000));
    file.append(&[1; 300]).unwrap();
    file.append(&[1; 1]).unwrap_err();
    file.cut(100).unwrap();
    disk.remove(path("g")).unwrap();
    assert_eq!(disk.space(path("")).unwrap().free, 900);
}

#[test]
fn a_cut_is_found_or_not_until_it_is_synced() {
    let disk = CruelDisk::new();
    let mut file = disk.create(path("f")).unwrap();
    file.append(&[1; 1024]).unwrap();
    file.sync().unwrap();
    disk.sync_dir(path("")).unwrap();
    file.cut(10).unwrap();
    let lengths = || (0..100).map(|seed| disk.crash(seed).length(path("f")).unwrap()).collect::<HashSet<_>>();
    assert_eq!(lengths(), HashSet::from([10, 1024]));
    file.sync().unwrap();
    assert_eq!(lengths(), HashSet::from([10]));
}

#[test]
fn nothing_works_after_the_power_went() {
    let disk = CruelDisk::new();
    disk.cut_power_at(1);
    let mut file = disk.create(path("f")).unwrap();
    file.append(b"x").unwrap_err();
    file.append(b"x").unwrap_err();
    assert!(disk.power_is_cut() && disk.map(path("f")).is_err());
    assert_eq!(disk.calls(), 2);
    disk.crash(0).list(path("")).unwrap();
}
