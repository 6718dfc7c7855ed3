//! Which words of a text a query found, and the piece of the text that shows most of them.

use crate::text::analyzer::Analyzer;
use std::collections::HashSet;
use std::ops::Range;

/// What of a query is looked for in a text.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// These terms.
    pub terms: HashSet<String>,
    /// Terms that begin so.
    pub prefixes: Vec<String>,
}

/// A piece of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snippet {
    /// Where it stands in the text, in bytes, at the bounds of characters.
    pub range: Range<usize>,
    /// The words in it that were found, likewise in bytes of the text; rising, none touching another.
    pub words: Vec<Range<usize>>,
}

/// The words of a text that were found, in bytes: rising, those that touch or overlap as one.
pub fn words(analyzer: &Analyzer, text: &str, wanted: &Wanted) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    analyzer.each_placed(text, &mut |term, place| {
        let begins = || wanted.prefixes.iter().any(|prefix| term.starts_with(&prefix[..]));
        if wanted.terms.contains(term) || begins() {
            match found.last_mut() {
                Some(last) if place.from <= last.end => last.end = last.end.max(place.to),
                _ => found.push(place.from..place.to),
            }
        }
    });
    found
}

/// The piece of at most `bytes_max` bytes that has most of the words; the first of several. A word that is longer than
/// that is cut. Where there is none, the beginning of the text.
pub fn snippet(text: &str, words: &[Range<usize>], bytes_max: usize) -> Snippet {
    let mut best = 0..0;
    for (first, word) in words.iter().enumerate() {
        let within = words[first..].iter().take_while(|other| other.end - word.start <= bytes_max).count();
        if within > best.len() {
            best = first..first + within;
        }
    }
    let (start, end) = match words.get(best.start).filter(|_| !best.is_empty()) {
        None => words.first().map_or((0, 0), |word| (word.start, word.start)),
        Some(first) => (first.start, words[best.end - 1].end),
    };
    // What room is left is shared by what stands before and behind.
    let room = bytes_max.saturating_sub(end - start);
    let before = (room / 2).max(room.saturating_sub(text.len() - end));
    let from = word_start(text, text.ceil_char_boundary(start.saturating_sub(before)), start);
    let to = text.floor_char_boundary(from.saturating_add(bytes_max).min(text.len()));
    let to = word_end(text, to, end);
    let inside = words.iter().filter(|word| word.start >= from && word.end <= to);
    Snippet { range: from..to, words: inside.cloned().collect() }
}

/// Where the first word begins that begins at `from` or behind it, `until` at the latest; the beginning of the text as it is.
fn word_start(text: &str, from: usize, until: usize) -> usize {
    if from == 0 {
        return 0;
    }
    let inside = text[..from].chars().next_back().is_some_and(char::is_alphanumeric);
    let rest = if inside { text[from..].trim_start_matches(char::is_alphanumeric) } else { &text[from..] };
    let start = text.len() - rest.trim_start_matches(|c: char| !c.is_alphanumeric()).len();
    if start <= until { start } else { from }
}

/// The last place up to `to` that is not inside of a word, `least` at the soonest.
fn word_end(text: &str, to: usize, least: usize) -> usize {
    if !text[to..].chars().next().is_some_and(char::is_alphanumeric) {
        return to;
    }
    let cut = text[..to].trim_end_matches(char::is_alphanumeric).trim_end().len();
    if cut >= least && cut > 0 { cut } else { to }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(terms: &[&str], prefixes: &[&str]) -> Wanted {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        Wanted { terms: owned(terms).into_iter().collect(), prefixes: owned(prefixes) }
    }

    fn found<'t>(name: &str, text: &'t str, wanted: &Wanted) -> Vec<&'t str> {
        words(&Analyzer::new(name).unwrap(), text, wanted).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn words_are_found_as_the_analyzer_reads_them() {
        assert_eq!(
            found("english", "The Boats ran; a boat runs.", &wanted(&["boat", "run"], &[])),
            ["Boats", "boat", "runs"]
        );
        assert_eq!(found("polish", "Zażółć książkami", &wanted(&["książk"], &[])).len(), 1);
        assert_eq!(found("standard", "東京都は", &wanted(&["東京", "京都"], &[])), ["東京都"]);
        assert_eq!(found("standard", "data base DATABASE", &wanted(&[], &["datab"])), ["DATABASE"]);
        assert_eq!(found("german+parts", "Dampfschifffahrt", &wanted(&["schi"], &[])), ["Dampfschifffahrt"]);
        assert!(found("standard", "nothing here", &wanted(&["x"], &[])).is_empty());
    }

    fn shown(text: &str, terms: &[&str], bytes_max: usize) -> (String, usize) {
        let words = words(&Analyzer::new("standard").unwrap(), text, &wanted(terms, &[]));
        let snippet = snippet(text, &words, bytes_max);
        assert!(snippet.range.len() <= bytes_max && snippet.words.iter().all(|word| text.get(word.clone()).is_some()));
        (text[snippet.range].to_owned(), snippet.words.len())
    }

    #[test]
    fn a_snippet_shows_most_of_the_words() {
        let text = "alpha at first, then a long way of other words, then beta and gamma and delta at the end of it all";
        assert_eq!(
            shown(text, &["alpha", "beta", "gamma", "delta"], 40),
            ("then beta and gamma and delta at the end".into(), 3)
        );
        assert_eq!(shown(text, &["alpha"], 20), ("alpha at first, then".into(), 1));
        assert_eq!(shown(text, &["all"], 12), ("of it all".into(), 1));
        assert_eq!(shown(text, &["nowhere"], 12), ("alpha at".into(), 0));
        assert_eq!(shown(text, &["alpha", "delta"], 1000), (text.into(), 2));
        assert_eq!(shown("ééééééééé", &["ééééééééé"], 5).1, 0);
        assert_eq!(shown("", &["a"], 5), (String::new(), 0));
    }
}
