//! The sparse vectors of one field in one part: by row, and by index.
//!
//! ```text
//! sparse.totals    u64 version, rows, numbers
//! sparse.present   roaring bitmap       the rows that have a vector; only where some have none
//! sparse.offsets   u64 x (rows + 1)     where the numbers of each row begin; the last is where they end
//! sparse.numbers   (u32 index, f32)     of every row, the indices rising
//! sparse.indices   u32 x indices        those that any row has, rising
//! sparse.starts    u64 x (indices + 1)  where the postings of each begin; the last is where they end
//! sparse.postings  (u32 row, f32)       of every index, the rows rising
//! sparse.peaks     f32                  of each 64 postings, the greatest number without its sign
//! ```
//!
//! The rows of a file serve to give vectors back and to score a few rows; the postings serve searches. Opening reads the
//! tables, not the numbers: a search takes no row or index on trust.

use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::layout::{Array, Sections, SectionsWriter};
use crate::row::{Kept, Row};
use crate::sparse::vector::SparseVector;
use crate::sparse::weights::Statistics;
use bytes::Bytes;
use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::Range;

const VERSION: u64 = 1;

/// Postings that share a peak.
pub(super) const CELL: usize = 64;

/// A look into a list costs about as much as so many postings read in sequence.
const LOOK_COST: u64 = 16;

/// A number and where it stands: the index or the row, then the number's bits.
pub(super) type Placed = [u32; 2];

/// The sparse vectors of one field in one part. Never changes.
#[derive(Clone, Debug)]
pub struct SparseVectors {
    pub(super) rows: u32,
    present: Option<Bitmap>,
    offsets: Array<u64>,
    numbers: Array<Placed>,
    indices: Array<u32>,
    starts: Array<u64>,
    postings: Array<Placed>,
    peaks: Array<f32>,
}

/// Says a row's vector; it may be asked for more than once, in rising order of the rows each time.
pub type Vectors<'a> = dyn FnMut(Row) -> Option<SparseVector> + 'a;

impl SparseVectors {
    /// In memory.
    pub fn build(rows: u32, vector: &mut Vectors<'_>) -> Self {
        let mut out = SectionsWriter::new(Vec::new());
        let body = write(rows, vector, u64::MAX, &mut out).and_then(|()| out.finish());
        let body = body.expect("writing into memory does not fail");
        Self::open(body.into(), rows).expect("what was laid down is whole")
    }

    /// In memory, from the rows of other parts that go on; a part without the field has no vectors.
    pub fn concat(parts: &[Kept<'_, Option<Self>>]) -> Self {
        let kept = parts.iter().flat_map(|kept| kept.rows.iter().map(move |row| (kept.part.as_ref(), *row)));
        let kept: Vec<(Option<&Self>, Row)> = kept.collect();
        Self::build(kept.len() as u32, &mut |row| {
            let (part, row) = kept[row.at()];
            part?.vector(row)
        })
    }

    /// Reads a body in place.
    pub fn open(body: Bytes, rows: u32) -> Result<Self> {
        let sections = Sections::open(body)?;
        let totals = sections.array_of::<u64>("sparse.totals", 3)?;
        if totals[0] != VERSION || totals[1] != u64::from(rows) {
            let why = format!("is of version {} and {} rows, not {VERSION} and {rows}", totals[0], totals[1]);
            return Err(Error::corrupt("sparse.totals", 0, why));
        }
        let numbers: Array<Placed> = sections.array("sparse.numbers")?;
        let count = usize::try_from(totals[2]).ok().filter(|count| *count == numbers.len());
        let count = count.ok_or_else(|| Error::corrupt("sparse.numbers", 0, "are not as many as the totals say"))?;
        let present = match sections.has("sparse.present") {
            true => Some(Bitmap::from_bytes(&sections.bytes("sparse.present")?, rows)?),
            false => None,
        };
        let indices: Array<u32> = sections.array("sparse.indices")?;
        if !indices.is_sorted_by(|a, b| a < b) {
            return Err(Error::corrupt("sparse.indices", 0, "do not rise"));
        }
        let opened = Self {
            rows,
            present,
            offsets: sections.array_of("sparse.offsets", rows as usize + 1)?,
            numbers,
            starts: sections.array_of("sparse.starts", indices.len() + 1)?,
            indices,
            postings: sections.array_of("sparse.postings", count)?,
            peaks: sections.array_of("sparse.peaks", count.div_ceil(CELL))?,
        };
        for (name, table) in [("sparse.offsets", &opened.offsets), ("sparse.starts", &opened.starts)] {
            let whole = table.first() == Some(&0) && table.last() == Some(&(count as u64));
            if !whole || !table.is_sorted() {
                return Err(Error::corrupt(name, 0, "do not rise from 0 to the number of numbers"));
            }
        }
        Ok(opened)
    }

    /// The rows that have a vector; `None` where every row has one.
    pub fn present(&self) -> Option<&Bitmap> {
        self.present.as_ref()
    }

    /// Rows that have a vector.
    pub fn count(&self) -> u64 {
        self.present.as_ref().map_or(u64::from(self.rows), Bitmap::len)
    }

    /// Numbers of all rows.
    pub fn numbers(&self) -> u64 {
        self.numbers.len() as u64
    }

    /// Bytes in memory, where it stands there.
    pub fn memory_bytes(&self) -> u64 {
        let tables = self.offsets.len() * 8 + self.indices.len() * 12 + self.peaks.len() * 4;
        let present = self.present.as_ref().map_or(0, Bitmap::memory_bytes);
        (size_of::<Self>() + present + tables + self.numbers.len() * 2 * size_of::<Placed>()) as u64
    }

    /// A row's vector as it was written.
    pub fn vector(&self, row: Row) -> Option<SparseVector> {
        let has = row.0 < self.rows && self.present.as_ref().is_none_or(|present| present.has(row));
        let numbers = has.then(|| self.row(row))?;
        let (indices, values) = numbers.iter().map(|[index, bits]| (*index, f32::from_bits(*bits))).unzip();
        SparseVector::new(indices, values).ok()
    }

    /// The numbers of a row.
    pub(super) fn row(&self, row: Row) -> &[Placed] {
        match self.offsets.get(row.at()..row.at() + 2) {
            Some([from, to]) => &self.numbers[*from as usize..*to as usize],
            _ => &[],
        }
    }

    /// The postings of an index: where they stand.
    pub(super) fn list(&self, index: u32) -> Range<usize> {
        match self.indices.binary_search(&index) {
            Ok(at) => self.starts[at] as usize..self.starts[at + 1] as usize,
            Err(_) => 0..0,
        }
    }

    pub(super) fn postings(&self, at: Range<usize>) -> &[Placed] {
        &self.postings[at]
    }

    /// The peaks of all postings, cell by cell.
    pub(super) fn peaks(&self) -> &[f32] {
        &self.peaks
    }

    /// What this part adds to the statistics of a query's indices, without its dead rows.
    pub fn statistics(&self, query: &SparseVector, dead: &Bitmap) -> Statistics {
        let gone = match &self.present {
            Some(present) => present.and_len(dead),
            None => dead.len(),
        };
        let mut bits = None;
        let alive = |index: &u32| {
            let list = self.postings(self.list(*index));
            let all = list.len() as u64;
            let gone = match dead.len() {
                0 => 0,
                few if few * LOOK_COST < all => {
                    dead.iter().filter(|row| list.binary_search_by_key(&row.0, |posting| posting[0]).is_ok()).count()
                }
                _ => {
                    let bits = bits.get_or_insert_with(|| dead.bits(self.rows));
                    list.iter().filter(|posting| posting[0] < self.rows && bits.has(Row(posting[0]))).count()
                }
            };
            all - gone as u64
        };
        Statistics { rows: self.count().saturating_sub(gone), frequencies: query.indices().iter().map(alive).collect() }
    }
}

/// Lays vectors down. The numbers of all rows are read once, and once more for each `budget_bytes` of postings, which are
/// put in order in memory.
pub fn write<W: Write>(
    rows: u32,
    vector: &mut Vectors<'_>,
    budget_bytes: u64,
    out: &mut SectionsWriter<W>,
) -> io::Result<()> {
    let (mut present, mut offsets) = (Bitmap::new(), vec![0u64]);
    // Of each index its postings; later where the next of them goes.
    let mut places: HashMap<u32, u64> = HashMap::new();
    let mut count = 0u64;
    out.begin("sparse.numbers")?;
    let mut row_numbers: Vec<Placed> = Vec::new();
    for row in (0..rows).map(Row) {
        if let Some(vector) = vector(row) {
            present.insert(row);
            row_numbers.clear();
            row_numbers.extend(vector.iter().map(|(index, value)| [index, value.to_bits()]));
            row_numbers.iter().for_each(|number| *places.entry(number[0]).or_default() += 1);
            out.extend(&row_numbers)?;
            count += row_numbers.len() as u64;
        }
        offsets.push(count);
    }
    let mut indices: Vec<u32> = places.keys().copied().collect();
    indices.sort_unstable();
    let mut starts = vec![0u64];
    for index in &indices {
        let start = starts[starts.len() - 1];
        let place = places.entry(*index).or_default();
        starts.push(start + *place);
        *place = start;
    }
    out.begin("sparse.postings")?;
    let mut peaks = vec![0f32; (count as usize).div_ceil(CELL)];
    let mut from = 0;
    while from < indices.len() {
        let most = budget_bytes / size_of::<Placed>() as u64;
        let fits = starts[from + 1..].partition_point(|end| end - starts[from] <= most);
        // A list alone is put in order whatever it takes.
        let to = from + fits.max(1);
        let range = indices[from]..=indices[to - 1];
        let mut postings: Vec<Placed> = vec![[0, 0]; (starts[to] - starts[from]) as usize];
        for row in (0..rows).map(Row) {
            let Some(vector) = vector(row) else { continue };
            for (index, value) in vector.iter().filter(|(index, _)| range.contains(index)) {
                let Some(place) = places.get_mut(&index) else { continue };
                postings[(*place - starts[from]) as usize] = [row.0, value.to_bits()];
                let peak = &mut peaks[*place as usize / CELL];
                *peak = peak.max(value.abs());
                *place += 1;
            }
        }
        out.extend(&postings)?;
        from = to;
    }
    if present.len() < u64::from(rows) {
        out.put("sparse.present", &present.to_bytes())?;
    }
    out.put("sparse.offsets", &offsets)?;
    out.put("sparse.indices", &indices)?;
    out.put("sparse.starts", &starts)?;
    out.put("sparse.peaks", &peaks)?;
    out.put("sparse.totals", &[VERSION, u64::from(rows), count])
}
