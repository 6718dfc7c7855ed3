//! Batches: parsed and analysed on a thread of the pool, then handed to the collection's writer.

use crate::engine::Engine;
use crate::engine::access::{Access, carried};
use crate::engine::error::{Error, Result};
use crate::engine::pool::Deadline;
use crate::engine::traced;
use crate::traces::Trace;
use nigh_storage::collection::Collection;
use nigh_storage::write::{Durability, WriteBatch, Written};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// A batch that the writer has taken; what became of it comes later.
pub struct Submitted {
    written: oneshot::Receiver<nigh_storage::error::Result<Written>>,
    /// When its work was begun, where somebody wants to know.
    trace: Option<(Arc<Trace>, Instant)>,
}

impl Submitted {
    /// Waits until the batch is as far as was asked.
    pub async fn written(self) -> Result<Written> {
        match self.written.await {
            Ok(written) => {
                let written = written?;
                if let Some((trace, begun)) = self.trace {
                    traced::write(&trace, begun, &written.course);
                }
                Ok(written)
            }
            Err(_) => Err(Error::Unavailable("the collection was closed while the write waited".into())),
        }
    }
}

impl Engine {
    /// Hands a batch to the writer. Batches of one caller who waits for each `submit` stay in order.
    pub async fn submit(
        &self,
        collection: Arc<Collection>,
        batch: WriteBatch,
        durability: Durability,
        deadline: &Deadline,
    ) -> Result<Submitted> {
        self.submit_made(move || Ok((collection, batch)), durability, deadline).await
    }

    /// As [`Self::submit`], of a batch that is made where it will be parsed: one way to another thread for both.
    pub async fn submit_made<E: From<Error> + Send + 'static>(
        &self,
        make: impl FnOnce() -> Result<(Arc<Collection>, WriteBatch), E> + Send + 'static,
        durability: Durability,
        deadline: &Deadline,
    ) -> Result<Submitted, E> {
        let most = self.limits.batch_ops_max;
        let (sender, written) = oneshot::channel();
        let until = deadline.clone();
        let trace = Access::trace();
        let is_traced = trace.is_some();
        let make = carried(make);
        let work = move || -> Result<Option<Instant>, E> {
            let begun = is_traced.then(Instant::now);
            let (collection, batch) = make()?;
            if batch.ops.is_empty() || batch.ops.len() > most {
                let limit = format!("a batch has 1 to {most}");
                return Err(Error::invalid("ops", format!("{} operations", batch.ops.len()), limit).into());
            }
            // Nobody may wait for the answer any more; the write stands all the same.
            let done = Box::new(move |written| drop(sender.send(written)));
            let submitted = collection.submit_while(batch, durability, done, &|| until.check().is_ok());
            // What was called off was so by the deadline, which says why.
            submitted.or_else(|err| until.check().and(Err(Error::from(err))))?;
            Ok(begun)
        };
        let begun = self.writes.run(deadline, || Ok(work())).await??;
        Ok(Submitted { written, trace: trace.zip(begun) })
    }

    /// Applies a batch, all of it or nothing, and waits until it is as far as was asked.
    pub async fn write(
        &self,
        collection: Arc<Collection>,
        batch: WriteBatch,
        durability: Durability,
        deadline: &Deadline,
    ) -> Result<Written> {
        self.write_made(move || Ok((collection, batch)), durability, deadline).await
    }

    /// As [`Self::write`], of a batch that is made where it will be parsed.
    pub async fn write_made<E: From<Error> + Send + 'static>(
        &self,
        make: impl FnOnce() -> Result<(Arc<Collection>, WriteBatch), E> + Send + 'static,
        durability: Durability,
        deadline: &Deadline,
    ) -> Result<Written, E> {
        let submitted = self.submit_made(make, durability, deadline).await?;
        let when = "while the write was on its way to the disk; it may still get there";
        Ok(deadline.within(when, submitted.written()).await??)
    }
}
