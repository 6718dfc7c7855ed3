//! Whether what lies on the disk is still what was written, and whether what was deleted is gone.

use crate::client::Client;
use crate::convert;
use crate::error::Result;
use crate::point::Selector;
use crate::retry::Repeat;
use nigh_proto::v1;
use serde_json::Value;
use std::time::Duration;

/// What was read of a collection, and what was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scrubbed {
    /// The collection.
    pub collection: String,
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long that took.
    pub took: Duration,
    /// What was damaged and could be written again from memory.
    pub mended: Vec<String>,
    /// What is damaged, with the file and the place; the collection is quarantined.
    pub damage: Option<String>,
}

impl Client {
    /// Reads every file of a collection, or of all, again from the medium; `None`: as fast as it goes. Waits for it: give
    /// the client a timeout that is long enough.
    pub async fn scrub(&self, collection: Option<&str>, bytes_per_second: Option<u64>) -> Result<Vec<Scrubbed>> {
        let collection = collection.unwrap_or_default().to_owned();
        let request = v1::ScrubRequest { collection, bytes_per_second: bytes_per_second.unwrap_or_default() };
        let send = |request| {
            let mut service = self.integrity();
            async move { service.scrub(request).await }
        };
        let reply: v1::ScrubReply = self.call(Repeat::Matters, request, send).await?;
        let scrubbed = |one: v1::ScrubbedCollection| Scrubbed {
            collection: one.collection,
            files: one.files,
            bytes: one.bytes,
            took: Duration::from_millis(one.took_ms),
            mended: one.mended,
            damage: Some(one.damage).filter(|damage| !damage.is_empty()),
        };
        Ok(reply.collections.into_iter().map(scrubbed).collect())
    }

    /// Deletes these points, where some are given, and removes all that was deleted or replaced until then from the disk:
    /// the receipt, a JSON object. Waits for it: give the client a timeout that is long enough.
    pub async fn erase(&self, collection: &str, points: Option<Selector>) -> Result<Value> {
        let points = points.map(convert::selector_out);
        let request = v1::EraseRequest { collection: collection.to_owned(), points };
        let send = |request| {
            let mut service = self.integrity();
            async move { service.erase(request).await }
        };
        let reply: v1::EraseReply = self.call(Repeat::Matters, request, send).await?;
        Ok(serde_json::from_str(&reply.receipt).unwrap_or(Value::String(reply.receipt)))
    }
}
