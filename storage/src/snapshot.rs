//! One state of a collection: parts, and the rows that are dead in each.

use crate::error::{Error, Result};
use crate::kinds::{vector_bytes, with_vector};
use crate::part::Part;
use crate::schema::CollectionSpec;
use crate::selections::Selections;
use nigh_index::bitmap::Bitmap;
use nigh_index::filter::field::Rows;
use nigh_index::id::PointId;
use nigh_index::row::Row;
use serde_json::Value;
use std::sync::Arc;

/// What a query sees from its beginning to its end.
#[derive(Clone)]
pub struct Snapshot {
    /// The last operation that is part of this state.
    pub seq: u64,
    /// When that one was committed, in Unix milliseconds.
    pub time_ms: u64,
    /// What the collection holds.
    pub spec: Arc<CollectionSpec>,
    /// The parts, oldest first: segments, then live parts.
    pub parts: Vec<PartView>,
}

/// A part as one snapshot sees it.
#[derive(Clone)]
pub struct PartView {
    /// The rows.
    pub part: Arc<dyn Part>,
    /// Those of them that were deleted or replaced.
    pub dead: Arc<Bitmap>,
    /// What is known of the others.
    pub selections: Arc<Selections>,
    /// What the collection holds.
    pub spec: Arc<CollectionSpec>,
}

impl Snapshot {
    /// Where a point stands: the place of its part, and its row there.
    pub fn find(&self, id: &PointId) -> Option<(usize, Row)> {
        // Newest first: what was written last is asked for first. At most one of them is alive.
        self.parts.iter().enumerate().rev().find_map(|(at, view)| Some((at, view.find_alive(id)?)))
    }

    /// Whether all that was read of its parts until now was what had been written: see [`Part::sound`].
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`], with the file and the place.
    pub fn sound(&self) -> Result<()> {
        self.parts.iter().try_for_each(|view| view.part.sound())
    }

    /// Points whose texts were not read for a field yet, which was added after they were written.
    pub fn unread_texts(&self, field: usize) -> u64 {
        self.parts.iter().filter(|view| !view.part.has_text(field)).map(PartView::alive).sum()
    }

    /// Bytes of vectors as they were written: what was deleted or replaced counts until its part is written anew.
    pub fn vector_bytes(&self) -> u64 {
        self.parts.iter().map(|view| vector_bytes(&*view.part, &self.spec)).sum()
    }

    /// Bytes of payloads, likewise.
    pub fn payload_bytes(&self) -> u64 {
        self.parts.iter().map(|view| view.part.payload_bytes()).sum()
    }

    /// How many points there are.
    pub fn points(&self) -> u64 {
        self.parts.iter().map(PartView::alive).sum()
    }
}

impl PartView {
    /// The row of an id, if it is alive.
    pub fn find_alive(&self, id: &PointId) -> Option<Row> {
        self.part.find(id).filter(|row| !self.dead.has(*row))
    }

    /// How many rows are alive.
    pub fn alive(&self) -> u64 {
        u64::from(self.part.rows()) - self.dead.len()
    }

    /// A row's payload, parsed.
    pub fn payload(&self, row: Row) -> Result<Value> {
        let text = self.part.payload(row)?;
        if text.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        let corrupt = |err: serde_json::Error| Error::corrupt("payload", u64::from(row.0), err.to_string());
        serde_json::from_slice(&text).map_err(corrupt)
    }
}

impl Rows for PartView {
    fn rows(&self) -> u32 {
        self.part.rows()
    }

    fn find(&self, id: &PointId) -> Option<Row> {
        self.part.find(id)
    }

    fn id(&self, row: Row) -> PointId {
        self.part.id(row)
    }

    fn with_vector(&self, name: &str) -> Bitmap {
        let rows = self.spec.field(name).map(|place| with_vector(&*self.part, place));
        rows.map_or_else(Bitmap::new, |rows| rows.unwrap_or_else(|| Bitmap::full(self.part.rows())))
    }

    fn payload(&self, row: Row) -> nigh_index::error::Result<Value> {
        let corrupt = |err: Error| nigh_index::error::Error::corrupt("payload", u64::from(row.0), err.to_string());
        PartView::payload(self, row).map_err(corrupt)
    }
}
