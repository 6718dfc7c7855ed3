//! How much one reply may hold: what is read for it is counted while it is read.
//!
//! Ids, hits and groups are limited by number, but a point may be large, and be asked for again and again. So whoever
//! collects points for a reply counts their bytes, and stops where the reply could not be sent.

use crate::engine::error::{Error, Result};
use crate::engine::pool::Deadline;
use crate::engine::query::answer::{Hit, Record};
use crate::engine::words::Piece;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that are collected between two looks at the deadline.
const BYTES_A_CHECK: usize = 1 << 20;

/// The room of one reply, and of whatever is put together into one.
#[derive(Debug)]
pub(crate) struct Room {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Room {
    /// Of so many bytes: those of a message ([`Limits::message_bytes_max`](crate::config::Limits)).
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), bytes_max }
    }

    /// Takes so many bytes up.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where they do not fit; what the deadline says, once a MiB.
    pub(crate) fn take(&self, bytes: usize, deadline: &Deadline) -> Result<()> {
        if !self.fits(bytes, deadline)? {
            let limit = format!(
                "one reply holds at most {}: ask for fewer points at a time, or for less of their payloads and vectors",
                self.bytes_max
            );
            return Err(Error::invalid("the reply", format!("over {} bytes", self.bytes_max), limit));
        }
        Ok(())
    }

    /// Takes so many bytes up, and says whether they fit.
    pub(crate) fn fits(&self, bytes: usize, deadline: &Deadline) -> Result<bool> {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let after = before.saturating_add(bytes);
        if before / BYTES_A_CHECK != after / BYTES_A_CHECK {
            deadline.check()?;
        }
        Ok(after <= self.bytes_max)
    }
}

impl Record {
    /// About as many bytes as it has in a reply.
    pub(crate) fn bytes(&self) -> usize {
        let dense: usize = self.vectors.iter().map(|(_, vector)| 4 * vector.len()).sum();
        let sparse: usize = self.sparse.iter().map(|(_, vector)| 8 * vector.values().len()).sum();
        let multi: usize = self.multi.iter().map(|(_, several)| 4 * several.values.len()).sum();
        size_of::<PointBytes>() + self.payload.len() + dense + sparse + multi
    }
}

/// What comes of a point in any case: id, version and when it expires.
type PointBytes = (u128, u64, u64);

impl Hit {
    /// About as many bytes as it has in a reply.
    pub(crate) fn bytes(&self) -> usize {
        let shown = |piece: &Piece| size_of::<Piece>() + piece.text.len() + 16 * piece.words.len();
        self.record.bytes() + 8 * self.placings.len() + self.shown.iter().map(shown).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::engine::Engine;
    use crate::engine::query::retriever::{Kind, Retriever};
    use crate::engine::query::{Get, Grouping, PayloadSelection, Query, Scroll, VectorSelection};
    use nigh_index::id::PointId;
    use nigh_index::value::Path;
    use nigh_storage::collection::Collection;
    use nigh_storage::disk::FsDisk;
    use nigh_storage::point::Point;
    use nigh_storage::schema::CollectionSpec;
    use nigh_storage::store::{Options, Store};
    use nigh_storage::write::{Durability, Write};
    use std::sync::Arc;

    /// Points 1 to 5 of 4 kB each, and one of 20 kB, where a reply has 10 kB.
    fn large(folder: &std::path::Path) -> (Engine, Arc<Collection>) {
        let options = Options { background: false, ..Options::default() };
        let store = Store::attach(Arc::new(FsDisk), folder, options).unwrap();
        store.open_all();
        store.create("c", CollectionSpec::default()).unwrap();
        let collection = store.collection("c").unwrap();
        let payload = |id: u64| {
            let text = "x".repeat(if id == 6 { 20_000 } else { 4_000 });
            format!(r#"{{"of": {id}, "text": "{text}"}}"#)
        };
        let upsert = |id: u64| Write::Upsert(Point { payload: payload(id).into(), ..Point::new(id) });
        collection.write((1..7).map(upsert).collect(), Durability::Durable).unwrap();
        let limits = Limits { message_bytes_max: 10_000, ..Limits::default() };
        (Engine::new(store, folder.to_owned(), limits), collection)
    }

    fn too_much<T: std::fmt::Debug>(outcome: Result<T>) {
        let err = outcome.unwrap_err().to_string();
        assert!(err.contains("the reply is over 10000 bytes") && err.contains("ask for fewer"), "{err}");
    }

    #[tokio::test]
    async fn points_that_are_large_do_not_come_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, collection) = large(folder.path());
        let deadline = Deadline::default();
        let get = async |ids: &[u64]| {
            let ids = ids.iter().copied().map(PointId::Num).collect();
            let (payload, vectors) = (PayloadSelection::All, VectorSelection::default());
            let get = Get { ids, payload, vectors, version: String::new() };
            engine.get(collection.clone(), get, &deadline).await
        };
        assert_eq!(get(&[1, 1]).await.unwrap().0.len(), 2);
        too_much(get(&[1; 4000]).await);
        too_much(get(&[1, 2, 3]).await);

        let query = async |limit: usize, grouping: Option<Grouping>| {
            let (kind, name) = (Kind::Sample { seed: 1 }, "s".to_owned());
            let filter = Some(nigh_index::filter::parse::parse("of < 6").unwrap());
            let root =
                Retriever { name, kind, sources: Vec::new(), limit, filter, corpus: None, score_threshold: None };
            let query = Query { grouping, payload: PayloadSelection::All, ..Query::new(root, limit) };
            engine.query(collection.clone(), query, &deadline).await
        };
        assert_eq!(query(2, None).await.unwrap().hits.len(), 2);
        too_much(query(3, None).await);
        let by = |groups| Some(Grouping { path: Path::parse("of").unwrap(), groups, size: 1, lookup: None });
        assert_eq!(query(2, by(2)).await.unwrap().groups.len(), 2);
        too_much(query(3, by(3)).await);
        engine.close();
    }

    #[tokio::test]
    async fn a_page_ends_where_more_would_not_fit() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, collection) = large(folder.path());
        let (mut from, mut pages) = (None, Vec::new());
        loop {
            let (payload, vectors) = (PayloadSelection::All, VectorSelection::default());
            let scroll = Scroll { filter: None, from, limit: 100, payload, vectors, version: String::new() };
            let page = engine.scroll(collection.clone(), scroll, &Deadline::default()).await.unwrap();
            pages.push(page.records.len());
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        // The last one is larger than a reply, and comes alone.
        assert_eq!(pages, [2, 2, 1, 1]);
        engine.close();
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let (room, deadline) = (Room::new(100), Deadline::default());
        assert!(room.take(60, &deadline).is_ok() && room.take(40, &deadline).is_ok());
        let err = room.take(1, &deadline).unwrap_err().to_string();
        assert!(err.contains("the reply is over 100 bytes") && err.contains("fewer points"), "{err}");
        assert!(!room.fits(0, &deadline).is_ok_and(|fits| fits));
    }

    #[test]
    fn the_deadline_is_looked_at_now_and_then() {
        let late = Deadline::after(Some(std::time::Duration::ZERO));
        let room = Room::new(usize::MAX);
        assert!(room.take(BYTES_A_CHECK - 1, &late).is_ok());
        assert!(matches!(room.take(1, &late), Err(Error::Late(_))));
    }

    #[test]
    fn payloads_and_vectors_are_counted() {
        let mut record = Record::new(PointId::Num(1));
        let empty = record.bytes();
        record.payload = vec![b' '; 1000].into();
        record.vectors.push((0, vec![0.0; 250]));
        assert_eq!(record.bytes(), empty + 2000);
    }
}
