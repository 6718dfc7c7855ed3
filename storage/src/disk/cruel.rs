//! A disk in memory that is as cruel as a real one may be: the test twin of [`FsDisk`](super::FsDisk).
//!
//! It keeps two images. The *live* one is what reads see. The *durable* one is what was synced; what
//! was written since waits beside it, write by write and name by name. A power cut ([`CruelDisk::crash`])
//! decides by a seed what of that reached the disk:
//!
//! - data: each sector of 512 bytes on its own, in any of its states since the last sync; a file may
//!   have grown without its data, which then is zeros or garbage;
//! - names: what was created, renamed or removed since the folder was synced, in order up to some
//!   point, or each on its own.
//!
//! Any call that changes something can be made to fail, or to be the one at which the power goes. A
//! sync that failed drops what it was to sync, as Linux does: a second one succeeds and means nothing.

mod file;
mod medium;

use self::file::CruelAppender;
use self::medium::{Change, Dice, FileNode, FolderNode, Mood};
use super::{Appender, Disk, Space};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ROOT: u64 = 0;

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct CruelDisk {
    state: Arc<Mutex<State>>,
}

/// The calls that change something; only these are counted, fail, and meet a power cut.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Call {
    /// [`Disk::create_dir`].
    CreateDir,
    /// [`Disk::create`].
    Create,
    /// [`Appender::reserve`].
    Reserve,
    /// [`Appender::cut`].
    Cut,
    /// [`Appender::append`].
    Append,
    /// [`Appender::overwrite`].
    Overwrite,
    /// [`Appender::sync`].
    Sync,
    /// [`Appender::freeze`].
    Freeze,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::remove`].
    Remove,
    /// [`Disk::remove_dir`].
    RemoveDir,
    /// [`Disk::sync_dir`].
    SyncDir,
}

/// How a call fails.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The disk is full; a part of what was to be written is written.
    NoSpace,
    /// The device answers with an error.
    Io,
}

/// A promise that the disk gives and does not keep: with it a test shows that it would notice.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Lie {
    /// [`Appender::sync`] does nothing.
    Sync,
    /// [`Disk::sync_dir`] does nothing.
    SyncDir,
}

struct State {
    nodes: HashMap<u64, Node>,
    next_node: u64,
    counts: BTreeMap<Call, u64>,
    calls: u64,
    cut_at: Option<u64>,
    power_is_cut: bool,
    faults: BTreeMap<u64, Fault>,
    fails_from: Option<(u64, Fault)>,
    lies: Vec<Lie>,
    /// How many bytes fit, where that is bounded.
    capacity: Option<u64>,
    locks: HashSet<PathBuf>,
    dice: Dice,
}

#[derive(Clone)]
enum Node {
    File(FileNode),
    Folder(FolderNode),
}

/// What becomes of a call.
enum Fate {
    Done,
    Cut,
    Failed(Fault),
}

impl Default for CruelDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl CruelDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::of(HashMap::from([(ROOT, Node::Folder(FolderNode::default()))]), 1, 0)
    }

    fn of(nodes: HashMap<u64, Node>, next_node: u64, seed: u64) -> Self {
        let state = State {
            nodes,
            next_node,
            counts: BTreeMap::new(),
            calls: 0,
            cut_at: None,
            power_is_cut: false,
            faults: BTreeMap::new(),
            fails_from: None,
            lies: Vec::new(),
            capacity: None,
            locks: HashSet::new(),
            dice: Dice(seed),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// How many calls changed something.
    pub fn calls(&self) -> u64 {
        self.state.lock().calls
    }

    /// How many of them were of this kind.
    pub fn count(&self, call: Call) -> u64 {
        self.state.lock().counts.get(&call).copied().unwrap_or(0)
    }

    /// The power goes at this call, counted from now, 0 being the next: it happens in part, and
    /// nothing works after it.
    pub fn cut_power_at(&self, call: u64) {
        let mut state = self.state.lock();
        state.cut_at = Some(state.calls + call);
    }

    /// Nothing works from now on.
    pub fn cut_power(&self) {
        self.state.lock().power_is_cut = true;
    }

    /// Whether the power went.
    pub fn power_is_cut(&self) -> bool {
        self.state.lock().power_is_cut
    }

    /// This one call fails, counted from now, 0 being the next.
    pub fn fail_at(&self, call: u64, fault: Fault) {
        let mut state = self.state.lock();
        let at = state.calls + call;
        state.faults.insert(at, fault);
    }

    /// All calls from this one on fail, counted from now, until [`Self::heal`].
    pub fn fail_from(&self, call: u64, fault: Fault) {
        let mut state = self.state.lock();
        state.fails_from = Some((state.calls + call, fault));
    }

    /// No call fails any more.
    pub fn heal(&self) {
        let mut state = self.state.lock();
        state.faults.clear();
        state.fails_from = None;
    }

    /// From now on this promise is not kept.
    pub fn lie(&self, lie: Lie) {
        self.state.lock().lies.push(lie);
    }

    /// From now on so many bytes fit, of files that have a name; `None`: as many as there are.
    pub fn bound(&self, capacity: Option<u64>) {
        self.state.lock().capacity = capacity;
    }

    /// Bytes of the files that have a name, with what they reserved.
    pub fn used(&self) -> u64 {
        self.state.lock().used(ROOT)
    }

    /// Flips a bit of a file, on the medium.
    pub fn flip_bit(&self, path: &Path, bit: u64) {
        let flip = |bytes: &mut Vec<u8>| {
            if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
                *byte ^= 1 << (bit % 8);
            }
        };
        self.damage(path, flip);
    }

    /// Cuts a file short, on the medium.
    pub fn truncate(&self, path: &Path, length: u64) {
        self.damage(path, |bytes| bytes.truncate(length as usize));
    }

    fn damage(&self, path: &Path, deed: impl Fn(&mut Vec<u8>)) {
        let mut state = self.state.lock();
        let node = state.find(path).expect("the file to damage is there");
        let file = state.file(node).expect("what is damaged is a file");
        file.mapped = None;
        deed(&mut file.live);
        deed(&mut file.durable);
    }

    /// The disk as it is found after the power went now; this one stays as it is. Locks are gone,
    /// faults and lies too.
    pub fn crash(&self, seed: u64) -> Self {
        let state = self.state.lock();
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mood = Mood::of(&mut dice);
        let mut nodes = HashMap::new();
        let mut waiting = vec![ROOT];
        // What no name leads to any more is gone.
        while let Some(number) = waiting.pop() {
            // Some cuts treat all files alike, the others each in its own way.
            let mood = if mood == Mood::Mixed { Mood::of(&mut dice) } else { mood };
            let node = match &state.nodes[&number] {
                Node::File(file) => Node::File(file.found(mood, &mut dice)),
                Node::Folder(folder) => {
                    let found = folder.found(mood, &mut dice);
                    // In order of birth: names may be drawn anew where a seed is run again.
                    let mut children: Vec<u64> = found.live.values().copied().collect();
                    children.sort_unstable();
                    waiting.extend(children);
                    Node::Folder(found)
                }
            };
            nodes.insert(number, node);
        }
        Self::of(nodes, state.next_node, seed)
    }

    /// The disk as the next process finds it when this one ends now: nothing is lost, and what was
    /// not synced can still be. This one stays as it is. Locks are gone, faults and lies too.
    pub fn kill(&self) -> Self {
        let state = self.state.lock();
        Self::of(state.nodes.clone(), state.next_node, state.calls)
    }

    fn call(&self, call: Call) -> io::Result<(parking_lot::MutexGuard<'_, State>, Fate)> {
        let mut state = self.state.lock();
        state.powered()?;
        *state.counts.entry(call).or_default() += 1;
        let at = state.calls;
        state.calls += 1;
        let sticky = state.fails_from.filter(|(from, _)| at >= *from).map(|(_, fault)| fault);
        let fate = if state.cut_at == Some(at) {
            state.power_is_cut = true;
            Fate::Cut
        } else if let Some(fault) = state.faults.remove(&at).or(sticky) {
            Fate::Failed(fault)
        } else {
            Fate::Done
        };
        Ok((state, fate))
    }

    /// A call that changes names: failed, it changes none; cut, the change may or may not be found.
    fn rename_call(&self, call: Call, deed: impl FnOnce(&mut State) -> io::Result<()>) -> io::Result<()> {
        let (mut state, fate) = self.call(call)?;
        match fate {
            Fate::Failed(fault) => Err(fault.into()),
            Fate::Done => deed(&mut state),
            Fate::Cut => deed(&mut state).and(Err(cut())),
        }
    }
}

impl Disk for CruelDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.rename_call(Call::CreateDir, |state| {
            let mut at = ROOT;
            for name in names(path)? {
                let next = state.folder(at)?.live.get(&name).copied();
                at = match next {
                    Some(node) => node,
                    None => state.add(at, name, Node::Folder(FolderNode::default()))?,
                };
                state.folder(at)?;
            }
            Ok(())
        })
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        let mut created = 0;
        self.rename_call(Call::Create, |state| {
            let (folder, name) = state.place(path)?;
            if state.folder(folder)?.live.contains_key(&name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            created = state.add(folder, name, Node::File(FileNode::default()))?;
            Ok(())
        })?;
        Ok(Box::new(CruelAppender { disk: self.clone(), node: created }))
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        let mut state = self.state.lock();
        state.powered()?;
        let node = state.find(path)?;
        let file = state.file(node)?;
        Ok(file.mapped.get_or_insert_with(|| Bytes::copy_from_slice(&file.live)).clone())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.map(path)?.to_vec())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state.lock();
        state.powered()?;
        let node = state.find(path)?;
        Ok(state.folder(node)?.live.keys().cloned().collect())
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        let mut state = self.state.lock();
        state.powered()?;
        let node = state.find(path)?;
        Ok(state.file(node)?.live.len() as u64)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.rename_call(Call::Rename, |state| {
            let ((folder, from), (other, to)) = (state.place(from)?, state.place(to)?);
            if folder != other {
                return Err(io::ErrorKind::CrossesDevices.into());
            }
            let node = *state.folder(folder)?.live.get(&from).ok_or(io::ErrorKind::NotFound)?;
            state.change(folder, Change::Rename(from, to, node))
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.rename_call(Call::Remove, |state| {
            let node = state.find(path)?;
            state.file(node)?;
            let (folder, name) = state.place(path)?;
            state.change(folder, Change::Remove(name))
        })
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.rename_call(Call::RemoveDir, |state| {
            let node = state.find(path)?;
            state.empty(node)?;
            let (folder, name) = state.place(path)?;
            state.change(folder, Change::Remove(name))
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let (mut state, fate) = self.call(Call::SyncDir)?;
        let node = state.find(path)?;
        let lies = state.lies.contains(&Lie::SyncDir);
        let folder = state.folder(node)?;
        match fate {
            Fate::Failed(fault) => return Err(fault.into()),
            Fate::Cut => return Err(cut()),
            Fate::Done if lies => {}
            Fate::Done => {
                folder.durable = folder.live.clone();
                folder.pending.clear();
            }
        }
        Ok(())
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let mut state = self.state.lock();
        state.powered()?;
        state.find(path)?;
        let total = state.capacity.unwrap_or(u64::MAX);
        Ok(Space { free: state.room(), total })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.state.lock();
        state.powered()?;
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let (folder, name) = state.place(path)?;
        if !state.folder(folder)?.live.contains_key(&name) {
            state.add(folder, name, Node::File(FileNode::default()))?;
        }
        Ok(Box::new(Held { disk: self.clone(), path: path.to_owned() }))
    }
}

struct Held {
    disk: CruelDisk,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.state.lock().locks.remove(&self.path);
    }
}

impl State {
    fn powered(&self) -> io::Result<()> {
        if self.power_is_cut { Err(cut()) } else { Ok(()) }
    }

    fn folder(&mut self, node: u64) -> io::Result<&mut FolderNode> {
        match self.nodes.get_mut(&node) {
            Some(Node::Folder(folder)) => Ok(folder),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn file(&mut self, node: u64) -> io::Result<&mut FileNode> {
        match self.nodes.get_mut(&node) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Folder(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn find(&mut self, path: &Path) -> io::Result<u64> {
        let mut at = ROOT;
        for name in names(path)? {
            at = *self.folder(at)?.live.get(&name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    /// The folder of a path and the name in it.
    fn place(&mut self, path: &Path) -> io::Result<(u64, String)> {
        let name = names(path)?.pop().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.find(path.parent().unwrap_or(Path::new("")))?, name))
    }

    fn add(&mut self, folder: u64, name: String, node: Node) -> io::Result<u64> {
        let number = self.next_node;
        self.next_node += 1;
        self.nodes.insert(number, node);
        self.change(folder, Change::Add(name, number))?;
        Ok(number)
    }

    fn change(&mut self, folder: u64, change: Change) -> io::Result<()> {
        let folder = self.folder(folder)?;
        change.apply(&mut folder.live);
        folder.pending.push(change);
        Ok(())
    }

    /// Bytes under this node.
    fn used(&self, node: u64) -> u64 {
        match self.nodes.get(&node) {
            Some(Node::File(file)) => file.room(),
            Some(Node::Folder(folder)) => folder.live.values().map(|node| self.used(*node)).sum(),
            None => 0,
        }
    }

    /// Bytes that still fit.
    fn room(&self) -> u64 {
        self.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used(ROOT)))
    }

    /// Removes all that is in a folder, one by one: a cut may find a part of it.
    fn empty(&mut self, node: u64) -> io::Result<()> {
        for (name, child) in self.folder(node)?.live.clone() {
            if matches!(self.nodes.get(&child), Some(Node::Folder(_))) {
                self.empty(child)?;
            }
            self.change(node, Change::Remove(name))?;
        }
        Ok(())
    }
}

fn names(path: &Path) -> io::Result<Vec<String>> {
    use std::path::Component;
    let mut names = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => names.push(name.to_str().ok_or(io::ErrorKind::InvalidInput)?.to_owned()),
            Component::RootDir | Component::CurDir => {}
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    Ok(names)
}

fn cut() -> io::Error {
    io::Error::other("the power is cut")
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NoSpace => io::ErrorKind::StorageFull.into(),
            Fault::Io => io::Error::other("the device failed"),
        }
    }
}

/// Runs a script with the power cut at each of its calls in turn and at its end, and shows `check`
/// what is found, once for every seed, with what the script noted down (say, what it was promised).
/// Gives the number of cuts, or the first finding with the call and the seed that lead to it.
pub fn every_power_cut<T: Default>(
    seeds: Range<u64>,
    disk: impl Fn() -> CruelDisk,
    script: impl Fn(&Arc<CruelDisk>, &mut T),
    check: impl Fn(&Arc<CruelDisk>, &T) -> Result<(), String>,
) -> Result<u64, String> {
    let mut cuts = 0;
    for call in 0.. {
        let disk = Arc::new(disk());
        disk.cut_power_at(call);
        let mut notes = T::default();
        script(&disk, &mut notes);
        for seed in seeds.clone() {
            let found = Arc::new(disk.crash(seed.wrapping_add(call << 32)));
            check(&found, &notes).map_err(|why| format!("power cut at call {call}, seed {seed}: {why}"))?;
            cuts += 1;
        }
        if !disk.power_is_cut() {
            break;
        }
    }
    Ok(cuts)
}

#[cfg(test)]
mod tests;
