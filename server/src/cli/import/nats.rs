//! NATS JetStream: every stream is a lane, read by a consumer of its own that the server forgets by itself.
//!
//! Nothing is acknowledged there: how far a stream was read stands in the collection, as the number that the stream gave
//! the last message. A consumer counts what it sent, so what got lost on the way is noticed, and read again by a new
//! consumer from where the lane stands.

use super::lane::{Chunk, Feed, Lane, Origin};
use super::message::Message;
use super::secrets::Secrets;
use super::stream::{FIRST_WITHIN, Patience};
use crate::cli::failure::{Failure, Result};
use async_nats::ConnectOptions;
use async_nats::jetstream::consumer::pull::{Batch, Config};
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use async_nats::jetstream::{self, Context};
use std::time::Duration;
use tokio::time::Instant;
use tokio_stream::StreamExt;

/// Messages that are asked for at a time. Not bytes: a server answers that a message is larger with an error.
const FETCH_MESSAGES: usize = 128;
/// How long is waited for something to come.
const WAIT: Duration = Duration::from_millis(200);
/// A server that says nothing for so long is asked again.
const SILENCE: Duration = Duration::from_secs(10);
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A consumer that nobody asks is forgotten by the server after this time.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Streams of one server.
pub(super) struct Streams {
    context: Context,
    streams: Vec<String>,
    subject: String,
    patience: Patience,
    lost_is_fine: bool,
}

impl Streams {
    /// Connects.
    pub(super) async fn open(
        url: &str,
        streams: Vec<String>,
        subject: Option<String>,
        secrets: &Secrets,
        patience: Patience,
        lost_is_fine: bool,
    ) -> Result<Self> {
        let mut options = ConnectOptions::new().name("nigh import").ping_interval(SILENCE);
        if let Some(path) = &secrets.credentials {
            let read = options.credentials_file(path).await;
            options = read.map_err(crate::cli::failure::doing("read", path))?;
        }
        if let Some(token) = secrets.token() {
            options = options.token(token);
        } else if let Some((user, password)) = secrets.user_and_password()? {
            options = options.user_and_password(user, password);
        }
        if let Some(tls) = &secrets.tls {
            options = options.require_tls(true).tls_client_config(tls.as_ref().clone());
        }
        let begin = Instant::now();
        let client = loop {
            match options.clone().connect(url).await {
                Ok(client) => break client,
                Err(error) if begin.elapsed() > FIRST_WITHIN => {
                    return Err(Failure::Stream(format!("no NATS at {url}: {error}")));
                }
                Err(_) => tokio::time::sleep(BACKOFF_MAX.min(Duration::from_secs(1))).await,
            }
        };
        let subject = subject.unwrap_or_default();
        Ok(Self { context: jetstream::new(client), streams, subject, patience, lost_is_fine })
    }
}

impl Origin for Streams {
    type Feed = Stream;

    async fn new_lanes(&mut self) -> Result<Vec<Lane<Stream>>> {
        let mut lanes = Vec::new();
        for name in std::mem::take(&mut self.streams) {
            let feed = Stream {
                context: self.context.clone(),
                name: name.clone(),
                subject: self.subject.clone(),
                patience: self.patience,
                lost_is_fine: self.lost_is_fine,
                stands: 0,
                consumer: None,
                behind: 0,
            };
            let end = feed.patient_state().await?.last;
            let partition = if self.subject.is_empty() { name } else { format!("{name} {}", self.subject) };
            lanes.push(Lane { partition, end, feed });
        }
        Ok(lanes)
    }
}

/// A stream, read from behind `stands` on.
pub(super) struct Stream {
    context: Context,
    name: String,
    subject: String,
    patience: Patience,
    lost_is_fine: bool,
    stands: u64,
    /// With how many messages came from it.
    consumer: Option<(Consumer<Config>, u64)>,
    behind: u64,
}

/// Where a stream begins and ends, and whether it keeps only so many messages of a subject.
struct State {
    first: u64,
    last: u64,
    by_subject: bool,
}

impl Feed for Stream {
    async fn seek(&mut self, stands: Option<u64>) -> Result<()> {
        self.consumer = None;
        self.stands = stands.unwrap_or(0);
        let State { first, last, by_subject } = self.patient_state().await?;
        let Some(stands) = stands else { return Ok(()) };
        if stands > last {
            return Err(Failure::Stream(format!(
                "stream `{}` ends at {last}, and the collection stands at {stands}: the stream was made anew; forget \
                 the old one with `nigh sources --drop`, or give this one another name with --source",
                self.name
            )));
        }
        // Where the newest of a subject push out the others, what is gone was replaced.
        if first > stands + 1 && !by_subject && !self.lost_is_fine {
            return Err(Failure::Stream(format!(
                "stream `{}`: messages {} to {} are gone, it begins at {first}; --allow-lost goes on behind them",
                self.name,
                stands + 1,
                first - 1
            )));
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Chunk> {
        let begin = Instant::now();
        let mut pause = BACKOFF;
        loop {
            match self.attempt().await {
                Ok(chunk) => return Ok(chunk),
                Err(why) => {
                    self.consumer = None;
                    if self.patience.is_over(begin) {
                        return Err(Failure::Stream(format!("stream `{}`: {why}", self.name)));
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(BACKOFF_MAX);
                }
            }
        }
    }

    fn behind(&self) -> u64 {
        self.behind
    }

    fn place(&self, at: u64) -> String {
        format!("stream `{}`, message {at}", self.name)
    }
}

impl Stream {
    async fn state(&self) -> Result<State, String> {
        let stream = timely(self.context.get_stream(&self.name)).await?;
        let info = stream.cached_info();
        let by_subject = info.config.max_messages_per_subject > 0;
        Ok(State { first: info.state.first_sequence, last: info.state.last_sequence, by_subject })
    }

    /// Asks until an answer comes, or patience is over.
    async fn patient_state(&self) -> Result<State> {
        let begin = Instant::now();
        let mut pause = BACKOFF;
        loop {
            match self.state().await {
                Ok(state) => return Ok(state),
                // A server that knows no such stream says so at once, and will say it again.
                Err(why) if self.patience.is_over(begin) || why.contains("not found") => {
                    return Err(Failure::Stream(format!("stream `{}`: {why}", self.name)));
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(BACKOFF_MAX);
        }
    }

    async fn consumer(&mut self) -> Result<(Consumer<Config>, u64), String> {
        if let Some(known) = &self.consumer {
            return Ok(known.clone());
        }
        let config = Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.stands + 1 },
            ack_policy: AckPolicy::None,
            filter_subject: self.subject.clone(),
            inactive_threshold: FORGOTTEN,
            memory_storage: true,
            num_replicas: 1,
            ..Config::default()
        };
        let made = timely(self.context.create_consumer_on_stream(config, &self.name)).await?;
        self.behind = made.cached_info().num_pending;
        self.consumer = Some((made.clone(), 0));
        Ok((made, 0))
    }

    /// One question; an error leaves nothing behind but the need for a new consumer.
    async fn attempt(&mut self) -> Result<Chunk, String> {
        let (mut consumer, mut came) = self.consumer().await?;
        let fetched = consumer.fetch().max_messages(FETCH_MESSAGES).messages();
        let messages = self.gather(timely(fetched).await?, &mut came).await?;
        if messages.is_empty() {
            // Nothing came: because there is nothing, or because it got lost on the way.
            let info = timely(consumer.info()).await?;
            if info.delivered.consumer_sequence != came {
                return Err("messages got lost on the way".to_owned());
            }
            self.behind = info.num_pending;
            if self.behind == 0 {
                tokio::time::sleep(WAIT).await;
            }
        }
        self.consumer = Some((consumer, came));
        if let Some(last) = messages.last() {
            self.stands = last.reaches;
        }
        Ok(Chunk { messages, end: self.behind == 0 })
    }

    async fn gather(&mut self, mut batch: Batch, came: &mut u64) -> Result<Vec<Message>, String> {
        let mut messages: Vec<Message> = Vec::new();
        while let Some(message) = tokio::time::timeout(SILENCE, batch.next()).await.map_err(|_| "it is silent")? {
            let message = message.map_err(|error| error.to_string())?;
            let (number, of_consumer, pending) = {
                let info = message.info().map_err(|error| error.to_string())?;
                (info.stream_sequence, info.consumer_sequence, info.pending)
            };
            let before = messages.last().map_or(self.stands, |last| last.reaches);
            if of_consumer != *came + 1 || number <= before {
                return Err("messages got lost on the way".to_owned());
            }
            *came = of_consumer;
            self.behind = pending;
            let message = message.message;
            let key = message.subject.rsplit('.').next().map(|token| token.to_owned().into());
            let value = (!message.payload.is_empty()).then_some(message.payload);
            messages.push(Message { at: number, reaches: number, key, value });
        }
        Ok(messages)
    }
}

/// The answer, if it comes in time.
async fn timely<T, E: std::fmt::Display>(asked: impl IntoFuture<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(SILENCE, asked.into_future()).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("the server does not answer".to_owned()),
    }
}
