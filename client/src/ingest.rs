//! Streaming ingest: many batches on their way, acknowledged in order once they are on disk.
//!
//! ```text
//! send(op) -> batch (1 MiB or 256 ops) -> [queue of 2] -> driver -> [unacknowledged] -> server
//!                                                          ^------- credits, acks, refusals ---'
//! ```
//!
//! The driver keeps every batch until it is acknowledged, and sends those that are not again after
//! a lost connection. Every batch has a name, so one that had arrived is not applied twice. A
//! batch goes out when the server has given credit for it; every message of credit adds to what is left.

use crate::client::Client;
use crate::convert;
use crate::error::{Code, Error, Result};
use crate::point::{Durability, Op, Point};
use nigh_proto::v1::{self, ingest_reply, ingest_request};
use prost::Message;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::Streaming;
use uuid::Uuid;

/// Refusals beyond these are counted, not kept.
const REFUSALS_KEPT_MAX: usize = 1000;
/// Batches that are ready while the driver is busy.
const QUEUE_BATCHES: usize = 2;

/// How a stream cuts batches and how far they have to get.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IngestOptions {
    /// A batch is sent when it has so many bytes ...
    pub batch_bytes: usize,
    /// ... or so many operations.
    pub batch_ops: usize,
    /// Batches kept for lack of an acknowledgement have at most so many bytes together.
    pub unacked_bytes_max: usize,
    /// How far a batch has to get before it is acknowledged.
    pub durability: Durability,
    /// A lost connection is looked for again for so long, counted from the last acknowledgement.
    pub patience: Duration,
    /// What the operations are read from, where the collection is to remember how far.
    pub source: Option<IngestSource>,
}

/// What a stream is read from. The position is the number of operations sent, counted on from `offset`, or what
/// [`Ingest::send_at`] says; it lands with every batch, and behind a batch that was refused no other is taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IngestSource {
    /// The source.
    pub source: String,
    /// Its partition; may be empty.
    pub partition: String,
    /// Where the source stands before the first operation of the stream.
    pub offset: u64,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self {
            batch_bytes: 1 << 20,
            batch_ops: 256,
            unacked_bytes_max: 64 << 20,
            durability: Durability::Durable,
            patience: Duration::from_secs(60),
            source: None,
        }
    }
}

/// How far a stream is.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct IngestProgress {
    /// Operations, from the first one on and without a gap, that are acknowledged or were refused.
    pub ops: u64,
    /// Operations that were refused.
    pub refused: u64,
    /// The place, from 0, of the first operation that was refused.
    pub first_refused: Option<u64>,
    /// The sequence number that the last acknowledgement spoke of.
    pub seq: u64,
    /// Where the source stands with what is acknowledged; 0 where there is no source, or nothing is.
    pub offset: u64,
    /// How often the connection was lost and the stream resumed.
    pub resumed: u32,
}

/// A batch that the server did not take; nothing of it was applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The place of its first operation among all that were sent, from 0.
    pub first_op: u64,
    /// How many operations it had.
    pub ops: u64,
    /// The culprit.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// The code that a write of this batch would have got.
    pub code: Code,
}

/// What became of a stream.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct IngestSummary {
    /// How far it got.
    pub progress: IngestProgress,
    /// What was refused, the first thousand of it.
    pub refusals: Vec<Refusal>,
}

/// A stream of operations into a collection. Dropping it without [`Ingest::finish`] ends it
/// without waiting for what is on its way.
#[derive(Debug)]
pub struct Ingest {
    options: IngestOptions,
    batch: Batch,
    batches: Option<mpsc::Sender<Batch>>,
    progress: watch::Receiver<IngestProgress>,
    driver: JoinHandle<(Vec<Refusal>, Result<()>)>,
    /// Why the driver stopped, once somebody asked: it can be asked only once.
    failed: Option<Error>,
}

#[derive(Clone, Debug, Default)]
struct Batch {
    ops: Vec<v1::Op>,
    bytes: usize,
    /// Where the source stands behind it, where that was said.
    reaches: Option<u64>,
}

impl Client {
    /// Opens a stream into a collection.
    pub fn ingest(&self, collection: &str, options: IngestOptions) -> Ingest {
        let (sender, batches) = mpsc::channel(QUEUE_BATCHES);
        let (report, progress) = watch::channel(IngestProgress::default());
        let driver = Driver {
            client: self.clone(),
            collection: collection.to_owned(),
            options: options.clone(),
            batches,
            ended: false,
            unacked: VecDeque::new(),
            unacked_bytes: 0,
            number: 0,
            first_op: 0,
            stands: options.source.as_ref().map_or(0, |source| source.offset),
            report,
            refusals: Vec::new(),
            failures: 0,
            heard: Instant::now(),
        };
        Ingest {
            options,
            batch: Batch::default(),
            batches: Some(sender),
            progress,
            driver: tokio::spawn(driver.run()),
            failed: None,
        }
    }

    /// Writes every point of a stream (`tokio_stream::iter` makes one of an iterator), several
    /// batches at a time; all are on disk when this returns.
    pub async fn upsert_all(&self, collection: &str, points: impl Stream<Item = Point>) -> Result<IngestSummary> {
        let mut ingest = self.ingest(collection, IngestOptions::default());
        let mut points = std::pin::pin!(points);
        while let Some(point) = points.next().await {
            ingest.send(point).await?;
        }
        ingest.finish().await
    }
}

impl Ingest {
    /// Adds an operation; waits while too much is on its way. Fails once the stream has failed.
    pub async fn send(&mut self, op: impl Into<Op>) -> Result<()> {
        let op = convert::op_out(op.into())?;
        let bytes = op.encoded_len();
        let full =
            self.batch.ops.len() >= self.options.batch_ops || self.batch.bytes + bytes > self.options.batch_bytes;
        if full && !self.batch.ops.is_empty() {
            self.flush().await?;
        }
        self.batch.bytes += bytes;
        self.batch.ops.push(op);
        Ok(())
    }

    /// Adds an operation behind which the source stands at `offset`: for sources whose places are not the numbers of
    /// operations. Offsets rise; either all operations of a stream are sent so, or none.
    pub async fn send_at(&mut self, op: impl Into<Op>, offset: u64) -> Result<()> {
        self.send(op).await?;
        self.batch.reaches = Some(offset);
        Ok(())
    }

    /// Sends what is gathered without waiting for a full batch.
    pub async fn flush(&mut self) -> Result<()> {
        if self.batch.ops.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        let sent = match &self.batches {
            Some(batches) => batches.send(batch).await.is_ok(),
            None => false,
        };
        match sent {
            true => Ok(()),
            false => Err(self.failure().await),
        }
    }

    /// How far the stream is.
    pub fn progress(&self) -> IngestProgress {
        *self.progress.borrow()
    }

    /// How far the stream is, for somebody else to watch.
    pub fn watch(&self) -> watch::Receiver<IngestProgress> {
        self.progress.clone()
    }

    /// Sends the rest and waits until everything is acknowledged or refused.
    pub async fn finish(mut self) -> Result<IngestSummary> {
        self.flush().await?;
        self.batches = None;
        let (refusals, outcome) = (&mut self.driver).await.map_err(|_| Error::reply("broken the stream's driver"))?;
        outcome?;
        Ok(IngestSummary { progress: self.progress(), refusals })
    }

    async fn failure(&mut self) -> Error {
        if let Some(error) = &self.failed {
            return error.clone();
        }
        self.batches = None;
        let error = match (&mut self.driver).await {
            Ok((_, Err(error))) => error,
            _ => Error::reply("ended the stream before its end"),
        };
        self.failed = Some(error.clone());
        error
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Batches and bytes that may still go out.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
struct Credit {
    batches: u64,
    bytes: u64,
}

/// A batch that is not acknowledged yet.
#[derive(Debug)]
struct Unacked {
    number: u64,
    first_op: u64,
    /// Where the source stands before it, and behind it.
    after: u64,
    reaches: u64,
    batch: Batch,
    /// Its name.
    op_id: Uuid,
    /// Of a refused batch nothing is sent again; it waits here for its predecessors.
    refused: bool,
}

/// What runs beside the caller.
struct Driver {
    client: Client,
    collection: String,
    options: IngestOptions,
    batches: mpsc::Receiver<Batch>,
    ended: bool,
    unacked: VecDeque<Unacked>,
    unacked_bytes: usize,
    number: u64,
    first_op: u64,
    /// Where the source stands behind all batches so far.
    stands: u64,
    report: watch::Sender<IngestProgress>,
    refusals: Vec<Refusal>,
    /// Sessions that ended without an acknowledgement, one after another, and since when.
    failures: u32,
    heard: Instant,
}

impl Driver {
    async fn run(mut self) -> (Vec<Refusal>, Result<()>) {
        let outcome = loop {
            let Err(error) = self.session().await else { break Ok(()) };
            let delay = self.client.shared.retry.delay(self.failures, error.retry_after(), fastrand::f64());
            // A retry budget protects a server from many callers; a stream is one, and waits for
            // a restart rather than give up what it has read.
            if !error.is_retryable() || self.heard.elapsed() + delay > self.options.patience {
                break Err(error);
            }
            self.failures += 1;
            self.report.send_modify(|progress| progress.resumed += 1);
            tokio::time::sleep(delay).await;
        };
        (self.refusals, outcome)
    }

    /// One connection, from its opening to the end of the work or of the connection.
    async fn session(&mut self) -> Result<()> {
        let endpoint = self.client.shared.endpoint.clone();
        let broken = |status: tonic::Status| Error::from_status(&endpoint, &status);
        let (out, requests) = mpsc::channel::<v1::IngestRequest>(4);
        let durability = convert::durability_out(self.options.durability);
        let open = v1::IngestOpen { collection: self.collection.clone(), durability };
        out.try_send(request(ingest_request::Request::Open(open))).map_err(|_| Error::reply("no room to open"))?;
        let mut points = self.client.points();
        let replies = points.ingest(ReceiverStream::new(requests)).await.map_err(broken)?;
        let mut replies: Streaming<v1::IngestReply> = replies.into_inner();
        let mut credit = Credit::default();
        // The place in `unacked` of the next batch to send: 0 again after every opening.
        let mut next = 0;
        let mut writable = true;
        loop {
            while self.unacked.get(next).is_some_and(|batch| batch.refused) {
                next += 1;
            }
            if self.ended && self.unacked.is_empty() {
                return Ok(());
            }
            let waiting = self.unacked.get(next).map(|unacked| unacked.batch.bytes as u64);
            let may_send = waiting.is_some_and(|bytes| credit.covers(bytes, next == 0));
            let room = self.unacked_bytes < self.options.unacked_bytes_max;
            tokio::select! {
                reply = replies.message() => match reply.map_err(broken)?.map(|reply| reply.reply) {
                    Some(Some(reply)) => self.hear(reply, &mut credit, &mut next)?,
                    Some(None) => {}
                    None => return Err(Error::Unreachable { endpoint, why: "the server ended the stream".to_owned() }),
                },
                slot = out.reserve(), if may_send && writable => match slot {
                    Ok(slot) => {
                        let batch = self.batch_out(&self.unacked[next]);
                        // As the server counts, or what it gives back would not be what was taken.
                        credit.take(batch.encoded_len() as u64);
                        slot.send(request(ingest_request::Request::Batch(batch)));
                        next += 1;
                    }
                    // The server closed its half; why is in the replies.
                    Err(_) => writable = false,
                },
                batch = self.batches.recv(), if !self.ended && waiting.is_none() && room => match batch {
                    Some(batch) => self.keep(batch),
                    None => self.ended = true,
                },
            }
        }
    }

    fn batch_out(&self, unacked: &Unacked) -> v1::IngestBatch {
        let ops = unacked.batch.ops.clone();
        let position = |from: &IngestSource| {
            let (source, partition) = (from.source.clone(), from.partition.clone());
            v1::SourcePosition { source, partition, offset: unacked.reaches, after: Some(unacked.after) }
        };
        let positions = self.options.source.as_ref().map(position).into_iter().collect();
        v1::IngestBatch { number: unacked.number, ops, op_id: unacked.op_id.into_bytes().to_vec(), positions }
    }

    fn keep(&mut self, batch: Batch) {
        if self.unacked.is_empty() {
            self.heard = Instant::now();
        }
        self.number += 1;
        self.unacked_bytes += batch.bytes;
        let ops = batch.ops.len() as u64;
        let (number, first_op, op_id) = (self.number, self.first_op, Uuid::new_v4());
        let (after, reaches) = (self.stands, batch.reaches.unwrap_or(self.stands + ops));
        self.unacked.push_back(Unacked { number, first_op, after, reaches, batch, op_id, refused: false });
        self.first_op += ops;
        self.stands = reaches;
    }

    fn hear(&mut self, reply: ingest_reply::Reply, credit: &mut Credit, next: &mut usize) -> Result<()> {
        match reply {
            ingest_reply::Reply::Credits(more) => credit.give(more.batches.into(), more.bytes),
            ingest_reply::Reply::Ack(ack) => {
                self.failures = 0;
                self.heard = Instant::now();
                if self.unacked.get(*next).is_some_and(|unsent| unsent.number <= ack.number) || ack.number > self.number
                {
                    return Err(Error::reply(format!(
                        "an acknowledgement of batch {}, which was not sent",
                        ack.number
                    )));
                }
                self.report.send_modify(|progress| progress.seq = ack.seq);
                self.release(|oldest| oldest.number <= ack.number || oldest.refused, next);
            }
            ingest_reply::Reply::Refusal(refusal) => {
                let code = Code::from(refusal.code);
                // Refused for the moment is not refused: everything from here on is sent again. So is a batch of which nobody
                // knows whether it is kept: it has a name, and is not applied twice.
                if matches!(code, Code::Unavailable | Code::ResourceExhausted | Code::Unknown) {
                    return Err(Error::Server {
                        code: Code::Unavailable,
                        field: None,
                        message: refusal.message,
                        retry_after: None,
                    });
                }
                self.refused(&refusal);
                self.release(|oldest| oldest.refused, next);
            }
        }
        Ok(())
    }

    fn refused(&mut self, refusal: &v1::IngestRefusal) {
        let Some(batch) = self.unacked.iter_mut().find(|one| one.number == refusal.number && !one.refused) else {
            return;
        };
        batch.refused = true;
        let (first_op, ops) = (batch.first_op, batch.batch.ops.len() as u64);
        self.report.send_modify(|progress| {
            progress.refused += ops;
            progress.first_refused = Some(progress.first_refused.map_or(first_op, |first| first.min(first_op)));
        });
        if self.refusals.len() < REFUSALS_KEPT_MAX {
            self.refusals.push(Refusal {
                first_op,
                ops,
                field: refusal.field.clone(),
                message: refusal.message.clone(),
                code: Code::from(refusal.code),
            });
        }
    }

    /// Lets go of the oldest batches as long as they are done with.
    fn release(&mut self, done: impl Fn(&Unacked) -> bool, next: &mut usize) {
        while self.unacked.front().is_some_and(&done) {
            let Some(oldest) = self.unacked.pop_front() else { return };
            self.unacked_bytes -= oldest.batch.bytes;
            *next = next.saturating_sub(1);
            self.report.send_modify(|progress| {
                progress.ops = oldest.first_op + oldest.batch.ops.len() as u64;
                if self.options.source.is_some() && !oldest.refused {
                    progress.offset = oldest.reaches;
                }
            });
        }
    }
}

impl Credit {
    /// Whether a batch may go out; one larger than any credit may when nothing else is on its way.
    fn covers(&self, bytes: u64, alone: bool) -> bool {
        self.batches > 0 && (self.bytes >= bytes || alone)
    }

    fn take(&mut self, bytes: u64) {
        self.batches = self.batches.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn give(&mut self, batches: u64, bytes: u64) {
        self.batches = self.batches.saturating_add(batches);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

fn request(request: ingest_request::Request) -> v1::IngestRequest {
    v1::IngestRequest { request: Some(request) }
}
