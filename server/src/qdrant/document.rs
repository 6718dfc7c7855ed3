//! A text in the place of a vector: the numbers of its words, by BM25.
//!
//! `{text, model: "qdrant/bm25", options}`. There is no service that could be asked for the vectors of any other model.

use super::ask::some;
use super::fault::{Fault, Result};
use super::vectors::Given;
use nigh_index::sparse::vector::NUMBERS_MAX;
use nigh_index::text::hashed::language::{Language, stemmer, stemmers};
use nigh_index::text::hashed::{Bm25, StopWords, Tokenizer};
use serde_json::{Map, Value};

/// The only model, in whatever case it is written.
const MODEL: &str = "qdrant/bm25";
const OPTIONS: [&str; 11] = [
    "k",
    "b",
    "avg_len",
    "tokenizer",
    "language",
    "lowercase",
    "ascii_folding",
    "stopwords",
    "stemmer",
    "min_token_len",
    "max_token_len",
];
/// A language that says that there is none.
const NO_LANGUAGE: &str = "none";

/// How the words of a text count.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Weighing {
    /// Of a point, by how often they come.
    Kept,
    /// Of a query, all alike.
    Asked,
}

/// Whether a model is named, which nothing else does that may stand where a vector is.
pub(super) fn is(value: &Value) -> bool {
    value.get("model").is_some_and(Value::is_string)
}

/// Reads a document.
pub(super) fn read(value: &Value, weighing: Weighing) -> Result<Given> {
    let model = some(value, "model").and_then(Value::as_str).ok_or_else(|| Fault::format("a document has a model"))?;
    if !model.eq_ignore_ascii_case(MODEL) {
        let model: String = model.chars().take(64).collect();
        // Not an error of the server's own, whatever an API without a service for it says: nobody has to be woken up.
        return Err(Fault::not_supported(format_args!(
            "a vector of the model `{model}`, for which there is no inference service beside {MODEL},"
        )));
    }
    let Some(text) = some(value, "text") else {
        return Err(Fault::wrong_input(format_args!(
            "{MODEL} makes vectors of the text of a document, of nothing else"
        )));
    };
    let text = text.as_str().ok_or_else(|| Fault::format("the text of a document is a string"))?;
    let bm25 = match some(value, "options") {
        None => Bm25::default(),
        Some(Value::Object(options)) => bm25(options)?,
        Some(_) => return Err(Fault::format("the options of a document are an object")),
    };
    let made = match weighing {
        Weighing::Kept => bm25.document(text, NUMBERS_MAX),
        Weighing::Asked => bm25.query(text, NUMBERS_MAX),
    };
    let (indices, values) = made.ok_or_else(|| {
        let limit = format!("they are at most {NUMBERS_MAX}, the numbers of a sparse vector");
        wrong("text", format_args!("{} bytes long, with too many different tokens; {limit}", text.len()))
    })?;
    Ok(Given::Sparse { indices, values })
}

fn wrong(field: &str, why: impl std::fmt::Display) -> Fault {
    Fault::wrong_input(format_args!("{field} of a document is {why}"))
}

/// An option that is another thing than it has to be.
fn no(name: &str, value: &Value, limit: &str) -> Fault {
    let value: String = value.to_string().chars().take(64).collect();
    wrong(&format!("options.{name}"), format_args!("{value}; {limit}"))
}

fn bm25(options: &Map<String, Value>) -> Result<Bm25> {
    if let Some((name, _)) = options.iter().find(|(name, _)| !OPTIONS.contains(&&name[..])) {
        let name: String = name.chars().take(64).collect();
        let known = OPTIONS.join(", ");
        return Err(Fault::wrong_input(format_args!("`{name}` is no option of {MODEL}; it has {known}")));
    }
    let given = |name: &str| options.get(name).filter(|value| !value.is_null());
    let mut bm25 = match given("language") {
        None => Bm25::default(),
        Some(value) if value.as_str() == Some(NO_LANGUAGE) => Bm25::of(None),
        Some(value) => Bm25::of(Some(language("language", value)?)),
    };
    for (name, place) in [("k", &mut bm25.k), ("b", &mut bm25.b), ("avg_len", &mut bm25.avg_len)] {
        if let Some(value) = given(name) {
            *place = value.as_f64().ok_or_else(|| no(name, value, "it is a number"))?;
        }
    }
    bm25.validate().map_err(|err| Fault::wrong_input(format_args!("options of a document: {err}")))?;
    for (name, place) in [("lowercase", &mut bm25.lowercase), ("ascii_folding", &mut bm25.fold)] {
        if let Some(value) = given(name) {
            *place = value.as_bool().ok_or_else(|| no(name, value, "it is true or false"))?;
        }
    }
    for (name, place) in [("min_token_len", &mut bm25.chars_min), ("max_token_len", &mut bm25.chars_max)] {
        if let Some(value) = given(name) {
            let count = value.as_u64().ok_or_else(|| no(name, value, "it is a whole number from 0 on"))?;
            *place = usize::try_from(count).unwrap_or(usize::MAX);
        }
    }
    if let Some(value) = given("tokenizer") {
        bm25.tokenizer = match value.as_str() {
            Some("word") => Tokenizer::Word,
            Some("whitespace") => Tokenizer::Whitespace,
            Some("prefix") => Tokenizer::Prefix,
            Some(name @ ("multilingual" | "code")) => {
                return Err(Fault::not_supported(format_args!("the tokenizer `{name}` of {MODEL}")));
            }
            _ => return Err(no("tokenizer", value, "it is word, whitespace or prefix")),
        };
    }
    if let Some(value) = given("stopwords") {
        bm25.stop = stop_words(value, bm25.lowercase)?;
    }
    if let Some(value) = given("stemmer") {
        bm25.stem = match some(value, "type").and_then(Value::as_str) {
            Some("none") => None,
            Some("snowball") => {
                let name = some(value, "language").and_then(Value::as_str);
                let stem = name.and_then(stemmer).ok_or_else(|| {
                    let known = stemmers().collect::<Vec<_>>().join(", ");
                    no("stemmer.language", &value["language"], &format!("it is one of {known}"))
                })?;
                Some(stem)
            }
            _ => return Err(no("stemmer", value, "its type is snowball, with a language, or none")),
        };
    }
    Ok(bm25)
}

fn language(option: &str, value: &Value) -> Result<Language> {
    value.as_str().and_then(Language::named).ok_or_else(|| {
        let known = Language::names().collect::<Vec<_>>().join(", ");
        no(option, value, &format!("it is one of {known}"))
    })
}

/// A language, or `{languages, custom}`.
fn stop_words(value: &Value, lowercase: bool) -> Result<StopWords> {
    let list = |name: &str| match some(value, name) {
        None => Ok(&[][..]),
        Some(Value::Array(items)) => Ok(&items[..]),
        Some(other) => Err(no(&format!("stopwords.{name}"), other, "it is a list")),
    };
    match value {
        Value::String(_) => Ok(StopWords { languages: vec![language("stopwords", value)?], ..StopWords::default() }),
        Value::Object(_) => {
            let mut languages = list("languages")?
                .iter()
                .map(|value| language("stopwords.languages", value))
                .collect::<Result<Vec<_>>>()?;
            // Every word is looked up in each of them.
            languages.sort_unstable();
            languages.dedup();
            let word = |value: &Value| match value.as_str() {
                Some(word) if lowercase => Ok(word.to_lowercase()),
                Some(word) => Ok(word.to_owned()),
                None => Err(no("stopwords.custom", value, "it is a list of words")),
            };
            Ok(StopWords { languages, others: list("custom")?.iter().map(word).collect::<Result<_>>()? })
        }
        _ => Err(no("stopwords", value, "it is a language, or an object of languages and custom")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fault::Kind;
    use super::*;
    use serde_json::json;

    fn kept(text: &str, options: Value) -> Result<Given> {
        read(&json!({"text": text, "model": "Qdrant/BM25", "options": options}), Weighing::Kept)
    }

    /// Both mean the same.
    fn same(text: &str, options: Value, other: &str, plain: Value) {
        let made = kept(text, options.clone());
        assert!(made.is_ok(), "{options}: {made:?}");
        assert_eq!(made, kept(other, plain), "{options}");
    }

    #[test]
    fn a_text_becomes_the_numbers_of_its_words() {
        let (indices, values) = (vec![172_040_527, 520_205_939], vec![1.904_311_1, 1.678_688_5]);
        let document = json!({"text": "a sunny sunny day", "model": "qdrant/bm25", "options": null});
        assert_eq!(read(&document, Weighing::Kept), Ok(Given::Sparse { indices: indices.clone(), values }));
        assert_eq!(read(&document, Weighing::Asked), Ok(Given::Sparse { indices, values: vec![1.0, 1.0] }));
        assert!(is(&document) && !is(&json!({"model": [1]})) && !is(&json!([1])));
    }

    #[test]
    fn options_mean_what_they_say() {
        let bare = json!({"stemmer": {"type": "none"}, "stopwords": {}});
        same("the Dogs", json!({"language": "none"}), "the dogs", bare.clone());
        same("the dogs", json!({"k": null, "language": null, "stopwords": null}), "dog", json!({"language": "en"}));
        same("Die Häuser", json!({"language": "german"}), "haus", json!({"language": "de"}));
        same("der the Häuser", json!({"stopwords": {"languages": ["english", "de"]}}), "Häuser", json!({}));
        same("the Cat dogs", json!({"stopwords": {"languages": ["english"], "custom": ["CAT"]}}), "dogs", json!({}));
        same("der the dogs", json!({"stopwords": "german"}), "the dog", json!({"stopwords": {"custom": []}}));
        same(
            "the Häuser",
            json!({"stemmer": {"type": "snowball", "language": "german"}}),
            "haus",
            json!({"stemmer": {"type": "none"}}),
        );
        same("école", json!({"ascii_folding": true, "language": "none"}), "ecole", bare.clone());
        same("a bb ccc", json!({"min_token_len": 2, "max_token_len": 2, "language": "none"}), "bb", bare.clone());
        same("ab", json!({"tokenizer": "prefix", "language": "none"}), "a ab", bare.clone());
        assert_ne!(kept("a-b", json!({"tokenizer": "whitespace"})), kept("a-b", json!({"tokenizer": "word"})));
        assert_ne!(kept("DOG", json!({"lowercase": false})), kept("DOG", json!({})));
        assert_ne!(kept("dog", json!({"avg_len": 3})), kept("dog", json!({"avg_len": 300.0})));
    }

    #[test]
    fn wrong_options_are_named() {
        for (options, expected) in [
            (json!({"k": -1}), "k is -1; it is a number from 0 on"),
            (json!({"b": 2}), "b is 2; it is from 0 to 1"),
            (json!({"avg_len": 0}), "avg_len is 0; it is a number above 0"),
            (json!({"k": "1"}), "options.k of a document is \"1\"; it is a number"),
            (json!({"lowercase": 1}), "options.lowercase of a document is 1; it is true or false"),
            (json!({"min_token_len": -1}), "options.min_token_len of a document is -1; it is a whole number from 0 on"),
            (
                json!({"max_token_len": 2.5}),
                "options.max_token_len of a document is 2.5; it is a whole number from 0 on",
            ),
            (
                json!({"tokenizer": "words"}),
                "options.tokenizer of a document is \"words\"; it is word, whitespace or prefix",
            ),
            (json!({"language": "klingon"}), "options.language of a document is \"klingon\"; it is one of arabic, "),
            (json!({"language": "tamil"}), "options.language of a document is \"tamil\"; it is one of arabic, "),
            (json!({"stopwords": "klingon"}), "options.stopwords of a document is \"klingon\"; it is one of arabic, "),
            (json!({"stopwords": ["a"]}), "options.stopwords of a document is [\"a\"]; it is a language, or an object"),
            (json!({"stopwords": {"custom": "a"}}), "options.stopwords.custom of a document is \"a\"; it is a list"),
            (
                json!({"stopwords": {"custom": [1]}}),
                "options.stopwords.custom of a document is 1; it is a list of words",
            ),
            (json!({"stemmer": "none"}), "options.stemmer of a document is \"none\"; its type is snowball"),
            (
                json!({"stemmer": {"type": "snowball", "language": "armenian"}}),
                "options.stemmer.language of a document is \"armenian\"; it is one of arabic, ",
            ),
            (json!({"languag": "german"}), "`languag` is no option of qdrant/bm25; it has k, b, "),
        ] {
            let fault = kept("dog", options).unwrap_err();
            assert_eq!(fault.kind, Kind::BadRequest);
            assert!(fault.text.contains(expected), "{}", fault.text);
        }
        let fault = kept("dog", json!({"tokenizer": "multilingual"})).unwrap_err();
        assert_eq!(fault.kind, Kind::NotSupported, "{}", fault.text);
        let many: String = (0..2 * NUMBERS_MAX).map(|number| format!("{number} ")).collect();
        let fault = kept(&many, json!({})).unwrap_err();
        assert!(fault.text.contains("with too many different tokens; they are at most 65536"), "{}", fault.text);
    }

    #[test]
    fn other_models_have_nobody_to_ask() {
        for document in [
            json!({"text": "x", "model": "sentence-transformers/all-minilm-l6-v2"}),
            json!({"image": "http://x/y.png", "model": "Qdrant/clip"}),
        ] {
            let fault = read(&document, Weighing::Kept).unwrap_err();
            assert!(fault.kind == Kind::NotSupported && fault.text.contains("no inference service"), "{}", fault.text);
        }
        for (document, kind) in [
            (json!({"image": "http://x/y.png", "model": "qdrant/bm25"}), Kind::BadRequest),
            (json!({"text": 1, "model": "qdrant/bm25"}), Kind::Format),
            (json!({"text": "x", "model": "qdrant/bm25", "options": []}), Kind::Format),
            (json!({"text": "x"}), Kind::Format),
        ] {
            assert_eq!(read(&document, Weighing::Asked).unwrap_err().kind, kind, "{document}");
        }
    }
}
