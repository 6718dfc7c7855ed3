"""Hybrid queries over the Qdrant API's gRPC: the same bytes for every server that speaks it."""

import json
import time

from ingest import START_SECONDS_MAX, UNLIMITED, Process, free_port

CANDIDATES, HITS, RRF_K = 100, 10, 60
INDEXED = {
    "words": "Integer", "kind": "Keyword", "position": "Float", "tags": "Keyword",
    "has_code": "Bool", "year": "Integer", "source": "Keyword",
}


def clauses(filter_):
    """The clauses of a filter of filters.json: (part, field, what, value)."""
    for part in ("must", "should", "must_not"):
        for clause in filter_.get(part, []):
            field = clause["field"]
            if clause.get("missing"):
                yield part, field, "missing", None
            elif "eq" in clause or "contains" in clause:
                yield part, field, "value", clause.get("eq", clause.get("contains"))
            elif "in" in clause:
                yield part, field, "any", clause["in"]
            else:
                yield part, field, "range", {end: clause[end] for end in ("gt", "gte", "lt", "lte") if end in clause}


class Words:
    """Texts as the sparse vectors of Qdrant's BM25."""

    def __init__(self, passages):
        import qdrant_edge as of

        # The mean length after its own analysis, which its weights are relative to: known here, as it is to nigh.
        # With k beyond all counts a weight is the count of its word.
        counts = of.Bm25(of.Bm25Config(language="english", avg_len=1.0, b=0.0, k=1e9))
        sample = passages.payloads[:2000]
        mean = sum(sum(counts.embed_document(json.loads(line)["text"]).values) for line in sample) / len(sample)
        bm25 = of.Bm25(of.Bm25Config(language="english", avg_len=mean))
        self.of_document, self.of_query = bm25.embed_document, bm25.embed_query


class ByQdrant:
    """A server that speaks the Qdrant API."""

    def __init__(self, name, command):
        self.name, self.command = name, command

    def load(self, passages, folder):
        import grpc
        from qdrant_client import QdrantClient, models as m

        self.words = Words(passages)
        http, port = free_port(), free_port()
        self.process = Process(self.command(f"127.0.0.1:{http}", f"127.0.0.1:{port}"), folder)
        options = [*UNLIMITED, ("grpc.use_local_subchannel_pool", 1)]
        self.channels = [grpc.insecure_channel(f"127.0.0.1:{port}", options) for _ in range(8)]
        for channel in self.channels:
            grpc.channel_ready_future(channel).result(START_SECONDS_MAX)
        self.asks = [channel.unary_unary("/qdrant.Points/Query", lambda body: body, lambda body: body)
                     for channel in self.channels]
        client = QdrantClient(url=f"http://127.0.0.1:{http}", check_compatibility=False, timeout=600)
        client.create_collection(
            "c",
            vectors_config={"text": m.VectorParams(size=384, distance=m.Distance.COSINE)},
            sparse_vectors_config={"words": m.SparseVectorParams(modifier=m.Modifier.IDF)},
            hnsw_config=m.HnswConfigDiff(m=16, ef_construct=100, full_scan_threshold=10_000),
            # One merged segment and everything behind a graph: what it finds fastest in.
            optimizers_config=m.OptimizersConfigDiff(default_segment_number=1, indexing_threshold=1000),
        )
        for field, kind in INDEXED.items():
            client.create_payload_index("c", field, getattr(m.PayloadSchemaType, kind.upper()))
        write = self.channels[0].unary_unary("/qdrant.Points/Upsert", lambda body: body, lambda body: body)
        for rows in passages.batches():
            write(self.upsert(passages, rows), timeout=600)
        self.settle(client)
        client.close()

    @staticmethod
    def settle(client):
        last, since = None, time.time()
        while time.time() - since < 8:
            now = client.get_collection("c")
            state = (now.indexed_vectors_count, now.segments_count, str(now.status))
            # Yellow: a graph is being built.
            if state != last or "yellow" in state[2].lower():
                last, since = state, time.time()
            time.sleep(0.5)
        print(last, flush=True)

    def sparse(self, weights):
        from qdrant_client import grpc as of

        return of.SparseVector(indices=weights.indices, values=weights.values)

    def upsert(self, passages, rows):
        from qdrant_client import grpc as of
        from qdrant_client.conversions.conversion import RestToGrpc

        points = []
        for row in rows:
            payload = json.loads(passages.payloads[row])
            vectors = of.NamedVectors(vectors={
                "text": of.Vector(dense=of.DenseVector(data=passages.vectors[row].tolist())),
                "words": of.Vector(sparse=self.sparse(self.words.of_document(payload["text"]))),
            })
            payload = RestToGrpc.convert_payload(payload)
            points.append(of.PointStruct(id=of.PointId(num=row), vectors=of.Vectors(vectors=vectors), payload=payload))
        return of.UpsertPoints(collection_name="c", wait=True, points=points).SerializeToString()

    def request(self, vector, text, filter_, exact):
        from qdrant_client import grpc as of

        filter_ = self.filter(filter_) if filter_ else None
        dense = of.Query(nearest=of.VectorInput(dense=of.DenseVector(data=vector.tolist())))
        sparse = of.Query(nearest=of.VectorInput(sparse=self.sparse(self.words.of_query(text))))
        params = of.SearchParams(exact=True) if exact else None
        prefetch = [
            of.PrefetchQuery(query=dense, using="text", filter=filter_, params=params, limit=CANDIDATES),
            of.PrefetchQuery(query=sparse, using="words", filter=filter_, limit=CANDIDATES),
        ]
        # Ranks begin at 0 there.
        fused = of.Query(rrf=of.Rrf(k=RRF_K + 1))
        return of.QueryPoints(collection_name="c", prefetch=prefetch, query=fused, limit=HITS).SerializeToString()

    @staticmethod
    def filter(filter_):
        from qdrant_client import grpc as of

        parts = {"must": [], "should": [], "must_not": []}
        for part, field, what, value in clauses(filter_):
            if what == "missing":
                condition = of.Condition(is_empty=of.IsEmptyCondition(key=field))
            elif what == "range":
                condition = of.Condition(field=of.FieldCondition(key=field, range=of.Range(**value)))
            elif what == "any":
                texts = isinstance(value[0], str)
                match = of.Match(keywords=of.RepeatedStrings(strings=value)) if texts else (
                    of.Match(integers=of.RepeatedIntegers(integers=value)))
                condition = of.Condition(field=of.FieldCondition(key=field, match=match))
            else:
                kind = {bool: "boolean", int: "integer", str: "keyword"}[type(value)]
                condition = of.Condition(field=of.FieldCondition(key=field, match=of.Match(**{kind: value})))
            parts[part].append(condition)
        return of.Filter(**parts)

    def ask(self, client, request):
        return self.asks[client](request, timeout=60)

    @staticmethod
    def ids(reply):
        from qdrant_client import grpc as of

        return [point.id.num for point in of.QueryResponse.FromString(reply).result]

    def end(self):
        self.process.end()
