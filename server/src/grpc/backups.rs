//! The calls of `Versions` that take long: backups and restores, with their progress.

use super::{Door, status};
use crate::engine::access::beside;
use crate::engine::backup::{CollectionSummary, Progress, Seen, Summary};
use crate::engine::error::{Error, Result};
use crate::engine::restore::{Done, Restore};
use crate::metrics::Rpc;
use nigh_proto::v1::{self, BackupRequest, RestoreRequest, TransferProgress, restore_request};
use nigh_storage::archive::Until;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Progress is told no more often than this.
const TOLD_EVERY: Duration = Duration::from_millis(100);
/// Words of progress that wait for the transport; the last one waits for its place.
const WAITING: usize = 16;

pub(super) type Transfer = ReceiverStream<std::result::Result<TransferProgress, Status>>;

impl Door {
    pub(super) fn backing_up(&self, request: BackupRequest) -> Result<Transfer> {
        let target = self.engine.target(&request.target)?;
        let (engine, stop) = (self.engine.clone(), stopped(self.stopping.clone()));
        let work = |seen| async move { engine.backup(&target, request.collections, seen, stop).await };
        let done = |made, last| TransferProgress { backup: Some(summary(made)), ..last };
        Ok(self.transfer(Rpc::Backup, work, done))
    }

    pub(super) fn restoring(&self, request: RestoreRequest) -> Result<Transfer> {
        let target = self.engine.target(&request.target)?;
        if request.collection.is_empty() {
            return Err(Error::invalid("collection", "left out", "it is the name of a collection of the backup"));
        }
        let until = match request.until {
            None => Until::Backup,
            Some(restore_request::Until::Seq(seq)) => Until::Seq(seq),
            Some(restore_request::Until::TimeMs(time_ms)) => Until::TimeMs(time_ms),
            Some(restore_request::Until::Newest(_)) => Until::Newest,
        };
        let asked = Restore { backup: request.backup, collection: request.collection, into: request.into, until };
        let (engine, stop) = (self.engine.clone(), stopped(self.stopping.clone()));
        let work = |seen| async move {
            tokio::select! {
                done = engine.restore(target, asked, seen) => done,
                () = stop => Err(Error::Unavailable("the server is stopping".to_owned())),
            }
        };
        let done = |done: Done, last| {
            let (seq, points) = (done.restored.seq, done.restored.points);
            let restored = v1::RestoreSummary { backup: done.backup, collection: done.collection, seq, points };
            TransferProgress { restored: Some(restored), ..last }
        };
        Ok(self.transfer(Rpc::Restore, work, done))
    }

    /// Runs a work beside the call; what it says goes out as it comes, and the last of it with the
    /// outcome. Nobody who listens: it ends.
    fn transfer<T, F>(
        &self,
        rpc: Rpc,
        work: impl FnOnce(Seen) -> F,
        done: impl FnOnce(T, TransferProgress) -> TransferProgress + Send + 'static,
    ) -> Transfer
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (replies, outgoing) = mpsc::channel(WAITING);
        let (telling, mut told) = (replies.clone(), None::<Instant>);
        let stopped = self.stopping.clone();
        let newest = Arc::new(Mutex::new(Progress::default()));
        let last = newest.clone();
        let seen: Seen = Box::new(move |progress: &Progress| {
            newest.lock().clone_from(progress);
            if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
                told = Some(Instant::now());
                // Who reads slowly hears of it less often.
                let _ = telling.try_send(Ok(word(progress)));
            }
            !telling.is_closed() && !*stopped.borrow()
        });
        let (work, metrics) = (work(seen), self.metrics.clone());
        // It asks for collections by name, which the caller has to be allowed.
        tokio::spawn(beside(async move {
            let timer = metrics.begin(rpc);
            let end = match work.await {
                Ok(outcome) => {
                    timer.end(0);
                    Ok(done(outcome, word(&last.lock())))
                }
                Err(err) => {
                    timer.end(status::code(&err) as i32);
                    Err(status::of(&err))
                }
            };
            let _ = replies.send(end).await;
        }));
        ReceiverStream::new(outgoing)
    }
}

/// Comes when the server stops.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that whoever could say so is gone: a stop as well.
    let _ = stopping.wait_for(|stop| *stop).await;
}

fn word(progress: &Progress) -> TransferProgress {
    TransferProgress {
        collection: progress.collection.clone(),
        files: progress.files.0,
        files_total: progress.files.1,
        bytes: progress.bytes.0,
        bytes_total: progress.bytes.1,
        bytes_reused: progress.bytes_reused,
        ..Default::default()
    }
}

pub(super) fn summary(backup: Summary) -> v1::BackupSummary {
    let collection = |one: CollectionSummary| v1::BackedUpCollection {
        name: one.name,
        seq: one.seq,
        seq_time_ms: one.seq_time_ms,
        points: one.points,
        bytes: one.bytes,
    };
    let collections = backup.collections.into_iter().map(collection).collect();
    let left_out = backup.left_out.into_iter().map(|(name, reason)| v1::LeftOutCollection { name, reason }).collect();
    v1::BackupSummary { id: backup.id, time_ms: backup.time_ms, collections, broken: backup.broken, left_out }
}
