//! Streams into a collection: the lanes of Kafka or of NATS JetStream side by side.
//!
//! How far each lane was read is a position in the collection that lands with the points in one record of its log. So an
//! importer keeps nothing, and whatever is killed, every message has its effect once, in the order of its lane.

use super::board::Board;
use super::embed::Embedder;
use super::from::Args;
use super::lane::{Lane, Origin};
use super::refused::Refused;
use super::{kafka, nats};
use crate::cli::failure::{Failure, Result};
use crate::cli::interrupt::interrupted;
use crate::cli::mapping::Mapping;
use crate::cli::output::{Output, thousands};
use nigh_client::{Client, Ingest, IngestOptions, IngestSource};
use parking_lot::Mutex;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Lanes that are read at once. Every one is a call of one connection, of which a server takes a thousand.
const LANES_MAX: usize = 512;
/// What is on its way of all lanes together, in bytes, but at least so much of each.
const UNACKED_BYTES: usize = 128 << 20;
const UNACKED_BYTES_MIN: usize = 1 << 20;
/// How often a topic that is followed is asked for new partitions.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// A server that is gone is waited for so long, where the import has an end.
const PATIENCE: Duration = Duration::from_secs(60);
/// So long is waited for the first word of a stream's server, also by who follows: its address may be wrong.
pub(super) const FIRST_WITHIN: Duration = PATIENCE;
/// A hundred years.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long is waited for a server that does not answer; for ever where it is `None`.
#[derive(Copy, Clone, Debug)]
pub(super) struct Patience(pub(super) Option<Duration>);

impl Patience {
    pub(super) fn is_over(self, begin: Instant) -> bool {
        self.0.is_some_and(|patience| begin.elapsed() > patience)
    }
}

/// What an import needs to know beside its stream.
pub(super) struct Task {
    pub(super) client: Client,
    pub(super) collection: String,
    pub(super) mapping: Mapping,
    pub(super) id_field: Option<String>,
    pub(super) batch_ops: usize,
    pub(super) source: Option<String>,
    pub(super) embedder: Option<Arc<Embedder>>,
}

/// What all lanes share.
pub(super) struct Job {
    task: Task,
    source: String,
    unacked_bytes: usize,
    patience: Patience,
    stop: watch::Receiver<bool>,
    pub(super) mapping: Mapping,
    pub(super) id_field: Option<String>,
    pub(super) embedder: Option<Arc<Embedder>>,
    pub(super) follow: bool,
    pub(super) board: Board,
    pub(super) refused: Mutex<Refused>,
}

impl Job {
    /// Where a lane stands; `None`: nothing of it is in.
    pub(super) async fn stands(&self, partition: &str) -> Result<Option<u64>> {
        let begin = Instant::now();
        let mut pause = Duration::from_millis(100);
        loop {
            match self.task.client.source_positions(&self.task.collection, &self.source).await {
                Ok(known) => return Ok(known.iter().find(|one| one.partition == partition).map(|one| one.offset)),
                Err(error) if !error.is_retryable() || self.patience.is_over(begin) => return Err(error.into()),
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    pub(super) fn ingest(&self, partition: &str, stands: Option<u64>) -> Ingest {
        let source =
            IngestSource { source: self.source.clone(), partition: partition.to_owned(), offset: stands.unwrap_or(0) };
        let options = IngestOptions {
            batch_ops: self.task.batch_ops,
            unacked_bytes_max: self.unacked_bytes,
            patience: self.patience.0.unwrap_or(FOR_EVER),
            source: Some(source),
            ..IngestOptions::default()
        };
        self.task.client.ingest(&self.task.collection, options)
    }

    /// What comes of it, unless the import is told to stop before.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stopped(Duration::ZERO) => None,
            done = work => Some(done),
        }
    }

    /// Waits until it is told to stop, and then so long.
    pub(super) async fn stopped(&self, more: Duration) {
        // Nobody who could tell is a reason to stop as well.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
        tokio::time::sleep(more).await;
    }
}

/// Reads a stream until its end, or until it is told to stop.
pub(super) async fn run(args: &Args, task: Task, out: Output) -> Result<()> {
    let patience = Patience(if args.follow { None } else { Some(PATIENCE) });
    match (&args.from_nats, &args.topic) {
        (Some(url), _) => {
            if url.contains('@') {
                return Err(Failure::Usage(
                    "--from-nats: names and passwords come from NIGH_FROM_USER and NIGH_FROM_PASSWORD".to_owned(),
                ));
            }
            let secrets = args.trust.secrets(url.starts_with("tls://"))?;
            let (streams, subject) = (args.stream.clone(), args.subject.clone());
            let streams = nats::Streams::open(url, streams, subject, &secrets, patience, args.allow_lost).await?;
            drive(streams, "nats".to_owned(), patience, args, task, out).await
        }
        (None, Some(topic)) => {
            let secrets = args.trust.secrets(false)?;
            let brokers = args.from_kafka.clone();
            let opened = kafka::Topic::open(brokers, topic.clone(), &secrets, patience, args.allow_lost).await?;
            drive(opened, format!("kafka:{topic}"), patience, args, task, out).await
        }
        (None, None) => Err(Failure::Usage("there is no stream".to_owned())),
    }
}

async fn drive<O: Origin>(
    mut origin: O,
    named: String,
    patience: Patience,
    args: &Args,
    task: Task,
    out: Output,
) -> Result<()> {
    let (tell_stop, stop) = watch::channel(false);
    let lanes = origin.new_lanes().await?;
    let job = Arc::new(Job {
        source: task.source.clone().unwrap_or(named),
        unacked_bytes: (UNACKED_BYTES / lanes.len().max(1)).max(UNACKED_BYTES_MIN),
        patience,
        stop,
        mapping: task.mapping.clone(),
        id_field: task.id_field.clone(),
        embedder: task.embedder.clone(),
        follow: args.follow,
        board: Board::new(Duration::from_secs(args.report_every)),
        refused: Mutex::new(Refused::new(args.skip_bad, args.dead_letters.as_deref())?),
        task,
    });
    let mut running = JoinSet::new();
    let start = |running: &mut JoinSet<_>, lanes: Vec<Lane<O::Feed>>| {
        if running.len() + lanes.len() > LANES_MAX {
            let found = running.len() + lanes.len();
            return Err(Failure::Stream(format!("{found} partitions, and at most {LANES_MAX} are read at once")));
        }
        lanes.into_iter().for_each(|lane| drop(running.spawn(lane.run(Arc::clone(&job)))));
        Ok(())
    };
    start(&mut running, lanes)?;
    let telling = job.board.report(out, || job.refused.lock().count());
    let interrupted = interrupted();
    tokio::pin!(telling, interrupted);
    let mut failed = None;
    let mut told = false;
    loop {
        let look = async {
            tokio::time::sleep(LOOK_EVERY).await;
            origin.new_lanes().await
        };
        tokio::select! {
            ended = running.join_next() => match ended {
                None => break,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => {
                    // One lane that fails ends all: whoever runs this sees it, and what is in stays in.
                    failed.get_or_insert(error);
                    tell_stop.send_replace(true);
                }
                Some(Err(_)) => return Err(Failure::Stream("a lane broke down".to_owned())),
            },
            () = &mut interrupted, if !told => {
                told = true;
                tell_stop.send_replace(true);
            }
            lanes = look, if job.follow && !*job.stop.borrow() => {
                // A broker that is away for a moment is asked again next time.
                start(&mut running, lanes.unwrap_or_default())?;
            }
            () = &mut telling => {}
        }
    }
    job.board.finish();
    let rows_in = job.board.sum().rows;
    if let Some(error) = failed {
        return Err(Failure::Stopped { why: error.to_string(), rows_in });
    }
    if told && !job.follow {
        return Err(Failure::Stopped { why: "interrupted".to_owned(), rows_in });
    }
    let left_out = job.refused.lock().count();
    out.either(
        || job.board.json(left_out),
        || {
            let seconds = job.board.seconds();
            let bad = if left_out > 0 { format!(", {} bad were left out", thousands(left_out)) } else { String::new() };
            let (rows, collection) = (thousands(rows_in), &job.task.collection);
            // Messages that were read again after a quarrel were counted again.
            let without = job.embedder.as_ref().is_some_and(|embedder| embedder.without() > 0);
            let bare = if without { ", some without a text" } else { "" };
            format!("{rows} messages are in `{collection}`{bare}, on disk{bad}: {seconds:.1} s\n")
        },
    )
}
