//! Rows by words in a sealed segment: one body of bytes, read in place.

use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::params::Found;
use crate::row::Row;
use crate::text::analyzer::Analyzer;
use crate::text::bm25::{Statistics, TextPart, Weighted};
use bytes::Bytes;

/// The text of one field in a sealed segment.
pub struct SealedText {}

impl SealedText {
    /// The body for `rows` rows. `texts` is called once a row, in order, and calls back with every
    /// string of that row.
    pub fn build(
        _analyzer: &Analyzer,
        _rows: u32,
        _texts: &mut dyn FnMut(Row, &mut dyn FnMut(&str)) -> Result<()>,
    ) -> Result<Vec<u8>> {
        todo!()
    }

    /// Reads a body in place.
    pub fn open(_body: Bytes, _rows: u32) -> Result<Self> {
        todo!()
    }
}

impl TextPart for SealedText {
    fn statistics(&self, _terms: &[(String, u32)], _dead: &Bitmap) -> Result<Statistics> {
        todo!()
    }

    fn search(&self, _query: &Weighted, _k: usize, _allowed: Option<&Bitmap>) -> Result<Found> {
        todo!()
    }
}
