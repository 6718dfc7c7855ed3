//! Words in one or several text fields: signs, phrases and prefixes, and what of a text was found.
//!
//! What has to be there, or must not be, narrows the rows of each part first; the words that count are then scored by BM25
//! in every field. A row scores the weighted sum of its fields. Of several fields the best rows are found by the threshold
//! algorithm (Fagin, Lotem & Naor 2003): the best of each field are scored in all of them, until no other row can be better.

use crate::engine::error::{Error, Result};
use crate::engine::fetch::{Allowed, Filtered, Retrieved, Scope, untied};
use crate::engine::pool::Deadline;
use nigh_index::bitmap::Bitmap;
use nigh_index::params::{Found, Route, Work};
use nigh_index::row::{Hit, Row};
use nigh_index::selection::Selection;
use nigh_index::text::analyzer::Analyzer;
use nigh_index::text::bm25::{self, Statistics, Weighted};
use nigh_index::text::highlight::{self, Wanted};
use nigh_index::text::spec::TextSpec;
use nigh_index::text::syntax::{Ask, Parsed};
use nigh_storage::schema::CollectionSpec;
use nigh_storage::snapshot::{PartView, Snapshot};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// A word with a star stands for at most so many words of a field.
const EXPANSIONS_MAX: usize = 1_000;
/// Where the best of the fields do not settle it, so many times as many of each are looked at.
const MORE: usize = 4;

/// A question in words.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Words {
    /// The places of the text fields in the spec, with their weights; at least one.
    pub fields: Vec<(usize, f32)>,
    /// The words, as they were said.
    pub query: String,
    /// Whether signs, quotes and stars in them mean something (see [`nigh_index::text::syntax`]).
    pub syntax: bool,
    /// Whether words are as rare as they are among the points that the filter leaves.
    pub rarity_under_filter: bool,
    /// Whether a word that is said twice counts once.
    pub once: bool,
    /// BM25's k1 and b, where not those of the fields.
    pub constants: Option<(f32, f32)>,
    /// What of the texts is shown; nothing where it is left out.
    pub highlight: Option<Highlight>,
}

/// What of a text is shown.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Highlight {
    /// Bytes of a piece, at most.
    pub bytes: usize,
    /// Pieces of a field, at most.
    pub pieces: usize,
}

/// A piece of a text with the words that were found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// The place of the text field.
    pub field: usize,
    /// Where it begins in the string that it is of, in bytes.
    pub from: usize,
    /// The piece.
    pub text: String,
    /// The words in it, in bytes of it.
    pub words: Vec<Range<usize>>,
}

/// A question, read for one field.
struct Asked {
    field: usize,
    weight: f32,
    analyzer: Analyzer,
    parsed: Parsed,
    once: bool,
    /// As it is scored.
    spec: TextSpec,
}

impl Words {
    fn read(&self, spec: &CollectionSpec) -> Result<Vec<Asked>> {
        let read = |(field, weight): &(usize, f32)| {
            let analyzer = Analyzer::new(&spec.texts[*field].spec.analyzer)?;
            let parsed = match self.syntax {
                true => Parsed::read(&analyzer, &self.query)?,
                false => Parsed::plain(&analyzer, &self.query),
            };
            let mut known = spec.texts[*field].spec.clone();
            (known.k1, known.b) = self.constants.unwrap_or((known.k1, known.b));
            Ok(Asked { field: *field, weight: *weight, analyzer, parsed, once: self.once, spec: known })
        };
        self.fields.iter().map(read).collect()
    }

    /// Whether it can be asked.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some((k1, b)) = self.constants {
            TextSpec { k1, b, ..TextSpec::default() }.validate("text")?;
        }
        match self.fields.iter().find(|(_, weight)| !(*weight > 0.0 && weight.is_finite())) {
            Some((_, weight)) => Err(Error::invalid("text.fields.weight", weight, "a weight is above 0 and finite")),
            None => Ok(()),
        }
    }
}

/// The `k` best of what is allowed.
pub(crate) fn search(
    snapshot: &Snapshot,
    Scope { allowed, corpus }: Scope<'_>,
    words: &Words,
    k: usize,
    deadline: &Deadline,
) -> Result<Retrieved> {
    let asked = words.read(&snapshot.spec)?;
    asked.iter().try_for_each(|one| was_read(snapshot, one.field))?;
    let mut weighted = Vec::with_capacity(asked.len());
    for one in &asked {
        let within = corpus.or_else(|| words.rarity_under_filter.then_some(allowed));
        weighted.push((one.field, weigh(snapshot, within, one, deadline)?));
    }
    let mut retrieved = Retrieved::over(snapshot);
    for (at, (view, allowed)) in snapshot.parts.iter().zip(&allowed.parts).enumerate() {
        deadline.check()?;
        let begin = Instant::now();
        let narrowed = narrowed(view, allowed, &asked)?;
        let allowed = narrowed.as_ref().unwrap_or(allowed);
        let found = match allowed.matching {
            0 => Found::nothing(),
            _ => untied(k, |k| best(view, &weighted, k, allowed.rows.as_deref()))?,
        };
        retrieved.add(at, (view, allowed), found, None, begin.elapsed());
    }
    Ok(retrieved.best(k))
}

/// Whether every text of a field was read: of one that was just added, what was written before may still have to be.
fn was_read(snapshot: &Snapshot, field: usize) -> Result<()> {
    match snapshot.unread_texts(field) {
        0 => Ok(()),
        points => Err(Error::Condition {
            field: format!("text field `{}`", snapshot.spec.texts[field].name),
            found: format!("{points} points were written before it was added and are not read yet"),
            wanted: "ask again when they are".to_owned(),
        }),
    }
}

/// The terms of a field with their weights, by one set of statistics over all parts.
fn weigh(snapshot: &Snapshot, within: Option<&Filtered>, asked: &Asked, deadline: &Deadline) -> Result<Weighted> {
    let mut terms = asked.parsed.terms.clone();
    for prefix in &asked.parsed.prefixes {
        let mut begun = BTreeSet::new();
        for view in &snapshot.parts {
            deadline.check()?;
            begun.extend(view.part.text(asked.field).terms_from(prefix, EXPANSIONS_MAX + 1)?);
        }
        if begun.len() > EXPANSIONS_MAX {
            let limit = format!("over {EXPANSIONS_MAX} words begin so; ask for more letters");
            return Err(Error::invalid("text.query", format!("`{prefix}*`"), limit));
        }
        terms.extend(begun);
    }
    let mut terms = bm25::distinct(terms);
    if asked.once {
        terms.iter_mut().for_each(|(_, times)| *times = 1);
    }
    let mut statistics = Statistics::default();
    for (at, view) in snapshot.parts.iter().enumerate() {
        deadline.check()?;
        statistics += &match within.map(|filtered| &filtered.parts[at]).filter(|allowed| allowed.rows.is_some()) {
            None => view.statistics(asked.field, &terms)?,
            Some(allowed) => view.part.text(asked.field).statistics(&terms, &allowed.others(view))?,
        };
    }
    let mut weighted = Weighted::new(&terms, &statistics, &asked.spec);
    weighted.terms.iter_mut().for_each(|(_, weight)| *weight *= asked.weight);
    Ok(weighted)
}

/// The rows that have what has to be there in one of the fields, and nothing in any of them that must not be; `None` where
/// nothing is said of either.
fn narrowed(view: &PartView, allowed: &Allowed, asked: &[Asked]) -> Result<Option<Allowed>> {
    let mut must: BTreeMap<usize, Bitmap> = BTreeMap::new();
    let mut must_not = Bitmap::new();
    let mut narrows = false;
    for one in asked {
        let rows = |ask: &Ask| view.part.text(one.field).rows(ask);
        for (clause, ask) in &one.parsed.must {
            must.entry(*clause).or_default().or(&rows(ask)?);
            narrows = true;
        }
        for ask in &one.parsed.must_not {
            must_not.or(&rows(ask)?);
            narrows = true;
        }
    }
    if !narrows {
        return Ok(None);
    }
    let mut left = match &allowed.rows {
        Some(rows) => rows.rows().clone(),
        None => Bitmap::full(view.part.rows()),
    };
    must.values().for_each(|rows| left.and(rows));
    left.minus(&must_not);
    let matching = left.len();
    Ok(Some(Allowed { rows: Some(Arc::new(Selection::new(left, view.part.rows()))), matching }))
}

/// The `k` best rows of one part, over all fields.
fn best(view: &PartView, fields: &[(usize, Weighted)], k: usize, allowed: Option<&Selection>) -> Result<Found> {
    if let [(field, weighted)] = fields {
        return Ok(view.part.text(*field).search(weighted, k, allowed)?);
    }
    let mut work = Work::default();
    let mut each = k.max(1);
    loop {
        let (mut candidates, mut bound, mut open) = (Bitmap::new(), 0.0, false);
        for (field, weighted) in fields {
            let found = view.part.text(*field).search(weighted, each, allowed)?;
            work += found.work;
            if found.hits.len() >= each {
                open = true;
                bound += f64::from(found.hits[each - 1].score);
            }
            candidates.or(&Bitmap::from_rows(found.hits.iter().map(|hit| hit.row.0)));
        }
        let mut sums: BTreeMap<u32, f64> = BTreeMap::new();
        let count = candidates.len() as usize;
        let among = Selection::new(candidates, view.part.rows());
        for (field, weighted) in fields {
            let found = view.part.text(*field).search(weighted, count, Some(&among))?;
            work += found.work;
            found.hits.iter().for_each(|hit| *sums.entry(hit.row.0).or_default() += f64::from(hit.score));
        }
        let hit = |(row, score): (u32, f64)| Hit { row: Row(row), score: score as f32 };
        let mut hits: Vec<Hit> = sums.into_iter().map(hit).collect();
        hits.sort_unstable_by(|a, b| b.cmp(a));
        hits.truncate(k);
        // A row that no field has among its best scores no more than the last of all of them together.
        let settled = hits.len() == k && hits.last().is_none_or(|last| f64::from(last.score) > bound);
        if !open || settled {
            return Ok(Found { hits, route: Route::Postings, effort: 0, work });
        }
        each = each.saturating_mul(MORE);
    }
}

/// The pieces of a point's texts that show what was found, field by field.
pub(crate) fn pieces(view: &PartView, row: Row, words: &Words) -> Result<Vec<Piece>> {
    let Some(Highlight { bytes, pieces }) = words.highlight else { return Ok(Vec::new()) };
    let payload = view.payload(row)?;
    let mut shown = Vec::new();
    for asked in words.read(&view.spec)? {
        let Parsed { terms, prefixes, .. } = asked.parsed;
        let wanted = Wanted { terms: terms.into_iter().collect(), prefixes };
        let mut of_field: Vec<Piece> = Vec::new();
        for path in view.spec.texts[asked.field].parsed_paths()? {
            path.each(&payload, &mut |value| {
                let Value::String(text) = value else { return };
                let found = highlight::words(&asked.analyzer, text, &wanted);
                if found.is_empty() {
                    return;
                }
                let snippet = highlight::snippet(text, &found, bytes);
                let from = snippet.range.start;
                let words = snippet.words.iter().map(|word| word.start - from..word.end - from).collect();
                of_field.push(Piece { field: asked.field, from, text: text[snippet.range].to_owned(), words });
            });
        }
        // Stable: of equally good ones those that stand first.
        of_field.sort_by_key(|piece| std::cmp::Reverse(piece.words.len()));
        of_field.truncate(pieces);
        shown.extend(of_field);
    }
    Ok(shown)
}
