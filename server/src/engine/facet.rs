//! How many points have each value of a field.

use crate::engine::Engine;
use crate::engine::error::{Error, Result};
use crate::engine::fetch;
use crate::engine::pool::Deadline;
use crate::engine::search::at_most;
use crate::engine::versions;
use nigh_index::filter::condition::{Condition, Scalar};
use nigh_index::filter::eval;
use nigh_index::filter::extract::mark;
use nigh_index::filter::field::Seen;
use nigh_index::query::order::Real;
use nigh_index::row::Row;
use nigh_index::value::Path;
use nigh_storage::collection::Collection;
use nigh_storage::snapshot::{PartView, Snapshot};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// Points whose payload is read between two looks at the deadline.
const POINTS_A_CHECK: usize = 256;

/// The distinct values of a field that are counted hold at most so many bytes.
const VALUES_BYTES_MAX: usize = 256 << 20;

/// The values of which field are counted.
#[derive(Clone, Debug)]
pub struct Facet {
    /// Where the values are. Strings, integers and bools are counted; a point counts once for each of its values.
    pub path: Path,
    /// Which points.
    pub filter: Option<Condition>,
    /// Values wanted.
    pub limit: usize,
    /// The version to read; empty: the newest state.
    pub version: String,
}

/// Values, the most frequent first, equally frequent ones in their order: bools, integers, strings.
#[derive(Clone, PartialEq, Debug)]
pub struct Facets {
    /// Each with the points that have it.
    pub values: Vec<(Scalar, u64)>,
    /// How many distinct values there are.
    pub distinct: u64,
    /// Fields that had no index and were scanned.
    pub scanned: Vec<String>,
    /// The state that all of it speaks of.
    pub seq: u64,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Bool(bool),
    Integer(i64),
    Keyword(String),
}

/// Values with their counts, and what they hold in memory.
struct Tally {
    counts: HashMap<Key, u64>,
    bytes: usize,
    bytes_max: usize,
}

impl Tally {
    fn new(bytes_max: usize) -> Self {
        Self { counts: HashMap::new(), bytes: 0, bytes_max }
    }

    /// A value that is new is left out where there is no more room: [`Self::check`] tells of it.
    fn add(&mut self, key: Key, count: u64) {
        if let Some(known) = self.counts.get_mut(&key) {
            *known += count;
        } else {
            let text = if let Key::Keyword(text) = &key { text.len() } else { 0 };
            self.bytes += size_of::<(Key, u64)>() + text;
            if self.bytes <= self.bytes_max {
                self.counts.insert(key, count);
            }
        }
    }

    fn check(&self, path: &Path) -> Result<()> {
        if self.bytes <= self.bytes_max {
            return Ok(());
        }
        let (most, counted) = (self.bytes_max, self.counts.len());
        let limit = format!("the values that are counted hold at most {most} bytes in memory: narrow the filter");
        Err(Error::invalid(path.as_str(), format!("a field of more than {counted} values"), limit))
    }
}

impl Engine {
    /// Counts the values of a field, exactly.
    pub async fn facet(&self, collection: Arc<Collection>, facet: Facet, deadline: &Deadline) -> Result<Facets> {
        at_most("limit", facet.limit, self.limits.hits_max)?;
        if let Some(filter) = &facet.filter {
            eval::check(filter)?;
        }
        let until = deadline.clone();
        let work = move || {
            let snapshot = versions::snapshot(&collection, &facet.version)?;
            let facets = counted(&snapshot, &facet, &until)?;
            snapshot.sound()?;
            Ok(facets)
        };
        self.reads.run(deadline, work).await
    }
}

fn counted(snapshot: &Snapshot, facet: &Facet, deadline: &Deadline) -> Result<Facets> {
    let filtered = fetch::filter(snapshot, facet.filter.as_ref(), deadline)?;
    let mut scanned = filtered.scanned;
    let mut tally = Tally::new(VALUES_BYTES_MAX);
    for (view, allowed) in snapshot.parts.iter().zip(&filtered.parts) {
        deadline.check()?;
        if allowed.matching == 0 {
            continue;
        }
        let rows = allowed.rows.as_deref();
        let is_allowed = |row: Row| rows.is_none_or(|rows| rows.bits().has(row));
        let mut last: Option<(Key, u64)> = None;
        let known = view.part.fields().each_scalar(&facet.path, &mut |seen, row| {
            if !is_allowed(row) {
                return;
            }
            // Values come one after another: a string is copied once, not once a row.
            match &mut last {
                Some((key, count)) if is(key, seen) => *count += 1,
                _ => {
                    let next = key_of(seen).map(|key| (key, 1));
                    if let Some((key, count)) = std::mem::replace(&mut last, next) {
                        tally.add(key, count);
                    }
                }
            }
        })?;
        if let Some((key, count)) = last {
            tally.add(key, count);
        }
        if !known {
            scan(view, rows.map(|rows| rows.rows().iter().collect()), facet, &mut tally, deadline)?;
            scanned.push(facet.path.as_str().to_owned());
        }
        tally.check(&facet.path)?;
    }
    scanned.sort_unstable();
    scanned.dedup();
    let distinct = tally.counts.len() as u64;
    let mut values: Vec<(Key, u64)> = tally.counts.into_iter().collect();
    values.sort_unstable_by(|left, right| (Reverse(left.1), &left.0).cmp(&(Reverse(right.1), &right.0)));
    values.truncate(facet.limit);
    let scalar = |(key, count)| match key {
        Key::Bool(flag) => (Scalar::Bool(flag), count),
        Key::Integer(integer) => (Scalar::Integer(integer), count),
        Key::Keyword(text) => (Scalar::Keyword(text), count),
    };
    Ok(Facets { values: values.into_iter().map(scalar).collect(), distinct, scanned, seq: snapshot.seq })
}

fn is(key: &Key, seen: Seen<'_>) -> bool {
    match (key, seen) {
        (Key::Keyword(own), Seen::Keyword(text)) => own == text,
        (Key::Integer(own), Seen::Number(Real::Integer(integer))) => *own == integer,
        (Key::Bool(own), Seen::Mark(mark)) => *own == (mark == mark::TRUE),
        _ => false,
    }
}

fn key_of(seen: Seen<'_>) -> Option<Key> {
    match seen {
        Seen::Keyword(text) => Some(Key::Keyword(text.to_owned())),
        Seen::Number(Real::Integer(integer)) => Some(Key::Integer(integer)),
        Seen::Number(_) => None,
        Seen::Mark(seen) => Some(Key::Bool(seen == mark::TRUE)),
    }
}

fn scan(view: &PartView, rows: Option<Vec<Row>>, facet: &Facet, tally: &mut Tally, deadline: &Deadline) -> Result<()> {
    let rows = rows.unwrap_or_else(|| (0..view.part.rows()).map(Row).collect());
    for (at, row) in rows.into_iter().enumerate() {
        if at % POINTS_A_CHECK == 0 {
            deadline.check()?;
            tally.check(&facet.path)?;
        }
        let payload = view.payload(row)?;
        let mut keys: Vec<Key> = Vec::new();
        facet.path.each(&payload, &mut |value| {
            keys.extend(match value {
                Value::String(text) => Some(Key::Keyword(text.clone())),
                Value::Number(number) => number.as_i64().map(Key::Integer),
                Value::Bool(flag) => Some(Key::Bool(*flag)),
                _ => None,
            });
        });
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().for_each(|key| tally.add(key, 1));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_values_than_there_is_room_for_are_refused() {
        let path = Path::parse("colour").unwrap();
        let mut tally = Tally::new(10 * size_of::<(Key, u64)>() + 10);
        for at in 0..10 {
            tally.add(Key::Keyword(at.to_string()), 1);
            tally.add(Key::Keyword("0".to_owned()), 1);
        }
        tally.check(&path).unwrap();
        assert_eq!(tally.counts[&Key::Keyword("0".to_owned())], 11);
        (0..1000).for_each(|at| tally.add(Key::Integer(at), 1));
        assert_eq!(tally.counts.len(), 10, "what is refused is not kept");
        let err = tally.check(&path).unwrap_err().to_string();
        assert!(err.starts_with("colour is a field of more than 10 values"), "{err}");
    }
}
