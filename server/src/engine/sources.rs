//! How far the sources of a collection have come.

use crate::engine::Engine;
use crate::engine::error::Result;
use crate::engine::pool::Deadline;
use nigh_storage::collection::Collection;
use nigh_storage::ledger::SourcePosition;
use nigh_storage::write::{Durability, Write};
use std::sync::Arc;

impl Engine {
    /// How far a source has come, by partition; every source where the name is empty.
    pub fn positions(&self, collection: &str, source: &str) -> Result<Vec<SourcePosition>> {
        let source = (!source.is_empty()).then_some(source);
        Ok(self.collection(collection)?.positions(source))
    }

    /// Forgets a source, durably; false where there was none.
    pub async fn drop_source(&self, collection: Arc<Collection>, source: String, deadline: &Deadline) -> Result<bool> {
        let known = !collection.positions(Some(&source)).is_empty();
        let drop = vec![Write::DropSource(source)];
        self.write(collection, drop.into(), Durability::Durable, deadline).await?;
        Ok(known)
    }
}
