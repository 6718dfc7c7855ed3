//! Questions and what was judged of them, as the usual collections come.

use crate::cli::failure::{Place, Result, doing};
use crate::cli::source::wrong;
use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// What documents are worth, by question.
#[derive(Debug, Default)]
pub(super) struct Judged {
    by_question: BTreeMap<String, BTreeMap<String, f64>>,
}

/// A judged question.
#[derive(Clone, Debug, Default)]
pub(super) struct Question {
    pub(super) id: String,
    pub(super) words: String,
    /// Its row among the questions, and so among their vectors.
    pub(super) row: u64,
    pub(super) vector: Vec<f32>,
    /// What documents are worth.
    pub(super) judged: BTreeMap<String, f64>,
    pub(super) fields: Map<String, Value>,
}

impl Question {
    /// Whether one of its fields is this value, as text.
    pub(super) fn has(&self, key: &str, value: &str) -> bool {
        self.fields.get(key).is_some_and(|own| text_of(own) == value)
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The lines of a file, decompressed where it is compressed, with their numbers from 1; no blank ones.
fn lines(path: &Path) -> Result<Vec<(u64, String)>> {
    let file = File::open(path).map_err(doing("open", path))?;
    let mut raw = BufReader::new(file);
    let packed = raw.fill_buf().map_err(doing("read", path))?.starts_with(&[0x1f, 0x8b]);
    let mut text = String::new();
    let read = match packed {
        true => MultiGzDecoder::new(raw).read_to_string(&mut text),
        false => raw.read_to_string(&mut text),
    };
    read.map_err(doing("read", path))?;
    let numbered = text.lines().enumerate().map(|(at, line)| (at as u64 + 1, line.trim().to_owned()));
    Ok(numbered.filter(|(_, line)| !line.is_empty()).collect())
}

impl Judged {
    /// Reads TREC qrels (question, 0, document, relevance), three columns with a heading, or JSON Lines.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut judged = Self::default();
        for (at, (number, line)) in lines(path)?.into_iter().enumerate() {
            let bad = |why: &str| wrong(path, Place::Line(number), why.to_owned());
            let (question, document, worth) = if line.starts_with('{') {
                let fields: Map<String, Value> = serde_json::from_str(&line).map_err(|err| bad(&err.to_string()))?;
                let name = |key: &str| fields.get(key).map(text_of).ok_or_else(|| bad(&format!("has no `{key}`")));
                (name("query")?, name("doc")?, name("relevance")?)
            } else {
                let columns: Vec<&str> = line.split_whitespace().collect();
                match columns[..] {
                    [question, _, document, worth] => (question.to_owned(), document.to_owned(), worth.to_owned()),
                    [question, document, worth] => (question.to_owned(), document.to_owned(), worth.to_owned()),
                    _ => return Err(bad("a judgement is 3 or 4 columns: question, (0), document, relevance")),
                }
            };
            match worth.parse::<f64>() {
                Ok(worth) if worth.is_finite() => {
                    judged.by_question.entry(question).or_default().insert(document, worth);
                }
                // A heading says what the columns are.
                _ if at == 0 => {}
                _ => return Err(bad(&format!("`{worth}` is no relevance"))),
            }
        }
        Ok(judged)
    }
}

/// The questions of which something was judged, in their order.
pub(super) fn questions(path: &Path, id_field: &str, words_field: &str, judged: &Judged) -> Result<Vec<Question>> {
    let mut questions = Vec::new();
    for (row, (number, line)) in lines(path)?.into_iter().enumerate() {
        let bad = |why: String| wrong(path, Place::Line(number), why);
        let fields: Map<String, Value> = serde_json::from_str(&line).map_err(|err| bad(err.to_string()))?;
        let text = |key: &str| fields.get(key).map(text_of).ok_or_else(|| bad(format!("has no `{key}`")));
        let (id, words) = (text(id_field)?, text(words_field)?);
        if let Some(judged) = judged.by_question.get(&id) {
            let judged = judged.clone();
            questions.push(Question { id, words, row: row as u64, vector: Vec::new(), judged, fields });
        }
    }
    Ok(questions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Result<Judged> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("qrels");
        std::fs::write(&path, text).unwrap();
        Judged::read(&path)
    }

    #[test]
    fn judgements_come_in_several_forms() {
        for text in [
            "1 0 d7 2\n2 0 d8 0\n",
            "query-id\tcorpus-id\tscore\n1\td7\t2\n\n2\td8\t0\n",
            "{\"query\": 1, \"doc\": \"d7\", \"relevance\": 2}\n{\"query\": \"2\", \"doc\": \"d8\", \"relevance\": 0}\n",
        ] {
            let judged = judged(text).unwrap().by_question;
            assert_eq!(judged["1"]["d7"], 2.0, "{text}");
            assert_eq!((judged.len(), judged["2"]["d8"]), (2, 0.0), "{text}");
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, expected) in [
            ("1 0 d7 2\n1 d7\n", ", line 2: a judgement is 3 or 4 columns"),
            ("1 0 d7 2\n1 0 d8 good\n", ", line 2: `good` is no relevance"),
            ("{\"query\": 1}\n", ", line 1: has no `doc`"),
        ] {
            let err = judged(text).unwrap_err().to_string();
            assert!(err.contains(expected), "{err}");
        }
    }
}
