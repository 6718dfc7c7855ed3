//! A query from its beginning to its end, over one snapshot.
//!
//! ```text
//! check -> walk the tree, leaves first -> cut the root's ranking -> read the winners
//!          a leaf: filter -> each part -> one ranking        an inner one: rank what its sources found
//! ```
//!
//! A rank is given only after its retriever was merged over all parts. What an explanation says is
//! what was done here: there is no second way through.

mod check;
mod examples;
mod group;
mod kinds;
mod shadow;
mod walk;

pub(super) use check::at_most;

use crate::engine::Engine;
use crate::engine::access::Access;
use crate::engine::error::Result;
use crate::engine::pool::Deadline;
use crate::engine::query::Query;
use crate::engine::query::answer::{Answer, Stage};
use crate::engine::reply::Room;
use crate::engine::traced;
use crate::engine::versions;
use nigh_storage::collection::Collection;
use std::sync::Arc;
use std::time::{Duration, Instant};
use walk::Walk;

impl Engine {
    /// Answers a query.
    pub async fn query(&self, collection: Arc<Collection>, query: Query, deadline: &Deadline) -> Result<Answer> {
        check::check(&query, &collection.spec(), &self.limits)?;
        let lookup = query.grouping.as_ref().and_then(|grouping| grouping.lookup.as_ref());
        let lookup = lookup.map(|lookup| self.collection(&lookup.collection)).transpose()?;
        let (clock, named) = (Clock::new(), collection.clone());
        let begun = clock.first;
        let (until, recalls, reads) = (deadline.clone(), self.recalls.clone(), self.reads.clone());
        let (hits_max, room) = (self.limits.hits_max as usize, Room::new(self.limits.message_bytes_max));
        let work = move || {
            let mut clock = clock;
            clock.end("queue");
            let snapshot = versions::snapshot(&collection, &query.version)?;
            let of = (collection.name(), collection.id());
            let looked_up = lookup.map(|other| versions::snapshot(&other, "")).transpose()?;
            let (recalls, reads, deadline) = (&*recalls, &reads, &until);
            let walk = Walk { snapshot: &snapshot, of, query: &query, recalls, reads, deadline, hits_max, room };
            let answered = walk.answer(looked_up.as_deref(), clock)?;
            snapshot.sound()?;
            looked_up.map_or(Ok(()), |other| other.sound())?;
            Ok(answered)
        };
        let (answer, shadow) = self.reads.run(deadline, work).await?;
        self.observed.answered(named.name(), &answer);
        if let Some(trace) = Access::trace() {
            traced::query(&trace, begun, &answer);
        }
        if let Some(shadow) = shadow {
            self.answer_exactly(shadow);
        }
        Ok(answer)
    }
}

/// Measures one stage after the other.
struct Clock {
    first: Instant,
    begin: Instant,
    /// Each with its first beginning, and the time of all of it.
    stages: Vec<(String, Duration, Duration)>,
}

impl Clock {
    fn new() -> Self {
        let now = Instant::now();
        Self { first: now, begin: now, stages: Vec::new() }
    }

    /// Ends a stage; the time it took. Retrievers take turns at the same stages: a stage is told once.
    fn end(&mut self, name: &str) -> Duration {
        let now = Instant::now();
        let (begun, took) = (self.begin.duration_since(self.first), now.duration_since(self.begin));
        self.begin = now;
        match self.stages.iter_mut().find(|stage| stage.0 == name) {
            Some(stage) => stage.2 += took,
            None => self.stages.push((name.to_owned(), begun, took)),
        }
        took
    }

    /// Until the end of the last stage: the stages are all of it.
    fn total(&self) -> Duration {
        self.begin.duration_since(self.first)
    }

    fn stages(self) -> Vec<Stage> {
        let stage = |(name, begun, took): (String, Duration, Duration)| Stage {
            name,
            begun_us: micros(begun),
            took_us: micros(took),
        };
        self.stages.into_iter().map(stage).collect()
    }
}

/// To the nearest microsecond.
fn micros(time: Duration) -> u64 {
    ((time.as_nanos() + 500) / 1_000) as u64
}
