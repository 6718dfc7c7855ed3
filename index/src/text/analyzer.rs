//! From a text to its terms.
//!
//! A term is a run of letters and digits in lower case; a language's analyzer then takes it to its
//! stem. Scripts that are written without spaces have no such runs: there every pair of neighbouring
//! characters is a term, so that a sentence is found by any of its parts.

use crate::error::{Error, Result};
use std::fmt;
use tantivy::tokenizer::{Language, Stemmer, Token, TokenFilter, TokenStream, Tokenizer};

/// A word of this many characters, or more, is dropped: it is a key, a hash or an address, and
/// would only make the dictionary grow.
const TERM_CHARS: usize = 40;

/// The analyzers that stem, by name.
const LANGUAGES: &[(&str, Language)] = &[
    ("arabic", Language::Arabic),
    ("danish", Language::Danish),
    ("dutch", Language::Dutch),
    ("english", Language::English),
    ("finnish", Language::Finnish),
    ("french", Language::French),
    ("german", Language::German),
    ("greek", Language::Greek),
    ("hungarian", Language::Hungarian),
    ("italian", Language::Italian),
    ("norwegian", Language::Norwegian),
    ("portuguese", Language::Portuguese),
    ("romanian", Language::Romanian),
    ("russian", Language::Russian),
    ("spanish", Language::Spanish),
    ("swedish", Language::Swedish),
    ("tamil", Language::Tamil),
    ("turkish", Language::Turkish),
];

/// Reads texts of one field. It holds no buffer, so any number of threads may share one.
#[derive(Clone)]
pub struct Analyzer {
    name: &'static str,
    stemmer: Option<Stemmer>,
}

impl Analyzer {
    /// By name: "standard", or a language for stemming.
    pub fn new(name: &str) -> Result<Self> {
        if name == "standard" {
            return Ok(Self { name: "standard", stemmer: None });
        }
        match LANGUAGES.iter().find(|(known, _)| *known == name) {
            Some((name, language)) => Ok(Self { name, stemmer: Some(Stemmer::new(*language)) }),
            None => {
                let known: Vec<_> = LANGUAGES.iter().map(|(known, _)| *known).collect();
                let limit = format!("it is standard or one of the languages {}", known.join(", "));
                let shown: String = name.chars().take(64).collect();
                Err(Error::invalid("analyzer", format!("`{shown}`"), limit))
            }
        }
    }

    /// The name it was made by.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Calls `see` with every term of the text, in order.
    pub fn each(&self, text: &str, see: &mut dyn FnMut(&str)) {
        match &self.stemmer {
            None => see_all(Words.token_stream(text), see),
            Some(stemmer) => see_all(stemmer.clone().transform(Words).token_stream(text), see),
        }
    }

    /// The terms of the text, in order.
    pub fn terms(&self, text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        self.each(text, &mut |term| terms.push(term.to_owned()));
        terms
    }
}

impl fmt::Debug for Analyzer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Analyzer").field(&self.name).finish()
    }
}

fn see_all(mut stream: impl TokenStream, see: &mut dyn FnMut(&str)) {
    while stream.advance() {
        let term = &stream.token().text;
        if !term.is_empty() {
            see(term);
        }
    }
}

/// Cuts a text into words and pairs, in lower case.
#[derive(Clone)]
struct Words;

impl Tokenizer for Words {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        WordStream { text, at: 0, paired: false, token: Token::default() }
    }
}

struct WordStream<'a> {
    text: &'a str,
    /// Where to read on.
    at: usize,
    /// The character at `at` was the second of a pair.
    paired: bool,
    token: Token,
}

impl WordStream<'_> {
    fn set(&mut self, from: usize, to: usize) -> bool {
        let word = &self.text[from..to];
        self.token.text.clear();
        if word.is_ascii() {
            self.token.text.push_str(word);
            self.token.text.make_ascii_lowercase();
        } else {
            self.token.text.extend(word.chars().flat_map(char::to_lowercase));
        }
        self.token.offset_from = from;
        self.token.offset_to = to;
        self.token.position = self.token.position.wrapping_add(1);
        true
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        while let Some(first) = self.text[self.at..].chars().next() {
            let from = self.at;
            self.at += first.len_utf8();
            if unspaced(first) {
                let second = self.text[self.at..].chars().next().filter(|c| unspaced(*c));
                let paired = std::mem::replace(&mut self.paired, second.is_some());
                match second {
                    Some(second) => return self.set(from, self.at + second.len_utf8()),
                    None if !paired => return self.set(from, self.at),
                    None => continue,
                }
            }
            if !first.is_alphanumeric() {
                continue;
            }
            let mut chars = 1;
            for c in self.text[self.at..].chars() {
                if !c.is_alphanumeric() || unspaced(c) {
                    break;
                }
                chars += 1;
                self.at += c.len_utf8();
            }
            if chars < TERM_CHARS {
                return self.set(from, self.at);
            }
        }
        false
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// Whether the character belongs to a script that puts no space between words (or, as Hangul, one
/// whose words are too long to be searched whole).
fn unspaced(c: char) -> bool {
    // Everything below Thai is spaced; this is the only test that most texts ever pay for.
    c >= '\u{e01}'
        && matches!(c,
            '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}' // Thai
            | '\u{1100}'..='\u{11ff}' // Hangul, by letter
            | '\u{3005}'..='\u{3007}' // marks that stand for an ideograph
            | '\u{3041}'..='\u{309f}' // Hiragana
            | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' // Katakana
            | '\u{3130}'..='\u{318f}' // Hangul, by letter
            | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' // Han
            | '\u{ac00}'..='\u{d7af}' // Hangul, by syllable
            | '\u{ff66}'..='\u{ff9f}' // Katakana, half as wide
            | '\u{20000}'..='\u{323af}') // Han, the rare ones
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, text: &str, expected: &[&str]) {
        assert_eq!(Analyzer::new(name).unwrap().terms(text), expected, "{name}: {text}");
    }

    #[test]
    fn words_are_letters_and_digits_in_lower_case() {
        check(
            "standard",
            "The Dogs' e-mail, v2.0: ÀÉ straße!",
            &["the", "dogs", "e", "mail", "v2", "0", "àé", "straße"],
        );
        check("standard", " -- ", &[]);
        check("standard", "", &[]);
        check("standard", "ΟΔΟΣ", &["οδοσ"]);
    }

    #[test]
    fn words_that_are_too_long_are_dropped() {
        let (long, longer) = ("ж".repeat(39), "ж".repeat(40));
        check("standard", &format!("a {longer} {long} b"), &["a", &long, "b"]);
    }

    #[test]
    fn languages_stem() {
        check("english", "Dogs are running happily", &["dog", "are", "run", "happili"]);
        check("german", "Häuser und Bücher", &["haus", "und", "buch"]);
        check("french", "continuellement", &["continuel"]);
        for (name, _) in LANGUAGES {
            assert_eq!(Analyzer::new(name).unwrap().name(), *name);
        }
    }

    #[test]
    fn scripts_without_spaces_become_pairs() {
        check("standard", "東京都は", &["東京", "京都", "都は"]);
        check("standard", "東京、犬", &["東京", "犬"]);
        check("standard", "カタカナ ひらがな", &["カタ", "タカ", "カナ", "ひら", "らが", "がな"]);
        check("standard", "서울특별시", &["서울", "울특", "특별", "별시"]);
        check("standard", "กรุงเทพ", &["กร", "รุ", "ุง", "งเ", "เท", "ทพ"]);
        check("standard", "Rust言語2021年", &["rust", "言語", "2021", "年"]);
        check("english", "databases 検索する", &["databas", "検索", "索す", "する"]);
    }

    #[test]
    fn a_sentence_is_found_by_its_part() {
        let analyzer = Analyzer::new("standard").unwrap();
        let sentence = analyzer.terms("私は昨日、近くの図書館で面白い本を読みました。");
        for part in ["昨日", "図書館", "面白い", "読みました"] {
            assert!(analyzer.terms(part).iter().all(|term| sentence.contains(term)), "{part}");
        }
    }

    #[test]
    fn an_unknown_name_says_which_are_known() {
        let error = Analyzer::new("klingon").unwrap_err().to_string();
        assert!(error.contains("`klingon`") && error.contains("standard") && error.contains("turkish"), "{error}");
    }

    #[test]
    fn threads_share_one() {
        fn shared<T: Send + Sync + Clone>(_: &T) {}
        shared(&Analyzer::new("english").unwrap());
    }
}
