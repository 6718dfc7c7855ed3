//! A stream of batches: taken in order, written as they come, acknowledged in order.
//!
//! ```text
//! requests -> reader: parse, hand to the writer -> [at most so many, so many bytes] -> settler -> acks, credits
//! ```
//!
//! The reader takes no message while as much is on its way as may be, so a sender that does not
//! count its credits is held up by the transport. When the server stops, the reader takes no more,
//! what is on its way is acknowledged, and the stream ends with UNAVAILABLE. When the key of its caller
//! is changed or a token expires, the stream ends at the next batch with UNAUTHENTICATED.
//!
//! Batches never overtake each other: behind one that was refused because there was no room, or because the disk failed,
//! nothing is taken, and the stream ends with UNAVAILABLE. The sender sends again from that one on, in a new stream.

use super::{Door, convert, status};
use crate::engine::access::{Access, beside};
use crate::engine::error::{Error, Result};
use crate::engine::pool::Deadline;
use crate::engine::write::Submitted;
use crate::metrics::{Metrics, Rpc};
use nigh_proto::v1::{self, IngestReply, ingest_reply, ingest_request};
use nigh_storage::collection::Collection;
use nigh_storage::write::{Chain, Durability, WriteBatch};
use prost::Message;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

/// Replies that wait for the transport.
const REPLIES: usize = 64;

type Replies = mpsc::Sender<std::result::Result<IngestReply, Status>>;

/// What the reader hands on: a batch that is on its way, or why there will be no more.
enum Settling {
    Batch { number: u64, bytes: u64, begin: Instant, submitted: Result<Submitted>, room: OwnedSemaphorePermit },
    End(Status),
}

struct Reader {
    door: Door,
    /// Looked at before every batch: a stream may last longer than its key.
    access: Option<Arc<Access>>,
    collection: Arc<Collection>,
    durability: Durability,
    /// Bytes that may still be on their way.
    room: Arc<Semaphore>,
    settling: mpsc::Sender<Settling>,
    /// The number of the batch before.
    last: Option<u64>,
    /// What every batch follows upon.
    chain: Chain,
}

impl Door {
    /// Opens a stream; the rest happens beside it.
    pub(super) async fn ingest(
        self,
        mut requests: Streaming<v1::IngestRequest>,
    ) -> std::result::Result<ReceiverStream<std::result::Result<IngestReply, Status>>, Status> {
        let open = match requests.message().await?.and_then(|first| first.request) {
            Some(ingest_request::Request::Open(open)) => open,
            _ => return Err(Status::invalid_argument("the first message of a stream opens it: `open` is left out")),
        };
        let collection = self.engine.collection(&open.collection).map_err(|err| status::of(&err))?;
        let durability = convert::durability(open.durability).map_err(|err| status::of(&err))?;
        let limits = self.engine.limits();
        let (batches, bytes) = (limits.ingest_batches.max(1), limits.ingest_bytes.max(1));
        let (replies, outgoing) = mpsc::channel(REPLIES);
        let (settling, settles) = mpsc::channel(batches as usize);
        let metrics = self.metrics.clone();
        let room = Arc::new(Semaphore::new(bytes as usize));
        let access = Access::current();
        let chain = Chain::default();
        let reader = Reader { door: self, access, collection, durability, room, settling, last: None, chain };
        tokio::spawn(beside(reader.run(requests, bytes)));
        tokio::spawn(settle(settles, replies, metrics, v1::Credits { batches, bytes: bytes.into() }));
        Ok(ReceiverStream::new(outgoing))
    }
}

impl Reader {
    /// Until the sender ends, fails, or breaks the rules, or the server stops.
    async fn run(mut self, mut requests: Streaming<v1::IngestRequest>, bytes_max: u32) {
        let mut stopping = self.door.stopping.clone();
        let end = loop {
            let message = tokio::select! {
                // A sender that is gone with its runtime is a stop as well.
                _ = stopping.wait_for(|stop| *stop) => break Some(Status::unavailable("the server is stopping")),
                message = requests.message() => message,
            };
            let batch = match message {
                Ok(Some(message)) => match message.request {
                    Some(ingest_request::Request::Batch(batch)) => batch,
                    _ => break Some(Status::invalid_argument("after `open` a stream carries batches only")),
                },
                Ok(None) => break None,
                Err(status) => break Some(status),
            };
            if let Some(Err(why)) = self.access.as_ref().map(|access| access.still()) {
                break Some(Status::unauthenticated(why));
            }
            if self.chain.is_broken() {
                break Some(Status::unavailable("a batch of this stream was not taken: send again from it on"));
            }
            match self.take(batch, bytes_max).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(status) => break Some(status),
            }
        };
        if let Some(status) = end {
            // Nobody hears it where the caller went away.
            let _ = self.settling.send(Settling::End(status)).await;
        }
    }

    /// Hands one batch on; false where nobody listens any more.
    async fn take(&mut self, batch: v1::IngestBatch, bytes_max: u32) -> std::result::Result<bool, Status> {
        let begin = Instant::now();
        let number = batch.number;
        if self.last.is_some_and(|last| number <= last) {
            let before = self.last.unwrap_or_default();
            return Err(Status::invalid_argument(format!("batch {number} came after {before}; numbers rise")));
        }
        self.last = Some(number);
        let bytes = batch.encoded_len() as u64;
        let weight = u32::try_from(bytes).unwrap_or(u32::MAX).min(bytes_max);
        // The semaphore is never closed; if it were, nobody would listen.
        let Ok(room) = self.room.clone().acquire_many_owned(weight).await else { return Ok(false) };
        let Ok(slot) = self.settling.reserve().await else { return Ok(false) };
        let batch = convert::batch(batch.ops, &batch.op_id, batch.positions, &self.collection.spec());
        let submitted = match batch {
            Ok(batch) => self.submit(WriteBatch { chain: Some(self.chain.clone()), ..batch }).await,
            Err(err) => Err(err),
        };
        // Refused for what is in it, it is not sent again, and what follows does not wait for it.
        if submitted.as_ref().is_err_and(|err| is_for_now(status::code(err))) {
            self.chain.break_off();
        }
        slot.send(Settling::Batch { number, bytes, begin, submitted, room });
        Ok(true)
    }

    /// Hands a batch to the writer, again and again while there is no room: a stream is held up, not refused.
    async fn submit(&self, batch: WriteBatch) -> Result<Submitted> {
        let deadline = Deadline::default();
        let mut stopping = self.door.stopping.clone();
        loop {
            let submit = self.door.engine.submit(self.collection.clone(), batch.clone(), self.durability, &deadline);
            let retry_ms = match submit.await {
                Err(Error::Full { retry_ms, .. }) if !self.settling.is_closed() => retry_ms,
                settled => return settled,
            };
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => {
                    return Err(Error::Unavailable("the server is stopping".to_owned()));
                }
                () = tokio::time::sleep(Duration::from_millis(retry_ms)) => {}
            }
        }
    }
}

/// Whether a batch that is refused with this code is sent again.
fn is_for_now(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::ResourceExhausted | Code::Unknown)
}

/// Waits for every batch in turn and tells what became of it.
async fn settle(mut settles: mpsc::Receiver<Settling>, replies: Replies, metrics: Arc<Metrics>, credits: v1::Credits) {
    let mut next = Some(ingest_reply::Reply::Credits(credits));
    loop {
        if let Some(reply) = next.take()
            && replies.send(Ok(IngestReply { reply: Some(reply) })).await.is_err()
        {
            return;
        }
        let (number, bytes, begin, submitted, room) = match settles.recv().await {
            Some(Settling::Batch { number, bytes, begin, submitted, room }) => (number, bytes, begin, submitted, room),
            Some(Settling::End(status)) => {
                let _ = replies.send(Err(status)).await;
                return;
            }
            None => return,
        };
        let written = match submitted {
            Ok(submitted) => submitted.written().await,
            Err(err) => Err(err),
        };
        drop(room);
        let code = written.as_ref().map_or_else(|err| status::code(err) as i32, |_| 0);
        metrics.count(Rpc::IngestBatch, code, begin.elapsed());
        let told = match written {
            Ok(written) => {
                let reached = convert::reached(written.reached);
                let (seq, duplicate) = (written.seq, written.duplicate);
                ingest_reply::Reply::Ack(v1::IngestAck { number, seq, reached, duplicate })
            }
            Err(err) => ingest_reply::Reply::Refusal(refusal(number, &err)),
        };
        if replies.send(Ok(IngestReply { reply: Some(told) })).await.is_err() {
            return;
        }
        next = Some(ingest_reply::Reply::Credits(v1::Credits { batches: 1, bytes }));
    }
}

fn refusal(number: u64, err: &Error) -> v1::IngestRefusal {
    let field = match err {
        Error::Invalid { field, .. } | Error::Condition { field, .. } => field.clone(),
        _ => String::new(),
    };
    v1::IngestRefusal { number, field, message: err.to_string(), code: status::code(err) as i32 }
}
