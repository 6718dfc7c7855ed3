//! Rows by words in a sealed segment: one body of bytes, read in place.
//!
//! ```text
//! text.totals   u64 version, rows with a term, terms in all rows
//! text.lengths  u32 for each row, its terms
//! text.frequent u32 the numbers of the terms with long lists, rising
//! text.peaks    u32 x 4 for each of those, what bounds its scores (search::Peak)
//! tantivy.*     the dictionary and the posting lists (bundle)
//! ```

use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::layout::{Array, Sections, SectionsWriter};
use crate::params::Found;
use crate::row::Row;
use crate::selection::Selection;
use crate::text::analyzer::{Analyzer, Positions};
use crate::text::bm25::{Statistics, TextPart, Weighted};
use crate::text::bundle::{self, Builder};
use crate::text::search::{self, Blocks, List, PRICED_WHOLE, Peak};
use crate::text::syntax::{self, Ask};
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tantivy::index::InvertedIndexReader;
use tantivy::postings::{BlockSegmentPostings, Postings as _, SegmentPostings, TermInfo};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, TERMINATED};

const VERSION: u64 = 1;

/// Calls back with every string that a row has in the field, in order.
pub type Texts<'a> = dyn FnMut(Row, &mut dyn FnMut(&str)) -> Result<()> + 'a;

/// The text of one field in a sealed segment.
pub struct SealedText {
    index: Arc<InvertedIndexReader>,
    lengths: Array<u32>,
    frequent: Array<u32>,
    peaks: Array<u32>,
    docs: u64,
    tokens: u64,
}

impl SealedText {
    /// The body for `rows` rows. `texts` is called once a row, in order, and calls back with every
    /// string of that row.
    pub fn build(analyzer: &Analyzer, rows: u32, texts: &mut Texts<'_>) -> Result<Vec<u8>> {
        if rows > bundle::ROWS_MAX {
            return Err(Error::invalid("rows", rows, format!("a segment has at most {}", bundle::ROWS_MAX)));
        }
        let mut builder = Builder::new()?;
        let mut lengths = Vec::with_capacity(rows as usize);
        let mut joined = String::new();
        for row in 0..rows {
            joined.clear();
            let (mut length, mut positions, mut last) = (0u32, Positions::default(), None);
            texts(Row(row), &mut |text| {
                analyzer.each_placed(text, &mut |term, place| {
                    bundle::join(&mut joined, term, positions.of(place), &mut last);
                    length = length.saturating_add(1);
                });
                positions.end_text();
            })?;
            builder.add(&joined)?;
            lengths.push(length);
        }
        let mut out = SectionsWriter::new(Vec::new());
        let laid = |err: std::io::Error| Error::invalid("text", "the body", err.to_string());
        let (docs, tokens) = totals(&lengths);
        out.put("text.totals", &[VERSION, docs, tokens]).map_err(laid)?;
        out.put("text.lengths", &lengths).map_err(laid)?;
        let index = builder.finish(&mut out)?;
        let (frequent, peaks) = peaks(&index, &lengths)?;
        out.put("text.frequent", &frequent).map_err(laid)?;
        out.put("text.peaks", &peaks).map_err(laid)?;
        out.finish().map_err(laid)
    }

    /// Reads a body in place.
    pub fn open(body: Bytes, rows: u32) -> Result<Self> {
        let sections = Sections::open(body)?;
        let stored = sections.array_of::<u64>("text.totals", 3)?;
        if stored[0] != VERSION {
            return Err(Error::corrupt("text.totals", 0, format!("is of version {}, not {VERSION}", stored[0])));
        }
        let lengths = sections.array_of::<u32>("text.lengths", rows as usize)?;
        let (docs, tokens) = totals(&lengths);
        if (docs, tokens) != (stored[1], stored[2]) {
            return Err(Error::corrupt("text.lengths", 0, "does not add up to the totals"));
        }
        let frequent = sections.array::<u32>("text.frequent")?;
        if !frequent.is_sorted_by(|a, b| a < b) {
            return Err(Error::corrupt("text.frequent", 0, "the terms do not rise"));
        }
        let peaks = sections.array_of::<u32>("text.peaks", frequent.len().saturating_mul(4))?;
        let index = guarded(|| bundle::open(&sections, rows))?;
        Ok(Self { index, lengths, frequent, peaks, docs, tokens })
    }

    fn list(&self, term: &str, option: IndexRecordOption) -> Result<Option<Postings>> {
        let info = self.index.terms().get(term).map_err(unreadable)?;
        info.map(|info| Postings::open(&self.index, &info, option)).transpose()
    }

    /// The rows that have terms one behind the other: found where the rarest is, looked up in the others.
    fn phrase(&self, words: &[(String, u32)]) -> Result<Bitmap> {
        let option = IndexRecordOption::WithFreqsAndPositions;
        let mut lists: Vec<SegmentPostings> = Vec::with_capacity(words.len());
        for (term, _) in words {
            let Some(info) = self.index.terms().get(term).map_err(unreadable)? else { return Ok(Bitmap::new()) };
            lists.push(self.index.read_postings_from_terminfo(&info, option).map_err(unreadable)?);
        }
        let offsets: Vec<u32> = words.iter().map(|(_, offset)| *offset).collect();
        let rarest = (0..lists.len()).min_by_key(|at| lists[*at].doc_freq()).unwrap_or_default();
        let mut places = vec![Vec::new(); lists.len()];
        let mut found = Vec::new();
        let mut row = lists[rarest].doc();
        'rows: while row != TERMINATED {
            for list in &mut lists {
                let here = if list.doc() < row { list.seek(row) } else { list.doc() };
                if here != row {
                    row = lists[rarest].advance();
                    continue 'rows;
                }
            }
            lists.iter_mut().zip(&mut places).for_each(|(list, places)| list.positions(places));
            if syntax::in_order(&places, &offsets) {
                found.push(row);
            }
            row = lists[rarest].advance();
        }
        Ok(Bitmap::from_rows(found))
    }

    fn peak(&self, term: &str) -> Option<Peak> {
        let number = self.index.terms().term_ord(term).ok()??;
        let at = self.frequent.binary_search(&u32::try_from(number).ok()?).ok()?;
        match *self.peaks.get(at * 4..at * 4 + 4)? {
            [once, twice, more, times] => Some(Peak { shortest: [once, twice, more], times }),
            _ => None,
        }
    }
}

impl TextPart for SealedText {
    fn statistics(&self, terms: &[(String, u32)], dead: &Bitmap) -> Result<Statistics> {
        guarded(|| {
            let list = |(term, _): &(String, u32)| self.list(term, IndexRecordOption::Basic);
            let lists = terms.iter().map(list).collect::<Result<Vec<_>>>()?;
            Ok(search::statistics(lists.into_iter(), self.docs, self.tokens, &self.lengths, dead))
        })
    }

    fn rows(&self, ask: &Ask) -> Result<Bitmap> {
        guarded(|| {
            let mut rows = Bitmap::new();
            let mut add = |info: &TermInfo| {
                let mut list = Postings::open(&self.index, info, IndexRecordOption::Basic)?;
                while !list.rows().is_empty() {
                    rows.or(&Bitmap::from_rows(list.rows().iter().copied()));
                    list.next();
                }
                Ok::<_, Error>(())
            };
            match ask {
                Ask::Term(term) => self.index.terms().get(term).map_err(unreadable)?.iter().try_for_each(&mut add)?,
                Ask::Prefix(prefix) => {
                    let mut terms = self.index.terms().range().ge(prefix).into_stream().map_err(unreadable)?;
                    while terms.advance() && terms.key().starts_with(prefix.as_bytes()) {
                        add(terms.value())?;
                    }
                }
                Ask::Phrase(words) => return self.phrase(words),
            }
            Ok(rows)
        })
    }

    fn terms_from(&self, prefix: &str, most: usize) -> Result<Vec<String>> {
        guarded(|| {
            let mut terms = self.index.terms().range().ge(prefix).into_stream().map_err(unreadable)?;
            let mut found = Vec::new();
            while found.len() < most && terms.advance() && terms.key().starts_with(prefix.as_bytes()) {
                found.push(String::from_utf8_lossy(terms.key()).into_owned());
            }
            Ok(found)
        })
    }

    fn search(&self, query: &Weighted, k: usize, allowed: Option<&Selection>) -> Result<Found> {
        guarded(|| {
            let mut lists = Vec::with_capacity(query.terms.len());
            for (term, weight) in &query.terms {
                if let Some(list) = self.list(term, IndexRecordOption::WithFreqs)? {
                    let peak = if list.len() > PRICED_WHOLE as u64 { self.peak(term) } else { None };
                    lists.push(List::new(list, query, *weight, peak, &self.lengths));
                }
            }
            Ok(search::search(lists, query, &self.lengths, k, allowed))
        })
    }
}

/// tantivy trusts its files and panics where they are broken; here that is an error like any other.
/// What it was reading is shared by nobody, so nothing is left half done.
fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(Error::corrupt("tantivy", 0, "the dictionary or a posting list cannot be read")))
}

fn unreadable(err: std::io::Error) -> Error {
    Error::corrupt("tantivy", 0, err.to_string())
}

/// Rows that have a term, and terms in all of them.
fn totals(lengths: &[u32]) -> (u64, u64) {
    let docs = lengths.iter().filter(|length| **length > 0).count() as u64;
    (docs, lengths.iter().map(|length| u64::from(*length)).sum())
}

/// The peaks of all long lists, with the numbers of their terms.
fn peaks(index: &InvertedIndexReader, lengths: &[u32]) -> Result<(Vec<u32>, Vec<u32>)> {
    let (mut frequent, mut peaks) = (Vec::new(), Vec::new());
    let mut terms = index.terms().stream().map_err(unreadable)?;
    while terms.advance() {
        if terms.value().doc_freq as usize <= PRICED_WHOLE {
            continue;
        }
        // A term without a peak is only bounded more loosely.
        let Ok(number) = u32::try_from(terms.term_ord()) else { break };
        let mut list = Postings::open(index, terms.value(), IndexRecordOption::WithFreqs)?;
        let mut peak = Peak::NONE;
        while !list.rows().is_empty() {
            for (row, times) in list.rows().iter().zip(list.times()) {
                peak.see(*times, lengths[*row as usize]);
            }
            list.next();
        }
        frequent.push(number);
        peaks.extend_from_slice(&peak.shortest);
        peaks.push(peak.times);
    }
    Ok((frequent, peaks))
}

/// A posting list of tantivy's.
struct Postings(BlockSegmentPostings);

impl Postings {
    fn open(index: &InvertedIndexReader, info: &TermInfo, option: IndexRecordOption) -> Result<Self> {
        index.read_block_postings_from_terminfo(info, option).map(Self).map_err(unreadable)
    }
}

impl Blocks for Postings {
    #[inline]
    fn rows(&self) -> &[u32] {
        self.0.docs()
    }

    #[inline]
    fn times(&self) -> &[u32] {
        self.0.freqs()
    }

    fn next(&mut self) {
        self.0.advance();
    }

    fn seek(&mut self, row: u32) {
        self.0.seek(row);
    }

    fn len(&self) -> u64 {
        u64::from(self.0.doc_freq())
    }
}
