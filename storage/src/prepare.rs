//! From what a caller asks for to what the writer needs: checked, parsed, analysed.
//!
//! All of it happens in the caller's thread, so that the one writer of a collection only links
//! finished pieces together. A replay of the log walks the same way.

use crate::error::{Error, Result};
use crate::foreseen::{self, Foreseen};
use crate::op::{self, Heading, Op};
use crate::point::Point;
use crate::schema::{CollectionSpec, VectorPlace};
use crate::snapshot::Snapshot;
use crate::write::{Chain, IfVersion, POSITIONS_MAX, Position, SOURCE_BYTES_MAX, Selector, Write, WriteBatch};
use bytes::Bytes;
use nigh_index::filter::live::Extracted;
use nigh_index::filter::rules::FieldRules;
use nigh_index::id::PointId;
use nigh_index::text::analyzer::Analyzer;
use nigh_index::text::live::Analysed;
use nigh_index::value::Path;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use serde_json::Value;
use std::sync::Arc;

/// A batch has at most this many operations.
pub const OPS_MAX: usize = 100_000;
/// A thread prepares at least so many operations of a batch.
const BESIDE_OPS_MIN: usize = 32;
/// A payload has at most this many bytes of text.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;
/// A filter that waits is taken to hold so many bytes.
const FILTER_BYTES: u64 = 64;

/// A collection's spec with what is needed to read a point by it.
pub(crate) struct Schema {
    pub(crate) spec: Arc<CollectionSpec>,
    pub(crate) rules: FieldRules,
    /// By the places of the text fields; `None` where one was dropped.
    pub(crate) texts: Vec<Option<TextReader>>,
}

/// Reads one text field out of a payload.
pub(crate) struct TextReader {
    paths: Vec<Path>,
    pub(crate) analyzer: Analyzer,
}

impl TextReader {
    /// Calls `see` with every string of the field, in the order of its paths.
    pub(crate) fn each<'v>(&self, payload: &'v Value, see: &mut dyn FnMut(&'v str)) {
        for path in &self.paths {
            path.each(payload, &mut |value| {
                if let Value::String(text) = value {
                    see(text);
                }
            });
        }
    }

    pub(crate) fn analyse(&self, payload: &Value) -> Option<Analysed> {
        let mut texts = Vec::new();
        self.each(payload, &mut |text| texts.push(text));
        Analysed::of(&self.analyzer, &mut texts.into_iter())
    }
}

/// A row that is ready to stand in a live part.
#[derive(Clone)]
pub(crate) struct NewRow {
    pub(crate) point: Point,
    /// The operation that wrote it; the fold says which.
    pub(crate) version: u64,
    pub(crate) extracted: Extracted,
    /// By the places of the text fields that there were when the row was prepared.
    pub(crate) texts: Vec<Option<Analysed>>,
}

/// One step of a batch, as far as it can be prepared without knowing the collection's state.
pub(crate) enum Step {
    /// A whole new row.
    Upsert(NewRow),
    /// An operation on ids.
    Op(Op),
    /// An operation on what a filter finds, and what is known of that.
    Filtered(Write, Foreseen),
    /// Deletes points that are expired, at most so many.
    Sweep { points_max: usize },
}

/// A batch that is ready for the writer.
pub(crate) struct Batch {
    pub(crate) steps: Vec<Step>,
    pub(crate) conditions: Vec<IfVersion>,
    pub(crate) heading: Heading,
    pub(crate) log: LogForm,
    pub(crate) chain: Option<Chain>,
    /// What it weighs in the queue.
    pub(crate) bytes: u64,
}

/// What will be written into the log for a batch.
pub(crate) enum LogForm {
    /// Encoded already: no step depends on the collection's state.
    Encoded(Bytes),
    /// The operations by step; `None` where a filter has to be resolved first.
    Unresolved(Vec<Option<Op>>),
}

impl Batch {
    /// Finds what its filters match, so that the writer need not; `go_on` is asked now and then.
    pub(crate) fn foresee(&mut self, snapshot: &Snapshot, go_on: &dyn Fn() -> bool) -> Result<()> {
        let mut left = foreseen::BYTES_MAX;
        for step in &mut self.steps {
            let Step::Filtered(write, known) = step else { continue };
            if let Some(filter) = filter_of(write) {
                *known = Foreseen::of(filter, snapshot, &mut left, go_on)?;
            }
        }
        self.bytes += (foreseen::BYTES_MAX - left) as u64;
        Ok(())
    }
}

impl Schema {
    pub(crate) fn new(spec: Arc<CollectionSpec>) -> Result<Self> {
        let read = |(at, field): (usize, &crate::schema::TextField)| {
            if spec.is_dropped_text(at) {
                return Ok(None);
            }
            let (paths, analyzer) = (field.parsed_paths()?, Analyzer::new(&field.spec.analyzer)?);
            Ok(Some(TextReader { paths, analyzer }))
        };
        let texts = spec.texts.iter().enumerate().map(read).collect::<Result<_>>()?;
        Ok(Self { rules: FieldRules { auto: !spec.no_auto_index }, texts, spec })
    }

    /// Checks a batch and prepares it. An error names the operation and the field in it.
    pub(crate) fn batch(&self, batch: WriteBatch) -> Result<Batch> {
        let WriteBatch { ops: writes, conditions, op_id, positions, chain } = batch;
        check_positions(&positions)?;
        check_conditions(&conditions, &writes)?;
        let heading = Heading { op_id, positions };
        if writes.is_empty() || writes.len() > OPS_MAX {
            return Err(Error::invalid(
                "ops",
                format!("{} operations", writes.len()),
                format!("a batch has 1 to {OPS_MAX}"),
            ));
        }
        for (at, write) in writes.iter().enumerate() {
            self.check(at, write)?;
        }
        if writes.iter().any(|write| filter_of(write).is_some()) {
            let log: Vec<Option<Op>> = writes.iter().map(resolved).collect();
            let bytes = writes.iter().zip(&log).map(|(write, op)| bytes_of(write, op.as_ref())).sum();
            let step = |(at, write): (usize, Write)| match filter_of(&write) {
                Some(_) => Ok(Step::Filtered(write, Foreseen::default())),
                None => self.step(at, logged(write)),
            };
            let steps = writes.into_iter().enumerate().map(step).collect::<Result<_>>()?;
            return Ok(Batch { steps, conditions, heading, log: LogForm::Unresolved(log), chain, bytes });
        }
        let ops: Vec<Op> = writes.into_iter().map(logged).collect();
        let mut encoded = Vec::with_capacity(op::usual_bytes(&ops));
        op::encode(&heading, &ops, &mut encoded);
        let bytes = encoded.len() as u64;
        let steps = self.steps(ops)?;
        Ok(Batch { steps, conditions, heading, log: LogForm::Encoded(encoded.into()), chain, bytes })
    }

    /// Prepares operations: side by side where they are many and the caller is a thread of a pool, whose others may be idle.
    fn steps(&self, ops: Vec<Op>) -> Result<Vec<Step>> {
        if ops.len() < 2 * BESIDE_OPS_MIN || rayon::current_thread_index().is_none() {
            return ops.into_iter().enumerate().map(|(at, op)| self.step(at, op)).collect();
        }
        let ops = ops.into_par_iter().with_min_len(BESIDE_OPS_MIN).enumerate();
        let steps: Vec<Result<Step>> = ops.map(|(at, op)| self.step(at, op)).collect();
        // Of several errors the first is told, whoever found one first.
        steps.into_iter().collect()
    }

    /// The batch of the sweep: which points it deletes is seen when its turn comes.
    pub(crate) fn sweep(points_max: usize) -> Batch {
        let steps = vec![Step::Sweep { points_max }];
        let log = LogForm::Unresolved(vec![None]);
        Batch { steps, conditions: Vec::new(), heading: Heading::default(), log, chain: None, bytes: 0 }
    }

    /// Prepares a logged operation.
    pub(crate) fn replayed(&self, op: Op) -> Result<Step> {
        Ok(match op {
            Op::Upsert(mut point) => {
                // A copy: the log is mapped, and what the medium does to it later must not reach memory, which mends it.
                point.payload = Bytes::copy_from_slice(&point.payload);
                Step::Upsert(self.row(point)?)
            }
            other => Step::Op(other),
        })
    }

    /// Parses and analyses a point.
    pub(crate) fn row(&self, point: Point) -> Result<NewRow> {
        let payload = parse_payload("payload", &point.payload)?;
        Ok(self.row_of(point, &payload))
    }

    /// As [`Self::row`], with the payload parsed already.
    pub(crate) fn row_of(&self, point: Point, payload: &Value) -> NewRow {
        NewRow {
            extracted: Extracted::of(payload, &self.rules),
            texts: self.texts.iter().map(|reader| reader.as_ref()?.analyse(payload)).collect(),
            point,
            version: 0,
        }
    }

    fn step(&self, at: usize, op: Op) -> Result<Step> {
        match op {
            Op::Upsert(point) => {
                let payload = parse_payload(&format!("ops[{at}].upsert.payload"), &point.payload)?;
                Ok(Step::Upsert(self.row_of(point, &payload)))
            }
            other => Ok(Step::Op(other)),
        }
    }

    fn check(&self, at: usize, write: &Write) -> Result<()> {
        if let Some(filter) = filter_of(write) {
            nigh_index::filter::eval::check(filter)?;
        }
        match write {
            Write::Upsert(point) => {
                check_payload_size(at, &point.payload)?;
                self.check_vectors(&format!("ops[{at}].upsert."), point)
            }
            Write::UpdateVectors(point) => self.check_vectors(&format!("ops[{at}].update_vectors."), point),
            Write::SetPayload(_, payload) | Write::OverwritePayload(_, payload) => {
                check_payload_size(at, payload)?;
                parse_payload(&format!("ops[{at}].payload"), payload).map(|_| ())
            }
            Write::DeleteVectors(_, fields) => fields.iter().try_for_each(|field| self.named(*field).map(|_| ())),
            Write::DropSource(source) => check_source(&format!("ops[{at}].drop_source"), source, 1),
            Write::Delete(_) | Write::DeletePayloadKeys(..) | Write::ClearPayload(_) | Write::SetExpiry(..) => Ok(()),
        }
    }

    fn check_vectors(&self, place: &str, point: &Point) -> Result<()> {
        rising(&point.vectors, place, |field| self.named(VectorPlace::Dense(field)))?;
        rising(&point.sparse, place, |field| self.named(VectorPlace::Sparse(field)))?;
        rising(&point.multi, place, |field| self.named(VectorPlace::Multi(field)))?;
        let inside = |err: nigh_index::error::Error| match Error::from(err) {
            Error::Invalid { field, value, limit } => Error::Invalid { field: format!("{place}{field}"), value, limit },
            other => other,
        };
        for (field, vector) in &point.vectors {
            let known = &self.spec.vectors[usize::from(*field)];
            known.spec.check(&known.name, vector).map_err(inside)?;
        }
        for (field, vectors) in &point.multi {
            let known = &self.spec.multi[usize::from(*field)];
            known.spec.check(&known.name, vectors).map_err(inside)?;
        }
        Ok(())
    }

    /// The name of a vector field that is there.
    fn named(&self, place: VectorPlace) -> Result<&str> {
        let found = self.spec.fields().find(|(have, _)| *have == place);
        found.map(|(_, name)| name).ok_or_else(|| Error::Missing { what: "vector field", name: format!("{place:?}") })
    }
}

/// Whether every field is there and given once; a point's vectors stand in the order of their places.
fn rising<'n, T>(vectors: &[(u16, T)], place: &str, name: impl Fn(u16) -> Result<&'n str>) -> Result<()> {
    for (at, (field, _)) in vectors.iter().enumerate() {
        let name = name(*field)?;
        if at > 0 && vectors[at - 1].0 >= *field {
            return Err(Error::invalid(format!("{place}vectors.{name}"), "given twice", "a field is given once"));
        }
    }
    Ok(())
}

/// Reads a payload: the text of a JSON object, or nothing for an empty one.
pub(crate) fn parse_payload(field: &str, text: &Bytes) -> Result<Value> {
    if text.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let not_object = |what: &str| Error::invalid(field, what, "a payload is a JSON object");
    match serde_json::from_slice(text) {
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err(not_object("JSON, but no object")),
        Err(err) => Err(not_object(&format!("no JSON ({err})"))),
    }
}

/// What an operation of a batch weighs whose record is laid down only when its filters are resolved.
fn bytes_of(write: &Write, op: Option<&Op>) -> u64 {
    let mut laid_down = Vec::new();
    match (op, write) {
        (Some(op), _) => op::encode(&Heading::default(), std::slice::from_ref(op), &mut laid_down),
        (None, Write::SetPayload(_, text) | Write::OverwritePayload(_, text)) => {
            return text.len() as u64 + FILTER_BYTES;
        }
        (None, _) => return FILTER_BYTES,
    }
    laid_down.len() as u64
}

/// The payload that a change made, which may be longer than what was given for it.
pub(crate) fn check_changed_payload(id: &PointId, payload: &str) -> Result<()> {
    if payload.len() <= PAYLOAD_BYTES_MAX {
        return Ok(());
    }
    let (value, limit) =
        (format!("{} bytes", payload.len()), format!("a payload has at most {PAYLOAD_BYTES_MAX} bytes"));
    Err(Error::invalid(format!("the payload of point {id} after the change"), value, limit))
}

fn check_payload_size(at: usize, payload: &Bytes) -> Result<()> {
    if payload.len() <= PAYLOAD_BYTES_MAX {
        return Ok(());
    }
    let limit = format!("a payload has at most {PAYLOAD_BYTES_MAX} bytes");
    Err(Error::invalid(format!("ops[{at}].payload"), format!("{} bytes", payload.len()), limit))
}

fn check_positions(positions: &[Position]) -> Result<()> {
    if positions.len() > POSITIONS_MAX {
        let limit = format!("a batch has at most {POSITIONS_MAX}");
        return Err(Error::invalid("positions", format!("{} positions", positions.len()), limit));
    }
    let mut seen = std::collections::BTreeSet::new();
    for (at, position) in positions.iter().enumerate() {
        check_source(&format!("positions[{at}].source"), &position.source, 1)?;
        check_source(&format!("positions[{at}].partition"), &position.partition, 0)?;
        if !seen.insert((&position.source, &position.partition)) {
            let value = format!("partition `{}` of source `{}` twice", position.partition, position.source);
            return Err(Error::invalid(format!("positions[{at}]"), value, "a partition is given once"));
        }
        if position.after.is_some_and(|after| after >= position.offset) {
            let value = format!("{} after {}", position.offset, position.after.unwrap_or_default());
            return Err(Error::invalid(format!("positions[{at}].offset"), value, "offsets rise"));
        }
    }
    Ok(())
}

fn check_source(field: &str, name: &str, bytes_min: usize) -> Result<()> {
    if (bytes_min..=SOURCE_BYTES_MAX).contains(&name.len()) {
        return Ok(());
    }
    let limit = format!("a name has {bytes_min} to {SOURCE_BYTES_MAX} bytes");
    Err(Error::invalid(field, format!("{} bytes", name.len()), limit))
}

/// Conditions stand in the order of their operations, each on an operation on ids.
fn check_conditions(conditions: &[IfVersion], writes: &[Write]) -> Result<()> {
    let rising = conditions.is_sorted_by_key(|condition| condition.op);
    for condition in conditions {
        let named = writes.get(condition.op).filter(|write| filter_of(write).is_none());
        if !rising || named.is_none_or(|write| matches!(write, Write::DropSource(_))) {
            let field = format!("ops[{}].if_version", condition.op);
            return Err(Error::invalid(field, condition.version, "it stands on an operation on points by id"));
        }
    }
    Ok(())
}

fn selector_of(write: &Write) -> Option<&Selector> {
    match write {
        Write::Upsert(_) | Write::UpdateVectors(_) | Write::DropSource(_) => None,
        Write::Delete(selector)
        | Write::SetPayload(selector, _)
        | Write::OverwritePayload(selector, _)
        | Write::DeletePayloadKeys(selector, _)
        | Write::ClearPayload(selector)
        | Write::SetExpiry(selector, _)
        | Write::DeleteVectors(selector, _) => Some(selector),
    }
}

/// The filter that has to be resolved before the write can be logged.
pub(crate) fn filter_of(write: &Write) -> Option<&nigh_index::filter::condition::Condition> {
    match selector_of(write) {
        Some(Selector::Filter(condition)) => Some(condition),
        _ => None,
    }
}

/// The logged form of a write on ids.
fn logged(write: Write) -> Op {
    match write {
        Write::Upsert(point) => Op::Upsert(point),
        Write::UpdateVectors(point) => Op::UpdateVectors(point),
        other => resolved(&other).expect("a write without a filter is resolved"),
    }
}

/// The logged form of a write on ids; `None` where a filter has to be resolved first.
fn resolved(write: &Write) -> Option<Op> {
    match selector_of(write) {
        Some(Selector::Filter(_)) => None,
        Some(Selector::Ids(ids)) => Some(with_ids(write, ids.clone())),
        None => Some(with_ids(write, Vec::new())),
    }
}

/// The logged form of a write, on these ids.
pub(crate) fn with_ids(write: &Write, ids: Vec<PointId>) -> Op {
    match write {
        Write::Upsert(point) => Op::Upsert(point.clone()),
        Write::UpdateVectors(point) => Op::UpdateVectors(point.clone()),
        Write::Delete(_) => Op::Delete(ids),
        Write::SetPayload(_, payload) => Op::SetPayload(ids, payload.clone()),
        Write::OverwritePayload(_, payload) => Op::OverwritePayload(ids, payload.clone()),
        Write::DeletePayloadKeys(_, keys) => Op::DeletePayloadKeys(ids, keys.clone()),
        Write::ClearPayload(_) => Op::ClearPayload(ids),
        Write::DeleteVectors(_, fields) => Op::DeleteVectors(ids, fields.clone()),
        Write::SetExpiry(_, expires_at_ms) => Op::SetExpiry(ids, *expires_at_ms),
        Write::DropSource(source) => Op::DropSource(source.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nigh_index::filter::parse::parse;

    /// Who prepares a batch by several threads is told of the first mistake too.
    #[test]
    fn threads_side_by_side_prepare_what_one_does() {
        let schema = Schema::new(Arc::new(CollectionSpec::default())).unwrap();
        let upsert = |id: u64, text: String| Write::Upsert(Point { payload: text.into(), ..Point::new(id) });
        let batch = |wrong: &[u64]| -> WriteBatch {
            let text = |id: u64| if wrong.contains(&id) { format!("[{id}]") } else { format!("{{\"n\":{id}}}") };
            (0..1000).map(|id| upsert(id, text(id))).collect::<Vec<_>>().into()
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        for wrong in [&[][..], &[999], &[990, 400, 7]] {
            let [alone, beside] = [schema.batch(batch(wrong)), pool.install(|| schema.batch(batch(wrong)))];
            match (alone, beside) {
                (Ok(alone), Ok(beside)) => {
                    let rows = |batch: Batch| -> Vec<(PointId, Extracted)> {
                        let row = |step: Step| match step {
                            Step::Upsert(row) => Some((row.point.id, row.extracted)),
                            _ => None,
                        };
                        batch.steps.into_iter().filter_map(row).collect()
                    };
                    assert!(wrong.is_empty());
                    assert_eq!(rows(alone), rows(beside));
                }
                (Err(alone), Err(beside)) => {
                    let first = wrong.iter().min().unwrap();
                    assert!(alone.to_string().contains(&format!("ops[{first}]")), "{alone}");
                    assert_eq!(alone.to_string(), beside.to_string());
                }
                _ => panic!("one of them found a mistake in {wrong:?}"),
            }
        }
    }

    /// A filter among the operations hides nothing of what the others weigh.
    #[test]
    fn a_batch_weighs_what_its_operations_hold() {
        let schema = Schema::new(Arc::new(CollectionSpec::default())).unwrap();
        let text = format!("{{\"text\":\"{}\"}}", "x".repeat(10_000));
        let upsert = |id: u64| Write::Upsert(Point { payload: Bytes::from(text.clone()), ..Point::new(id) });
        let all = || Selector::Filter(parse("n >= 0").unwrap());
        let weight = |writes: Vec<Write>| schema.batch(writes.into()).unwrap().bytes;
        let plain = weight((0..10).map(upsert).collect());
        assert!(plain > 100_000);
        let filtered = weight((0..10).map(upsert).chain([Write::Delete(all())]).collect());
        assert!(filtered > plain - plain / 10, "{filtered} beside {plain}");
        assert!(weight(vec![Write::SetPayload(all(), text.clone().into())]) > 10_000);
    }
}
