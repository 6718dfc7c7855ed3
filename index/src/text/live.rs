//! Rows by words in memory: an immutable inverted index of one live part.

use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::params::Found;
use crate::row::Kept;
use crate::text::analyzer::Analyzer;
use crate::text::bm25::{Statistics, TextPart, Weighted};

/// The terms of one row, counted. Made in the thread of the caller.
#[derive(Clone, Debug)]
pub struct Analysed {}

impl Analysed {
    /// Several strings read as one text; `None` where there is no term.
    pub fn of(_analyzer: &Analyzer, _texts: &mut dyn Iterator<Item = &str>) -> Option<Self> {
        todo!()
    }
}

/// The text of one field in a live part.
#[derive(Debug)]
pub struct LiveText {}

impl LiveText {
    /// From rows in order.
    pub fn build(_rows: impl IntoIterator<Item = Option<Analysed>>) -> Self {
        todo!()
    }

    /// The kept rows of several parts as one part, without reading a text again.
    pub fn concat(_parts: &[Kept<'_, LiveText>]) -> Self {
        todo!()
    }

    /// Bytes in memory, roughly.
    pub fn memory_bytes(&self) -> u64 {
        todo!()
    }
}

impl TextPart for LiveText {
    fn statistics(&self, _terms: &[(String, u32)], _dead: &Bitmap) -> Result<Statistics> {
        todo!()
    }

    fn search(&self, _query: &Weighted, _k: usize, _allowed: Option<&Bitmap>) -> Result<Found> {
        todo!()
    }
}
