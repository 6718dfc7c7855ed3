//! Every call that there is: which right it needs, and of what.
//!
//! A call that is not here is refused to everybody but an administrator of the whole server: what was forgotten is
//! closed. A test in tests/tests/access.rs walks all routes and all rpcs against all roles.

use crate::engine::access::Right;

/// What a call needs of its caller.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// Nothing: whoever asks is told whether the server lives.
    Open,
    /// A key, whichever; what it may not see is left out of the answer.
    Any,
    /// This right to the collections that the call names.
    Of(Right),
    /// This right to the server as a whole.
    Whole(Right),
}

/// How long a call may take.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Time {
    /// As long as the limit for requests says.
    Usual,
    /// As long as its caller waits: work on all of a collection.
    Long,
}

/// A call.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Call {
    /// The path of an rpc, or a method and a route.
    pub(crate) name: &'static str,
    pub(crate) need: Need,
    pub(crate) time: Time,
}

const fn call(name: &'static str, need: Need) -> Call {
    Call { name, need, time: Time::Usual }
}

const fn long(name: &'static str, need: Need) -> Call {
    Call { name, need, time: Time::Long }
}

const READ: Need = Need::Of(Right::Read);
const WRITE: Need = Need::Of(Right::Write);
const ADMIN: Need = Need::Of(Right::Admin);
const ALL_READ: Need = Need::Whole(Right::Read);
const ALL_ADMIN: Need = Need::Whole(Right::Admin);

/// What the gRPC port answers, and what the HTTP port.
pub(crate) const GRPC: &[&[Call]] = &[RPCS];
/// See [`GRPC`].
pub(crate) const HTTP: &[&[Call]] = &[ROUTES, RPCS];

/// What is not in the table.
pub(crate) const UNKNOWN: Call = call("other", ALL_ADMIN);

/// The calls of the gRPC port.
pub(crate) const RPCS: &[Call] = &[
    long("/nigh.v1.Collections/Create", ADMIN),
    long("/nigh.v1.Collections/Drop", ADMIN),
    call("/nigh.v1.Collections/Describe", READ),
    call("/nigh.v1.Collections/List", Need::Any),
    long("/nigh.v1.Collections/Optimize", ADMIN),
    call("/nigh.v1.Collections/ChangeAliases", ALL_ADMIN),
    call("/nigh.v1.Collections/ListAliases", Need::Any),
    call("/nigh.v1.Collections/Estimate", Need::Any),
    call("/nigh.v1.Collections/CancelMerge", ADMIN),
    call("/nigh.v1.Collections/Analyze", Need::Any),
    long("/nigh.v1.Collections/AddVectors", ADMIN),
    long("/nigh.v1.Collections/DropVectors", ADMIN),
    long("/nigh.v1.Collections/AddText", ADMIN),
    long("/nigh.v1.Collections/DropText", ADMIN),
    long("/nigh.v1.Integrity/Scrub", ADMIN),
    long("/nigh.v1.Integrity/Erase", ADMIN),
    call("/nigh.v1.Points/Write", WRITE),
    long("/nigh.v1.Points/Ingest", WRITE),
    call("/nigh.v1.Points/Query", READ),
    call("/nigh.v1.Points/Get", READ),
    call("/nigh.v1.Points/Scroll", READ),
    call("/nigh.v1.Points/Count", READ),
    call("/nigh.v1.Points/Facet", READ),
    call("/nigh.v1.Sources/GetSourcePositions", READ),
    call("/nigh.v1.Sources/DropSource", WRITE),
    call("/nigh.v1.Versions/Pin", ADMIN),
    call("/nigh.v1.Versions/Pins", READ),
    call("/nigh.v1.Versions/Unpin", ADMIN),
    call("/nigh.v1.Versions/Diff", READ),
    long("/nigh.v1.Versions/Backup", ALL_ADMIN),
    long("/nigh.v1.Versions/Backups", ALL_ADMIN),
    long("/nigh.v1.Versions/DropBackup", ALL_ADMIN),
    long("/nigh.v1.Versions/Restore", ALL_ADMIN),
    call("/grpc.health.v1.Health/Check", Need::Open),
    long("/grpc.health.v1.Health/Watch", Need::Open),
    call("/grpc.health.v1.Health/List", Need::Open),
    long("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Need::Any),
    long("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Need::Any),
    call("/qdrant.Qdrant/HealthCheck", Need::Open),
    call("/qdrant.Collections/Get", READ),
    call("/qdrant.Collections/List", Need::Any),
    long("/qdrant.Collections/Create", ADMIN),
    call("/qdrant.Collections/Update", ADMIN),
    long("/qdrant.Collections/Delete", ADMIN),
    call("/qdrant.Collections/UpdateAliases", ALL_ADMIN),
    call("/qdrant.Collections/ListCollectionAliases", READ),
    call("/qdrant.Collections/ListAliases", Need::Any),
    call("/qdrant.Collections/CollectionClusterInfo", READ),
    call("/qdrant.Collections/CollectionExists", READ),
    call("/qdrant.Collections/UpdateCollectionClusterSetup", ALL_ADMIN),
    call("/qdrant.Collections/CreateShardKey", ALL_ADMIN),
    call("/qdrant.Collections/DeleteShardKey", ALL_ADMIN),
    call("/qdrant.Collections/ListShardKeys", READ),
    long("/qdrant.Snapshots/Create", ADMIN),
    call("/qdrant.Snapshots/List", ADMIN),
    call("/qdrant.Snapshots/Delete", ADMIN),
    call("/qdrant.Snapshots/CreateFull", ALL_ADMIN),
    call("/qdrant.Snapshots/ListFull", ALL_ADMIN),
    call("/qdrant.Snapshots/DeleteFull", ALL_ADMIN),
    call("/qdrant.Points/Upsert", WRITE),
    call("/qdrant.Points/Delete", WRITE),
    call("/qdrant.Points/Get", READ),
    call("/qdrant.Points/UpdateVectors", WRITE),
    call("/qdrant.Points/DeleteVectors", WRITE),
    call("/qdrant.Points/SetPayload", WRITE),
    call("/qdrant.Points/OverwritePayload", WRITE),
    call("/qdrant.Points/DeletePayload", WRITE),
    call("/qdrant.Points/ClearPayload", WRITE),
    call("/qdrant.Points/CreateFieldIndex", ADMIN),
    call("/qdrant.Points/DeleteFieldIndex", ADMIN),
    long("/qdrant.Points/CreateVectorName", ADMIN),
    long("/qdrant.Points/DeleteVectorName", ADMIN),
    call("/qdrant.Points/Search", READ),
    call("/qdrant.Points/SearchBatch", READ),
    call("/qdrant.Points/SearchGroups", READ),
    call("/qdrant.Points/Scroll", READ),
    call("/qdrant.Points/Recommend", READ),
    call("/qdrant.Points/RecommendBatch", READ),
    call("/qdrant.Points/RecommendGroups", READ),
    call("/qdrant.Points/Discover", READ),
    call("/qdrant.Points/DiscoverBatch", READ),
    call("/qdrant.Points/Count", READ),
    call("/qdrant.Points/UpdateBatch", WRITE),
    call("/qdrant.Points/Query", READ),
    call("/qdrant.Points/QueryBatch", READ),
    call("/qdrant.Points/QueryGroups", READ),
    call("/qdrant.Points/Facet", READ),
    call("/qdrant.Points/SearchMatrixPairs", READ),
    call("/qdrant.Points/SearchMatrixOffsets", READ),
];

/// The paths of the HTTP port that are not rpcs; HEAD is GET. Rpcs are `POST` to their path.
pub(crate) const ROUTES: &[Call] = &[
    call("GET /", Need::Open),
    call("GET /healthz", Need::Open),
    call("GET /livez", Need::Open),
    call("GET /readyz", Need::Open),
    // The console's files hold nothing: what it shows it asks for as any other client does.
    call("GET /console", Need::Open),
    call("GET /console/", Need::Open),
    call("GET /console/{*path}", Need::Open),
    call("GET /metrics", ALL_READ),
    call("GET /telemetry", ALL_READ),
    call("GET /issues", ALL_READ),
    call("DELETE /issues", ALL_ADMIN),
    call("GET /cluster", ALL_READ),
    call("GET /collections", Need::Any),
    call("GET /aliases", Need::Any),
    call("POST /collections/aliases", ALL_ADMIN),
    call("GET /collections/{collection}", READ),
    long("PUT /collections/{collection}", ADMIN),
    call("PATCH /collections/{collection}", ADMIN),
    long("DELETE /collections/{collection}", ADMIN),
    call("GET /collections/{collection}/exists", READ),
    call("GET /collections/{collection}/aliases", READ),
    call("GET /collections/{collection}/cluster", READ),
    call("PUT /collections/{collection}/index", ADMIN),
    call("DELETE /collections/{collection}/index/{field}", ADMIN),
    long("PUT /collections/{collection}/vectors/{name}", ADMIN),
    long("DELETE /collections/{collection}/vectors/{name}", ADMIN),
    call("GET /collections/{collection}/snapshots", ADMIN),
    long("POST /collections/{collection}/snapshots", ADMIN),
    long("GET /collections/{collection}/snapshots/{name}", ADMIN),
    call("DELETE /collections/{collection}/snapshots/{name}", ADMIN),
    long("PUT /collections/{collection}/snapshots/recover", ADMIN),
    long("POST /collections/{collection}/snapshots/upload", ADMIN),
    call("PUT /collections/{collection}/points", WRITE),
    call("POST /collections/{collection}/points", READ),
    call("GET /collections/{collection}/points/{id}", READ),
    call("POST /collections/{collection}/points/delete", WRITE),
    call("PUT /collections/{collection}/points/vectors", WRITE),
    call("POST /collections/{collection}/points/vectors/delete", WRITE),
    call("POST /collections/{collection}/points/payload", WRITE),
    call("PUT /collections/{collection}/points/payload", WRITE),
    call("POST /collections/{collection}/points/payload/delete", WRITE),
    call("POST /collections/{collection}/points/payload/clear", WRITE),
    call("POST /collections/{collection}/points/batch", WRITE),
    call("POST /collections/{collection}/points/scroll", READ),
    call("POST /collections/{collection}/points/count", READ),
    call("POST /collections/{collection}/points/query", READ),
    call("POST /collections/{collection}/points/query/batch", READ),
    call("POST /collections/{collection}/points/query/groups", READ),
    call("POST /collections/{collection}/points/search", READ),
    call("POST /collections/{collection}/points/search/batch", READ),
    call("POST /collections/{collection}/points/search/groups", READ),
    call("POST /collections/{collection}/points/search/matrix/pairs", READ),
    call("POST /collections/{collection}/points/search/matrix/offsets", READ),
    call("POST /collections/{collection}/points/recommend", READ),
    call("POST /collections/{collection}/points/recommend/batch", READ),
    call("POST /collections/{collection}/points/recommend/groups", READ),
    call("POST /collections/{collection}/points/discover", READ),
    call("POST /collections/{collection}/points/discover/batch", READ),
    call("POST /collections/{collection}/facet", READ),
];

/// A call of these tables and its place among them all; the unknown one, behind them, where it is not there.
pub(crate) fn find(tables: &[&[Call]], name: &str) -> (usize, Call) {
    let all = || tables.iter().flat_map(|table| table.iter());
    let found = all().enumerate().find(|(_, call)| call.name == name);
    found.map_or_else(|| (all().count(), UNKNOWN), |(at, call)| (at, *call))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_there_once() {
        assert_eq!(find(&[ROUTES, RPCS], "POST /nothing"), (ROUTES.len() + RPCS.len(), UNKNOWN));
        for table in [RPCS, ROUTES] {
            for (at, call) in table.iter().enumerate() {
                assert_eq!(find(&[table], call.name), (at, *call));
            }
        }
    }
}
