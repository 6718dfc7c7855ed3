//! How operations become rows: a group of batches folded over the state that it found.
//!
//! The fold keeps, for every id that was touched, the row that stands for it now; the state itself
//! changes only when the group is on disk. The same fold replays the log.
//!
//! A point that is expired at the time of a batch is not there for its operations, and a replay judges
//! by the same time, which stands in the record. Only a delete takes such a row away like any other:
//! that is how the sweep gives its space back.

use crate::error::{Error, Result};
use crate::foreseen::Foreseen;
use crate::kinds;
use crate::op::Op;
use crate::point::Point;
use crate::prepare::{NewRow, Schema, Step, check_changed_payload, filter_of, parse_payload, with_ids};
use crate::snapshot::Snapshot;
use crate::write::IfVersion;
use bytes::Bytes;
use nigh_index::filter::condition::Condition;
use nigh_index::filter::eval;
use nigh_index::id::PointId;
use nigh_index::row::Row;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Operations folded so far.
pub(crate) struct Fold<'s> {
    schema: &'s Schema,
    base: &'s Snapshot,
    /// The place of an id in `changes`.
    places: HashMap<PointId, usize>,
    /// Every id touched, in the order of first touch, with its row now; `None`: deleted.
    changes: Vec<(PointId, Option<NewRow>)>,
    /// How to take the batch back that is being folded: what stood at a place before.
    undo: Vec<(usize, Option<NewRow>)>,
    undo_len: usize,
    /// The operation that is being folded.
    seq: u64,
    /// The time of its batch, in Unix milliseconds.
    time_ms: u64,
    /// Whether the batches were taken before: limits are for new ones.
    taken: bool,
}

/// A batch on its way into the fold.
pub(crate) struct Folded<'c> {
    /// The number of its first operation.
    pub(crate) first_seq: u64,
    /// When it is, or was, committed.
    pub(crate) time_ms: u64,
    pub(crate) steps: Vec<Step>,
    /// What has to hold; a replay has none, for it was seen to when the batch was logged.
    pub(crate) conditions: &'c [IfVersion],
}

impl<'s> Fold<'s> {
    pub(crate) fn new(schema: &'s Schema, base: &'s Snapshot) -> Self {
        Self {
            schema,
            base,
            places: HashMap::new(),
            changes: Vec::new(),
            undo: Vec::new(),
            undo_len: 0,
            seq: 0,
            time_ms: 0,
            taken: false,
        }
    }

    /// A fold of batches that were taken before, and stand in the log.
    pub(crate) fn replaying(schema: &'s Schema, base: &'s Snapshot) -> Self {
        Self { taken: true, ..Self::new(schema, base) }
    }

    /// Folds a batch, all of it or nothing. Gives the number of points it affected, and the resolved
    /// operations where a filter had to be resolved: `unresolved` has the others at their places.
    pub(crate) fn batch(&mut self, folded: Folded<'_>, unresolved: Option<&mut Vec<Option<Op>>>) -> Result<u64> {
        self.undo.clear();
        self.undo_len = self.changes.len();
        self.time_ms = folded.time_ms;
        let outcome = self.steps(folded, unresolved);
        if outcome.is_err() {
            self.take_back();
        }
        outcome
    }

    /// What it all came to.
    pub(crate) fn into_changes(self) -> Vec<(PointId, Option<NewRow>)> {
        self.changes
    }

    fn steps(&mut self, folded: Folded<'_>, mut unresolved: Option<&mut Vec<Option<Op>>>) -> Result<u64> {
        let mut affected = 0;
        let mut conditions = folded.conditions.iter().peekable();
        for (at, step) in folded.steps.into_iter().enumerate() {
            self.seq = folded.first_seq + at as u64;
            while let Some(condition) = conditions.next_if(|condition| condition.op == at) {
                self.check(condition, &step)?;
            }
            let op = match step {
                Step::Upsert(row) => {
                    self.put(row.point.id, Some(row));
                    affected += 1;
                    continue;
                }
                Step::Op(op) => {
                    affected += self.op(&op)?;
                    continue;
                }
                Step::Filtered(write, foreseen) => {
                    let ids = match filter_of(&write) {
                        Some(filter) => self.resolve(filter, &foreseen)?,
                        None => Vec::new(),
                    };
                    with_ids(&write, ids)
                }
                Step::Sweep { points_max } => {
                    let ids = self.expired(points_max);
                    affected += ids.len() as u64;
                    Op::Delete(ids)
                }
            };
            affected += self.op(&op)?;
            if let Some(ops) = unresolved.as_deref_mut() {
                ops[at] = Some(op);
            }
        }
        Ok(affected)
    }

    /// Whether every point of an operation has the version that was asked for.
    fn check(&self, condition: &IfVersion, step: &Step) -> Result<()> {
        let of_row = |row: &NewRow| vec![row.point.id];
        let ids = match step {
            Step::Upsert(row) => of_row(row),
            Step::Op(op) => op.ids().to_vec(),
            Step::Filtered(..) | Step::Sweep { .. } => Vec::new(),
        };
        for id in ids {
            let version = self.version(&id);
            if version != condition.version {
                let told = |version| match version {
                    0 => "is not there".to_owned(),
                    version => format!("has version {version}"),
                };
                let wanted = match condition.version {
                    0 => "it should not be there".to_owned(),
                    version => format!("{version} was expected"),
                };
                let found = format!("point {id} {}", told(version));
                return Err(Error::condition(format!("ops[{}].if_version", condition.op), found, wanted));
            }
        }
        Ok(())
    }

    fn op(&mut self, op: &Op) -> Result<u64> {
        match op {
            Op::Upsert(point) => {
                let row = self.schema.row(point.clone())?;
                self.put(point.id, Some(row));
                Ok(1)
            }
            Op::Delete(ids) => {
                let mut affected = 0;
                for id in ids {
                    let there = self.version(id) > 0;
                    if there || self.holds(id) {
                        self.put(*id, None);
                        affected += u64::from(there);
                    }
                }
                Ok(affected)
            }
            Op::SetPayload(ids, text) => {
                let set = object(text)?;
                self.payloads(ids, |payload| payload.extend(set.clone()))
            }
            Op::OverwritePayload(ids, text) => {
                let new = object(text)?;
                self.payloads(ids, |payload| *payload = new.clone())
            }
            Op::DeletePayloadKeys(ids, keys) => self.payloads(ids, |payload| {
                for key in keys {
                    // The order of the other keys stays as the user wrote it.
                    payload.shift_remove(key);
                }
            }),
            Op::ClearPayload(ids) => self.payloads(ids, Map::clear),
            Op::UpdateVectors(new) => self.points(std::slice::from_ref(&new.id), |point| kinds::update(point, new)),
            Op::DeleteVectors(ids, fields) => self.points(ids, |point| kinds::delete(point, fields)),
            Op::SetExpiry(ids, expires_at_ms) => self.points(ids, |point| point.expires_at_ms = *expires_at_ms),
            // What it does stands in the ledger.
            Op::DropSource(_) => Ok(0),
        }
    }

    fn payloads(&mut self, ids: &[PointId], change: impl Fn(&mut Map<String, Value>)) -> Result<u64> {
        let mut affected = 0;
        for id in ids {
            let Some(mut point) = self.point(id)? else { continue };
            let mut payload = parse_payload("payload", &point.payload)?;
            if let Value::Object(map) = &mut payload {
                change(map);
            }
            let text = payload.to_string();
            if !self.taken {
                check_changed_payload(id, &text)?;
            }
            point.payload = Bytes::from(text);
            let row = self.schema.row_of(point, &payload);
            self.put(*id, Some(row));
            affected += 1;
        }
        Ok(affected)
    }

    fn points(&mut self, ids: &[PointId], change: impl Fn(&mut Point)) -> Result<u64> {
        let mut affected = 0;
        for id in ids {
            let Some(mut point) = self.point(id)? else { continue };
            change(&mut point);
            let row = self.schema.row(point)?;
            self.put(*id, Some(row));
            affected += 1;
        }
        Ok(affected)
    }

    /// Whether a row stands for this id, expired or not.
    fn holds(&self, id: &PointId) -> bool {
        match self.places.get(id) {
            Some(place) => self.changes[*place].1.is_some(),
            None => self.base.find(id).is_some(),
        }
    }

    /// The operation that last wrote a point; 0 where it is not there.
    fn version(&self, id: &PointId) -> u64 {
        if let Some(place) = self.places.get(id) {
            return self.changes[*place].1.as_ref().filter(|row| self.is_current(row)).map_or(0, |row| row.version);
        }
        self.current(id).map_or(0, |(part, row)| self.base.parts[part].part.version(row))
    }

    /// Where a point stands in the parts, if it is there and not expired.
    fn current(&self, id: &PointId) -> Option<(usize, Row)> {
        let (part, row) = self.base.find(id)?;
        let expires_at_ms = self.base.parts[part].part.expires_at_ms(row);
        expires_at_ms.is_none_or(|time_ms| time_ms > self.time_ms).then_some((part, row))
    }

    fn is_current(&self, row: &NewRow) -> bool {
        row.point.expires_at_ms.is_none_or(|time_ms| time_ms > self.time_ms)
    }

    /// The point as it stands now.
    fn point(&self, id: &PointId) -> Result<Option<Point>> {
        if let Some(place) = self.places.get(id) {
            let row = self.changes[*place].1.as_ref().filter(|row| self.is_current(row));
            return Ok(row.map(|row| row.point.clone()));
        }
        match self.current(id) {
            None => Ok(None),
            Some((part, row)) => Ok(Some(stored_point(self.base, part, row)?)),
        }
    }

    /// The ids of all points that match, rising; the batch's own earlier operations count.
    fn resolve(&self, filter: &Condition, foreseen: &Foreseen) -> Result<Vec<PointId>> {
        let mut ids = Vec::new();
        for view in &self.base.parts {
            let view = view.at(self.time_ms);
            let mut matched = match foreseen.rows(&view) {
                Some(rows) => rows.clone(),
                None => eval::eval(filter, view.part.fields(), &view)?.rows,
            };
            matched.minus(&view.dead);
            ids.extend(matched.iter().map(|row| view.part.id(row)).filter(|id| !self.places.contains_key(id)));
        }
        for (id, row) in &self.changes {
            if let Some(row) = row.as_ref().filter(|row| self.is_current(row)) {
                let payload = parse_payload("payload", &row.point.payload)?;
                let has = |name: &str| self.schema.spec.field(name).is_some_and(|place| kinds::has(&row.point, place));
                if eval::holds(&filter.with_vectors(&has), id, &payload) {
                    ids.push(*id);
                }
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// Ids of rows that are expired and not deleted yet. One that was touched in this group is left
    /// for the next time: it may have been renewed.
    fn expired(&self, points_max: usize) -> Vec<PointId> {
        let ids = self.base.parts.iter().flat_map(|view| view.expired_ids(self.time_ms));
        ids.filter(|id| !self.places.contains_key(id)).take(points_max).collect()
    }

    fn put(&mut self, id: PointId, row: Option<NewRow>) {
        let row = row.map(|row| NewRow { version: self.seq, ..row });
        match self.places.get(&id) {
            Some(place) => {
                let before = std::mem::replace(&mut self.changes[*place].1, row);
                if *place < self.undo_len {
                    self.undo.push((*place, before));
                }
            }
            None => {
                self.places.insert(id, self.changes.len());
                self.changes.push((id, row));
            }
        }
    }

    /// Undoes the batch that was folded last.
    pub(crate) fn take_back(&mut self) {
        for (id, _) in self.changes.drain(self.undo_len..) {
            self.places.remove(&id);
        }
        // Last change first, so that what stood first is restored last.
        for (place, before) in self.undo.drain(..).rev() {
            self.changes[place].1 = before;
        }
    }
}

/// A stored point, as it was written.
pub(crate) fn stored_point(base: &Snapshot, part: usize, row: Row) -> Result<Point> {
    let part = &base.parts[part].part;
    let vector = |field: usize| Some((field as u16, part.nearest(field).vector(row)?.into_owned()));
    let vectors = (0..base.spec.vectors.len()).filter_map(vector).collect();
    part.sound()?;
    let (payload, expires_at_ms) = (part.payload(row)?, part.expires_at_ms(row));
    let mut point = Point { vectors, payload, expires_at_ms, ..Point::new(part.id(row)) };
    part.others().give(row, &mut point);
    Ok(point)
}

fn object(text: &Bytes) -> Result<Map<String, Value>> {
    match parse_payload("payload", text)? {
        Value::Object(map) => Ok(map),
        _ => Ok(Map::new()),
    }
}
