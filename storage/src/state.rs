//! The parts of a collection as its writer sees them, and how a group of writes changes them.
//!
//! Parts never change. A write makes a new live part and new sets of dead rows; upkeep replaces
//! parts by others that hold the same points. Readers take what [`State::snapshot`] made.

use crate::live::LivePart;
use crate::merge::lacks_text;
use crate::part::Part;
use crate::prepare::{NewRow, Schema};
use crate::segment::Segment;
use crate::selections::Selections;
use crate::snapshot::{PartView, Snapshot};
use nigh_index::bitmap::Bitmap;
use nigh_index::id::PointId;
use nigh_index::row::{Kept, Row};
use parking_lot::Mutex;
use std::sync::Arc;

/// The part of a group of so many rows is made beside the log.
const BESIDE_ROWS_MIN: usize = 32;

/// A part and what is dead in it.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) held: Held,
    /// Dead now.
    pub(crate) dead: Arc<Bitmap>,
    /// What is known of the rows that are not; made anew with the dead.
    pub(crate) selections: Arc<Selections>,
    /// Dead when the seal that is under way began; what its checkpoint will save.
    pub(crate) dead_frozen: Arc<Bitmap>,
    /// Dead at the last checkpoint: as the manifest says. Only these may leave in a merge, because
    /// a replay from the checkpoint asks for every other row (a payload operation reads its row).
    pub(crate) dead_saved: Arc<Bitmap>,
    /// Being sealed: neither melted nor dropped until the segment stands.
    pub(crate) frozen: bool,
    /// Being melted: not a second time, and not dropped.
    pub(crate) melting: bool,
}

/// A part of either kind.
#[derive(Clone)]
pub(crate) enum Held {
    Live(Arc<LivePart>),
    Sealed(Arc<Segment>),
}

impl Held {
    pub(crate) fn part(&self) -> &dyn Part {
        match self {
            Self::Live(live) => &**live,
            Self::Sealed(segment) => &**segment,
        }
    }

    fn shared(&self) -> Arc<dyn Part> {
        match self {
            Self::Live(live) => live.clone(),
            Self::Sealed(segment) => segment.clone(),
        }
    }
}

impl Entry {
    pub(crate) fn live(part: LivePart) -> Self {
        Self::with_dead(Held::Live(Arc::new(part)), Arc::new(Bitmap::new()))
    }

    /// A segment as the manifest has it.
    pub(crate) fn with_dead(held: Held, dead: Arc<Bitmap>) -> Self {
        Self {
            held,
            selections: Arc::default(),
            dead_frozen: dead.clone(),
            dead_saved: dead.clone(),
            dead,
            frozen: false,
            melting: false,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.held, Held::Live(_))
    }
}

/// What a group of writes came to. It is made of the group's rows alone, so that it can be made while the log is on
/// its way to the disk.
pub(crate) struct Change {
    /// Every id touched.
    ids: Vec<PointId>,
    /// The rows that stand for them now, where there are any.
    part: Option<LivePart>,
}

impl Change {
    /// For every id touched, its new row or none.
    pub(crate) fn new(schema: &Schema, changes: Vec<(PointId, Option<NewRow>)>) -> Self {
        let ids = changes.iter().map(|(id, _)| *id).collect();
        let rows: Vec<NewRow> = changes.into_iter().filter_map(|(_, row)| row).collect();
        Self { ids, part: (!rows.is_empty()).then(|| LivePart::build(schema, rows)) }
    }

    /// As [`Self::new`], while something else is done that waits for the disk. A few rows are a part in less time than a
    /// thread takes to begin: theirs is made behind it.
    pub(crate) fn beside<T>(
        schema: &Schema,
        changes: Vec<(PointId, Option<NewRow>)>,
        deed: impl FnOnce() -> T,
    ) -> (T, Self) {
        if changes.iter().filter(|(_, row)| row.is_some()).take(BESIDE_ROWS_MIN).count() < BESIDE_ROWS_MIN {
            return (deed(), Self::new(schema, changes));
        }
        let changes = Mutex::new(Some(changes));
        let make = || Self::new(schema, changes.lock().take().expect("it is made once"));
        std::thread::scope(|scope| {
            let making = std::thread::Builder::new().name("nigh rows".into()).spawn_scoped(scope, make);
            let done = deed();
            let change = match making {
                Ok(making) => making.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                // There is no thread to be had.
                Err(_) => make(),
            };
            (done, change)
        })
    }
}

/// What the writer of a collection knows.
pub(crate) struct State {
    pub(crate) schema: Arc<Schema>,
    /// Segments first, then live parts, each oldest first.
    pub(crate) entries: Vec<Entry>,
    /// The last operation applied.
    pub(crate) seq: u64,
    /// When it was committed, in Unix milliseconds; never goes back.
    pub(crate) time_ms: u64,
}

impl State {
    /// What readers see.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let view = |entry: &Entry| PartView {
            part: entry.held.shared(),
            dead: entry.dead.clone(),
            selections: entry.selections.clone(),
            spec: self.schema.spec.clone(),
        };
        let parts = self.entries.iter().map(view).collect();
        Snapshot { seq: self.seq, time_ms: self.time_ms, spec: self.schema.spec.clone(), parts }
    }

    /// Where a point stands.
    pub(crate) fn find(&self, id: &PointId) -> Option<(usize, Row)> {
        let alive = |entry: &Entry| entry.held.part().find(id).filter(|row| !entry.dead.has(*row));
        self.entries.iter().enumerate().rev().find_map(|(at, entry)| Some((at, alive(entry)?)))
    }

    /// Applies what a group of writes came to. Live parts are [melted](crate::melt) later, when nobody waits for it.
    pub(crate) fn apply(&mut self, change: Change, seq: u64, time_ms: u64) {
        let mut newly_dead: Vec<Option<Bitmap>> = self.entries.iter().map(|_| None).collect();
        for id in &change.ids {
            if let Some((at, row)) = self.find(id) {
                newly_dead[at].get_or_insert_with(|| (*self.entries[at].dead).clone()).insert(row);
            }
        }
        for (entry, dead) in self.entries.iter_mut().zip(newly_dead) {
            if let Some(dead) = dead {
                (entry.dead, entry.selections) = (Arc::new(dead), Arc::default());
            }
        }
        // A text field may have been added since the part was made: what is written from then on has it.
        let part = change.part.map(|part| match lacks_text(&part, &self.schema.spec) {
            true => {
                let rows: Vec<Row> = (0..part.rows()).map(Row).collect();
                LivePart::concat(&self.schema, &[Kept { part: &part, rows: &rows }])
            }
            false => part,
        });
        self.entries.extend(part.map(Entry::live));
        self.seq = seq;
        self.time_ms = self.time_ms.max(time_ms);
    }

    /// Rows and bytes of live parts that no seal has taken up yet.
    pub(crate) fn unsealed(&self) -> (u64, u64) {
        let loose = self.entries.iter().filter(|entry| entry.is_live() && !entry.frozen);
        loose.fold((0, 0), |(rows, bytes), entry| {
            (rows + u64::from(entry.held.part().rows()), bytes + entry.held.part().bytes())
        })
    }

    /// Rows of segments that died since the last checkpoint.
    pub(crate) fn unsaved_dead(&self) -> u64 {
        let sealed = self.entries.iter().filter(|entry| !entry.is_live());
        sealed.map(|entry| entry.dead.len().saturating_sub(entry.dead_saved.len())).sum()
    }

    /// Rows and bytes of all live parts.
    pub(crate) fn live(&self) -> (u64, u64) {
        let live = self.entries.iter().filter(|entry| entry.is_live());
        live.fold((0, 0), |(rows, bytes), entry| {
            (rows + u64::from(entry.held.part().rows()), bytes + entry.held.part().bytes())
        })
    }
}
