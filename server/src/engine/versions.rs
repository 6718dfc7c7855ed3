//! Versions that are kept: made, listed, dropped, compared; and read, where a request names one.

use crate::engine::Engine;
use crate::engine::error::{Error, Result};
use crate::engine::pool::Deadline;
use nigh_index::id::PointId;
use nigh_storage::collection::Collection;
use nigh_storage::diff::{self, Page};
use nigh_storage::pins::Pin;
use nigh_storage::snapshot::Snapshot;
use std::sync::Arc;

/// Two versions to compare.
#[derive(Clone, Debug)]
pub struct Diff {
    /// The earlier one.
    pub before: String,
    /// The later one; empty: the collection of now.
    pub after: String,
    /// The first id, inclusive.
    pub from: Option<PointId>,
    /// Changes of a page.
    pub limit: usize,
}

/// What differs, and the two states that it speaks of.
#[derive(Clone, PartialEq, Debug)]
pub struct Differences {
    /// The points.
    pub page: Page,
    /// The earlier state.
    pub before_seq: u64,
    /// The later state.
    pub after_seq: u64,
}

/// The state that a request names; an empty name means the newest one.
pub(crate) fn snapshot(collection: &Collection, version: &str) -> Result<Arc<Snapshot>> {
    match version {
        "" => Ok(collection.snapshot()),
        name => Ok(collection.at(name)?),
    }
}

impl Engine {
    /// Keeps the newest state under a name.
    pub async fn pin(&self, collection: Arc<Collection>, name: String, deadline: &Deadline) -> Result<Pin> {
        self.writes.run(deadline, move || Ok(collection.pin(&name)?)).await
    }

    /// Drops a pin; false where there was none.
    pub async fn unpin(&self, collection: Arc<Collection>, name: String, deadline: &Deadline) -> Result<bool> {
        self.writes.run(deadline, move || Ok(collection.unpin(&name)?)).await
    }

    /// Every pin, the oldest first.
    pub async fn pins(&self, collection: Arc<Collection>, deadline: &Deadline) -> Result<Vec<Pin>> {
        self.reads.run(deadline, move || Ok(collection.pins())).await
    }

    /// What differs between two versions.
    pub async fn diff(&self, collection: Arc<Collection>, asked: Diff, deadline: &Deadline) -> Result<Differences> {
        let most = self.limits.hits_max;
        if asked.limit == 0 || asked.limit > most as usize {
            return Err(Error::invalid("limit", asked.limit, format!("a page has 1 to {most} changes")));
        }
        if asked.before.is_empty() {
            return Err(Error::invalid("before", "left out", "it is the name of a version"));
        }
        let until = deadline.clone();
        let work = move || {
            let before = snapshot(&collection, &asked.before)?;
            let after = snapshot(&collection, &asked.after)?;
            let from = asked.from.unwrap_or(PointId::Num(0));
            let page = diff::page(&before, &after, from, asked.limit, &|| until.check())?;
            Ok(Differences { page, before_seq: before.seq, after_seq: after.seq })
        };
        self.reads.run(deadline, work).await
    }
}
