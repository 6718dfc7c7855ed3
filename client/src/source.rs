//! Where points come from: positions that land with the data, and names that make a retry harmless.

use crate::calls::call;
use crate::client::Client;
use crate::error::Result;
use crate::point::Durability;
use crate::retry::Repeat;
use nigh_proto::v1;
use uuid::Uuid;

/// A place in what a batch was read from. It lands with the batch or not at all; a batch whose offsets are all
/// at or below those of their partitions was applied before, and is not applied again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// What it was read from; 1 to 256 bytes.
    pub source: String,
    /// Which part of it; may be empty.
    pub partition: String,
    /// How far, rising from batch to batch.
    pub offset: u64,
    /// Where the partition has to stand before, 0 where nothing is known of it: a batch behind a gap is refused.
    pub after: Option<u64>,
}

/// How far a partition of a source has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReachedPosition {
    /// The source.
    pub source: String,
    /// Its partition.
    pub partition: String,
    /// The offset of the last batch that was applied.
    pub offset: u64,
    /// That batch's last operation.
    pub seq: u64,
}

/// What goes with the operations of a write.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WriteOptions {
    /// How far it has to get before it is acknowledged.
    pub durability: Durability,
    /// A name for the batch: sent again under it, it is answered as it was the first time, and not applied
    /// again. A new one where it is left out, so that the retries of this client are applied once.
    pub op_id: Option<Uuid>,
    /// How far its sources have come with it.
    pub positions: Vec<Position>,
}

impl From<Durability> for WriteOptions {
    fn from(durability: Durability) -> Self {
        Self { durability, ..Self::default() }
    }
}

impl Client {
    /// How far a source has come, by partition; every source where the name is empty.
    pub async fn source_positions(&self, collection: &str, source: &str) -> Result<Vec<ReachedPosition>> {
        let request = v1::GetSourcePositionsRequest { collection: collection.to_owned(), source: source.to_owned() };
        let reply = call!(self, Harmless, sources.get_source_positions, request).await?;
        let reached = |one: v1::ReachedPosition| ReachedPosition {
            source: one.source,
            partition: one.partition,
            offset: one.offset,
            seq: one.seq,
        };
        Ok(reply.positions.into_iter().map(reached).collect())
    }

    /// Forgets a source, so that batches from it are applied again: whether it was known.
    pub async fn drop_source(&self, collection: &str, source: &str) -> Result<bool> {
        let request = v1::DropSourceRequest { collection: collection.to_owned(), source: source.to_owned() };
        Ok(call!(self, Matters, sources.drop_source, request).await?.dropped)
    }
}

pub(crate) fn position_out(position: Position) -> v1::SourcePosition {
    let Position { source, partition, offset, after } = position;
    v1::SourcePosition { source, partition, offset, after }
}
