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

use super::{Appender, Disk};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SECTOR: usize = 512;
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
    locks: HashSet<PathBuf>,
    dice: Dice,
}

enum Node {
    File(FileNode),
    Folder(FolderNode),
}

#[derive(Default)]
struct FileNode {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
    frozen: bool,
    mapped: Option<Bytes>,
}

#[derive(Default)]
struct FolderNode {
    live: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Add(String, u64),
    Remove(String),
    Rename(String, String, u64),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Add(name, node) => {
                names.insert(name.clone(), *node);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
            Self::Rename(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
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
        let mut nodes: Vec<_> = state.nodes.iter().collect();
        nodes.sort_unstable_by_key(|(number, _)| **number);
        let found = |(number, node): (&u64, &Node)| {
            // Half of the cuts treat all files alike, the others each in its own way.
            let mood = if mood == Mood::Mixed { Mood::of(&mut dice) } else { mood };
            let node = match node {
                Node::File(file) => Node::File(file.found(mood, &mut dice)),
                Node::Folder(folder) => Node::Folder(folder.found(mood, &mut dice)),
            };
            (*number, node)
        };
        let nodes = nodes.into_iter().map(found).collect();
        Self::of(nodes, state.next_node, seed)
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

struct CruelAppender {
    disk: CruelDisk,
    node: u64,
}

impl CruelAppender {
    fn write(&self, call: Call, at: Option<u64>, bytes: &[u8]) -> io::Result<()> {
        let (mut state, fate) = self.disk.call(call)?;
        let short = state.dice.below(bytes.len() as u64 + 1) as usize;
        let file = state.file(self.node)?;
        if file.frozen {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let at = at.map_or(file.live.len(), |at| at as usize);
        match fate {
            Fate::Done => file.write(at, bytes),
            Fate::Cut => {
                file.write(at, bytes);
                return Err(cut());
            }
            Fate::Failed(fault) => {
                file.write(at, &bytes[..short]);
                return Err(fault.into());
            }
        }
        Ok(())
    }
}

impl Appender for CruelAppender {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(Call::Append, None, bytes)
    }

    fn overwrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write(Call::Overwrite, Some(at), bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let (mut state, fate) = self.disk.call(Call::Sync)?;
        if state.lies.contains(&Lie::Sync) {
            return Ok(());
        }
        let mut dice = Dice(state.dice.next());
        let file = state.file(self.node)?;
        match fate {
            Fate::Cut => return Err(cut()),
            Fate::Failed(fault) => {
                // What did not reach the disk now never will: its pages count as clean.
                file.durable = file.found(Mood::Sectors, &mut dice).live;
                file.pending.clear();
                return Err(fault.into());
            }
            Fate::Done => {
                for (at, bytes) in std::mem::take(&mut file.pending) {
                    put(&mut file.durable, at, &bytes);
                }
            }
        }
        Ok(())
    }

    fn freeze(&mut self) -> io::Result<()> {
        let (mut state, fate) = self.disk.call(Call::Freeze)?;
        match fate {
            Fate::Failed(fault) => return Err(fault.into()),
            Fate::Cut => return Err(cut()),
            Fate::Done => state.file(self.node)?.frozen = true,
        }
        Ok(())
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

/// How much of what was not synced is found.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Mood {
    Nothing,
    All,
    Prefix,
    Sectors,
    Mixed,
}

impl Mood {
    fn of(dice: &mut Dice) -> Self {
        [Self::Nothing, Self::All, Self::Prefix, Self::Sectors, Self::Mixed, Self::Mixed][dice.below(6) as usize]
    }
}

impl FileNode {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        self.mapped = None;
        put(&mut self.live, at, bytes);
        self.pending.push((at, bytes.to_vec()));
    }

    fn found(&self, mood: Mood, dice: &mut Dice) -> Self {
        let mut bytes = self.durable.clone();
        match mood {
            Mood::Nothing => {}
            Mood::All => self.pending.iter().for_each(|(at, piece)| put(&mut bytes, *at, piece)),
            Mood::Prefix => self.find_prefix(&mut bytes, dice),
            Mood::Sectors | Mood::Mixed => self.find_sectors(&mut bytes, dice),
        }
        Self { live: bytes.clone(), durable: bytes, frozen: self.frozen, ..Self::default() }
    }

    /// Some writes, and the next one up to some byte.
    fn find_prefix(&self, bytes: &mut Vec<u8>, dice: &mut Dice) {
        let whole = dice.below(self.pending.len() as u64 + 1) as usize;
        for (number, (at, piece)) in self.pending.iter().enumerate().take(whole + 1) {
            let length = if number < whole { piece.len() } else { dice.below(piece.len() as u64) as usize };
            put(bytes, *at, &piece[..length]);
        }
    }

    /// Each sector as it was after some of the writes to it.
    fn find_sectors(&self, bytes: &mut Vec<u8>, dice: &mut Dice) {
        let mut writes: BTreeMap<usize, u64> = BTreeMap::new();
        for (at, piece) in &self.pending {
            sectors(*at, piece.len()).for_each(|sector| *writes.entry(sector).or_default() += 1);
        }
        // A file may have got its new length before its new data.
        if self.live.len() > bytes.len() && dice.below(3) == 0 {
            let old = bytes.len();
            bytes.resize(old + dice.below((self.live.len() - old) as u64 + 1) as usize, 0);
            if dice.below(3) == 0 {
                bytes[old..].iter_mut().for_each(|byte| *byte = dice.next() as u8);
            }
        }
        writes.values_mut().for_each(|count| *count = dice.below(*count + 1));
        for (at, piece) in &self.pending {
            for sector in sectors(*at, piece.len()) {
                let left = writes.get_mut(&sector).expect("every sector of a write was counted");
                if *left > 0 {
                    *left -= 1;
                    let (from, to) = ((sector * SECTOR).max(*at), ((sector + 1) * SECTOR).min(at + piece.len()));
                    put(bytes, from, &piece[from - at..to - at]);
                }
            }
        }
    }
}

impl FolderNode {
    fn found(&self, mood: Mood, dice: &mut Dice) -> Self {
        let mut names = self.durable.clone();
        let prefix = dice.below(self.pending.len() as u64 + 1) as usize;
        for (number, change) in self.pending.iter().enumerate() {
            let kept = match mood {
                Mood::Nothing => false,
                Mood::All => true,
                Mood::Prefix => number < prefix,
                Mood::Sectors | Mood::Mixed => dice.below(2) == 0,
            };
            if kept {
                change.apply(&mut names);
            }
        }
        Self { live: names.clone(), durable: names, pending: Vec::new() }
    }
}

fn sectors(at: usize, length: usize) -> Range<usize> {
    at / SECTOR..(at + length).div_ceil(SECTOR)
}

fn put(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    if bytes.len() < at + piece.len() {
        bytes.resize(at + piece.len(), 0);
    }
    bytes[at..at + piece.len()].copy_from_slice(piece);
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

/// Numbers that a seed decides (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`; 0 where there is nothing below it.
    fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.next() % limit }
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
mod tests {
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
}
