//! Who is whose neighbour: the frozen graph, level by level.
//!
//! A place on the base level is a row. The nodes of the upper levels stand in one order, every level a
//! leading part of it, so that a place on one level is the same place on the level below. The highest level has no links:
//! it is so small that all of it is compared, which takes less time than walking it and starts nearer.
//!
//! ```text
//! calibrated  curves of recall and work (effort)           comes first: it is filled in last
//! cells.*     groups of rows for scans (cells)             where there are any
//! head        rows u32 | width u32 | m u32 | levels u32 | tops u32     levels with links above the base
//! links       rows x width x u32       NONE ends a list
//! order       places of level 1 x u32  the row at each place; the first `tops` are the highest level
//! upper.1..   places x m x u32         links of an upper level, between places
//! ```
//!
//! Every link is checked at open, so a walk cannot leave the graph.

use crate::bitmap::Bitmap;
use crate::effort::{Efforts, WORDS};
use crate::error::{Error, Result};
use crate::layout::{Array, Sections, SectionsWriter};
use crate::row::Row;
use crate::vector::cells::Grouped;
use crate::vector::hnsw::pool::PLACES_MAX;
use crate::vector::kernel::{self, Block};
use crate::vector::spec::HnswSpec;

/// Ends a list of links.
pub(in crate::vector) const NONE: u32 = u32::MAX;

/// A graph has at most this many levels above the base.
const LEVELS_MAX: u32 = 32;

/// The links of one level, in blocks of fixed width.
#[derive(Copy, Clone, Debug)]
pub(in crate::vector) struct Links<'a> {
    links: &'a [u32],
    width: usize,
}

impl<'a> Links<'a> {
    /// From blocks of `width` links.
    pub(in crate::vector) fn new(links: &'a [u32], width: usize) -> Self {
        debug_assert!(width > 0 && links.len().is_multiple_of(width), "blocks are whole");
        Self { links, width }
    }

    /// How many places.
    pub(in crate::vector) fn len(self) -> u32 {
        (self.links.len() / self.width) as u32
    }

    /// Where a place leads.
    #[inline]
    pub(in crate::vector) fn of(self, place: u32) -> impl Iterator<Item = u32> + 'a {
        self.block(place).iter().copied().take_while(|link| *link != NONE)
    }

    /// Where a place leads by its first links, at most so many.
    #[inline]
    pub(in crate::vector) fn first_of(self, place: u32, most: usize) -> &'a [u32] {
        let block = &self.block(place)[..most.min(self.width)];
        // Few blocks are not full.
        let len = match block.last() {
            Some(&NONE) => block.iter().position(|link| *link == NONE),
            _ => None,
        };
        &block[..len.unwrap_or(block.len())]
    }

    /// Asks for the links of a place.
    #[inline]
    pub(in crate::vector) fn prefetch(self, place: u32) {
        kernel::prefetch(self.block(place));
    }

    #[inline]
    fn block(self, place: u32) -> &'a [u32] {
        &self.links[place as usize * self.width..][..self.width]
    }
}

/// The graph of a sealed part.
#[derive(Debug)]
pub(in crate::vector) struct Graph {
    width: usize,
    m: usize,
    links: Block,
    order: Array<u32>,
    tops: usize,
    upper: Vec<Array<u32>>,
    efforts: Efforts,
}

/// What a build hands over to be laid down.
#[derive(Debug)]
pub(in crate::vector) struct Finished<'a> {
    /// Rows of the part.
    pub(in crate::vector) rows: u32,
    /// Links of the base level, between rows, in blocks of `width`.
    pub(in crate::vector) links: &'a [u32],
    /// Width of a block of the base level.
    pub(in crate::vector) width: usize,
    /// The row at each place of level 1.
    pub(in crate::vector) order: &'a [u32],
    /// Places of the highest level.
    pub(in crate::vector) tops: usize,
    /// Links of the upper levels, between places, in blocks of `m`.
    pub(in crate::vector) upper: &'a [Vec<u32>],
    /// Width of a block of the upper levels.
    pub(in crate::vector) m: usize,
    /// The cells, where scans have a use for them.
    pub(in crate::vector) cells: Option<&'a Grouped>,
}

impl Finished<'_> {
    /// The body, not yet calibrated.
    pub(in crate::vector) fn to_body(&self) -> Vec<u8> {
        let head = [self.rows, self.width as u32, self.m as u32, self.upper.len() as u32, self.tops as u32];
        let mut out = SectionsWriter::new(Vec::with_capacity(size_of_val(self.links) * 5 / 4 + 4096));
        let mut write = || {
            out.put("calibrated", &Efforts::default().to_words())?;
            if self.cells.is_some() {
                Grouped::room(&mut out)?;
            }
            out.put("head", &head)?;
            out.put("links", self.links)?;
            out.put("order", self.order)?;
            for (at, links) in self.upper.iter().enumerate() {
                out.put(&format!("upper.{}", at + 1), links)?;
            }
            self.cells.map_or(Ok(()), |cells| cells.put(&mut out))
        };
        write().and_then(|()| out.finish()).expect("a Vec takes every byte")
    }
}

impl Graph {
    /// Reads a body and checks every link: a row has to have a vector, a place has to be on its level.
    pub(in crate::vector) fn open(rows: u32, present: Option<&Bitmap>, sections: &Sections) -> Result<Self> {
        let head = sections.array_of::<u32>("head", 5)?;
        let [of_rows, width, m, levels, tops] = [head[0], head[1], head[2], head[3], head[4]];
        if of_rows != rows || rows >= PLACES_MAX || width == 0 || m == 0 || levels > LEVELS_MAX {
            return Err(Error::corrupt("head", 0, format!("{:?} does not fit {rows} rows", &*head)));
        }
        let base = (rows as usize)
            .checked_mul(width as usize)
            .ok_or_else(|| Error::corrupt("head", 0, "more links than memory"))?;
        let links = sections.array_of::<u32>("links", base)?;
        let order = sections.array::<u32>("order")?;
        let has = present.map(|present| present.bits(rows));
        let is_node = |row: u32| row < rows && has.as_ref().is_none_or(|has| has.has(Row(row)));
        check("links", &links, |link| link == NONE || is_node(link))?;
        check("order", &order, is_node)?;
        let mut upper = Vec::new();
        let mut places_max = order.len();
        for level in 1..=levels {
            let name = format!("upper.{level}");
            let links = sections.array::<u32>(&name)?;
            let places = links.len() / m as usize;
            if links.len() % m as usize != 0 || places == 0 || places > places_max {
                return Err(Error::corrupt(name, 0, format!("{} links are no level of {places_max}", links.len())));
            }
            check(&name, &links, |link| link == NONE || (link as usize) < places)?;
            places_max = places;
            upper.push(links);
        }
        if tops == 0 || tops as usize > places_max {
            return Err(Error::corrupt("head", 16, format!("{tops} entries do not fit {places_max} places")));
        }
        let efforts = Efforts::from_words(&sections.array_of::<u32>("calibrated", WORDS)?)?;
        let links = Block::copy_of(bytemuck::cast_slice(&links));
        Ok(Self { width: width as usize, m: m as usize, links, order, tops: tops as usize, upper, efforts })
    }

    /// Fills in, in a body just made, what efforts come to.
    pub(in crate::vector) fn set_efforts(body: &mut [u8], efforts: &Efforts) {
        for (bytes, number) in body.chunks_exact_mut(4).zip(efforts.to_words()) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
    }

    /// The base level.
    pub(in crate::vector) fn base(&self) -> Links<'_> {
        Links::new(bytemuck::cast_slice(&self.links), self.width)
    }

    /// The levels above the base, the lowest first.
    pub(in crate::vector) fn upper(&self) -> impl DoubleEndedIterator<Item = Links<'_>> {
        self.upper.iter().map(|links| Links::new(links, self.m))
    }

    /// The row at each place of the upper levels; never empty.
    pub(in crate::vector) fn order(&self) -> &[u32] {
        &self.order
    }

    /// The rows of the highest level; never empty.
    pub(in crate::vector) fn tops(&self) -> &[u32] {
        &self.order[..self.tops]
    }

    /// Whether the graph was built with as many links.
    pub(in crate::vector) fn fits(&self, spec: HnswSpec) -> bool {
        self.m == spec.m as usize && self.width == 2 * self.m
    }

    /// What efforts come to.
    pub(in crate::vector) fn efforts(&self) -> &Efforts {
        &self.efforts
    }

    /// Bytes held in memory of our own.
    pub(in crate::vector) fn memory_bytes(&self) -> u64 {
        self.links.len() as u64
    }
}

fn check(section: &str, values: &[u32], fits: impl Fn(u32) -> bool) -> Result<()> {
    match values.iter().position(|value| !fits(*value)) {
        None => Ok(()),
        Some(at) => Err(Error::corrupt(section, at as u64 * 4, format!("leads to {}, which is no node", values[at]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_links_end_where_the_links_do() {
        let links = [1, 2, 3, 2, NONE, NONE, NONE, NONE, NONE];
        let links = Links::new(&links, 3);
        for (place, want) in [(0, &[1, 2, 3][..]), (1, &[2]), (2, &[])] {
            for most in 0..5 {
                assert_eq!(links.first_of(place, most), &want[..most.min(want.len())]);
            }
            assert_eq!(links.of(place).collect::<Vec<_>>(), want);
        }
    }
}
