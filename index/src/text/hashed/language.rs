//! Languages that hashed tokens know: which words are left out, and what takes the others to their stems.
//!
//! `stop_words.txt` has a line for each language: its name, then its stop words (those of NLTK, as the crate stop-words has
//! them under MIT or Apache-2.0; for Japanese those of stopwords-iso, MIT). The lists of an [analyzer](crate::text::analyzer)
//! are longer; of a text that is in a sparse vector nobody can tell any more which list was used, so these do not change.

use rust_stemmers::Algorithm;
use std::collections::HashSet;
use std::sync::OnceLock;

/// A language: its name, its code, and its stemmer.
struct Known(&'static str, &'static str, Option<Algorithm>);

const LANGUAGES: &[Known] = &[
    Known("arabic", "ar", Some(Algorithm::Arabic)),
    Known("azerbaijani", "az", None),
    Known("basque", "eu", None),
    Known("bengali", "bn", None),
    Known("catalan", "ca", None),
    Known("chinese", "zh", None),
    Known("danish", "da", Some(Algorithm::Danish)),
    Known("dutch", "nl", Some(Algorithm::Dutch)),
    Known("english", "en", Some(Algorithm::English)),
    Known("finnish", "fi", Some(Algorithm::Finnish)),
    Known("french", "fr", Some(Algorithm::French)),
    Known("german", "de", Some(Algorithm::German)),
    Known("greek", "el", Some(Algorithm::Greek)),
    Known("hebrew", "he", None),
    Known("hinglish", "hi-en", None),
    Known("hungarian", "hu", Some(Algorithm::Hungarian)),
    Known("indonesian", "id", None),
    Known("italian", "it", Some(Algorithm::Italian)),
    Known("japanese", "jp", None),
    Known("kazakh", "kk", None),
    Known("nepali", "ne", None),
    Known("norwegian", "no", Some(Algorithm::Norwegian)),
    Known("portuguese", "pt", Some(Algorithm::Portuguese)),
    Known("romanian", "ro", Some(Algorithm::Romanian)),
    Known("russian", "ru", Some(Algorithm::Russian)),
    Known("slovene", "sl", None),
    Known("spanish", "es", Some(Algorithm::Spanish)),
    Known("swedish", "sv", Some(Algorithm::Swedish)),
    Known("tajik", "tg", None),
    Known("turkish", "tr", Some(Algorithm::Turkish)),
];

const STOP_WORDS: &str = include_str!("stop_words.txt");

/// One of the languages that are known.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Language(usize);

impl Language {
    /// English, the ninth.
    pub const ENGLISH: Self = Self(8);

    /// By its name or its code.
    pub fn named(name: &str) -> Option<Self> {
        LANGUAGES.iter().position(|Known(known, code, _)| *known == name || *code == name).map(Self)
    }

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        LANGUAGES.iter().map(|Known(name, ..)| *name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        LANGUAGES[self.0].0
    }

    /// What takes its words to their stems, where there is something.
    pub fn stem(self) -> Option<Algorithm> {
        LANGUAGES[self.0].2
    }

    /// The words that are left out, put in order once.
    pub(super) fn stop_words(self) -> &'static HashSet<&'static str> {
        static SETS: [OnceLock<HashSet<&'static str>>; LANGUAGES.len()] = [const { OnceLock::new() }; LANGUAGES.len()];
        SETS[self.0].get_or_init(|| {
            let words = STOP_WORDS
                .lines()
                .map(str::split_whitespace)
                .find_map(|mut words| (words.next() == Some(self.name())).then_some(words));
            words.into_iter().flatten().collect()
        })
    }
}

/// What takes words to their stems, by the name or the code of its language.
pub fn stemmer(name: &str) -> Option<Algorithm> {
    match name {
        "tamil" | "ta" => Some(Algorithm::Tamil),
        name => Language::named(name).and_then(Language::stem),
    }
}

/// The languages that have one.
pub fn stemmers() -> impl Iterator<Item = &'static str> {
    LANGUAGES.iter().filter(|Known(_, _, stem)| stem.is_some()).map(|Known(name, ..)| *name).chain(["tamil"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_its_line() {
        assert_eq!(Language::ENGLISH.name(), "english");
        assert_eq!(STOP_WORDS.lines().count(), LANGUAGES.len());
        for (at, line) in STOP_WORDS.lines().enumerate() {
            let language = Language(at);
            assert_eq!(line.split(' ').next(), Some(language.name()));
            assert_eq!(language.stop_words().len(), line.split(' ').count() - 1, "{}", language.name());
            assert!(language.stop_words().iter().all(|word| word.to_lowercase() == **word), "{}", language.name());
            assert_eq!(Language::named(language.name()), Some(language));
        }
        assert_eq!(Language::named("de").map(Language::name), Some("german"));
        assert_eq!((Language::named("klingon"), Language::named("English")), (None, None));
        assert_eq!(stemmers().count(), 18);
        assert!(stemmers().all(|name| stemmer(name).is_some()) && stemmer("chinese").is_none());
    }
}
