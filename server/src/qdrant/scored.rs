//! Text indexes with `scoring`: text fields of the collection, which queries by `text` ask.
//!
//! | in the index | of the text field |
//! |---|---|
//! | the path that is indexed | its name, and the path that it reads |
//! | `stemmer`, `stopwords` of one language | the analyzer of that language, with `stop` and `nostem` |
//! | `ascii_folding` | `fold` |
//!
//! What has no analyzer is not supported: other tokenizers than `word`, upper case, lengths of tokens, words of one's own.
//! A text field that nigh's own API made is asked as it is, whatever an index of its name says.

use super::ask::some;
use super::call::Call;
use super::fault::{Fault, Result};
use super::{note::Note, path};
use crate::engine::pool::Deadline;
use nigh_index::text::spec::TextSpec;
use nigh_storage::schema::TextField;
use serde_json::Value;

/// Whether points are to be ranked by an index.
pub(super) fn is(schema: &Value) -> bool {
    let scoring = some(schema, "scoring").unwrap_or(&Value::Null);
    schema["type"] == "text" && (scoring.is_object() || *scoring == Value::Bool(true))
}

/// The text field that an index stands for, where it ranks.
pub(super) fn field(name: &str, schema: &Value) -> Result<Option<TextField>> {
    if !is(schema) {
        return Ok(None);
    }
    let paths = vec![path::field(name)?.as_str().to_owned()];
    let spec = TextSpec { analyzer: analyzer(schema)?, ..TextSpec::default() };
    Ok(Some(TextField { name: name.to_owned(), paths, spec }))
}

fn analyzer(schema: &Value) -> Result<String> {
    let unlike = |what: &str| Fault::not_supported(format_args!("`{what}` of a text index with scoring"));
    if some(schema, "tokenizer").is_some_and(|tokenizer| tokenizer != "word") {
        return Err(unlike("tokenizer"));
    }
    if some(schema, "lowercase") == Some(&Value::Bool(false)) {
        return Err(unlike("lowercase"));
    }
    if let Some(given) = ["min_token_len", "max_token_len", "nested"].iter().find(|name| some(schema, name).is_some()) {
        return Err(unlike(given));
    }
    let stem = match some(schema, "stemmer") {
        None => None,
        Some(stemmer) if stemmer["type"] == "none" => None,
        Some(stemmer) => Some(stemmer["language"].as_str().ok_or_else(|| unlike("stemmer"))?),
    };
    let stop = match some(schema, "stopwords") {
        None => None,
        Some(Value::String(language)) => Some(&language[..]),
        Some(set) => {
            let list = |name: &str| some(set, name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            match (list("languages"), list("custom")) {
                ([], []) => None,
                ([only], []) => Some(only.as_str().ok_or_else(|| unlike("stopwords"))?),
                _ => return Err(unlike("stopwords")),
            }
        }
    };
    let language = match (stem, stop) {
        (Some(stem), Some(stop)) if stem != stop => {
            return Err(unlike("stopwords of another language than the stemmer"));
        }
        (stem, stop) => stem.or(stop),
    };
    let mut name = language.unwrap_or("standard").to_owned();
    if stop.is_some() {
        name += "+stop";
    }
    if stop.is_some() && stem.is_none() {
        name += "+nostem";
    }
    if some(schema, "ascii_folding") == Some(&Value::Bool(true)) {
        name += "+fold";
    }
    Ok(name)
}

/// Makes the text fields as an index is declared now, or is no more: that of an earlier declaration goes. Whether the field
/// of this name was made for an index.
pub(super) async fn settle(call: &Call, name: &str, wanted: Option<TextField>) -> Result<bool> {
    let collection = call.open()?;
    let known = collection.spec().text_fields().find(|(_, field)| field.name == name).map(|(_, field)| field.clone());
    let unlike = |known: &TextField| wanted.as_ref() != Some(known);
    if known.is_some() && !Note::of(call).texts.contains(name) {
        return Ok(false);
    }
    if known.as_ref().is_some_and(unlike) {
        call.engine.clone().drop_text(collection.clone(), name.to_owned(), &call.deadline).await?;
    }
    let Some(field) = wanted else { return Ok(false) };
    if call.wait {
        call.engine.clone().add_text(collection, field, true, &call.deadline).await?;
        return Ok(true);
    }
    // Whoever does not wait is not told how it ends; the log is.
    let (engine, collection_name) = (call.engine.clone(), call.collection.clone());
    tokio::spawn(async move {
        if let Err(err) = engine.add_text(collection, field, true, &Deadline::default()).await {
            tracing::error!(collection = collection_name, %err, "texts could not be read for an index");
        }
    });
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(more: &Value) -> Result<Option<TextField>> {
        let mut schema = json!({"type": "text", "scoring": true});
        schema.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        field("a.b", &schema)
    }

    #[test]
    fn an_index_with_scoring_is_a_text_field() {
        for (schema, analyzer) in [
            (json!({}), "standard"),
            (json!({"tokenizer": "word", "lowercase": true, "stemmer": {"type": "none"}}), "standard"),
            (json!({"stemmer": {"type": "snowball", "language": "german"}}), "german"),
            (json!({"stemmer": {"type": "snowball", "language": "german"}, "stopwords": "german"}), "german+stop"),
            (json!({"stopwords": {"languages": ["english"]}, "ascii_folding": true}), "english+stop+nostem+fold"),
        ] {
            let field = of(&schema).unwrap().unwrap();
            assert_eq!((&field.name[..], &field.paths[..]), ("a.b", &["a.b".to_owned()][..]));
            assert_eq!(field.spec.analyzer, analyzer, "{schema}");
            nigh_index::text::analyzer::Analyzer::new(&field.spec.analyzer).unwrap();
        }
        for none in [json!({"scoring": false}), json!({"scoring": null}), json!({"type": "keyword"})] {
            assert_eq!(of(&none), Ok(None), "{none}");
        }
        for unlike in [
            json!({"tokenizer": "prefix"}),
            json!({"lowercase": false}),
            json!({"min_token_len": 2}),
            json!({"nested": "a"}),
            json!({"stopwords": {"custom": ["rag"]}}),
            json!({"stopwords": {"languages": ["german", "english"]}}),
            json!({"stopwords": "german", "stemmer": {"type": "snowball", "language": "english"}}),
        ] {
            let refused = of(&unlike).unwrap_err();
            assert!(refused.text.contains("not supported"), "{}", refused.text);
        }
    }
}
