"""Every call of the Python client that reaches a path or an rpc, over one transport, beside its local mode.

    venv/bin/python tests/qdrant/every_call.py http://127.0.0.1:6333 6334 [grpc]

What the client does not have (`search` of the newest, names of vectors of an older one) is left out; run.py looks
afterwards, by the metrics of the server, whether every path and rpc was called by somebody.
"""

import hashlib
import io
import json
import sys
import tarfile
import urllib.request

from qdrant_client import QdrantClient, models as m
from qdrant_client.http.exceptions import UnexpectedResponse

C, OTHER = "every_call", "every_call_other"
ABSENT = object()


def point(at):
    vector = {"": [float(at), 1.0, at % 3 - 1.0, 0.5], "words": m.SparseVector(indices=[at, at + 1], values=[1.0, 0.5])}
    return m.PointStruct(id=at, vector=vector, payload={"a": at, "kind": "xyz"[at % 3], "inner": {"b": at % 2}})


def hits(found):
    """Ids and scores; of equal scores any order is right."""
    return sorted((round(-one.score, 4), one.id) for one in getattr(found, "points", found))


def groups(found):
    return sorted((group.id, hits(group.hits)) for group in found.groups)


def ids(found):
    return [one.id for one in found[0]], found[1]


def matrix(pairs):
    return sorted((pair.a, pair.b, round(pair.score, 4)) for pair in pairs.pairs)


def offsets(of):
    places = zip(of.offsets_row, of.offsets_col, of.scores)
    return sorted((of.ids[row], of.ids[col], round(score, 4)) for row, col, score in places)


def calls():
    """(the method, its arguments, what is compared of the answer)."""
    vector, some = [2.0, 1.0, 0.3, 0.4], m.Filter(must=[m.FieldCondition(key="kind", match=m.MatchValue(value="x"))])
    few, done = m.PointIdsList(points=[1, 2]), lambda _: None
    query = m.QueryRequest(query=vector, limit=3)
    search = m.SearchRequest(vector=vector, limit=3) if hasattr(m, "SearchRequest") else None
    recommend = m.RecommendRequest(positive=[1], negative=[5], limit=3) if hasattr(m, "RecommendRequest") else None
    pair = m.ContextExamplePair(positive=2, negative=7) if hasattr(m, "ContextExamplePair") else None
    discover = m.DiscoverRequest(target=3, context=[pair], limit=3) if hasattr(m, "DiscoverRequest") else None
    yield "get_collections", (), {}, lambda of: sorted(one.name for one in of.collections if one.name in (C, OTHER))
    yield "collection_exists", (C,), {}, bool
    yield "get_collection", (C,), {}, lambda of: (of.points_count, of.config.params.vectors[""].size)
    yield "update_collection", (C,), {"optimizers_config": m.OptimizersConfigDiff(indexing_threshold=1)}, done
    alias = m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name=C, alias_name="every_alias"))
    yield "update_collection_aliases", ([alias],), {}, done
    yield "get_collection_aliases", (C,), {}, lambda of: [one.alias_name for one in of.aliases]
    yield "get_aliases", (), {}, lambda of: [one.alias_name for one in of.aliases]
    yield "create_payload_index", (C, "a", m.PayloadSchemaType.INTEGER), {"wait": True}, done
    yield "create_payload_index", (C, "kind", m.PayloadSchemaType.KEYWORD), {"wait": True}, done
    yield "count", (C,), {"count_filter": some}, lambda of: of.count
    yield "scroll", (C,), {"limit": 4, "offset": 3}, ids
    yield "scroll", (C,), {"limit": 4, "order_by": "a", "scroll_filter": some}, ids
    yield "retrieve", (C, [3, 99, 1]), {}, lambda of: sorted(one.id for one in of)
    yield "facet", (C, "kind"), {}, lambda of: sorted((one.value, one.count) for one in of.hits)
    yield "query_points", (C, vector), {"query_filter": some}, hits
    yield "query_points", (C, 3), {}, hits
    yield "query_batch_points", (C, [query, query]), {}, lambda of: [hits(one) for one in of]
    yield "query_points_groups", (C, "kind", vector), {}, groups
    yield "search_matrix_pairs", (C,), {"sample": 100, "limit": 2}, matrix
    yield "search_matrix_offsets", (C,), {"sample": 100, "limit": 2}, offsets
    yield "search", (C, vector), {"query_filter": some}, hits
    yield "search_batch", (C, [search]), {}, lambda of: [hits(one) for one in of]
    yield "search_groups", (C, vector, "kind"), {}, groups
    yield "recommend", (C, [1, 2], [6]), {}, hits
    yield "recommend_batch", (C, [recommend]), {}, lambda of: [hits(one) for one in of]
    yield "recommend_groups", (C, "kind", [1], [6]), {}, groups
    yield "discover", (C, 3, [pair]), {}, hits
    yield "discover_batch", (C, [discover]), {}, lambda of: [hits(one) for one in of]
    yield "set_payload", (C, {"new": 1}, few), {"wait": True}, done
    yield "overwrite_payload", (C, {"only": 1}, [3]), {"wait": True}, done
    yield "delete_payload", (C, ["new"], [1]), {"wait": True}, done
    yield "clear_payload", (C, [4]), {"wait": True}, done
    yield "update_vectors", (C, [m.PointVectors(id=1, vector={"": [1.0, 2.0, 3.0, 4.0]})]), {"wait": True}, done
    yield "delete_vectors", (C, ["words"], [2]), {"wait": True}, done
    yield "batch_update_points", (C, [m.DeleteOperation(delete=few), m.ClearPayloadOperation(clear_payload=m.PointIdsList(points=[5]))]), {"wait": True}, done
    yield "scroll", (C,), {"limit": 100}, lambda of: [(one.id, one.payload or {}) for one in of[0]]
    yield "delete", (C, [3]), {"wait": True}, done
    yield "delete_payload_index", (C, "a"), {"wait": True}, done
    yield "create_vector_name", (C, "more", m.DenseVectorNameConfig(dense=m.DenseVectorConfig(size=2, distance=m.Distance.DOT)) if hasattr(m, "DenseVectorNameConfig") else None), {"wait": True}, done
    yield "delete_vector_name", (C, "more"), {"wait": True}, done
    yield "count", (C,), {}, lambda of: of.count
    yield "collection_cluster_info", (C,), {}, ABSENT
    yield "info", (), {}, ABSENT
    yield "delete_collection", (C,), {}, bool
    yield "delete_collection", (OTHER,), {}, bool


def snapshots(server, url):
    """A collection is kept, changed, taken back; and taken elsewhere as a file, which other programs open."""
    name, elsewhere = "every_snapshot", "every_snapshot_elsewhere"
    vectors = {"": m.VectorParams(size=4, distance=m.Distance.COSINE)}
    for collection in (name, elsewhere):
        server.delete_collection(collection)
    server.create_collection(name, vectors_config=vectors, sparse_vectors_config={"words": m.SparseVectorParams()})
    server.upsert(name, [point(at) for at in range(1, 10)], wait=True)
    made = server.create_snapshot(name)
    assert [one.name for one in server.list_snapshots(name)] == [made.name]
    for location in (f"file:///{made.name}", f"{url}/collections/{name}/snapshots/{made.name}"):
        server.delete(name, [1, 2, 3], wait=True)
        assert server.recover_snapshot(name, location, checksum=made.checksum) is True
        assert server.count(name).count == 9
    file = urllib.request.urlopen(f"{url}/collections/{name}/snapshots/{made.name}").read()
    # Older clients forget the checksum over gRPC.
    assert len(file) == made.size and made.checksum in (None, hashlib.sha256(file).hexdigest()), made
    with tarfile.open(fileobj=io.BytesIO(file)) as archive:
        names = archive.getnames()
        assert names[:2] == ["snapshot", "note"] and all(one.startswith("segments/") for one in names[2:]), names
    uploaded = server.http.snapshots_api.recover_from_uploaded_snapshot(elsewhere, snapshot=io.BytesIO(file))
    assert uploaded.result is True and server.count(elsewhere).count == 9
    try:
        server.recover_snapshot(name, "file:///etc/passwd")
        raise AssertionError("a file of the machine was read")
    except UnexpectedResponse as refused:
        assert refused.status_code == 400 and b"reads no other file" in refused.content, refused
    assert server.delete_snapshot(name, made.name) is True
    assert server.list_snapshots(name) == []
    for collection in (name, elsewhere):
        server.delete_collection(collection)


def settings(url, grpc):
    """What is set over one transport is shown back over both, where the two have different shapes for it too."""
    name = "every_setting"
    both = [QdrantClient(url=url, check_compatibility=False, **over) for over in ({}, {"prefer_grpc": True, "grpc_port": int(grpc)})]
    strict = m.StrictModeConfig(
        enabled=True, sparse_config={"s": m.StrictModeSparse(max_length=3)},
        multivector_config={"m": m.StrictModeMultivector(max_vectors=2)},
    )
    words = m.TextIndexParams(
        type="text", tokenizer="word", stopwords=m.StopwordsSet(languages=["english"], custom=["rag"]),
        stemmer=m.SnowballParams(type="snowball", language="english"),
    )
    for client in both:
        client.delete_collection(name)
        client.create_collection(
            name, vectors_config={}, sparse_vectors_config={"s": m.SparseVectorParams()}, strict_mode_config=strict,
            optimizers_config=m.OptimizersConfigDiff(max_optimization_threads=3),
        )
        client.create_payload_index(name, "words", words)
        for reader in both:
            shown = reader.get_collection(name)
            limits = shown.config.strict_mode_config
            assert limits.sparse_config["s"].max_length == 3 and limits.multivector_config["m"].max_vectors == 2, limits
            assert shown.config.optimizer_config.max_optimization_threads == 3, shown.config
            told = shown.payload_schema["words"].params
            assert told.model_dump(exclude_none=True) == words.model_dump(exclude_none=True), told
        client.delete_collection(name)


def main():
    url, grpc, *transport = sys.argv[1:]
    over = {"prefer_grpc": True, "grpc_port": int(grpc)} if transport else {}
    server = QdrantClient(url=url, check_compatibility=False, **over)
    local = QdrantClient(":memory:")
    for client in (server, local):
        for name in (C, OTHER):
            client.delete_collection(name)
            client.create_collection(
                name, vectors_config={"": m.VectorParams(size=4, distance=m.Distance.COSINE)},
                sparse_vectors_config={"words": m.SparseVectorParams()},
            )
            client.upsert(name, [point(at) for at in range(1, 10)], wait=True)
    made = left = 0
    for name, given, named, seen in calls():
        if not hasattr(server, name):
            left += 1
            continue
        answer = getattr(server, name)(*given, **named)
        made += 1
        if seen is not ABSENT:
            expected = seen(getattr(local, name)(*given, **named))
            assert seen(answer) == expected, (name, seen(answer), expected)
        if name == "retrieve":
            # The client has no call for one point.
            one = json.load(urllib.request.urlopen(f"{url}/collections/{C}/points/3"))["result"]
            assert (one["id"], one["payload"]["a"]) == (3, 3), one
    snapshots(server, url)
    settings(url, grpc)
    print(f"every call: {made} made, {left} unknown to this client")


main()
