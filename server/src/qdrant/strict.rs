//! Strict mode: limits that a collection was given, kept in its note and enforced here.
//!
//! | limit | of what |
//! |---|---|
//! | `max_query_limit` | points of an answer, and of every prefetch |
//! | `max_timeout` | seconds that a caller gives |
//! | `search_max_hnsw_ef`, `search_allow_exact`, `search_max_oversampling` | effort of a search |
//! | `search_max_batchsize`, `upsert_max_batchsize` | searches of a batch, points of an upsert |
//! | `unindexed_filtering_retrieve`, `unindexed_filtering_update` | whether conditions may ask fields without a declared index |
//! | `filter_max_conditions`, `condition_max_size` | conditions of a filter, values of one condition |
//! | `read_rate_limit` | queries a minute, each of a batch, and points that are got by id; a page, a count, a facet and a matrix are one |
//! | `write_rate_limit` | points a minute that are given or named by id; a write by a filter is one |
//! | `max_points_count`, `max_payload_index_count` | of the collection |
//! | `max_collection_vector_size_bytes`, `max_collection_payload_size_bytes` | of its vectors and payloads as they were written; a write begins below them. What was deleted counts until it is merged away |
//! | `multivector_config`, `sparse_config` | vectors, and terms, of a point |

use super::call::Call;
use super::fault::{Fault, Result};
use super::note::Note;
use super::operation::{Incoming, Operation};
use super::vectors::Given;
use crate::engine::query::retriever::{Kind, Retriever};
use crate::engine::rates::Counted;
use nigh_index::filter::condition::{Condition, Test};
use nigh_storage::snapshot::Snapshot;
use nigh_storage::write::Selector;
use serde_json::{Map, Value};
use std::time::Instant;

/// The limits of a collection in strict mode.
pub(super) struct Strict {
    limits: Map<String, Value>,
    /// Paths with a declared index.
    indexed: Vec<Vec<String>>,
    timeout_s: Option<u64>,
}

/// What a filter chooses points for.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum For {
    Reading,
    Writing,
}

fn exceeded(given: u64, most: u64, what: &str) -> Fault {
    Fault::bad_request(format_args!("Limit exceeded {given} > {most} for \"{what}\""))
}

impl Strict {
    /// The limits, where the collection is in strict mode.
    pub(super) fn of(call: &Call) -> Option<Self> {
        let text = call.engine.note(&call.collection)?;
        // Most collections have none: their notes are not read for every request.
        if !text.contains("\"strict_mode_config\"") {
            return None;
        }
        let mut note = Note::read(Some(&text));
        let Some(Value::Object(limits)) = note.settings.shift_remove("strict_mode_config") else { return None };
        if limits.get("enabled").and_then(Value::as_bool) != Some(true) {
            return None;
        }
        let keys = |name: &String| super::path::field(name).ok().map(|path| path.keys().to_vec());
        let indexed = note.indexes.keys().filter_map(keys).collect();
        Some(Self { limits, indexed, timeout_s: call.timeout_s })
    }

    fn most(&self, name: &str) -> Option<u64> {
        self.limits.get(name)?.as_u64()
    }

    /// How much room a search gives itself to rank again, with all that it fetches first. nigh chooses that by itself.
    pub(super) fn oversampled(&self, request: &Value) -> Result<()> {
        let Some(most) = self.limits.get("search_max_oversampling").and_then(Value::as_f64) else { return Ok(()) };
        if let Some(given) = request["params"]["quantization"]["oversampling"].as_f64().filter(|given| *given > most) {
            return Err(Fault::bad_request(format_args!("Limit exceeded {given} > {most} for \"oversampling\"")));
        }
        match &request["prefetch"] {
            Value::Array(several) => several.iter().try_for_each(|one| self.oversampled(one)),
            one if one.is_object() => self.oversampled(one),
            _ => Ok(()),
        }
    }

    fn at_most(&self, name: &str, given: usize, what: &str) -> Result<()> {
        match self.most(name) {
            Some(most) if given as u64 > most => Err(exceeded(given as u64, most, what)),
            _ => Ok(()),
        }
    }

    /// What every request is held against.
    fn asked(&self) -> Result<()> {
        let given = self.timeout_s.map_or(0, |seconds| usize::try_from(seconds).unwrap_or(usize::MAX));
        self.at_most("max_timeout", given, "timeout")
    }

    /// Counts so many reads or writes of this minute.
    pub(super) fn counted(&self, call: &Call, use_: For, count: usize) -> Result<()> {
        let (name, told, what) = match use_ {
            For::Reading => ("read_rate_limit", "Read", Counted::Reads),
            For::Writing => ("write_rate_limit", "Write", Counted::Writes),
        };
        let Some(most) = self.most(name).map(|most| u32::try_from(most).unwrap_or(u32::MAX)) else { return Ok(()) };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if count > most {
            let why = format!(
                "{told} rate limit exceeded: this counts as {count} of {most} a minute, and never goes through"
            );
            return Err(Fault::busy(why, None));
        }
        let taken = call.engine.rates().take(call.open()?.id(), what, most, count, Instant::now());
        taken.map_err(|retry| {
            let seconds = retry.as_secs_f64();
            let why =
                format!("Rate limiting exceeded: {told} rate limit exceeded, {most} a minute; wait {seconds:.1} s");
            Fault::busy(why, Some(retry))
        })
    }

    /// A read of so many points.
    pub(super) fn read(&self, filter: Option<&Condition>, limit: usize) -> Result<()> {
        self.asked()?;
        self.at_most("max_query_limit", limit, "limit")?;
        self.filter(filter, For::Reading)
    }

    /// A batch of so many searches.
    pub(super) fn batch(&self, searches: usize) -> Result<()> {
        self.at_most("search_max_batchsize", searches, "search batch size")
    }

    /// One index more.
    pub(super) fn index(&self) -> Result<()> {
        self.at_most("max_payload_index_count", self.indexed.len() + 1, "payload index count")
    }

    /// A search: the limit of its root is looked at by [`Strict::read`].
    pub(super) fn search(&self, root: &Retriever) -> Result<()> {
        self.filter(root.filter.as_ref(), For::Reading)?;
        self.filter(root.corpus.as_ref(), For::Reading)?;
        if let Kind::Dense { params, .. } | Kind::Diverse { params, .. } | Kind::Average { params, .. } = &root.kind {
            if params.exact && self.limits.get("search_allow_exact").and_then(Value::as_bool) == Some(false) {
                return Err(Fault::bad_request("Exact search disabled!"));
            }
            self.at_most("search_max_hnsw_ef", params.ef.unwrap_or(0) as usize, "hnsw_ef")?;
        }
        for source in &root.sources {
            self.at_most("max_query_limit", source.limit, "limit")?;
            self.search(source)?;
        }
        Ok(())
    }

    /// A filter.
    pub(super) fn filter(&self, filter: Option<&Condition>, use_: For) -> Result<()> {
        let Some(filter) = filter else { return Ok(()) };
        let name = match use_ {
            For::Reading => "unindexed_filtering_retrieve",
            For::Writing => "unindexed_filtering_update",
        };
        let indexed_only = self.limits.get(name).and_then(Value::as_bool) == Some(false);
        let mut conditions = 0;
        self.walk(filter, &[], indexed_only, &mut conditions)?;
        self.at_most("filter_max_conditions", conditions, "filter conditions")
    }

    fn walk(&self, condition: &Condition, below: &[String], indexed_only: bool, conditions: &mut usize) -> Result<()> {
        let mut inner = |of: &[Condition], below: &[String]| {
            of.iter().try_for_each(|one| self.walk(one, below, indexed_only, conditions))
        };
        match condition {
            Condition::Tree { must, should, must_not } => {
                [must, should, must_not].into_iter().try_for_each(|group| inner(group, below))
            }
            Condition::AtLeast { of, .. } => inner(of, below),
            Condition::Nested { path, condition } => {
                inner(std::slice::from_ref(condition), &[below, path.keys()].concat())
            }
            Condition::HasId(ids) => {
                *conditions += 1;
                self.at_most("condition_max_size", ids.len(), "condition size")
            }
            Condition::HasVector(_) | Condition::Slice(_) => {
                *conditions += 1;
                Ok(())
            }
            Condition::Field { path, test } => {
                *conditions += 1;
                let keys = [below, path.keys()].concat();
                if indexed_only && !self.indexed.contains(&keys) {
                    let key = keys.join(".");
                    let why =
                        format!("Index required but not found for \"{key}\": strict mode asks declared indexes only");
                    return Err(Fault::bad_request(why));
                }
                match test {
                    Test::AnyOf(values) | Test::NoneOf(values) => {
                        self.at_most("condition_max_size", values.len(), "condition size")
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    /// A write to a collection that stands so.
    pub(super) fn write(&self, call: &Call, operation: &Operation, snapshot: &Snapshot) -> Result<()> {
        self.asked()?;
        self.allowed(operation, snapshot.points())?;
        self.room(operation, snapshot)?;
        self.counted(call, For::Writing, operation.points())
    }

    /// Whether there is room for what an operation brings along.
    fn room(&self, operation: &Operation, snapshot: &Snapshot) -> Result<()> {
        let below = |name: &str, what: &str, bytes: &dyn Fn() -> u64| match self.most(name) {
            Some(most) if bytes() >= most => {
                let why = format!("Max {what} storage size of {most} bytes reached, there are {}", bytes());
                Err(Fault::bad_request(why))
            }
            _ => Ok(()),
        };
        let vectors = || below("max_collection_vector_size_bytes", "vector", &|| snapshot.vector_bytes());
        let payloads = || below("max_collection_payload_size_bytes", "payload", &|| snapshot.payload_bytes());
        match operation {
            Operation::Upsert { .. } => vectors().and_then(|()| payloads()),
            Operation::UpdateVectors { .. } => vectors(),
            Operation::SetPayload { .. } | Operation::OverwritePayload { .. } => payloads(),
            Operation::Delete(_)
            | Operation::ClearPayload(_)
            | Operation::DeletePayload { .. }
            | Operation::DeleteVectors { .. } => Ok(()),
        }
    }

    fn allowed(&self, operation: &Operation, points: u64) -> Result<()> {
        match operation {
            Operation::Upsert { points: given, filter, .. } => {
                self.points(given)?;
                if let Some(most) = self.most("max_points_count").filter(|most| points >= *most) {
                    return Err(exceeded(points.saturating_add(1), most, "points count"));
                }
                self.filter(filter.as_ref(), For::Writing)
            }
            Operation::UpdateVectors { points: given, filter } => {
                self.points(given)?;
                self.filter(filter.as_ref(), For::Writing)
            }
            Operation::Delete(points)
            | Operation::ClearPayload(points)
            | Operation::SetPayload { points, .. }
            | Operation::OverwritePayload { points, .. }
            | Operation::DeletePayload { points, .. }
            | Operation::DeleteVectors { points, .. } => match points {
                Selector::Ids(_) => Ok(()),
                Selector::Filter(filter) => self.filter(Some(filter), For::Writing),
            },
        }
    }

    fn points(&self, points: &[Incoming]) -> Result<()> {
        self.at_most("upsert_max_batchsize", points.len(), "upsert limit")?;
        let most = |config: &str, name: &str, limit: &str| self.limits.get(config)?.get(name)?.get(limit)?.as_u64();
        for (name, given) in points.iter().flat_map(|point| &point.vectors) {
            let (most, given, what) = match given {
                Given::Dense(_) => continue,
                Given::Sparse { indices, .. } => {
                    (most("sparse_config", name, "max_length"), indices.len(), "max_length")
                }
                Given::Multi(rows) => (most("multivector_config", name, "max_vectors"), rows.len(), "max_vectors"),
            };
            if let Some(most) = most.filter(|most| given as u64 > *most) {
                return Err(exceeded(given as u64, most, what));
            }
        }
        Ok(())
    }
}
