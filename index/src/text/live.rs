//! Rows by words in memory: an immutable inverted index of one live part.
//!
//! ```text
//! terms    sorted, one behind the other in one string; `ends` says where each ends
//! starts   for each term, where its postings begin; one more at the end
//! postings rows, rising within a term, and the times that each has the term
//! spots    for each term, where the places of its postings begin; one more at the end
//! places   for each posting, the positions of the term in the row, rising
//! lengths  for each row, its terms
//! ```

use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::params::Found;
use crate::row::Kept;
use crate::selection::Selection;
use crate::text::analyzer::{Analyzer, Positions};
use crate::text::bm25::{Statistics, TextPart, Weighted};
use crate::text::search::{self, Blocks, List};
use crate::text::syntax::{self, Ask};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Sorted terms, one behind the other.
#[derive(Clone, Debug, Default)]
struct Terms {
    text: String,
    ends: Vec<usize>,
}

impl Terms {
    fn push(&mut self, term: &str) {
        self.text.push_str(term);
        self.ends.push(self.text.len());
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, at: usize) -> &str {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[start..self.ends[at]]
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|at| self.get(at))
    }

    /// Where the term stands among them.
    fn find(&self, term: &str) -> Option<usize> {
        let at = self.least(term);
        (at < self.len() && self.get(at) == term).then_some(at)
    }

    /// Where the first term stands that is not less than this.
    fn least(&self, term: &str) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle) < term {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    fn memory_bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

/// The terms of one row, counted. Made in the thread of the caller.
#[derive(Clone, Debug)]
pub struct Analysed {
    terms: Terms,
    times: Vec<u32>,
    /// Of every term its positions, rising.
    places: Vec<u32>,
    length: u32,
}

impl Analysed {
    /// Several strings read as one text, between which no phrase goes on; `None` where there is no term.
    pub fn of(analyzer: &Analyzer, texts: &mut dyn Iterator<Item = &str>) -> Option<Self> {
        let (mut said, mut positions) = (Terms::default(), Positions::default());
        let mut places = Vec::new();
        for text in texts {
            analyzer.each_placed(text, &mut |term, place| {
                said.push(term);
                places.push(positions.of(place));
            });
            positions.end_text();
        }
        if said.len() == 0 {
            return None;
        }
        let mut sorted: Vec<(&str, u32)> = said.iter().zip(places).collect();
        sorted.sort_unstable();
        let (mut terms, mut times) = (Terms::default(), Vec::new());
        for same in sorted.chunk_by(|a, b| a.0 == b.0) {
            terms.push(same[0].0);
            times.push(same.len() as u32);
        }
        terms.shrink();
        times.shrink_to_fit();
        let places = sorted.iter().map(|(_, place)| *place).collect();
        Some(Self { terms, times, places, length: u32::try_from(said.len()).unwrap_or(u32::MAX) })
    }
}

/// The text of one field in a live part.
#[derive(Clone, Debug)]
pub struct LiveText {
    terms: Terms,
    starts: Vec<usize>,
    rows: Vec<u32>,
    times: Vec<u32>,
    spots: Vec<usize>,
    places: Vec<u32>,
    lengths: Vec<u32>,
    docs: u64,
    tokens: u64,
}

impl LiveText {
    /// From rows in order.
    pub fn build(rows: impl IntoIterator<Item = Option<Analysed>>) -> Self {
        let rows: Vec<_> = rows.into_iter().collect();
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        // Of each term its postings, and its places in all of them.
        let mut named: Vec<(&str, usize, usize)> = Vec::new();
        let mut said = Vec::new();
        for (term, times) in rows.iter().flatten().flat_map(|row| row.terms.iter().zip(&row.times)) {
            let number = *numbers.entry(term).or_insert_with(|| {
                named.push((term, 0, 0));
                named.len() - 1
            });
            named[number].1 += 1;
            named[number].2 += *times as usize;
            said.push(number);
        }
        // From the order in which terms were met to the order in which they are kept.
        let mut order: Vec<usize> = (0..named.len()).collect();
        order.sort_unstable_by_key(|number| named[*number].0);
        let (mut terms, mut starts, mut spots) = (Terms::default(), vec![0], vec![0]);
        let mut next = vec![(0, 0); named.len()];
        let (mut postings, mut places) = (0, 0);
        for number in order {
            terms.push(named[number].0);
            next[number] = (postings, places);
            postings += named[number].1;
            places += named[number].2;
            starts.push(postings);
            spots.push(places);
        }
        let mut said = said.into_iter();
        let mut part = Self {
            terms,
            starts,
            rows: vec![0; postings],
            times: vec![0; postings],
            spots,
            places: vec![0; places],
            lengths: Vec::with_capacity(rows.len()),
            docs: 0,
            tokens: 0,
        };
        for (row, analysed) in rows.iter().enumerate() {
            part.lengths.push(analysed.as_ref().map_or(0, |row| row.length));
            let Some(analysed) = analysed else { continue };
            let mut own = &analysed.places[..];
            for (times, number) in analysed.times.iter().zip(&mut said) {
                let (posting, place) = next[number];
                let (here, rest) = own.split_at(*times as usize);
                part.rows[posting] = row as u32;
                part.times[posting] = *times;
                part.places[place..place + here.len()].copy_from_slice(here);
                (next[number], own) = ((posting + 1, place + here.len()), rest);
            }
        }
        part.counted()
    }

    /// The kept rows of several parts as one part, without reading a text again.
    pub fn concat(parts: &[Kept<'_, LiveText>]) -> Self {
        const GONE: u32 = u32::MAX;
        let mut lengths = Vec::with_capacity(parts.iter().map(|kept| kept.rows.len()).sum());
        // Where each row of each part goes.
        let mut moved = Vec::with_capacity(parts.len());
        for kept in parts {
            let mut to = vec![GONE; kept.part.lengths.len()];
            for row in kept.rows {
                to[row.at()] = lengths.len() as u32;
                lengths.push(kept.part.lengths[row.at()]);
            }
            moved.push(to);
        }
        let mut merged = Self {
            terms: Terms::default(),
            starts: vec![0],
            rows: Vec::new(),
            times: Vec::new(),
            spots: vec![0],
            places: Vec::new(),
            lengths,
            docs: 0,
            tokens: 0,
        };
        // The next term of every part, the least on top; of equal ones the earlier part, so that rows rise.
        let mut heads = BinaryHeap::new();
        for (at, kept) in parts.iter().enumerate() {
            if kept.part.terms.len() > 0 {
                heads.push(Reverse((kept.part.terms.get(0), at, 0)));
            }
        }
        while let Some(&Reverse((term, _, _))) = heads.peek() {
            while let Some(&Reverse((same, at, number))) = heads.peek()
                && same == term
            {
                heads.pop();
                let part = parts[at].part;
                let (start, end) = (part.starts[number], part.starts[number + 1]);
                let mut place = part.spots[number];
                for (row, times) in part.rows[start..end].iter().zip(&part.times[start..end]) {
                    let row = moved[at][*row as usize];
                    let after = place + *times as usize;
                    if row != GONE {
                        merged.rows.push(row);
                        merged.times.push(*times);
                        merged.places.extend_from_slice(&part.places[place..after]);
                    }
                    place = after;
                }
                if number + 1 < part.terms.len() {
                    heads.push(Reverse((part.terms.get(number + 1), at, number + 1)));
                }
            }
            if merged.starts.last() != Some(&merged.rows.len()) {
                merged.terms.push(term);
                merged.starts.push(merged.rows.len());
                merged.spots.push(merged.places.len());
            }
        }
        merged.rows.shrink_to_fit();
        merged.times.shrink_to_fit();
        merged.places.shrink_to_fit();
        merged.counted()
    }

    /// Bytes in memory, roughly.
    pub fn memory_bytes(&self) -> u64 {
        let numbers = self.rows.capacity() + self.times.capacity() + self.lengths.capacity() + self.places.capacity();
        let starts = (self.starts.capacity() + self.spots.capacity()) * size_of::<usize>();
        (size_of::<Self>() + self.terms.memory_bytes() + starts + numbers * size_of::<u32>()) as u64
    }

    fn counted(mut self) -> Self {
        self.terms.shrink();
        self.starts.shrink_to_fit();
        self.spots.shrink_to_fit();
        self.docs = self.lengths.iter().filter(|length| **length > 0).count() as u64;
        self.tokens = self.lengths.iter().map(|length| u64::from(*length)).sum();
        self
    }

    /// The rows that have a term, each with the term's positions there.
    fn placed(&self, term: &str) -> HashMap<u32, &[u32]> {
        let Some(at) = self.terms.find(term) else { return HashMap::new() };
        let range = self.starts[at]..self.starts[at + 1];
        let mut place = self.spots[at];
        let postings = self.rows[range.clone()].iter().zip(&self.times[range]);
        let placed = postings.map(|(row, times)| {
            let from = place;
            place += *times as usize;
            (*row, &self.places[from..place])
        });
        placed.collect()
    }

    /// The terms that begin so: where they stand.
    fn beginning(&self, prefix: &str) -> impl Iterator<Item = usize> {
        let first = self.terms.least(prefix);
        (first..self.terms.len()).take_while(move |at| self.terms.get(*at).starts_with(prefix))
    }

    fn list(&self, term: &str) -> Option<Slices<'_>> {
        let at = self.terms.find(term)?;
        let range = self.starts[at]..self.starts[at + 1];
        Some(Slices { len: range.len(), rows: &self.rows[range.clone()], times: &self.times[range] })
    }
}

impl TextPart for LiveText {
    fn statistics(&self, terms: &[(String, u32)], dead: &Bitmap) -> Result<Statistics> {
        let lists = terms.iter().map(|(term, _)| self.list(term));
        Ok(search::statistics(lists, self.docs, self.tokens, &self.lengths, dead))
    }

    fn rows(&self, ask: &Ask) -> Result<Bitmap> {
        Ok(match ask {
            Ask::Term(term) => {
                self.list(term).map_or_else(Bitmap::new, |list| Bitmap::from_rows(list.rows.iter().copied()))
            }
            Ask::Prefix(prefix) => {
                let mut rows = Bitmap::new();
                for at in self.beginning(prefix) {
                    rows.or(&Bitmap::from_rows(self.rows[self.starts[at]..self.starts[at + 1]].iter().copied()));
                }
                rows
            }
            Ask::Phrase(words) => {
                let placed: Vec<HashMap<u32, &[u32]>> = words.iter().map(|(term, _)| self.placed(term)).collect();
                let offsets: Vec<u32> = words.iter().map(|(_, offset)| *offset).collect();
                let Some(fewest) = placed.iter().min_by_key(|rows| rows.len()) else { return Ok(Bitmap::new()) };
                let mut rows: Vec<u32> = fewest.keys().copied().collect();
                rows.sort_unstable();
                rows.retain(|row| {
                    let places: Option<Vec<Vec<u32>>> =
                        placed.iter().map(|rows| rows.get(row).map(|places| places.to_vec())).collect();
                    places.is_some_and(|places| syntax::in_order(&places, &offsets))
                });
                Bitmap::from_rows(rows)
            }
        })
    }

    fn terms_from(&self, prefix: &str, most: usize) -> Result<Vec<String>> {
        Ok(self.beginning(prefix).take(most).map(|at| self.terms.get(at).to_owned()).collect())
    }

    fn search(&self, query: &Weighted, k: usize, allowed: Option<&Selection>) -> Result<Found> {
        let list =
            |(term, weight): &(String, f32)| Some(List::new(self.list(term)?, query, *weight, None, &self.lengths));
        let lists = query.terms.iter().filter_map(list).collect();
        Ok(search::search(lists, query, &self.lengths, k, allowed))
    }
}

/// A posting list in memory: what is left of it is one block.
struct Slices<'a> {
    rows: &'a [u32],
    times: &'a [u32],
    len: usize,
}

impl Blocks for Slices<'_> {
    fn rows(&self) -> &[u32] {
        self.rows
    }

    fn times(&self) -> &[u32] {
        self.times
    }

    fn next(&mut self) {
        (self.rows, self.times) = (&[], &[]);
    }

    fn seek(&mut self, row: u32) {
        let at = self.rows.partition_point(|here| *here < row);
        (self.rows, self.times) = (&self.rows[at..], &self.times[at..]);
    }

    fn len(&self) -> u64 {
        self.len as u64
    }
}
