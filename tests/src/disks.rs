//! Real file systems that a test may fill, or cut the power of. They need a user who may mount; without one the
//! constructors give the reason, and the test says so and passes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set in a process whose mounts are its own.
const OWN_MOUNTS: &str = "NIGH_OWN_MOUNTS";

/// Runs this test once more in a process whose mounts are its own: the system undoes them when it ends, whatever ended
/// it. True in that process; false where that process is over, and all is done.
pub fn in_own_mounts(test: &str) -> bool {
    if std::env::var_os(OWN_MOUNTS).is_some() {
        // The pipe ends with whoever waits for this process, whatever ended that.
        std::thread::spawn(|| {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            std::process::exit(1);
        });
        return true;
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(OWN_MOUNTS, "1").stdin(Stdio::piped());
    let mut process = command.spawn().unwrap_or_else(|err| panic!("unshare: {err}"));
    let pipe = process.stdin.take();
    let status = process.wait().unwrap();
    drop(pipe);
    assert!(status.success(), "{test}, in mounts of its own: {status}");
    false
}

/// Runs a program; what it said where it failed.
fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let ran = Command::new(program).args(arguments).output().map_err(|err| format!("{program}: {err}"))?;
    match ran.status.success() {
        true => Ok(String::from_utf8_lossy(&ran.stdout).trim().to_owned()),
        false => Err(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr).trim())),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A mount, undone when dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(arguments: &[&str], at: PathBuf) -> Result<Self, String> {
        std::fs::create_dir_all(&at).map_err(|err| err.to_string())?;
        run("mount", &[arguments, &[text(&at)]].concat())?;
        Ok(Self(at))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A process that was killed may take a moment to let its files go.
        if run("umount", &[text(&self.0)]).is_err() {
            let _ = run("umount", &["--lazy", text(&self.0)]);
        }
    }
}

/// A small file system in memory.
pub struct SmallDisk {
    mount: Mount,
    _folder: tempfile::TempDir,
}

impl SmallDisk {
    /// Of so many MiB.
    pub fn new(mib: u32) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|err| err.to_string())?;
        let size = format!("size={mib}m,mode=700");
        let mount = Mount::new(&["-t", "tmpfs", "-o", &size, "tmpfs"], folder.path().join("small"))?;
        Ok(Self { mount, _folder: folder })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.mount.0
    }
}

/// A disk whose power can be cut: an ext4 in a file that is written without the page cache between, on an XFS that
/// copies the file in an instant. A copy is what the device holds at that moment, without what was not synced.
pub struct PowerRig {
    data: Option<Mount>,
    outer: Option<Mount>,
    folder: tempfile::TempDir,
}

/// What was found after a cut, mounted.
pub struct Found {
    mount: Option<Mount>,
    image: PathBuf,
}

impl PowerRig {
    /// Lays it down: 2 GiB, of which only what is written takes room.
    pub fn new() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|err| err.to_string())?;
        let outer_image = folder.path().join("outer.img");
        run("truncate", &["-s", "3G", text(&outer_image)])?;
        run("mkfs.xfs", &["-q", "-m", "reflink=1", text(&outer_image)])?;
        let outer = Mount::new(&["-o", "loop", text(&outer_image)], folder.path().join("outer"))?;
        let image = outer.0.join("disk.img");
        run("truncate", &["-s", "2G", text(&image)])?;
        run("mkfs.ext4", &["-q", "-F", text(&image)])?;
        let device = run("losetup", &["--direct-io=on", "-f", "--show", text(&image)])?;
        let data = Mount::new(&[&device], folder.path().join("data"));
        // It goes with its last mount.
        run("losetup", &["-d", &device])?;
        Ok(Self { data: Some(data?), outer: Some(outer), folder })
    }

    /// Where the server's data goes.
    pub fn path(&self) -> PathBuf {
        self.data.as_ref().expect("it is mounted as long as the rig is there").0.join("nigh")
    }

    /// What the device holds now.
    pub fn cut(&self) -> Result<Found, String> {
        let outer = &self.outer.as_ref().expect("it is mounted as long as the rig is there").0;
        let image = outer.join("found.img");
        run("cp", &["--reflink=always", text(&outer.join("disk.img")), text(&image)])?;
        Ok(Found { mount: None, image })
    }

    /// Mounts it, as the machine would when the power is back.
    pub fn mount(&self, found: &mut Found) -> Result<PathBuf, String> {
        let mount = Mount::new(&["-o", "loop", text(&found.image)], self.folder.path().join("found"))?;
        let path = mount.0.join("nigh");
        found.mount = Some(mount);
        Ok(path)
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        self.mount = None;
        let _ = std::fs::remove_file(&self.image);
    }
}

impl Drop for PowerRig {
    fn drop(&mut self) {
        self.data = None;
        self.outer = None;
    }
}
