//! Versions of a collection: kept under a name, listed, compared, dropped.
//!
//! A version is read by naming it: [`crate::Query::at`], [`crate::Scroll`], [`Client::get_at`], [`Client::count_at`].

use crate::client::Client;
use crate::convert;
use crate::credentials::Wire;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::id::PointId;
use crate::point::{Point, VectorsWanted, Wanted};
use crate::retry::Repeat;
use nigh_proto::v1::versions_client::VersionsClient;
use nigh_proto::v1::{self, ChangeKind};

/// A version that is kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Version {
    /// Its name.
    pub name: String,
    /// The last operation that is part of it.
    pub seq: u64,
    /// When it was made, in milliseconds since 1970.
    pub time_ms: u64,
    /// Points that are in it.
    pub points: u64,
    /// The bytes of its files.
    pub bytes: u64,
    /// Those of them that the collection of now does not need.
    pub held_bytes: u64,
    /// Why it cannot be read; empty where it can.
    pub broken: String,
}

/// What became of a point between two versions.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// It is in the later one alone.
    Added,
    /// It is in the earlier one alone.
    Removed,
    /// It was written in between.
    Changed,
}

/// A page of what differs between two versions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DiffPage {
    /// In rising order of id.
    pub changes: Vec<(PointId, Change)>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<PointId>,
    /// The sequence numbers of the two versions.
    pub seqs: (u64, u64),
}

impl Client {
    pub(crate) fn versions(&self) -> VersionsClient<Wire> {
        let limit = self.shared.message_bytes_max;
        VersionsClient::new(self.channel()).max_decoding_message_size(limit)
    }

    /// Keeps the newest state of a collection under a name; fails where there is one of this name.
    pub async fn pin(&self, collection: &str, version: &str) -> Result<Version> {
        let request = v1::PinRequest { collection: collection.to_owned(), version: version.to_owned() };
        let reply = self.call(Repeat::Matters, request, |request| {
            let mut versions = self.versions();
            async move { versions.pin(request).await }
        });
        Ok(version_in(reply.await?.version.unwrap_or_default()))
    }

    /// Every version that is kept of a collection, the oldest first.
    pub async fn pins(&self, collection: &str) -> Result<Vec<Version>> {
        let request = v1::PinsRequest { collection: collection.to_owned() };
        let reply = self.call(Repeat::Harmless, request, |request| {
            let mut versions = self.versions();
            async move { versions.pins(request).await }
        });
        Ok(reply.await?.versions.into_iter().map(version_in).collect())
    }

    /// Drops a version: whether there was one.
    pub async fn unpin(&self, collection: &str, version: &str) -> Result<bool> {
        let request = v1::UnpinRequest { collection: collection.to_owned(), version: version.to_owned() };
        let reply = self.call(Repeat::Matters, request, |request| {
            let mut versions = self.versions();
            async move { versions.unpin(request).await }
        });
        Ok(reply.await?.dropped)
    }

    /// A page of what differs between two versions, from this id on; an empty `after` is the collection of now,
    /// and a page of 0 has the server's size.
    pub async fn diff_page(
        &self,
        collection: &str,
        before: &str,
        after: &str,
        from: Option<PointId>,
        page: u32,
    ) -> Result<DiffPage> {
        let request = v1::DiffRequest {
            collection: collection.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
            from: from.map(convert::id_out),
            limit: page,
        };
        let reply = self.call(Repeat::Harmless, request, |request| {
            let mut versions = self.versions();
            async move { versions.diff(request).await }
        });
        let reply = reply.await?;
        Ok(DiffPage {
            changes: reply.changes.into_iter().map(change_in).collect::<Result<_>>()?,
            next: reply.next.map(convert::id_in).transpose()?,
            seqs: (reply.before_seq, reply.after_seq),
        })
    }

    /// As [`Client::get_with`], at a version.
    pub async fn get_at<I: Into<PointId>>(
        &self,
        collection: &str,
        version: &str,
        ids: impl IntoIterator<Item = I>,
        payload: Wanted,
        vectors: VectorsWanted,
    ) -> Result<Vec<Point>> {
        let request = v1::GetRequest {
            collection: collection.to_owned(),
            ids: ids.into_iter().map(|id| convert::id_out(id.into())).collect(),
            payload: Some(convert::wanted_out(payload)),
            vectors: convert::vectors_out(vectors),
            version: version.to_owned(),
        };
        let reply = self.call(Repeat::Harmless, request, |request| {
            let mut points = self.points();
            async move { points.get(request).await }
        });
        reply.await?.points.into_iter().map(convert::point_in).collect()
    }

    /// As [`Client::count`], at a version.
    pub async fn count_at(&self, collection: &str, version: &str, filter: Option<Filter>) -> Result<u64> {
        let filter = filter.map(convert::filter_out);
        let request = v1::CountRequest { collection: collection.to_owned(), filter, version: version.to_owned() };
        let reply = self.call(Repeat::Harmless, request, |request| {
            let mut points = self.points();
            async move { points.count(request).await }
        });
        Ok(reply.await?.count)
    }
}

fn version_in(version: v1::Version) -> Version {
    let v1::Version { name, seq, time_ms, points, bytes, held_bytes, broken } = version;
    Version { name, seq, time_ms, points, bytes, held_bytes, broken }
}

fn change_in(change: v1::Change) -> Result<(PointId, Change)> {
    let kind = match change.kind() {
        ChangeKind::Added => Change::Added,
        ChangeKind::Removed => Change::Removed,
        ChangeKind::Changed => Change::Changed,
        ChangeKind::Unspecified => return Err(Error::reply("a change of no kind")),
    };
    let id = change.id.ok_or_else(|| Error::reply("a change without an id"))?;
    Ok((convert::id_in(id)?, kind))
}
