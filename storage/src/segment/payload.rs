//! The payloads of a segment, as they were written.
//!
//! ```text
//! text      the payloads, one after another
//! offsets   u64 x (rows + 1)   where each begins; the last is where the text ends
//! ```

use bytes::Bytes;
use nigh_index::error::{Error, Result};
use nigh_index::layout::{Array, Body, Guard, Sections, SectionsWriter};
use nigh_index::row::Row;
use std::io;

/// Payloads, read in place.
pub(crate) struct Payloads {
    text: Bytes,
    /// Where the text was not read yet.
    guard: Option<Guard>,
    offsets: Array<u64>,
}

/// Lays payloads down as they come.
pub(crate) fn write<W: io::Write>(
    payloads: impl Iterator<Item = crate::error::Result<Bytes>>,
    out: &mut SectionsWriter<W>,
) -> std::result::Result<(), WriteError> {
    let mut offsets = vec![0u64];
    let mut at = 0;
    out.begin("text")?;
    for payload in payloads {
        let payload = payload?;
        out.extend(&payload[..])?;
        at += payload.len() as u64;
        offsets.push(at);
    }
    out.put("offsets", &offsets)?;
    Ok(())
}

/// A payload could not be read, or not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    Read(#[from] crate::error::Error),
    #[error(transparent)]
    Write(#[from] io::Error),
}

impl Payloads {
    /// Reads the offsets; the text only when it is asked for.
    pub(crate) fn open(body: Body, rows: u32) -> Result<Self> {
        let sections = Sections::of(body)?;
        let (text, guard) = sections.unread("text")?;
        let offsets: Array<u64> = sections.array_of("offsets", rows as usize + 1)?;
        let whole = offsets.first() == Some(&0) && offsets.last() == Some(&(text.len() as u64));
        if !whole || !offsets.is_sorted() {
            return Err(Error::corrupt("offsets", 0, "do not rise from 0 to the end of the text"));
        }
        Ok(Self { text, guard, offsets })
    }

    /// Bytes of all of them.
    pub(crate) fn bytes(&self) -> u64 {
        self.text.len() as u64
    }

    /// The text of a row's payload, sharing the file's memory.
    pub(crate) fn payload(&self, row: Row) -> Result<Bytes> {
        let range = self.offsets[row.at()] as usize..self.offsets[row.at() + 1] as usize;
        match &self.guard {
            Some(guard) if !guard.touch(range.clone()) => {
                Err(Error::corrupt("text", range.start as u64, "the checksum of a block does not match"))
            }
            _ => Ok(self.text.slice(range)),
        }
    }
}
