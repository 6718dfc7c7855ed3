//! What words may ask beside themselves, as a naive evaluator sees it: signs, phrases and beginnings over texts of small
//! words with blanks between.

use crate::model::{Held, Model};

/// One clause of a query.
#[derive(Clone, Debug)]
pub struct Clause {
    /// `+`, `-`, or nothing.
    pub sign: Option<char>,
    /// What is asked.
    pub asks: Asks,
}

/// What a clause asks.
#[derive(Clone, Debug)]
pub enum Asks {
    /// This word.
    Word(String),
    /// These words, one behind the other.
    Phrase(Vec<String>),
    /// A word that begins so.
    Beginning(String),
}

impl Clause {
    /// As it is written.
    pub fn text(&self) -> String {
        let asks = match &self.asks {
            Asks::Word(word) => word.clone(),
            Asks::Phrase(words) => format!("\"{}\"", words.join(" ")),
            Asks::Beginning(start) => format!("{start}*"),
        };
        self.sign.map_or(String::new(), String::from) + &asks
    }

    fn holds(&self, words: &[&str]) -> bool {
        match &self.asks {
            Asks::Word(word) => words.contains(&&word[..]),
            Asks::Phrase(phrase) => words.windows(phrase.len().max(1)).any(|window| window == &phrase[..]),
            Asks::Beginning(start) => words.iter().any(|word| word.starts_with(&start[..])),
        }
    }
}

fn words<'h>(held: &'h Held, path: &str) -> Vec<&'h str> {
    held.payload.get(path).and_then(serde_json::Value::as_str).unwrap_or_default().split_whitespace().collect()
}

/// Whether a point has what has to be there, and nothing that must not be. A phrase has to be there without a sign too.
pub fn hold(clauses: &[Clause], held: &Held, path: &str) -> bool {
    let words = words(held, path);
    clauses.iter().all(|clause| match (clause.sign, &clause.asks) {
        (Some('-'), _) => !clause.holds(&words),
        (Some(_), _) | (None, Asks::Phrase(_)) => clause.holds(&words),
        (None, _) => true,
    })
}

/// The words that count, with blanks between; for a beginning all that begin so.
pub fn said(clauses: &[Clause], model: &Model, path: &str) -> String {
    let mut known: Vec<&str> = model.values().flat_map(|held| words(held, path)).collect();
    known.sort_unstable();
    known.dedup();
    let mut said: Vec<&str> = Vec::new();
    for clause in clauses.iter().filter(|clause| clause.sign != Some('-')) {
        match &clause.asks {
            Asks::Word(word) => said.push(word),
            Asks::Phrase(words) => said.extend(words.iter().map(|word| &word[..])),
            Asks::Beginning(start) => said.extend(known.iter().filter(|word| word.starts_with(&start[..]))),
        }
    }
    said.join(" ")
}
