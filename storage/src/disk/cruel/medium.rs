//! What a cruel disk keeps of a file and of a folder, and what a power cut leaves of it.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;

const SECTOR: usize = 512;

#[derive(Clone, Default)]
pub(super) struct FileNode {
    pub(super) live: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<Deed>,
    /// Room that the file has, whatever its length.
    pub(super) reserved: u64,
    pub(super) frozen: bool,
    pub(super) mapped: Option<Bytes>,
}

/// What was done to a file since it was synced.
#[derive(Clone)]
pub(super) enum Deed {
    Write(usize, Vec<u8>),
    Cut(usize),
}

impl Deed {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(at, piece) => put(bytes, *at, piece),
            Self::Cut(length) => bytes.truncate(*length),
        }
    }
}

#[derive(Clone, Default)]
pub(super) struct FolderNode {
    pub(super) live: BTreeMap<String, u64>,
    pub(super) durable: BTreeMap<String, u64>,
    pub(super) pending: Vec<Change>,
}

#[derive(Clone)]
pub(super) enum Change {
    Add(String, u64),
    Remove(String),
    Rename(String, String, u64),
}

impl Change {
    pub(super) fn apply(&self, names: &mut BTreeMap<String, u64>) {
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

/// How much of what was not synced is found.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Mood {
    Nothing,
    All,
    Prefix,
    Sectors,
    Mixed,
}

impl Mood {
    pub(super) fn of(dice: &mut Dice) -> Self {
        [Self::Nothing, Self::All, Self::Prefix, Self::Sectors, Self::Mixed, Self::Mixed][dice.below(6) as usize]
    }
}

impl FileNode {
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        self.mapped = None;
        put(&mut self.live, at, bytes);
        self.pending.push(Deed::Write(at, bytes.to_vec()));
    }

    pub(super) fn cut(&mut self, length: usize) {
        self.mapped = None;
        self.live.truncate(length);
        self.reserved = length as u64;
        self.pending.push(Deed::Cut(length));
    }

    /// What was done since the last sync is found from now on.
    pub(super) fn sync(&mut self) {
        for deed in std::mem::take(&mut self.pending) {
            deed.apply(&mut self.durable);
        }
    }

    /// Bytes that it takes of the disk.
    pub(super) fn room(&self) -> u64 {
        self.reserved.max(self.live.len() as u64)
    }

    pub(super) fn found(&self, mood: Mood, dice: &mut Dice) -> Self {
        let mut bytes = self.durable.clone();
        match mood {
            Mood::Nothing => {}
            Mood::All => self.pending.iter().for_each(|deed| deed.apply(&mut bytes)),
            Mood::Prefix => self.find_prefix(&mut bytes, dice),
            Mood::Sectors | Mood::Mixed => self.find_sectors(&mut bytes, dice),
        }
        Self { live: bytes.clone(), durable: bytes, frozen: self.frozen, ..Self::default() }
    }

    /// Some writes, and the next one up to some byte.
    fn find_prefix(&self, bytes: &mut Vec<u8>, dice: &mut Dice) {
        let whole = dice.below(self.pending.len() as u64 + 1) as usize;
        self.pending[..whole].iter().for_each(|deed| deed.apply(bytes));
        if let Some(Deed::Write(at, piece)) = self.pending.get(whole) {
            let length = dice.below(piece.len() as u64) as usize;
            put(bytes, *at, &piece[..length]);
        }
    }

    /// Each sector as it was after some of the writes to it.
    fn find_sectors(&self, bytes: &mut Vec<u8>, dice: &mut Dice) {
        let mut writes: BTreeMap<usize, u64> = BTreeMap::new();
        let written = self.pending.iter().filter_map(|deed| match deed {
            Deed::Write(at, piece) => Some((at, piece)),
            Deed::Cut(_) => None,
        });
        for (at, piece) in written.clone() {
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
        for (at, piece) in written {
            for sector in sectors(*at, piece.len()) {
                let left = writes.get_mut(&sector).expect("every sector of a write was counted");
                if *left > 0 {
                    *left -= 1;
                    let (from, to) = ((sector * SECTOR).max(*at), ((sector + 1) * SECTOR).min(at + piece.len()));
                    put(bytes, from, &piece[from - at..to - at]);
                }
            }
        }
        let was_cut = self.pending.iter().any(|deed| matches!(deed, Deed::Cut(_)));
        if was_cut && dice.below(2) == 0 {
            bytes.truncate(self.live.len());
        }
    }
}

impl FolderNode {
    pub(super) fn found(&self, mood: Mood, dice: &mut Dice) -> Self {
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

pub(super) fn put(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    if bytes.len() < at + piece.len() {
        bytes.resize(at + piece.len(), 0);
    }
    bytes[at..at + piece.len()].copy_from_slice(piece);
}

/// Numbers that a seed decides (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`; 0 where there is nothing below it.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.next() % limit }
    }
}
