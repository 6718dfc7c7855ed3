//! Cuts a text into words, and into pairs where a script puts no space between them.

use std::collections::HashSet;
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// A word of this many characters, or more, is dropped: it is a key, a hash or an address, and
/// would only make the dictionary grow.
const TERM_CHARS: usize = 40;

/// Cuts a text into words and pairs, in lower case.
#[derive(Clone, Default)]
pub(crate) struct Words {
    /// A capital I has no dot, and a dotted one is an i.
    pub(crate) turkish: bool,
    /// Words that are left out.
    pub(crate) stop: Option<&'static HashSet<&'static str>>,
}

impl Tokenizer for Words {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        WordStream { text, at: 0, paired: false, words: self.clone(), token: Token::default() }
    }
}

pub(crate) struct WordStream<'a> {
    text: &'a str,
    words: Words,
    /// Where to read on.
    at: usize,
    /// The character at `at` was the second of a pair.
    paired: bool,
    token: Token,
}

impl WordStream<'_> {
    /// Makes this word the token, unless it is a stop word.
    fn set(&mut self, from: usize, to: usize) -> bool {
        let word = &self.text[from..to];
        self.token.text.clear();
        if self.words.turkish {
            for c in word.chars() {
                match c {
                    'I' => self.token.text.push('ı'),
                    'İ' => self.token.text.push('i'),
                    other => self.token.text.extend(other.to_lowercase()),
                }
            }
        } else if word.is_ascii() {
            self.token.text.push_str(word);
            self.token.text.make_ascii_lowercase();
        } else {
            self.token.text.extend(word.chars().flat_map(char::to_lowercase));
        }
        if self.words.stop.is_some_and(|stop| stop.contains(self.token.text.as_str())) {
            return false;
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
                    Some(second) if self.set(from, self.at + second.len_utf8()) => return true,
                    None if !paired && self.set(from, self.at) => return true,
                    _ => continue,
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
            if chars < TERM_CHARS && self.set(from, self.at) {
                return true;
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
