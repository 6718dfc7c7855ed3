//! What goes with every request, and where its work is done.

use super::fault::{Fault, Result};
use crate::engine::Engine;
use crate::engine::access::carried;
use crate::engine::pool::Deadline;
use crate::engine::reply::Room;
use nigh_storage::collection::Collection;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use serde::Serialize;
use std::sync::Arc;

/// A thread takes at least so many.
const EACH_MIN: usize = 32;

/// A request's way to the engine.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) engine: Arc<Engine>,
    /// The collection that is spoken of; empty where there is none.
    pub(super) collection: String,
    /// Whether the write should be visible before it is answered.
    pub(super) wait: bool,
    pub(super) deadline: Deadline,
    /// Of the answer, however many queries it answers.
    pub(super) room: Arc<Room>,
    /// The seconds that the caller gave, where it did.
    pub(super) timeout_s: Option<u64>,
    /// Whether what it asks was counted already, together with others of a batch.
    pub(super) counted: bool,
}

impl Call {
    pub(super) fn open(&self) -> Result<Arc<Collection>> {
        Ok(self.engine.collection(&self.collection)?)
    }

    pub(super) fn done(&self, seq: u64) -> Update {
        Update { operation_id: seq, status: if self.wait { Status::Completed } else { Status::Acknowledged } }
    }
}

/// Does work that reads files, or takes long, where it keeps nobody else waiting.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(carried(work)).await;
    done.unwrap_or_else(|err| {
        tracing::error!(%err, "a request did not come to its end");
        Err(Fault::internal("the request failed within the server; its log says more"))
    })
}

/// Makes something of each, several at a time on a thread that writes. Of several errors the first one is told.
pub(super) fn each<T: Send, U: Send>(of: Vec<T>, make: impl Fn(T) -> Result<U> + Send + Sync) -> Result<Vec<U>> {
    if of.len() < 2 * EACH_MIN || rayon::current_thread_index().is_none() {
        return of.into_iter().map(make).collect();
    }
    let made: Vec<Result<U>> = of.into_par_iter().with_min_len(EACH_MIN).map(make).collect();
    made.into_iter().collect()
}

/// What became of a write.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Update {
    pub(super) operation_id: u64,
    pub(super) status: Status,
}

/// How far it got, as far as the caller wanted to know.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Acknowledged,
    Completed,
}
