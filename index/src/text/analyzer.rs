//! From a text to its terms.
//!
//! ```text
//! text -> words (lower case) -> stop words out -> stem -> accents off -> the term, and its parts
//! ```
//!
//! A word is a run of letters and digits in lower case; a language's analyzer then takes it to its
//! stem. Scripts that are written without spaces have no such runs: there every pair of neighbouring
//! characters is a term, so that a sentence is found by any of its parts.
//!
//! An analyzer is named by its language, or "standard" for none, and what else it does, joined by
//! plus signs: `german+parts`, `french+stop+fold`.

use crate::error::{Error, Result};
use crate::text::words::Words;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, OnceLock};
use tantivy::tokenizer::{Language, Stemmer, TokenFilter, TokenStream, Tokenizer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A language that is known: its name, the code under which its stop words are, and its stemmer.
struct Known {
    name: &'static str,
    code: &'static str,
    stem: Option<Language>,
}

/// The languages, by name.
const LANGUAGES: &[Known] = &[
    Known { name: "arabic", code: "ar", stem: Some(Language::Arabic) },
    Known { name: "danish", code: "da", stem: Some(Language::Danish) },
    Known { name: "dutch", code: "nl", stem: Some(Language::Dutch) },
    Known { name: "english", code: "en", stem: Some(Language::English) },
    Known { name: "finnish", code: "fi", stem: Some(Language::Finnish) },
    Known { name: "french", code: "fr", stem: Some(Language::French) },
    Known { name: "german", code: "de", stem: Some(Language::German) },
    Known { name: "greek", code: "el", stem: Some(Language::Greek) },
    Known { name: "hungarian", code: "hu", stem: Some(Language::Hungarian) },
    Known { name: "italian", code: "it", stem: Some(Language::Italian) },
    Known { name: "norwegian", code: "no", stem: Some(Language::Norwegian) },
    Known { name: "polish", code: "pl", stem: None },
    Known { name: "portuguese", code: "pt", stem: Some(Language::Portuguese) },
    Known { name: "romanian", code: "ro", stem: Some(Language::Romanian) },
    Known { name: "russian", code: "ru", stem: Some(Language::Russian) },
    Known { name: "spanish", code: "es", stem: Some(Language::Spanish) },
    Known { name: "swedish", code: "sv", stem: Some(Language::Swedish) },
    Known { name: "tamil", code: "ta", stem: Some(Language::Tamil) },
    Known { name: "turkish", code: "tr", stem: Some(Language::Turkish) },
];

/// What an analyzer may do beside.
const OPTIONS: [&str; 4] = ["stop", "nostem", "fold", "parts"];

/// A part of a word has this many characters; words that are not longer have none.
const PART_CHARS: usize = 4;

/// Letters that are not a plain letter with a mark.
const FOLDED: [(char, &str); 14] = [
    ('ł', "l"),
    ('ø', "o"),
    ('đ', "d"),
    ('ð', "d"),
    ('ħ', "h"),
    ('ŧ', "t"),
    ('ı', "i"),
    ('æ', "ae"),
    ('œ', "oe"),
    ('ß', "ss"),
    ('þ', "th"),
    ('ŋ', "n"),
    ('ĳ', "ij"),
    ('ſ', "s"),
];

/// Reads texts of one field. It holds no buffer, so any number of threads may share one.
#[derive(Clone)]
pub struct Analyzer {
    name: Arc<str>,
    words: Words,
    stem: Stem,
    fold: bool,
    parts: bool,
}

/// Where a term stands in its text.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Its number among the words of the text. What is inside a word has that of the word.
    pub position: u32,
    /// Where the word begins, in bytes of the text.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
}

/// Positions in several texts that are read as one.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    base: u32,
    next: u32,
}

impl Positions {
    /// That of a term of the text that is being read.
    pub(crate) fn of(&mut self, place: Place) -> u32 {
        let position = self.base.saturating_add(place.position);
        self.next = self.next.max(position.saturating_add(1));
        position
    }

    /// The next text begins; no phrase goes on from this one.
    pub(crate) fn end_text(&mut self) {
        self.base = self.next.saturating_add(1);
    }
}

#[derive(Clone)]
enum Stem {
    None,
    Snowball(Stemmer),
    Polish,
}

impl Analyzer {
    /// By name: "standard" or a language (or its code, as "de"), and options behind plus signs: `stop` leaves the common words of
    /// the language out, `nostem` leaves words as they are, `fold` takes accents off, `parts` also finds
    /// words by what is inside them, as the parts of a compound.
    pub fn new(name: &str) -> Result<Self> {
        let mut pieces = name.split('+');
        let language = pieces.next().unwrap_or_default();
        let options: Vec<&str> = pieces.collect();
        let at = LANGUAGES.iter().position(|known| known.name == language || known.code == language);
        if at.is_none() && language != "standard" {
            let known: Vec<_> = LANGUAGES.iter().map(|known| known.name).collect();
            let limit = format!("it is standard or one of the languages {}", known.join(", "));
            return Err(Error::invalid("analyzer", format!("`{}`", shortened(language)), limit));
        }
        if let Some(option) = options.iter().find(|option| !OPTIONS.contains(option)) {
            let limit = format!("what it does beside is {}", OPTIONS.join(", "));
            return Err(Error::invalid("analyzer", format!("`{}`", shortened(option)), limit));
        }
        let with = |option: &str| options.contains(&option);
        let known = at.map(|at| &LANGUAGES[at]);
        let stem = match known.filter(|_| !with("nostem")) {
            None => Stem::None,
            Some(Known { stem: Some(language), .. }) => Stem::Snowball(Stemmer::new(*language)),
            Some(_) => Stem::Polish,
        };
        let stop = at.filter(|_| with("stop")).map(stop_words).filter(|words| !words.is_empty());
        if with("stop") && stop.is_none() {
            let limit = "there is no list of stop words for this language";
            return Err(Error::invalid("analyzer", format!("`{}`", shortened(name)), limit));
        }
        let words = Words { turkish: known.is_some_and(|known| known.code == "tr"), stop };
        Ok(Self { name: name.into(), words, stem, fold: with("fold"), parts: with("parts") })
    }

    /// The name it was made by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls `see` with every term of the text, in order.
    pub fn each(&self, text: &str, see: &mut dyn FnMut(&str)) {
        self.each_placed(text, &mut |term, _| see(term));
    }

    /// As [`Self::each`], with the place of each.
    pub fn each_placed(&self, text: &str, see: &mut dyn FnMut(&str, Place)) {
        let mut words = self.words.clone();
        match &self.stem {
            Stem::None => self.see_all(words.token_stream(text), see),
            Stem::Snowball(stemmer) => self.see_all(stemmer.clone().transform(words).token_stream(text), see),
            Stem::Polish => self.see_all(words.token_stream(text), &mut |word, place| {
                let stem = tantivy_stemmers::algorithms::polish_yarovoy(word);
                see(if stem.is_empty() { word } else { &stem }, place);
            }),
        }
    }

    /// The terms of the text, in order.
    pub fn terms(&self, text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        self.each(text, &mut |term| terms.push(term.to_owned()));
        terms
    }

    /// The beginning of a word as terms have it, but not stemmed; `None` where it is not the beginning of one word.
    pub fn prefix(&self, text: &str) -> Option<String> {
        let mut words = Words { stop: None, ..self.words.clone() };
        let mut stream = words.token_stream(text);
        let mut found = None;
        while stream.advance() {
            let term = &stream.token().text;
            let term = if self.fold { folded(term) } else { Cow::Borrowed(term.as_str()) };
            if found.replace(term.into_owned()).is_some() {
                return None;
            }
        }
        found.filter(|term| !term.is_empty())
    }

    fn see_all(&self, mut stream: impl TokenStream, see: &mut dyn FnMut(&str, Place)) {
        while stream.advance() {
            let token = stream.token();
            let place = Place { position: token.position as u32, from: token.offset_from, to: token.offset_to };
            let term = &token.text;
            if term.is_empty() {
                continue;
            }
            if !self.fold && !self.parts {
                see(term, place);
                continue;
            }
            let term = if self.fold { folded(term) } else { Cow::Borrowed(term.as_str()) };
            see(&term, place);
            if self.parts {
                each_part(&term, &mut |part| see(part, place));
            }
        }
    }
}

/// The stop words of a language, put in order once.
fn stop_words(language: usize) -> &'static HashSet<&'static str> {
    static SETS: [OnceLock<HashSet<&'static str>>; LANGUAGES.len()] = [const { OnceLock::new() }; LANGUAGES.len()];
    SETS[language].get_or_init(|| {
        let words = stop_words::lookup(LANGUAGES[language].code).unwrap_or_default();
        // A contraction is two words by the time it is asked for.
        words.iter().copied().filter(|word| word.chars().all(char::is_alphanumeric)).collect()
    })
}

/// The word without accents.
fn folded(word: &str) -> Cow<'_, str> {
    if word.is_ascii() {
        return Cow::Borrowed(word);
    }
    let mut plain = String::with_capacity(word.len());
    for c in word.nfd().filter(|c| !is_combining_mark(*c)) {
        match FOLDED.iter().find(|(accented, _)| *accented == c) {
            Some((_, letters)) => plain.push_str(letters),
            None => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

/// Every run of [`PART_CHARS`] characters of a longer word.
fn each_part(word: &str, see: &mut dyn FnMut(&str)) {
    let starts = || word.char_indices().map(|(at, _)| at);
    let ends = starts().skip(PART_CHARS).chain(std::iter::once(word.len()));
    if starts().nth(PART_CHARS).is_some() {
        starts().zip(ends).for_each(|(from, to)| see(&word[from..to]));
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}

impl fmt::Debug for Analyzer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Analyzer").field(&self.name).finish()
    }
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
        for known in LANGUAGES {
            assert_eq!(Analyzer::new(known.name).unwrap().name(), known.name);
            assert!(Analyzer::new(known.code).is_ok());
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

    /// Every term of the part is one of the whole.
    fn finds(name: &str, part: &str, whole: &str) {
        let analyzer = Analyzer::new(name).unwrap();
        let terms = analyzer.terms(whole);
        assert!(analyzer.terms(part).iter().all(|term| terms.contains(term)), "{name}: {part} in {whole}: {terms:?}");
    }

    #[test]
    fn words_of_many_languages_are_found_by_their_parts() {
        finds("standard", "ภาษาไทย", "ฉันกำลังเรียนภาษาไทยอยู่");
        finds("standard", "数据库", "这是一个很快的向量数据库。");
        for part in ["Schifffahrt", "Dampf", "Gesellschaft"] {
            // The word itself is not there, what is inside it is.
            let analyzer = Analyzer::new("german+parts").unwrap();
            let terms = analyzer.terms("Die Donaudampfschifffahrtsgesellschaft");
            let asked = analyzer.terms(part);
            assert!(asked.len() > 1 && asked[1..].iter().all(|term| terms.contains(term)), "{part}: {terms:?}");
        }
        finds("german+fold", "strasse", "Straße");
        finds("turkish", "istanbul", "İSTANBUL'DA");
        finds("turkish", "ışık", "IŞIK");
        finds("turkish", "kitap", "Kitaplar");
        finds("turkish+fold", "isik", "IŞIK");
        finds("polish", "książka", "książkami");
        finds("polish", "dom", "domów");
        finds("polish+fold", "zolty", "żółty");
        finds("french+fold", "ecole", "écoles");
    }

    #[test]
    fn common_words_are_left_out_where_that_is_asked() {
        check("english+stop", "The dogs of the house", &["dog", "hous"]);
        check("english+stop+nostem", "The dogs of the house", &["dogs", "house"]);
        check("german+stop", "Der Hund und die Katze", &["hund", "katz"]);
        for known in LANGUAGES {
            let name = format!("{}+stop", known.name);
            assert_eq!(Analyzer::new(&name).is_ok(), known.name != "tamil", "{name}");
        }
        assert!(Analyzer::new("standard+stop").is_err(), "it has no language");
    }

    #[test]
    fn parts_are_runs_of_four() {
        check("standard+parts", "Tür haus Häuser", &["tür", "haus", "häuser", "häus", "äuse", "user"]);
    }

    #[test]
    fn an_unknown_name_says_which_are_known() {
        let error = Analyzer::new("klingon").unwrap_err().to_string();
        assert!(error.contains("`klingon`") && error.contains("standard") && error.contains("turkish"), "{error}");
        let error = Analyzer::new("german+swim").unwrap_err().to_string();
        assert!(error.contains("`swim`") && error.contains("stop, nostem, fold, parts"), "{error}");
    }

    #[test]
    fn threads_share_one() {
        fn shared<T: Send + Sync + Clone>(_: &T) {}
        shared(&Analyzer::new("english").unwrap());
    }
}
