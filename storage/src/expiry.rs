//! Which rows of a part expire, and when.
//!
//! ```text
//! expiring_rows    u32 x n   the rows that expire, rising
//! expiring_times   u64 x n   when each does, in Unix milliseconds
//! expiring_order   u32 x n   places in the two lists above, by rising time
//! ```
//!
//! A row is expired at its time and after it. A part without such rows has none of the sections.
//! Expired rows stay in the part until the sweep deletes them as anybody would; until then whoever
//! reads adds them to the dead ([`crate::snapshot::Snapshot::at`]).

use crate::snapshot::{PartView, Snapshot};
use nigh_index::bitmap::Bitmap;
use nigh_index::error::{Error, Result};
use nigh_index::id::PointId;
use nigh_index::layout::{Array, Sections, SectionsWriter};
use nigh_index::row::Row;
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::sync::Arc;

/// The sweep deletes at most so many points at once.
pub(crate) const SWEEP_POINTS_MAX: usize = 1_000;

/// The rows of a part that expire; at least one.
pub struct Expiries {
    rows: Array<u32>,
    times: Array<u64>,
    order: Array<u32>,
    passed: Mutex<Passed>,
}

/// The rows that were expired when somebody last asked: the first so many by time.
#[derive(Clone, Default)]
struct Passed {
    count: usize,
    rows: Arc<Bitmap>,
}

impl Expiries {
    /// Of rows with their times, rising by row; `None` where there are none.
    pub(crate) fn build(expiring: &[(u32, u64)]) -> Option<Self> {
        if expiring.is_empty() {
            return None;
        }
        let rows: Vec<u32> = expiring.iter().map(|(row, _)| *row).collect();
        let times: Vec<u64> = expiring.iter().map(|(_, time_ms)| *time_ms).collect();
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        order.sort_by_key(|place| times[*place as usize]);
        Some(Self { rows: rows.into(), times: times.into(), order: order.into(), passed: Mutex::default() })
    }

    /// Lays them down beside the other sections of a body.
    pub(crate) fn write<W: io::Write>(&self, out: &mut SectionsWriter<W>) -> io::Result<()> {
        out.put("expiring_rows", &self.rows)?;
        out.put("expiring_times", &self.times)?;
        out.put("expiring_order", &self.order)
    }

    /// Those of a body, where it has some.
    pub(crate) fn open(sections: &Sections, rows: u32) -> Result<Option<Self>> {
        if !sections.has("expiring_rows") {
            return Ok(None);
        }
        let expiring: Array<u32> = sections.array("expiring_rows")?;
        let expiries = Self {
            times: sections.array_of("expiring_times", expiring.len())?,
            order: sections.array_of("expiring_order", expiring.len())?,
            rows: expiring,
            passed: Mutex::default(),
        };
        if !expiries.rows.is_sorted_by(|a, b| a < b) || expiries.rows.last().is_none_or(|last| *last >= rows) {
            return Err(Error::corrupt("expiring_rows", 0, format!("do not rise below {rows}")));
        }
        let mut seen = vec![false; expiries.rows.len()];
        let mut least = 0;
        for (at, place) in expiries.order.iter().enumerate() {
            let new = seen.get_mut(*place as usize).is_some_and(|seen| !std::mem::replace(seen, true));
            if !new || expiries.times[*place as usize] < least {
                return Err(Error::corrupt("expiring_order", at as u64 * 4, "is no order by rising time"));
            }
            least = expiries.times[*place as usize];
        }
        Ok(Some(expiries))
    }

    /// When a row expires, in Unix milliseconds; `None`: never.
    pub fn of(&self, row: Row) -> Option<u64> {
        let at = self.rows.binary_search(&row.0).ok()?;
        Some(self.times[at])
    }

    /// When the first row expires.
    pub fn first_ms(&self) -> u64 {
        self.order.first().map_or(u64::MAX, |place| self.times[*place as usize])
    }

    /// The rows that are expired at this time; `None` where none is.
    pub fn expired(&self, now_ms: u64) -> Option<Arc<Bitmap>> {
        if self.first_ms() > now_ms {
            return None;
        }
        let count = self.order.partition_point(|place| self.times[*place as usize] <= now_ms);
        let mut passed = self.passed.lock();
        if passed.count > count {
            *passed = Passed::default();
        }
        if passed.count < count {
            let more = &self.order[passed.count..count];
            let rows = Arc::make_mut(&mut passed.rows);
            for place in more {
                rows.insert(Row(self.rows[*place as usize]));
            }
            passed.count = count;
        }
        Some(passed.rows.clone())
    }

    /// Bytes in memory of those of a live part.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.rows.len() as u64 * 16
    }
}

impl Snapshot {
    /// The same state as it is at this time: rows that are expired by then are dead.
    pub fn at(self: &Arc<Self>, now_ms: u64) -> Arc<Self> {
        let none = |view: &PartView| view.part.expiries().is_none_or(|expiries| expiries.first_ms() > now_ms);
        if self.parts.iter().all(none) {
            return self.clone();
        }
        let parts = self.parts.iter().map(|view| view.at(now_ms)).collect();
        Arc::new(Self { parts, spec: self.spec.clone(), ..**self })
    }

    /// Whether some row may expire.
    pub fn may_expire(&self) -> bool {
        self.parts.iter().any(|view| view.part.expiries().is_some())
    }

    /// How many rows are expired and not dead yet, as far as one sweep goes.
    pub(crate) fn expired(&self, now_ms: u64) -> usize {
        self.parts.iter().flat_map(|view| view.expired_ids(now_ms)).take(SWEEP_POINTS_MAX).count()
    }
}

impl PartView {
    /// The part as it is at this time.
    pub(crate) fn at(&self, now_ms: u64) -> Self {
        let expired = self.part.expiries().and_then(|expiries| expiries.expired(now_ms));
        let view = expired.and_then(|expired| self.selections.with_expired(&self.dead, &expired));
        match view {
            None => self.clone(),
            Some((dead, selections)) => Self { dead, selections, ..self.clone() },
        }
    }

    /// Ids of rows that are expired at this time, and not dead yet.
    pub(crate) fn expired_ids(&self, now_ms: u64) -> impl Iterator<Item = PointId> + '_ {
        let mut expired = Bitmap::new();
        if let Some(rows) = self.part.expiries().and_then(|expiries| expiries.expired(now_ms)) {
            expired = (*rows).clone();
            expired.minus(&self.dead);
        }
        let ids: Vec<PointId> = expired.iter().take(SWEEP_POINTS_MAX).map(|row| self.part.id(row)).collect();
        ids.into_iter()
    }
}

impl fmt::Debug for Expiries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expiries").field("rows", &self.rows.len()).field("first_ms", &self.first_ms()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: [(u32, u64); 4] = [(1, 50), (3, 20), (4, 20), (9, 90)];

    fn body() -> Vec<u8> {
        let mut out = SectionsWriter::new(Vec::new());
        Expiries::build(&SOME).unwrap().write(&mut out).unwrap();
        out.finish().unwrap()
    }

    fn check(expiries: &Expiries) {
        for row in 0..12 {
            let expected = SOME.iter().find(|one| one.0 == row).map(|one| one.1);
            assert_eq!(expiries.of(Row(row)), expected, "row {row}");
        }
        assert_eq!(expiries.first_ms(), 20);
        // There and back: a clock may be set back.
        for now_ms in [0, 19, 20, 49, 50, 89, 90, 1000, 55, 20, 0] {
            let expired = expiries.expired(now_ms).map(|rows| rows.iter().map(|row| row.0).collect::<Vec<_>>());
            let expected: Vec<u32> = SOME.iter().filter(|one| one.1 <= now_ms).map(|one| one.0).collect();
            assert_eq!(expired.unwrap_or_default(), expected, "at {now_ms}");
        }
    }

    #[test]
    fn rows_expire_in_the_order_of_their_times() {
        check(&Expiries::build(&SOME).unwrap());
        check(&Expiries::open(&Sections::open(body().into()).unwrap(), 10).unwrap().unwrap());
        assert!(Expiries::build(&[]).is_none());
    }

    #[test]
    fn damage_is_an_error() {
        assert!(Expiries::open(&Sections::open(body().into()).unwrap(), 9).is_err(), "a row that is not there");
        for bit in 0..body().len() * 8 {
            let mut damaged = body();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(sections) = Sections::open(damaged.into())
                && let Ok(Some(expiries)) = Expiries::open(&sections, 10)
            {
                drop(expiries.expired(u64::MAX));
            }
        }
    }
}
