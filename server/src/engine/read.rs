//! Points as they come back: what was selected of them, by id, page by page, or only counted.

use crate::engine::Engine;
use crate::engine::error::{Error, Result};
use crate::engine::fetch;
use crate::engine::pool::Deadline;
use crate::engine::query::answer::{Page, Record};
use crate::engine::query::{Get, PayloadSelection, Scroll, VectorSelection};
use crate::engine::reply::Room;
use crate::engine::versions;
use bytes::Bytes;
use nigh_index::filter::condition::Condition;
use nigh_index::filter::eval;
use nigh_index::id::PointId;
use nigh_index::row::Row;
use nigh_index::selection::Selection;
use nigh_storage::collection::Collection;
use nigh_storage::schema::VectorPlace;
use nigh_storage::snapshot::{PartView, Snapshot};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Records between two looks at the deadline.
const RECORDS_A_CHECK: usize = 256;

impl Engine {
    /// The points of these ids that are there, in this order, and the state they are of.
    pub async fn get(&self, collection: Arc<Collection>, get: Get, deadline: &Deadline) -> Result<(Vec<Record>, u64)> {
        self.check_count("ids", get.ids.len())?;
        let (until, room) = (deadline.clone(), Room::new(self.limits.message_bytes_max));
        let work = move || {
            let snapshot = versions::snapshot(&collection, &get.version)?;
            let mut records = Vec::with_capacity(get.ids.len().min(RECORDS_A_CHECK));
            for (at, id) in get.ids.iter().enumerate() {
                if at % RECORDS_A_CHECK == 0 {
                    until.check()?;
                }
                if let Some((part, row)) = snapshot.find(id) {
                    let record = record(&snapshot.parts[part], row, *id, &get.payload, &get.vectors)?;
                    room.take(record.bytes(), &until)?;
                    records.push(record);
                }
            }
            Ok((records, snapshot.seq))
        };
        self.reads.run(deadline, work).await
    }

    /// A page of points in rising order of id; it ends before the limit where more would not fit into a reply.
    pub async fn scroll(&self, collection: Arc<Collection>, scroll: Scroll, deadline: &Deadline) -> Result<Page> {
        self.check_count("limit", scroll.limit)?;
        if let Some(filter) = &scroll.filter {
            eval::check(filter)?;
        }
        let (until, room) = (deadline.clone(), Room::new(self.limits.message_bytes_max));
        let work = move || page(&*versions::snapshot(&collection, &scroll.version)?, &scroll, &room, &until);
        self.reads.run(deadline, work).await
    }

    /// How many points match, and in which state.
    pub async fn count(
        &self,
        collection: Arc<Collection>,
        filter: Option<Condition>,
        version: String,
        deadline: &Deadline,
    ) -> Result<(u64, u64)> {
        if let Some(filter) = &filter {
            eval::check(filter)?;
        }
        let until = deadline.clone();
        let work = move || {
            let snapshot = versions::snapshot(&collection, &version)?;
            let Some(filter) = &filter else { return Ok((snapshot.points(), snapshot.seq)) };
            let filtered = fetch::filter(&snapshot, Some(filter), &until)?;
            Ok((filtered.parts.iter().map(|part| part.matching).sum(), snapshot.seq))
        };
        self.reads.run(deadline, work).await
    }

    fn check_count(&self, field: &str, count: usize) -> Result<()> {
        let most = self.limits.hits_max;
        if count <= most as usize {
            return Ok(());
        }
        Err(Error::invalid(field, count, format!("at most {most} points come back at once")))
    }
}

/// What was selected of one row.
pub(crate) fn record(
    view: &PartView,
    row: Row,
    id: PointId,
    payload: &PayloadSelection,
    vectors: &VectorSelection,
) -> Result<Record> {
    let (version, expires_at_ms) = (view.part.version(row), view.part.expires_at_ms(row));
    let payload = selected(view, row, payload)?;
    let mut record = Record { payload, version, expires_at_ms, ..Record::new(id) };
    let others = view.part.others();
    for place in &vectors.0 {
        match *place {
            VectorPlace::Dense(at) => {
                let (at, own) = (usize::from(at), view.part.nearest(usize::from(at)).vector(row));
                record.vectors.extend(own.map(|own| (at, own.into_owned())));
            }
            VectorPlace::Sparse(at) => {
                let own = others.sparse(usize::from(at)).and_then(|part| part.vector(row));
                record.sparse.extend(own.map(|own| (usize::from(at), own)));
            }
            VectorPlace::Multi(at) => {
                let own = others.multi(usize::from(at)).and_then(|part| part.vectors(row));
                record.multi.extend(own.map(|own| (usize::from(at), own)));
            }
        }
    }
    if !record.vectors.is_empty() {
        view.part.sound()?;
    }
    Ok(record)
}

fn page(snapshot: &Snapshot, scroll: &Scroll, room: &Room, deadline: &Deadline) -> Result<Page> {
    let mut scanned = Vec::new();
    let from = scroll.from.unwrap_or(PointId::Num(0));
    let mut parts = Vec::with_capacity(snapshot.parts.len());
    for view in &snapshot.parts {
        deadline.check()?;
        let matching = match &scroll.filter {
            Some(filter) => Some(fetch::matching(view, filter, &mut scanned, deadline)?),
            None => None,
        };
        if matching.as_ref().is_none_or(|rows| rows.count() > 0) {
            parts.push(alive_from(view, matching, &from));
        }
    }
    // The least id of every part waits in the heap; an id is alive in one part only.
    let mut heap: BinaryHeap<Reverse<(PointId, usize, Row)>> = BinaryHeap::with_capacity(parts.len());
    for (at, (_, rows)) in parts.iter_mut().enumerate() {
        heap.extend(rows.next().map(|(id, row)| Reverse((id, at, row))));
    }
    let mut records = Vec::with_capacity(scroll.limit.min(RECORDS_A_CHECK));
    while let Some(Reverse((id, at, row))) = heap.pop() {
        if records.len() == scroll.limit {
            return Ok(Page { records, next: Some(id), seq: snapshot.seq });
        }
        if records.len() % RECORDS_A_CHECK == 0 {
            deadline.check()?;
        }
        let (view, rows) = &mut parts[at];
        let record = record(view, row, id, &scroll.payload, &scroll.vectors)?;
        // One point comes in any case: a page without any would never end.
        if !room.fits(record.bytes(), deadline)? && !records.is_empty() {
            return Ok(Page { records, next: Some(id), seq: snapshot.seq });
        }
        records.push(record);
        heap.extend(rows.next().map(|(id, row)| Reverse((id, at, row))));
    }
    Ok(Page { records, next: None, seq: snapshot.seq })
}

type Alive<'s> = Box<dyn Iterator<Item = (PointId, Row)> + 's>;

/// The rows from an id on that are alive, and match where something has to be matched.
fn alive_from<'s>(view: &'s PartView, matching: Option<Arc<Selection>>, from: &PointId) -> (&'s PartView, Alive<'s>) {
    let rows = view.part.ids_from(from);
    match matching {
        Some(matching) => (view, Box::new(rows.filter(move |(_, row)| matching.rows().has(*row)))),
        None => (view, Box::new(rows.filter(|(_, row)| !view.dead.has(*row)))),
    }
}

fn selected(view: &PartView, row: Row, selection: &PayloadSelection) -> Result<Bytes> {
    let keep: Box<dyn Fn(&String) -> bool> = match selection {
        PayloadSelection::Nothing => return Ok(Bytes::new()),
        PayloadSelection::All => {
            let text = view.part.payload(row)?;
            return Ok(if text.is_empty() { Bytes::from_static(b"{}") } else { text });
        }
        PayloadSelection::Include(keys) => Box::new(|key| keys.contains(key)),
        PayloadSelection::Exclude(keys) => Box::new(|key| !keys.contains(key)),
    };
    let Value::Object(mut object) = view.payload(row)? else { return Ok(Bytes::from_static(b"{}")) };
    object.retain(|key, _| keep(key));
    Ok(Value::Object(object).to_string().into())
}
