//! JSON text from its beginning to its end: vectors by a loop of their own, everything else by serde_json.
//!
//! Of a batch of vectors nearly every byte is one of a number. What stands around them is checked no less: a text that is
//! no JSON is refused, whatever of it is asked for.

use super::number;
use crate::qdrant::fault::{Fault, Result};
use serde::Deserialize;
use serde_json::Deserializer;

/// A text, and up to where it is read.
pub(super) struct Scan<'t> {
    text: &'t [u8],
    at: usize,
    /// The vector that is being read.
    row: Vec<f32>,
}

impl<'t> Scan<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0, row: Vec::new() }
    }

    /// The byte that the next value begins with.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// An error at the place up to which it is read.
    pub(super) fn wrong(&self, what: impl std::fmt::Display) -> Fault {
        let before = &self.text[..self.at];
        let line = before.iter().filter(|byte| **byte == b'\n').count();
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
        Fault::format(format_args!("{what} at line {} column {}", line + 1, column + 1))
    }

    fn take(&mut self, byte: u8) -> Result<()> {
        if self.peek() != Some(byte) {
            return Err(self.wrong(format_args!("expected `{}`", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads the items of what two brackets enclose.
    fn each(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.take(open)?;
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(());
        }
        loop {
            item(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => break,
                _ => return Err(self.wrong(format_args!("expected `,` or `{}`", char::from(close)))),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a list; each item has to be read.
    pub(super) fn list(&mut self, item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.each(b'[', b']', item)
    }

    /// Reads an object; the value of each field has to be read.
    pub(super) fn object(&mut self, mut field: impl FnMut(&mut Self, String) -> Result<()>) -> Result<()> {
        self.each(b'{', b'}', |scan| {
            let name = scan.value()?;
            scan.take(b':')?;
            field(scan, name)
        })
    }

    /// Reads a value of any kind.
    pub(super) fn value<T: Deserialize<'t>>(&mut self) -> Result<T> {
        if self.peek().is_none() {
            return Err(self.wrong("expected a value"));
        }
        let mut values = Deserializer::from_slice(&self.text[self.at..]).into_iter();
        match values.next() {
            Some(Ok(value)) => {
                self.at += values.byte_offset();
                Ok(value)
            }
            Some(Err(err)) => {
                // Its place is one in the rest of the text.
                let text = err.to_string();
                let place = format!(" at line {} column {}", err.line(), err.column());
                let what = text.strip_suffix(&place).unwrap_or(&text);
                let lines =
                    self.text[self.at..].split_inclusive(|byte| *byte == b'\n').take(err.line().saturating_sub(1));
                let before = lines.map(<[u8]>::len).sum::<usize>() + err.column().saturating_sub(1);
                self.at = (self.at + before).min(self.text.len());
                Err(self.wrong(what))
            }
            None => Err(self.wrong("expected a value")),
        }
    }

    /// Reads a list of numbers.
    pub(super) fn numbers(&mut self) -> Result<Vec<f32>> {
        self.row.clear();
        self.list(|scan| {
            scan.peek();
            match number::read(&scan.text[scan.at..]) {
                Ok((number, length)) => {
                    scan.at += length;
                    scan.row.push(number);
                    Ok(())
                }
                Err((beyond, what)) => {
                    scan.at += beyond;
                    Err(scan.wrong(what))
                }
            }
        })?;
        Ok(self.row.clone())
    }

    /// Whether `[` is followed by this, spaces aside.
    pub(super) fn opens_with(&self, byte: u8) -> bool {
        let mut ahead = Self { text: self.text, at: self.at, row: Vec::new() };
        ahead.take(b'[').is_ok() && ahead.peek() == Some(byte)
    }

    /// Up to where it is read.
    pub(super) fn place(&self) -> usize {
        self.at
    }

    /// Goes back there, to read on from it.
    pub(super) fn back(&mut self, place: usize) {
        self.at = place;
    }

    /// Nothing but spaces may follow.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.wrong("trailing characters")),
        }
    }
}
