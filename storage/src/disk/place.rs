//! Where the data lies: file systems on which an acknowledged write may be lost, or the lock not hold.
//!
//! Pages of any size will do: files are mapped whole, and nothing in them asks for more than 64 bytes
//! of alignment.

use crate::error::{Error, Result, doing};
use std::path::Path;

/// File systems that others reach too, or whose syncs and locks are somebody else's promise, by the number
/// with which Linux names them (statfs(2)).
const NETWORK: [(u64, &str); 16] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9p"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x00C3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x786F_4256, "vboxsf"),
    (0xBACB_ACBC, "vmhgfs"),
    (0x564C, "NCP"),
];

/// Refuses a data directory on a network file system. A folder that is not there yet is looked for above.
///
/// # Errors
///
/// [`Error::Invalid`] with the kind of the file system; what the operating system says.
pub fn refuse_network(root: &Path) -> Result<()> {
    match network(kind(root)?) {
        None => Ok(()),
        Some(name) => {
            let limit = format!(
                "it lies on a network file system ({name}), which may lose what it was asked to sync, change files \
                 that are mapped, and let two servers in: use a local one, or allow it by name (--allow-network-fs)"
            );
            Err(Error::invalid("data", root.display(), limit))
        }
    }
}

fn network(kind: u64) -> Option<&'static str> {
    NETWORK.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

#[cfg(target_os = "linux")]
fn kind(root: &Path) -> Result<u64> {
    let there = root.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let found = rustix::fs::statfs(there).map_err(|err| doing("look at the file system of", there)(err.into()))?;
    // The number has 32 bits, whatever the type that carries it, and with whatever sign.
    Ok(found.f_type as u64 & 0xFFFF_FFFF)
}

#[cfg(not(target_os = "linux"))]
fn kind(_root: &Path) -> Result<u64> {
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_of_others_are_known_by_number() {
        assert_eq!([0x6969, 0xFF53_4D42, 0x6573_5546].map(network), [Some("NFS"), Some("CIFS"), Some("FUSE")]);
        // ext4, XFS, btrfs, ZFS, overlay, tmpfs.
        for local in [0xEF53, 0x5846_5342, 0x9123_683E, 0x2FC1_2FC1, 0x794C_7630, 0x0102_1994] {
            assert_eq!(network(local), None, "{local:x}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_looked_for_above() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(kind(&folder.path().join("a/b/c")).unwrap(), kind(folder.path()).unwrap());
        assert_eq!(kind(Path::new("not/there")).unwrap(), kind(Path::new(".")).unwrap());
    }
}
