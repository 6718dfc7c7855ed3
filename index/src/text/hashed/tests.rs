//! Numbers of texts as the engine of Qdrant makes them (seen on its server 1.19.0 and in qdrant-edge-py 0.9.0).

use super::hash::index;
use super::language::{Language, stemmer};
use super::{Bm25, StopWords, Tokenizer};
use proptest::prelude::*;
use std::collections::HashSet;

/// More than any of these texts comes to.
const MOST: usize = 65_536;

/// The tokens of a kept text, as a set: by their hashes.
fn check(bm25: &Bm25, text: &str, expected: &[&str]) {
    let (indices, _) = bm25.document(text, MOST).unwrap();
    let mut expected: Vec<u32> = expected.iter().map(|token| index(token)).collect();
    expected.sort_unstable();
    assert_eq!(indices, expected, "{text}");
}

/// The same of a text that is searched for.
fn asked(bm25: &Bm25, text: &str, expected: &[&str]) {
    let (indices, values) = bm25.query(text, MOST).unwrap();
    let mut expected: Vec<u32> = expected.iter().map(|token| index(token)).collect();
    expected.sort_unstable();
    assert_eq!(indices, expected, "{text}");
    assert!(values.len() == indices.len() && values.iter().all(|value| *value == 1.0), "{text}");
}

fn plain() -> Bm25 {
    Bm25::of(None)
}

fn without(words: &[&str]) -> StopWords {
    StopWords { languages: Vec::new(), others: words.iter().map(|word| (*word).to_owned()).collect() }
}

#[test]
fn a_text_has_the_numbers_that_other_programs_give_it() {
    let bm25 = Bm25::default();
    assert_eq!(
        bm25.document("a sunny sunny day", MOST).unwrap(),
        (vec![172_040_527, 520_205_939], vec![1.904_311_1, 1.678_688_5])
    );
    assert_eq!(bm25.query("a sunny sunny day", MOST).unwrap(), (vec![172_040_527, 520_205_939], vec![1.0, 1.0]));
    let other = Bm25 { k: 2.0, b: 0.3, avg_len: 10.0, ..Bm25::default() };
    assert_eq!(other.document("dog dog cat", MOST).unwrap().1, [1.675_977_7, 1.162_790_7]);
    assert_eq!(Bm25 { k: 0.0, ..Bm25::default() }.document("dog dog cat", MOST).unwrap().1, [1.0, 1.0]);
}

#[test]
fn a_text_of_stop_words_alone_has_no_numbers() {
    for text in ["the of and", "", " -- "] {
        assert_eq!(Bm25::default().document(text, 0), Some(Default::default()));
        assert_eq!(Bm25::default().query(text, 0), Some(Default::default()));
    }
}

#[test]
fn words_are_cut_where_other_programs_cut_them() {
    check(
        &plain(),
        "don't stop-me now_then x² ½ C++ 3.14 a\u{301}b naïve 東京都は",
        &["don", "t", "stop", "me", "now", "then", "x²", "½", "c", "3", "14", "a", "b", "naïve", "東京都は"],
    );
    let spaced = Bm25 { tokenizer: Tokenizer::Whitespace, ..plain() };
    check(&spaced, "don't stop-me\tx\u{a0}y a,b", &["don't", "stop-me", "x", "y", "a,b"]);
    check(&plain(), "ΟΔΟΣ İstanbul IŞIK", &["οδος", "i̇stanbul", "işik"]);
}

#[test]
fn words_are_left_out_and_stemmed_as_in_their_language() {
    check(&Bm25::default(), "The DOGS added an emergency", &["dog", "ad", "emerg"]);
    check(&Bm25::of(Language::named("german")), "Die Häuser werdet und", &["haus", "werdet"]);
    check(&Bm25::of(Language::named("dutch")), "aangezien afgelopen alleen", &["aangezien", "afgelop", "allen"]);
    check(&Bm25::of(Language::named("hebrew")), "אני אוהב dogs", &["אוהב", "dogs"]);
    let mixed = Bm25 { stem: stemmer("german"), ..Bm25::default() };
    check(&mixed, "the Häuser und", &["haus", "und"]);
    let cased = Bm25 { lowercase: false, ..Bm25::default() };
    check(&cased, "The DOG the dog", &["DOG", "The", "dog"]);
    let others = Bm25 { stop: without(&["dog"]), ..Bm25::default() };
    check(&others, "The DOG the dog dogs", &["the", "dog"]);
}

#[test]
fn accents_are_taken_off_before_all_else() {
    let folding = Bm25 { fold: true, ..plain() };
    check(&folding, "École ecole Straße łódź", &["ecole", "strasse", "lodz"]);
    check(&Bm25 { stop: without(&["école"]), ..folding.clone() }, "école", &["ecole"]);
    check(&Bm25 { stop: without(&["ecole"]), ..folding }, "école", &[]);
}

#[test]
fn what_is_too_short_or_too_long_as_a_stem_is_left_out() {
    let three = Bm25 { chars_min: 3, chars_max: 3, ..Bm25::default() };
    check(&three, "running runs ran ab abc été quickly", &["run", "ran", "abc", "été"]);
    check(&Bm25 { chars_max: 0, ..Bm25::default() }, "dog", &[]);
    let long = "ya".repeat(10_000);
    check(&Bm25::default(), &long, &[&long]);
}

#[test]
fn beginnings_are_tokens_where_that_is_asked() {
    let prefix = Bm25 { tokenizer: Tokenizer::Prefix, ..Bm25::default() };
    check(&prefix, "the running été", &["r", "ru", "run", "é", "ét", "été"]);
    asked(&prefix, "the running été", &["the", "run", "été"]);
    let some = Bm25 { chars_min: 2, chars_max: 4, ..prefix };
    check(&some, "hello wo w", &["he", "hel", "hell", "wo"]);
    asked(&some, "hello wo w", &["hell", "wo"]);
}

#[test]
fn a_text_of_too_many_tokens_is_not_read_to_its_end() {
    let bm25 = Bm25::default();
    assert!(bm25.document("dog cat dog", 2).is_some() && bm25.query("dog cat dog", 2).is_some());
    assert_eq!((bm25.document("dog cat cow", 2), bm25.query("dog cat cow", 2)), (None, None));
    let prefix = Bm25 { tokenizer: Tokenizer::Prefix, ..Bm25::default() };
    assert_eq!(prefix.document(&"ab".repeat(1 << 24), MOST), None);
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let refused = |bm25: Bm25, expected: &str| assert_eq!(bm25.validate().unwrap_err().to_string(), expected);
    refused(Bm25 { k: -1.0, ..plain() }, "k is -1; it is a number from 0 on");
    refused(Bm25 { k: f64::NAN, ..plain() }, "k is NaN; it is a number from 0 on");
    refused(Bm25 { b: 1.5, ..plain() }, "b is 1.5; it is from 0 to 1");
    refused(Bm25 { avg_len: 0.0, ..plain() }, "avg_len is 0; it is a number above 0");
    refused(Bm25 { avg_len: f64::INFINITY, ..plain() }, "avg_len is inf; it is a number above 0");
    assert!(Bm25 { k: 0.0, b: 1.0, avg_len: 0.5, ..plain() }.validate().is_ok());
}

fn any_bm25() -> impl Strategy<Value = Bm25> {
    let tokenizer = prop_oneof![Just(Tokenizer::Word), Just(Tokenizer::Whitespace), Just(Tokenizer::Prefix)];
    let names: Vec<&str> = Language::names().collect();
    (tokenizer, prop::sample::select(names), any::<(bool, bool)>(), 0_usize..4, 2_usize..10, 0.0..3.0, 0.0..=1.0)
        .prop_map(|(tokenizer, name, (fold, lowercase), chars_min, chars_max, k, b)| {
            let language = Bm25::of(Language::named(name));
            Bm25 { tokenizer, fold, lowercase, chars_min, chars_max, k, b, ..language }
        })
}

proptest! {
    /// Indices rise, each stands once and counts; what is searched for by a word of the text finds it.
    #[test]
    fn numbers_are_those_of_a_sparse_vector(bm25 in any_bm25(), text in "([a-zA-ZäßÉйの'-]{1,9}[ ,.]){0,12}") {
        let (indices, values) = bm25.document(&text, MOST).unwrap();
        prop_assert!(indices.is_sorted_by(|a, b| a < b) && indices.len() == values.len());
        prop_assert!(values.iter().all(|value| value.is_finite() && *value > 0.0), "{:?}", values);
        let (asked, ones) = bm25.query(&text, MOST).unwrap();
        prop_assert!(asked.is_sorted_by(|a, b| a < b) && asked.len() == ones.len());
        let kept: HashSet<u32> = indices.iter().copied().collect();
        match bm25.tokenizer {
            Tokenizer::Prefix => prop_assert!(indices.is_empty() || asked.iter().any(|index| kept.contains(index))),
            _ => prop_assert_eq!(asked, indices),
        }
    }
}
