//! One partition on its way into the collection: in order, each message once.
//!
//! ```text
//! session: where does the partition stand? -> seek -> [read -> points -> batches, each with its position] -> end
//!              ^                                                             |
//!              '------ a message was refused, or somebody else was faster ---'
//! ```
//!
//! A batch lands together with the position behind it, and only where the partition stands just before it. So whatever
//! is killed when, the next session begins behind the last message that is in, and a batch of a dead importer that
//! arrives late makes the next one of its successor refused, which then looks again where the partition stands.

use super::message::{self, Message};
use super::stream::Job;
use crate::cli::failure::{Failure, Result};
use nigh_client::ingest::Refusal;
use nigh_client::{Ingest, Op, PointId, Selector};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// So many sessions in a row may find that somebody else was faster.
const QUARRELS_MAX: u32 = 8;
/// What is on its way when the import is told to stop has so long to arrive.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// Where lanes come from.
pub(super) trait Origin {
    type Feed: Feed + 'static;

    /// Lanes that were not there when this was last asked.
    fn new_lanes(&mut self) -> impl Future<Output = Result<Vec<Lane<Self::Feed>>>> + Send;
}

/// The messages of one partition.
pub(super) trait Feed: Send {
    /// Goes to the message behind this position; to the first where nothing is known of the partition.
    fn seek(&mut self, stands: Option<u64>) -> impl Future<Output = Result<()>> + Send;

    /// What comes next; waits a moment where there is nothing.
    fn read(&mut self) -> impl Future<Output = Result<Chunk>> + Send;

    /// Messages behind those that were read.
    fn behind(&self) -> u64;

    /// How people find a message.
    fn place(&self, at: u64) -> String;
}

/// Messages that lie one behind the other.
pub(super) struct Chunk {
    pub(super) messages: Vec<Message>,
    /// Nothing lies behind them for now.
    pub(super) end: bool,
}

/// A partition.
pub(super) struct Lane<F> {
    /// What it is remembered by.
    pub(super) partition: String,
    /// Where it ended when the import began.
    pub(super) end: u64,
    pub(super) feed: F,
}

/// Why a session ended.
enum Ended {
    /// All is in, or it was told to stop.
    Done,
    /// A message was refused, and is known now.
    Refused,
    /// The partition does not stand where it stood.
    Quarrel(String),
}

/// What a session knows of what it sent.
#[derive(Default)]
struct Sent {
    /// The number of an operation, and the place of its message: those that may still be refused.
    places: VecDeque<(u64, u64)>,
    ops: u64,
    /// Operations that only carry a position.
    marks: u64,
}

impl<F: Feed> Lane<F> {
    /// Until all is in that was there, or, following, until it is told to stop.
    pub(super) async fn run(mut self, job: Arc<Job>) -> Result<()> {
        let mut bad = BTreeMap::new();
        let mut quarrels = 0;
        let mut stood = None;
        loop {
            let Some(stands) = job.unless_stopped(job.stands(&self.partition)).await.transpose()? else {
                return Ok(());
            };
            if stood != Some(stands) {
                quarrels = 0;
            }
            stood = Some(stands);
            match self.session(&job, stands, &mut bad).await? {
                Ended::Done => return Ok(()),
                Ended::Refused => {}
                Ended::Quarrel(why) if quarrels == QUARRELS_MAX => return Err(Failure::Stream(why)),
                Ended::Quarrel(_) => quarrels += 1,
            }
        }
    }

    async fn session(&mut self, job: &Job, stands: Option<u64>, bad: &mut BTreeMap<u64, String>) -> Result<Ended> {
        let Some(sought) = job.unless_stopped(self.feed.seek(stands)).await else { return Ok(Ended::Done) };
        sought?;
        job.board.tell(&self.partition, |reached| reached.offset = stands.unwrap_or(0));
        let mut ingest = job.ingest(&self.partition, stands);
        let progress = ingest.watch();
        let mut sent = Sent::default();
        let rows = job.board.rows(&self.partition);
        let pumping = self.pump(job, stands.unwrap_or(0), &mut ingest, bad, &mut sent, rows);
        let pumped = job.unless_stopped(pumping).await.unwrap_or(Ok(()));
        let finished = tokio::select! {
            finished = ingest.finish() => finished,
            () = job.stopped(STOP_WITHIN) => return pumped.map(|()| Ended::Done),
        };
        self.tell(job, &progress.borrow(), &sent, rows);
        let summary = match finished {
            Ok(summary) => summary,
            Err(error) => return Err(pumped.err().unwrap_or(Failure::Client(error))),
        };
        match summary.refusals.iter().min_by_key(|refusal| refusal.first_op) {
            Some(first) => self.refused(first, &sent, bad),
            None => pumped.map(|()| Ended::Done),
        }
    }

    async fn pump(
        &mut self,
        job: &Job,
        mut reached: u64,
        ingest: &mut Ingest,
        bad: &BTreeMap<u64, String>,
        sent: &mut Sent,
        rows: u64,
    ) -> Result<()> {
        loop {
            let progress = ingest.progress();
            self.tell(job, &progress, sent, rows);
            if progress.first_refused.is_some() || (!job.follow && reached >= self.end) {
                return Ok(());
            }
            sent.forget(progress.ops);
            let Chunk { messages, mut end } = self.feed.read().await?;
            let mut left_out = None;
            let mut ops = Vec::with_capacity(messages.len());
            let mut failed = None;
            for message in messages {
                if !job.follow && message.reaches > self.end {
                    end = true;
                    break;
                }
                reached = message.reaches;
                let known = bad.get(&message.at).cloned().map_or(Ok(()), Err);
                match known.and_then(|()| message::op(&message, &job.mapping, job.id_field.as_deref())) {
                    Ok(op) => {
                        left_out = None;
                        ops.push((op, message.at, reached));
                    }
                    Err(why) => match job.refused.lock().leave_out(&self.feed.place(message.at), &message, &why) {
                        Ok(()) => left_out = Some((message.at, reached)),
                        Err(error) => {
                            failed = Some(error);
                            break;
                        }
                    },
                }
            }
            if let Some(embedder) = &job.embedder {
                let points = ops.iter_mut().filter_map(|(op, ..)| match op {
                    Op::Upsert(point) => Some(point),
                    _ => None,
                });
                embedder.fill(&mut points.collect::<Vec<_>>()).await?;
            }
            for (op, at, reaches) in ops {
                sent.push(at);
                ingest.send_at(op, reaches).await?;
            }
            if let Some(error) = failed {
                // What came before it goes in.
                return Err(error);
            }
            if let Some((at, reaches)) = left_out {
                sent.push(at);
                sent.marks += 1;
                ingest.send_at(Op::Delete(Selector::Ids(Vec::<PointId>::new())), reaches).await?;
            }
            if end {
                ingest.flush().await?;
                if !job.follow {
                    return Ok(());
                }
            }
        }
    }

    /// What becomes of a refusal.
    fn refused(&self, refusal: &Refusal, sent: &Sent, bad: &mut BTreeMap<u64, String>) -> Result<Ended> {
        if refusal.field.starts_with("positions") {
            return Ok(Ended::Quarrel(format!("{} (does somebody else import it too?)", refusal.message)));
        }
        let inside = refusal.field.strip_prefix("ops[").and_then(|rest| rest.split_once(']'));
        let op = inside.and_then(|(number, _)| number.parse::<u64>().ok()).or((refusal.ops == 1).then_some(0));
        let place = |op: u64| sent.places.iter().find(|(number, _)| *number == op).map(|(_, at)| *at);
        let plain = |op: u64| refusal.message.strip_prefix(&format!("ops[{op}].")[..]).unwrap_or(&refusal.message);
        match op.and_then(|op| Some((op, place(refusal.first_op + op)?))) {
            Some((op, at)) if !bad.contains_key(&at) => {
                bad.insert(at, plain(op).to_owned());
                Ok(Ended::Refused)
            }
            _ => {
                let shown = |op| place(op).map_or_else(String::new, |at| self.feed.place(at));
                let (first, last) = (shown(refusal.first_op), shown(refusal.first_op + refusal.ops.saturating_sub(1)));
                Err(Failure::Stream(format!("from {first} to {last}: refused: {}", refusal.message)))
            }
        }
    }

    fn tell(&self, job: &Job, progress: &nigh_client::ingest::IngestProgress, sent: &Sent, rows: u64) {
        job.board.tell(&self.partition, |reached| {
            reached.rows = rows + (progress.ops - progress.refused).saturating_sub(sent.marks);
            reached.offset = reached.offset.max(progress.offset);
            reached.seq = reached.seq.max(progress.seq);
            reached.behind = self.feed.behind();
        });
    }
}

impl Sent {
    fn push(&mut self, at: u64) {
        self.places.push_back((self.ops, at));
        self.ops += 1;
    }

    /// Operations before this one are in.
    fn forget(&mut self, ops: u64) {
        while self.places.front().is_some_and(|(number, _)| *number < ops) {
            self.places.pop_front();
        }
    }
}
