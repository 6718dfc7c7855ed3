//! Which id is which row, both ways; which operation last wrote the row, and when it expires.
//!
//! ```text
//! nums      u64 x n   numbers, rising          num_rows   u32 x n   the row of each
//! uuids     [u8;16]   UUIDs, rising            uuid_rows  u32       the row of each
//! places    u32 x rows   a row's place in nums followed by uuids
//! versions  see packed   the operation that last wrote the row
//! expiring  see expiry   rows that expire, where there are some
//! ```

use crate::expiry::Expiries;
use crate::segment::packed::{self, Packed};
use bytes::Bytes;
use nigh_index::error::{Error, Result};
use nigh_index::id::PointId;
use nigh_index::layout::{Array, Sections, SectionsWriter};
use nigh_index::row::Row;
use std::io;
use uuid::Uuid;

/// The ids of a segment, read in place.
pub(crate) struct Ids {
    nums: Array<u64>,
    num_rows: Array<u32>,
    uuids: Array<[u8; 16]>,
    uuid_rows: Array<u32>,
    places: Array<u32>,
    versions: Packed,
    expiries: Option<Expiries>,
}

/// What is laid down, in the order of the rows; no id twice.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) ids: Vec<PointId>,
    pub(crate) versions: Vec<u64>,
    /// Rows that expire, rising, each with its time.
    pub(crate) expiring: Vec<(u32, u64)>,
}

/// Lays it down.
pub(crate) fn write<W: io::Write>(known: &Known, out: &mut SectionsWriter<W>) -> io::Result<()> {
    let Known { ids, versions, expiring } = known;
    let mut sorted: Vec<(PointId, u32)> = ids.iter().copied().zip(0..).collect();
    sorted.sort_unstable();
    let mut places = vec![0u32; ids.len()];
    for (place, (_, row)) in sorted.iter().enumerate() {
        places[*row as usize] = place as u32;
    }
    let split = sorted.partition_point(|(id, _)| matches!(id, PointId::Num(_)));
    let (numbers, uuids) = sorted.split_at(split);
    let rows = |of: &[(PointId, u32)]| of.iter().map(|(_, row)| *row).collect::<Vec<_>>();
    let nums = numbers.iter().map(|(id, _)| if let PointId::Num(num) = id { *num } else { 0 }).collect::<Vec<_>>();
    let uuid_bytes = |id: &PointId| if let PointId::Uuid(uuid) = id { *uuid.as_bytes() } else { [0; 16] };
    out.put("nums", &nums)?;
    out.put("num_rows", &rows(numbers))?;
    out.put("uuids", &uuids.iter().map(|(id, _)| uuid_bytes(id)).collect::<Vec<_>>())?;
    out.put("uuid_rows", &rows(uuids))?;
    out.put("places", &places)?;
    packed::write("versions", versions, out)?;
    Expiries::build(expiring).map_or(Ok(()), |expiries| expiries.write(out))
}

impl Ids {
    /// Checks that every row has one id and every id one row.
    pub(crate) fn open(body: Bytes, rows: u32) -> Result<Self> {
        let sections = Sections::open(body)?;
        let nums: Array<u64> = sections.array("nums")?;
        let uuids: Array<[u8; 16]> = sections.array("uuids")?;
        let ids = Self {
            num_rows: sections.array_of("num_rows", nums.len())?,
            uuid_rows: sections.array_of("uuid_rows", uuids.len())?,
            places: sections.array_of("places", rows as usize)?,
            versions: Packed::open(&sections, "versions", rows as usize)?,
            expiries: Expiries::open(&sections, rows)?,
            nums,
            uuids,
        };
        if ids.nums.len() + ids.uuids.len() != rows as usize {
            return Err(Error::corrupt("nums", 0, format!("{} ids for {rows} rows", ids.nums.len() + ids.uuids.len())));
        }
        // As many ids as rows, and every id's row leads back to it: one to one.
        for (place, row) in ids.num_rows.iter().chain(ids.uuid_rows.iter()).enumerate() {
            if ids.places.get(*row as usize) != Some(&(place as u32)) {
                return Err(Error::corrupt("places", u64::from(*row) * 4, "does not lead back to its id"));
            }
        }
        if !ids.nums.is_sorted_by(|a, b| a < b) || !ids.uuids.is_sorted_by(|a, b| a < b) {
            return Err(Error::corrupt("nums", 0, "ids do not rise"));
        }
        Ok(ids)
    }

    pub(crate) fn id(&self, row: Row) -> PointId {
        let place = self.places[row.at()] as usize;
        match self.nums.get(place) {
            Some(num) => PointId::Num(*num),
            None => PointId::Uuid(Uuid::from_bytes(self.uuids[place - self.nums.len()])),
        }
    }

    pub(crate) fn version(&self, row: Row) -> u64 {
        self.versions.of(row)
    }

    pub(crate) fn expiries(&self) -> Option<&Expiries> {
        self.expiries.as_ref()
    }

    pub(crate) fn find(&self, id: &PointId) -> Option<Row> {
        Some(Row(match id {
            PointId::Num(num) => self.num_rows[self.nums.binary_search(num).ok()?],
            PointId::Uuid(uuid) => self.uuid_rows[self.uuids.binary_search(uuid.as_bytes()).ok()?],
        }))
    }

    /// From this id on, in rising order.
    pub(crate) fn from(&self, from: &PointId) -> impl Iterator<Item = (PointId, Row)> + '_ {
        let (num, uuid) = match from {
            PointId::Num(least) => (self.nums.partition_point(|num| num < least), 0),
            PointId::Uuid(least) => (self.nums.len(), self.uuids.partition_point(|uuid| uuid < least.as_bytes())),
        };
        let nums = self.nums[num..].iter().zip(&self.num_rows[num..]);
        let uuids = self.uuids[uuid..].iter().zip(&self.uuid_rows[uuid..]);
        nums.map(|(num, row)| (PointId::Num(*num), Row(*row)))
            .chain(uuids.map(|(uuid, row)| (PointId::Uuid(Uuid::from_bytes(*uuid)), Row(*row))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Vec<PointId>, Vec<u8>) {
        let uuid = |n: u128| PointId::Uuid(Uuid::from_u128(n));
        let ids = vec![PointId::Num(9), uuid(7), PointId::Num(0), uuid(1), PointId::Num(u64::MAX)];
        let mut out = SectionsWriter::new(Vec::new());
        let known = Known { ids: ids.clone(), versions: vec![30, 10, 20, 50, 40], expiring: vec![(1, 99), (4, 50)] };
        write(&known, &mut out).unwrap();
        (ids, out.finish().unwrap())
    }

    #[test]
    fn every_row_finds_its_id_and_back() {
        let (ids, body) = sample();
        let opened = Ids::open(body.into(), ids.len() as u32).unwrap();
        for (row, id) in ids.iter().enumerate() {
            assert_eq!(opened.id(Row(row as u32)), *id);
            assert_eq!(opened.find(id), Some(Row(row as u32)));
        }
        assert_eq!((0..5).map(|row| opened.version(Row(row))).collect::<Vec<_>>(), [30, 10, 20, 50, 40]);
        let expiries = opened.expiries().unwrap();
        assert_eq!((0..5).map(|row| expiries.of(Row(row))).collect::<Vec<_>>(), [None, Some(99), None, None, Some(50)]);
        assert_eq!(opened.find(&PointId::Num(1)), None);
        let mut sorted = ids.clone();
        sorted.sort();
        for (at, from) in sorted.iter().enumerate() {
            let rest: Vec<_> = opened.from(from).map(|(id, _)| id).collect();
            assert_eq!(rest, sorted[at..]);
        }
    }

    #[test]
    fn damage_is_an_error() {
        let (ids, body) = sample();
        assert!(Ids::open(body.clone().into(), 4).is_err());
        for at in 0..body.len() {
            let mut damaged = body.clone();
            damaged[at] ^= 1;
            if let Ok(opened) = Ids::open(damaged.into(), ids.len() as u32) {
                let _ = (0..5).map(|row| (opened.id(Row(row)), opened.version(Row(row)))).collect::<Vec<_>>();
            }
        }
    }
}
