//! Kafka: every partition of a topic is a lane. There are no groups: how far a partition was read stands in the
//! collection, beside what was read from it.
//!
//! What is remembered of a partition is the offset of the next message.

use super::from::Sasl;
use super::lane::{Chunk, Feed, Lane, Origin};
use super::message::Message;
use super::secrets::Secrets;
use super::stream::{FIRST_WITHIN, Patience};
use crate::cli::failure::{Failure, Result};
use bytes::Bytes;
use rskafka::BackoffConfig;
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rskafka::record::RecordAndOffset;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What is asked for at a time, unless a single message is larger.
const FETCH_BYTES: std::ops::Range<i32> = 1..(4 << 20);
/// How long a broker may wait for something to come.
const WAIT_MS: i32 = 500;
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// A topic, open.
pub(super) struct Topic {
    client: Client,
    topic: String,
    lost_is_fine: bool,
    /// Partitions that were handed out.
    known: BTreeSet<i32>,
}

impl Topic {
    /// Connects to the first of the brokers that is there.
    pub(super) async fn open(
        brokers: Vec<String>,
        topic: String,
        secrets: &Secrets,
        patience: Patience,
        lost_is_fine: bool,
    ) -> Result<Self> {
        let deadline = patience.0;
        let backoff = BackoffConfig { init_backoff: BACKOFF, max_backoff: BACKOFF_MAX, base: 2.0, deadline };
        let shown = brokers.join(",");
        let mut builder = ClientBuilder::new(brokers).client_id("nigh").backoff_config(backoff);
        if let Some(tls) = &secrets.tls {
            builder = builder.tls_config(Arc::clone(tls));
        }
        if let Some((user, password)) = secrets.user_and_password()? {
            let credentials = Credentials::new(user, password);
            builder = builder.sasl_config(match secrets.sasl {
                Sasl::Plain => SaslConfig::Plain(credentials),
                Sasl::ScramSha256 => SaslConfig::ScramSha256(credentials),
                Sasl::ScramSha512 => SaslConfig::ScramSha512(credentials),
            });
        }
        let silent = || Failure::Stream(format!("no Kafka at {shown}"));
        let client = tokio::time::timeout(FIRST_WITHIN, builder.build()).await.map_err(|_| silent())?;
        let client = client.map_err(|error| failed(&format!("no Kafka at {shown}"), &error))?;
        Ok(Self { client, topic, lost_is_fine, known: BTreeSet::new() })
    }
}

impl Origin for Topic {
    type Feed = Partition;

    async fn new_lanes(&mut self) -> Result<Vec<Lane<Partition>>> {
        let named = |error| failed(&format!("topic `{}`", self.topic), &error);
        let topics = self.client.list_topics().await.map_err(named)?;
        let Some(found) = topics.into_iter().find(|topic| topic.name == self.topic) else {
            return Err(Failure::Stream(format!("there is no topic `{}`", self.topic)));
        };
        let mut lanes = Vec::new();
        for number in found.partitions.difference(&self.known) {
            let unknown = UnknownTopicHandling::Error;
            let opened = self.client.partition_client(&self.topic, *number, unknown).await;
            let feed =
                Partition { client: opened.map_err(named)?, lost_is_fine: self.lost_is_fine, next: 0, behind: 0 };
            let end = feed.offset(OffsetAt::Latest).await?;
            lanes.push(Lane { partition: number.to_string(), end, feed });
        }
        self.known = found.partitions;
        Ok(lanes)
    }
}

/// A partition, read from `next` on.
pub(super) struct Partition {
    client: PartitionClient,
    lost_is_fine: bool,
    next: u64,
    behind: u64,
}

impl Feed for Partition {
    async fn seek(&mut self, stands: Option<u64>) -> Result<()> {
        let first = self.offset(OffsetAt::Earliest).await?;
        let Some(stands) = stands else {
            self.next = first;
            return Ok(());
        };
        let end = self.offset(OffsetAt::Latest).await?;
        let place = format!("topic `{}`, partition {}", self.client.topic(), self.client.partition());
        if stands > end {
            return Err(Failure::Stream(format!(
                "{place} ends at offset {end}, and the collection stands at {stands}: the topic was made anew; forget \
                 the old one with `nigh sources --drop`, or give this one another name with --source"
            )));
        }
        if stands < first && !self.lost_is_fine {
            return Err(Failure::Stream(format!(
                "{place}: messages {stands} to {} are gone, it begins at {first}; --allow-lost goes on behind them",
                first - 1
            )));
        }
        self.next = stands.max(first);
        Ok(())
    }

    async fn read(&mut self) -> Result<Chunk> {
        let (records, mark) = self.fetch(self.next).await?;
        if !records.is_empty() {
            return Ok(self.chunk(records, mark));
        }
        // There may be places without messages: the marks of transactions, or what a compaction took away. A place is
        // passed over only where what lies behind it comes, and the place itself is asked for once more.
        let end = self.offset(OffsetAt::Latest).await?;
        self.behind = 0;
        for place in self.next + 1..end {
            let (ahead, mark) = self.fetch(place).await?;
            if !ahead.is_empty() {
                let (again, _) = self.fetch(self.next).await?;
                let records = if again.is_empty() { ahead } else { again };
                return Ok(self.chunk(records, mark));
            }
        }
        if end > self.next {
            // Marks at the very end are answered at once, again and again.
            tokio::time::sleep(Duration::from_millis(WAIT_MS as u64)).await;
        }
        Ok(Chunk { messages: Vec::new(), end: true })
    }

    fn behind(&self) -> u64 {
        self.behind
    }

    fn place(&self, at: u64) -> String {
        format!("topic `{}`, partition {}, offset {at}", self.client.topic(), self.client.partition())
    }
}

impl Partition {
    async fn fetch(&self, from: u64) -> Result<(Vec<RecordAndOffset>, u64)> {
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let fetched = self.client.fetch_records(from, FETCH_BYTES, WAIT_MS).await;
        let (records, mark) = fetched.map_err(|error| failed(&self.place(from as u64), &error))?;
        Ok((records, mark.max(0) as u64))
    }

    fn chunk(&mut self, records: Vec<RecordAndOffset>, mark: u64) -> Chunk {
        let bytes = |bytes: Option<Vec<u8>>| bytes.map(Bytes::from);
        let message = |one: RecordAndOffset| {
            let at = one.offset.max(0) as u64;
            Message { at, reaches: at + 1, key: bytes(one.record.key), value: bytes(one.record.value) }
        };
        let messages: Vec<_> = records.into_iter().map(message).collect();
        self.next = messages.last().map_or(self.next, |last| last.reaches);
        self.behind = mark.saturating_sub(self.next);
        Chunk { messages, end: self.behind == 0 }
    }

    async fn offset(&self, at: OffsetAt) -> Result<u64> {
        let offset = self.client.get_offset(at).await;
        let place = || format!("topic `{}`, partition {}", self.client.topic(), self.client.partition());
        Ok(offset.map_err(|error| failed(&place(), &error))?.max(0) as u64)
    }
}

fn failed(what: &str, error: &rskafka::client::error::Error) -> Failure {
    Failure::Stream(format!("{what}: {error}"))
}
