//! What a collection remembers of those who write to it, so that a batch that comes again is not
//! applied again: how far each source has come, and what became of the last batches that had an id.
//!
//! Both land with the batch, in its record of the log. At a checkpoint the manifest takes the
//! positions; outcomes go into a page, a file of those since the checkpoint before:
//!
//! ```text
//! ops.00000000000000000042     named by the checkpoint's last operation
//!
//! page = | outcome ... |       outcome = | id 16 | seq u64 | affected u64 |    seq rises
//! ```
//!
//! So a checkpoint writes 32 bytes for each batch that was written since the last one, and not the
//! whole window; once there are many pages they become one. What a replay reads of the log is noted
//! in the same way as when it was written.

use crate::error::{Error, Result};
use crate::op::Heading;
use crate::write::Position;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use uuid::Uuid;

/// Outcomes of so many batches are kept; of those before, a repetition is not noticed.
pub const OUTCOMES_MAX: usize = 65_536;
/// A collection keeps so many positions, of all sources and partitions.
pub const POSITIONS_MAX: usize = 1_024;
/// So many pages of outcomes become one at the next checkpoint.
pub(crate) const PAGES_MAX: usize = 16;

/// The names of pages begin so.
pub(crate) const PAGE_PREFIX: &str = "ops.";

const OUTCOME_BYTES: usize = 32;

/// What a batch came to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    /// Its last operation.
    pub(crate) seq: u64,
    /// Points written, changed or deleted.
    pub(crate) affected: u64,
}

/// How far a partition of a source has come.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SourcePosition {
    /// The source's name.
    pub source: String,
    /// The partition's; may be empty.
    pub partition: String,
    /// The offset of the last batch that was applied.
    pub offset: u64,
    /// That batch's last operation.
    pub seq: u64,
}

/// What a batch leaves in the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) heading: Heading,
    /// Sources that its operations dropped.
    pub(crate) dropped: Vec<String>,
    pub(crate) outcome: Outcome,
}

type Place = (String, String);

/// See the head of this room.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Offset and operation by source and partition.
    positions: BTreeMap<Place, (u64, u64)>,
    outcomes: HashMap<Uuid, Outcome>,
    /// The ids of `outcomes`, oldest first.
    order: VecDeque<Uuid>,
}

impl Ledger {
    /// As a checkpoint left it.
    pub(crate) fn new(positions: &[SourcePosition], outcomes: impl IntoIterator<Item = (Uuid, Outcome)>) -> Self {
        let place = |one: &SourcePosition| ((one.source.clone(), one.partition.clone()), (one.offset, one.seq));
        let mut ledger = Self { positions: positions.iter().map(place).collect(), ..Self::default() };
        outcomes.into_iter().for_each(|(id, outcome)| ledger.keep(id, outcome));
        ledger
    }

    /// Takes down what a batch left.
    pub(crate) fn note(&mut self, note: Note) {
        if !note.dropped.is_empty() {
            self.positions.retain(|place, _| !note.dropped.contains(&place.0));
        }
        for position in note.heading.positions {
            self.positions.insert((position.source, position.partition), (position.offset, note.outcome.seq));
        }
        if let Some(id) = note.heading.op_id {
            self.keep(id, note.outcome);
        }
    }

    fn keep(&mut self, id: Uuid, outcome: Outcome) {
        if self.outcomes.insert(id, outcome).is_some() {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > OUTCOMES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.outcomes.remove(&oldest);
        }
    }

    /// Positions of one source, or of all.
    pub(crate) fn positions(&self, source: Option<&str>) -> Vec<SourcePosition> {
        let position = |((source, partition), (offset, seq)): (&Place, &(u64, u64))| SourcePosition {
            source: source.clone(),
            partition: partition.clone(),
            offset: *offset,
            seq: *seq,
        };
        let of = |one: &(&Place, &(u64, u64))| source.is_none_or(|source| one.0.0 == source);
        self.positions.iter().filter(of).map(position).collect()
    }

    /// Outcomes of batches that end at this operation or behind it, oldest first.
    pub(crate) fn outcomes_from(&self, seq: u64) -> Vec<(Uuid, Outcome)> {
        let newest_first = self.order.iter().rev().map(|id| (*id, self.outcomes[id]));
        let mut outcomes: Vec<_> = newest_first.take_while(|(_, outcome)| outcome.seq >= seq).collect();
        outcomes.reverse();
        outcomes
    }
}

/// The ledger as it will be once the group that is being folded is on disk.
pub(crate) struct Draft<'l> {
    ledger: &'l parking_lot::Mutex<Ledger>,
    notes: Vec<Note>,
}

impl<'l> Draft<'l> {
    pub(crate) fn new(ledger: &'l parking_lot::Mutex<Ledger>) -> Self {
        Self { ledger, notes: Vec::new() }
    }

    pub(crate) fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    pub(crate) fn into_notes(self) -> Vec<Note> {
        self.notes
    }

    /// What became of a batch, if it was applied before. An error where its positions do not fit to
    /// what was: some of them behind and others not, or with a gap before them.
    pub(crate) fn before(&self, heading: &Heading) -> Result<Option<Outcome>> {
        let positions = &heading.positions;
        if let Some(outcome) = heading.op_id.and_then(|id| self.outcome(id)) {
            return Ok(Some(outcome));
        }
        let mut new = 0;
        let (mut behind, mut last) = (None, 0);
        for (at, position) in positions.iter().enumerate() {
            let known = self.position(&position.source, &position.partition);
            match known {
                Some((offset, seq)) if position.offset <= offset => {
                    behind.get_or_insert((at, offset));
                    last = last.max(seq);
                    continue;
                }
                None => new += 1,
                Some(_) => {}
            }
            let stands = known.map_or(0, |(offset, _)| offset);
            if let Some(after) = position.after.filter(|after| *after != stands) {
                let found =
                    format!("partition `{}` of source `{}` is at {stands}", position.partition, position.source);
                let wanted = format!("the batch comes after {after}");
                return Err(Error::condition(format!("positions[{at}].after"), found, wanted));
            }
        }
        match behind {
            None => self.leave_room(new).map(|()| None),
            Some(_) if positions.iter().all(|one| self.is_behind(one)) => Ok(Some(Outcome { seq: last, affected: 0 })),
            Some((at, offset)) => {
                let found = format!("{} was applied before, the source is at {offset}", positions[at].offset);
                Err(Error::condition(format!("positions[{at}].offset"), found, "other positions of the batch were not"))
            }
        }
    }

    fn leave_room(&self, new: usize) -> Result<()> {
        if new == 0 {
            return Ok(());
        }
        let ledger = self.ledger.lock();
        let place = |one: &Position| (one.source.clone(), one.partition.clone());
        let of_group: BTreeSet<Place> = self.notes.iter().flat_map(|note| &note.heading.positions).map(place).collect();
        let of_group = of_group.iter().filter(|place| !ledger.positions.contains_key(*place)).count();
        let kept = ledger.positions.len() + of_group + new;
        if kept <= POSITIONS_MAX {
            return Ok(());
        }
        let found = format!("{kept} would be kept");
        let wanted = format!("a collection keeps at most {POSITIONS_MAX}; drop a source that is done");
        Err(Error::condition("positions", found, wanted))
    }

    fn is_behind(&self, position: &Position) -> bool {
        let known = self.position(&position.source, &position.partition);
        known.is_some_and(|(offset, _)| position.offset <= offset)
    }

    fn outcome(&self, id: Uuid) -> Option<Outcome> {
        let of_group = self.notes.iter().find(|note| note.heading.op_id == Some(id)).map(|note| note.outcome);
        of_group.or_else(|| self.ledger.lock().outcomes.get(&id).copied())
    }

    fn position(&self, source: &str, partition: &str) -> Option<(u64, u64)> {
        for note in self.notes.iter().rev() {
            let of = |one: &&Position| one.source == source && one.partition == partition;
            if let Some(position) = note.heading.positions.iter().find(of) {
                return Some((position.offset, note.outcome.seq));
            }
            if note.dropped.iter().any(|dropped| dropped == source) {
                return None;
            }
        }
        self.ledger.lock().positions.get(&(source.to_owned(), partition.to_owned())).copied()
    }
}

/// The body of a page.
pub(crate) fn encode_page(outcomes: &[(Uuid, Outcome)]) -> Vec<u8> {
    let mut body = Vec::with_capacity(outcomes.len() * OUTCOME_BYTES);
    for (id, outcome) in outcomes {
        body.extend_from_slice(id.as_bytes());
        body.extend_from_slice(&outcome.seq.to_le_bytes());
        body.extend_from_slice(&outcome.affected.to_le_bytes());
    }
    body
}

/// Reads a page; an error says what does not hold.
pub(crate) fn decode_page(body: &[u8]) -> std::result::Result<Vec<(Uuid, Outcome)>, &'static str> {
    if !body.len().is_multiple_of(OUTCOME_BYTES) || body.len() / OUTCOME_BYTES > OUTCOMES_MAX {
        return Err("is no whole number of outcomes, or too many");
    }
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes were cut"));
    let outcome = |one: &[u8]| {
        let id = Uuid::from_slice(&one[..16]).expect("sixteen bytes were cut");
        (id, Outcome { seq: word(&one[16..24]), affected: word(&one[24..]) })
    };
    let outcomes: Vec<_> = body.chunks_exact(OUTCOME_BYTES).map(outcome).collect();
    match outcomes.is_sorted_by_key(|(_, outcome)| outcome.seq) {
        true => Ok(outcomes),
        false => Err("outcomes do not rise"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    fn position(source: &str, offset: u64) -> Position {
        Position { source: source.into(), partition: String::new(), offset, after: None }
    }

    fn heading(id: Option<u128>, positions: &[(&str, u64)]) -> Heading {
        let positions = positions.iter().map(|(source, offset)| position(source, *offset)).collect();
        Heading { op_id: id.map(Uuid::from_u128), positions }
    }

    fn note(heading: Heading, seq: u64) -> Note {
        Note { heading, dropped: Vec::new(), outcome: Outcome { seq, affected: seq * 2 } }
    }

    #[test]
    fn what_was_applied_is_known_by_its_id_and_by_its_positions() {
        let ledger = Mutex::new(Ledger::default());
        ledger.lock().note(note(heading(Some(1), &[("a", 10)]), 5));
        let mut draft = Draft::new(&ledger);
        let known = |draft: &Draft<'_>, id, positions: &[(&str, u64)]| {
            draft.before(&heading(id, positions)).map(|outcome| outcome.map(|outcome| outcome.seq))
        };
        assert_eq!(known(&draft, Some(1), &[]).unwrap(), Some(5));
        assert_eq!(known(&draft, Some(2), &[]).unwrap(), None);
        assert_eq!(known(&draft, None, &[("a", 10)]).unwrap(), Some(5));
        assert_eq!(known(&draft, None, &[("a", 11)]).unwrap(), None);
        assert!(known(&draft, None, &[("a", 9), ("b", 1)]).is_err(), "half of it was applied");
        draft.note(note(heading(Some(2), &[("b", 3)]), 8));
        assert_eq!(known(&draft, Some(2), &[]).unwrap(), Some(8), "by a batch of the same group");
        assert_eq!(known(&draft, None, &[("a", 9), ("b", 1)]).unwrap(), Some(8));
        draft.note(Note { dropped: vec!["a".into()], ..note(heading(None, &[]), 9) });
        assert_eq!(known(&draft, None, &[("a", 1)]).unwrap(), None, "the source was dropped");
        let notes = draft.into_notes();
        notes.into_iter().for_each(|note| ledger.lock().note(note));
        assert_eq!(
            ledger.lock().positions(None),
            [SourcePosition { source: "b".into(), partition: String::new(), offset: 3, seq: 8 }]
        );
    }

    #[test]
    fn a_gap_is_refused() {
        let ledger = Mutex::new(Ledger::default());
        let draft = Draft::new(&ledger);
        let after = |offset, after| {
            let position = Position { after: Some(after), ..position("a", offset) };
            draft.before(&Heading { op_id: None, positions: vec![position] })
        };
        assert!(matches!(after(7, 0), Ok(None)));
        assert!(after(7, 3).is_err());
        ledger.lock().note(note(heading(None, &[("a", 7)]), 1));
        assert!(matches!(after(7, 0), Ok(Some(_))), "again");
        assert!(matches!(after(9, 7), Ok(None)));
        assert!(after(9, 8).is_err() && after(9, 0).is_err());
    }

    #[test]
    fn both_lists_are_bounded() {
        let ledger = Mutex::new(Ledger::default());
        for at in 0..OUTCOMES_MAX as u64 + 10 {
            ledger.lock().note(note(heading(Some(u128::from(at)), &[]), at + 1));
        }
        assert_eq!(ledger.lock().outcomes.len(), OUTCOMES_MAX);
        assert_eq!(ledger.lock().outcomes_from(0)[0].1.seq, 11, "the oldest left first");
        assert_eq!(ledger.lock().outcomes_from(65_540).len(), 7);
        for at in 0..POSITIONS_MAX as u64 {
            ledger.lock().note(note(heading(None, &[(&at.to_string(), 1)]), at + 1));
        }
        let draft = Draft::new(&ledger);
        assert!(draft.before(&heading(None, &[("3", 2)])).is_ok());
        assert!(draft.before(&heading(None, &[("new", 1)])).is_err());
    }

    #[test]
    fn a_page_comes_back_and_damage_is_an_error() {
        let outcomes: Vec<_> =
            (1..5).map(|at| (Uuid::from_u128(at), Outcome { seq: at as u64, affected: 7 })).collect();
        let body = encode_page(&outcomes);
        assert_eq!(decode_page(&body).unwrap(), outcomes);
        assert!(decode_page(&body[1..]).is_err());
        let reversed: Vec<_> = outcomes.iter().rev().copied().collect();
        assert!(decode_page(&encode_page(&reversed)).is_err());
    }
}
