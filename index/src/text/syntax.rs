//! The small language of a text query, for those who ask for it.
//!
//! ```text
//! query  = { [ "+" | "-" ] clause }
//! clause = word | word "*" | '"' words '"'
//! ```
//!
//! A word counts where it is there. With a plus it has to be there, with a minus it must not. Quoted words have to be there,
//! one behind the other, unless a minus stands before them. A word with a star stands for every word that begins so.

use crate::error::{Error, Result};
use crate::text::analyzer::Analyzer;

/// A query has at most this many clauses.
pub const CLAUSES_MAX: usize = 256;

/// What is asked of one row's text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask {
    /// It has this term.
    Term(String),
    /// It has these terms, so far behind the first each.
    Phrase(Vec<(String, u32)>),
    /// It has a term that begins so.
    Prefix(String),
}

/// A query, read by an analyzer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parsed {
    /// Terms that count, as often as they are said.
    pub terms: Vec<String>,
    /// Words that begin so count too.
    pub prefixes: Vec<String>,
    /// All of these have to hold; each with the number of its clause, which is the same whatever the analyzer.
    pub must: Vec<(usize, Ask)>,
    /// None of these may hold.
    pub must_not: Vec<Ask>,
}

impl Parsed {
    /// Words alone: none has to be there.
    pub fn plain(analyzer: &Analyzer, query: &str) -> Self {
        Self { terms: analyzer.terms(query), ..Self::default() }
    }

    /// Reads a query. What the analyzer makes nothing of (a sign alone, a common word) asks for nothing.
    pub fn read(analyzer: &Analyzer, query: &str) -> Result<Self> {
        let mut parsed = Self::default();
        let mut rest = query.trim_start();
        let mut clauses = 0;
        while let Some(first) = rest.chars().next() {
            clauses += 1;
            if clauses > CLAUSES_MAX {
                return Err(Error::invalid(
                    "text query",
                    format!("over {CLAUSES_MAX} clauses"),
                    "ask for less at once",
                ));
            }
            let sign = matches!(first, '+' | '-').then_some(first);
            rest = &rest[sign.map_or(0, char::len_utf8)..];
            rest = match rest.strip_prefix('"') {
                Some(quoted) => {
                    let end = quoted.find('"').ok_or_else(|| {
                        let at = query.len() - rest.len() + 1;
                        Error::invalid("text query", format!("a quote at byte {at} that nothing closes"), "close it")
                    })?;
                    parsed.phrase(analyzer, (clauses, sign), &quoted[..end]);
                    &quoted[end + 1..]
                }
                None => {
                    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                    parsed.word(analyzer, (clauses, sign), &rest[..end]);
                    &rest[end..]
                }
            }
            .trim_start();
        }
        Ok(parsed)
    }

    fn word(&mut self, analyzer: &Analyzer, (clause, sign): (usize, Option<char>), word: &str) {
        if let Some(prefix) = word.strip_suffix('*') {
            let Some(prefix) = analyzer.prefix(prefix) else { return };
            match sign {
                Some('-') => self.must_not.push(Ask::Prefix(prefix)),
                sign => {
                    self.must.extend(sign.map(|_| (clause, Ask::Prefix(prefix.clone()))));
                    self.prefixes.push(prefix);
                }
            }
            return;
        }
        match sign {
            // What is written as one word and is several is all of them, side by side.
            Some(_) => self.phrase(analyzer, (clause, sign), word),
            None => self.terms.extend(analyzer.terms(word)),
        }
    }

    fn phrase(&mut self, analyzer: &Analyzer, (clause, sign): (usize, Option<char>), words: &str) {
        let mut places: Vec<(String, u32)> = Vec::new();
        let mut terms = Vec::new();
        analyzer.each_placed(words, &mut |term, place| {
            // What is inside of a word stands where the word does.
            if places.last().is_none_or(|last| last.1 != place.position) {
                places.push((term.to_owned(), place.position));
            }
            terms.push(term.to_owned());
        });
        let Some(first) = places.first().map(|first| first.1) else { return };
        places.iter_mut().for_each(|place| place.1 -= first);
        let ask = match &mut places[..] {
            [only] => Ask::Term(std::mem::take(&mut only.0)),
            _ => Ask::Phrase(places),
        };
        match sign {
            Some('-') => self.must_not.push(ask),
            _ => {
                self.must.push((clause, ask));
                self.terms.extend(terms);
            }
        }
    }
}

/// Whether terms at these places of a row stand as a phrase wants them: so far behind the first each.
pub(crate) fn in_order(places: &[Vec<u32>], offsets: &[u32]) -> bool {
    let Some((first, others)) = places.split_first() else { return false };
    first.iter().any(|start| {
        let follows = |(own, offset): (&Vec<u32>, &u32)| {
            start.checked_add(*offset).is_some_and(|place| own.binary_search(&place).is_ok())
        };
        others.iter().zip(offsets.iter().skip(1)).all(follows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, query: &str) -> Parsed {
        Parsed::read(&Analyzer::new(name).unwrap(), query).unwrap()
    }

    fn term(text: &str) -> Ask {
        Ask::Term(text.to_owned())
    }

    fn phrase(words: &[(&str, u32)]) -> Ask {
        Ask::Phrase(words.iter().map(|(word, at)| ((*word).to_owned(), *at)).collect())
    }

    #[test]
    fn signs_quotes_and_stars_are_read() {
        let parsed = read("english", r#"boats +Harbours -"old stones" "the running wind" inK* -pap* +qui*"#);
        assert_eq!(parsed.terms, ["boat", "harbour", "the", "run", "wind"]);
        assert_eq!(parsed.prefixes, ["ink", "qui"]);
        let wind = phrase(&[("the", 0), ("run", 1), ("wind", 2)]);
        let must = [(2, term("harbour")), (4, wind), (7, Ask::Prefix("qui".into()))];
        assert_eq!(parsed.must, must);
        assert_eq!(parsed.must_not, [phrase(&[("old", 0), ("stone", 1)]), Ask::Prefix("pap".into())]);
    }

    #[test]
    fn what_is_several_words_is_a_phrase() {
        assert_eq!(read("standard", "+e-mail").must, [(1, phrase(&[("e", 0), ("mail", 1)]))]);
        assert_eq!(read("standard", "+東京都").must, [(1, phrase(&[("東京", 0), ("京都", 1)]))]);
        assert_eq!(read("standard+parts", "+haus").must, [(1, term("haus"))]);
        assert_eq!(read("standard+parts", "\"der kater\"").must, [(1, phrase(&[("der", 0), ("kater", 1)]))]);
        assert_eq!(read("english+stop", "+the"), Parsed::default());
        assert_eq!(read("standard", " + - * \"\" "), Parsed::default());
    }

    #[test]
    fn a_mistake_is_told() {
        let analyzer = Analyzer::new("standard").unwrap();
        let err = Parsed::read(&analyzer, "ab \"cd").unwrap_err().to_string();
        assert_eq!(err, "text query is a quote at byte 4 that nothing closes; close it");
        assert!(Parsed::read(&analyzer, &"a ".repeat(CLAUSES_MAX + 1)).is_err());
        assert_eq!(Parsed::plain(&analyzer, "a -b \"c").terms, ["a", "b", "c"]);
    }

    #[test]
    fn order_is_seen_by_places() {
        assert!(in_order(&[vec![1, 5], vec![2, 7]], &[0, 1]));
        assert!(in_order(&[vec![1, 5], vec![2, 7]], &[0, 2]));
        assert!(!in_order(&[vec![1, 5], vec![3, 8]], &[0, 1]));
        assert!(!in_order(&[], &[]) && in_order(&[vec![0]], &[0]));
    }
}
