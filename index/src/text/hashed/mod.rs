//! From a text to the numbers of a sparse vector, by BM25: a token is known by its hash, not by a dictionary.
//!
//! ```text
//! text -> words -> accents off -> lower case -> stop words out -> stem -> not too short, not too long -> hash
//! ```
//!
//! Of a document a number says how much a token counts in it, of a query it is 1; how rare a token is, the field that
//! keeps the vectors multiplies in when it is searched. The hashes are seen from outside: vectors that other programs made
//! of the same texts by the model `Qdrant/bm25` have to go together with these. So everything on the way to them (what a
//! word is, lists of stop words, stems) is what those do, and stays as it is; a text field has an
//! [analyzer](super::analyzer) of its own.

mod hash;
pub mod language;
mod tokens;

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::text::hashed::language::Language;
use rust_stemmers::Algorithm;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

/// Where a text is cut.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Tokenizer {
    /// At everything that is no letter and no digit.
    #[default]
    Word,
    /// At spaces.
    Whitespace,
    /// As [`Self::Word`]; all beginnings of a word are tokens too, so that it is found before it is typed to its end.
    Prefix,
}

/// Words that are left out.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StopWords {
    /// Those of languages.
    pub languages: Vec<Language>,
    /// And these. Where tokens are turned into lower case they are looked up so, and have to be so.
    pub others: HashSet<String>,
}

/// How numbers are made of texts.
#[derive(Clone, PartialEq, Debug)]
pub struct Bm25 {
    /// How soon a repeated token stops to count (Robertson & Zaragoza 2009, section 3).
    pub k: f64,
    /// How much long texts are held against themselves, from 0 to 1.
    pub b: f64,
    /// How many tokens a text has that is not long and not short.
    pub avg_len: f64,
    /// Where a text is cut.
    pub tokenizer: Tokenizer,
    /// Whether accents are taken off.
    pub fold: bool,
    /// Whether tokens are turned into lower case.
    pub lowercase: bool,
    /// What is left out.
    pub stop: StopWords,
    /// What takes words to their stems.
    pub stem: Option<Algorithm>,
    /// Of at least so many characters; what is shorter is left out.
    pub chars_min: usize,
    /// Of at most so many; what is longer is left out.
    pub chars_max: usize,
}

impl Default for Bm25 {
    fn default() -> Self {
        Self::of(Some(Language::ENGLISH))
    }
}

impl Bm25 {
    /// With the stop words and the stems of a language, or without any.
    pub fn of(language: Option<Language>) -> Self {
        Self {
            k: 1.2,
            b: 0.75,
            avg_len: 256.0,
            tokenizer: Tokenizer::Word,
            fold: false,
            lowercase: true,
            stop: StopWords { languages: language.into_iter().collect(), others: HashSet::new() },
            stem: language.and_then(Language::stem),
            chars_min: 0,
            chars_max: usize::MAX,
        }
    }

    /// Whether texts can be weighed by it.
    pub fn validate(&self) -> Result<()> {
        if !(self.k.is_finite() && self.k >= 0.0) {
            return Err(Error::invalid("k", self.k, "it is a number from 0 on"));
        }
        if !(0.0..=1.0).contains(&self.b) {
            return Err(Error::invalid("b", self.b, "it is from 0 to 1"));
        }
        if !(self.avg_len.is_finite() && self.avg_len > 0.0) {
            return Err(Error::invalid("avg_len", self.avg_len, "it is a number above 0"));
        }
        Ok(())
    }

    /// The numbers of a text that is kept: indices rising, each once, with how much it counts. A text of stop words alone
    /// has none. `None` where there are more than `most`; no more than those are then looked at.
    pub fn document(&self, text: &str, most: usize) -> Option<(Vec<u32>, Vec<f32>)> {
        let (mut counts, mut length) = (HashMap::<u32, u32>::new(), 0_u32);
        let all = self.each(text, &mut |token| {
            *counts.entry(token).or_default() += 1;
            length += 1;
            few(counts.len(), most)
        });
        if all.is_break() {
            return None;
        }
        let damped = self.k * (1.0 - self.b + self.b * f64::from(length) / self.avg_len);
        let mut pairs: Vec<(u32, u32)> = counts.into_iter().collect();
        pairs.sort_unstable();
        let weighed = |(token, count)| {
            let count = f64::from(count);
            (token, (count * (self.k + 1.0) / (damped + count)) as f32)
        };
        Some(pairs.into_iter().map(weighed).unzip())
    }

    /// The same of a text that is searched for: each counts 1.
    pub fn query(&self, text: &str, most: usize) -> Option<(Vec<u32>, Vec<f32>)> {
        let mut tokens = HashSet::new();
        let all = self.each_whole(text, &mut |token| {
            tokens.insert(token);
            few(tokens.len(), most)
        });
        if all.is_break() {
            return None;
        }
        let mut tokens: Vec<u32> = tokens.into_iter().collect();
        tokens.sort_unstable();
        let ones = vec![1.0; tokens.len()];
        Some((tokens, ones))
    }
}

fn few(count: usize, most: usize) -> ControlFlow<()> {
    if count > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
