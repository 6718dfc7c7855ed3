#!/usr/bin/env python3
"""Hybrid search of the 100,000 passages: nigh's server beside Qdrant's engine, in one run, in turns.

    python3 benches/peers/hybrid.py [--rows 100000] [--rounds 3] [--nigh target/release/nigh] [--door qdrant-door]

All fuse the 100 nearest by vector and the 100 best by BM25 (English stems, stop words left out) with reciprocal ranks
(k = 60) into ten hits without payload. Contestants, each asked over gRPC on loopback by the same client, requests serialised
before the clock starts and replies left unread until it has stopped:

- nigh over its own API: a text field, which it analyzes and scores itself;
- nigh over the Qdrant API: sparse vectors of Qdrant's BM25, made before the clock starts, and IDF;
- Qdrant's engine behind the thin server of `qdrant-door/`, which is sent the same bytes: HNSW (m 16, ef_construct 100), sparse
  vectors with IDF, every filtered field indexed, one merged segment;
- the same engine in this process (qdrant-edge from the Python registry), with **no server in between**: its time is that
  of a call, and its client shares an interpreter with it.

Told are milliseconds of a query (p50, p99) at one and at four clients, which are threads, without a filter and under each of
filters.json, how much of the hits the same engine finds when its vectors are compared exactly ("recall"), and nigh's time in
its own engine under the same number of clients, as `explain` tells it.

The environment (`target/peers/hybrid-venv`) is made where it is not there; nigh and the thin server are built in release
unless they are given.
"""

import argparse
import concurrent.futures
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from by_qdrant import CANDIDATES, HITS, INDEXED, RRF_K, ByQdrant, Words, clauses
from ingest import ROOT, START_SECONDS_MAX, UNLIMITED, Nigh, Passages, qdrant_door

NEEDED = ["grpcio", "grpcio-tools", "numpy", "qdrant-client", "qdrant-edge-py"]
ANALYZER = "english+stop"
DOOR = "Qdrant's engine behind a thin server"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3, help="every query is asked so often, in turns")
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--nigh", help="a `nigh` that is built already")
    parser.add_argument("--door", help="a `qdrant-door` that is built already")
    parser.add_argument("--data", default=os.environ.get("NIGH_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--out", default=ROOT / "target" / "peers" / "hybrid.md")
    return parser.parse_args()


def in_environment():
    home = ROOT / "target" / "peers" / "hybrid-venv"
    if pathlib.Path(sys.prefix) == home.resolve() or os.environ.get("NIGH_HYBRID_INSIDE"):
        return
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
    have = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True).stdout.lower().replace("_", "-")
    wanted = [name for name in NEEDED if name + "==" not in have]
    if wanted:
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], check=True)
    os.execve(python, [python, __file__, *sys.argv[1:]], os.environ | {"NIGH_HYBRID_INSIDE": "1"})


class OverGrpc(Nigh):
    name = "nigh, its own API"

    def create(self, channel):
        from nigh.v1 import collections_pb2 as of

        spec = of.CollectionSpec(vectors=[of.VectorField(name="text", size=384, metric=of.METRIC_COSINE)])
        spec.texts.add(name="text", analyzer=ANALYZER)
        self.call(channel, "/nigh.v1.Collections/Create", of.CreateCollectionRequest(collection="c", spec=spec),
                  of.CreateCollectionReply)

    def load(self, passages, folder):
        import grpc

        self.process = self.start(folder)
        self.channels = [grpc.insecure_channel(f"127.0.0.1:{self.port}", [*UNLIMITED, ("grpc.use_local_subchannel_pool", 1)])
                         for _ in range(8)]
        for channel in self.channels:
            grpc.channel_ready_future(channel).result(START_SECONDS_MAX)
        self.create(self.channels[0])
        write = self.channels[0].unary_unary(self.write, lambda body: body, lambda body: body)
        for body in self.requests(passages):
            write(body, timeout=120)
        quiet = 0
        while quiet < 5:
            time.sleep(0.2)
            quiet = quiet + 1 if self.indexed(self.channels[0]) else 0
        self.asks = [channel.unary_unary("/nigh.v1.Points/Query", lambda body: body, lambda body: body)
                     for channel in self.channels]

    def inside(self, requests, clients):
        """Milliseconds in the engine alone, as the server itself explains them, while so many clients ask."""
        from nigh.v1 import points_pb2 as of

        explained = [request + of.QueryRequest(explain=True).SerializeToString() for request in requests]
        replies = []
        in_turns(explained, clients, lambda client, request: replies.append(self.ask(client, request)))
        return [of.QueryReply.FromString(reply).explanation.total_us / 1000 for reply in replies]

    def nothing(self, count):
        """Milliseconds of this client's calls that ask for nothing: what a request over gRPC costs by itself."""
        check = self.channels[0].unary_unary("/grpc.health.v1.Health/Check", lambda body: body, lambda body: body)
        took = []
        for _ in range(count):
            began = time.perf_counter()
            check(b"", timeout=60)
            took.append((time.perf_counter() - began) * 1000)
        return took

    def request(self, vector, text, filter_, exact):
        from nigh.v1 import points_pb2 as of

        request = of.QueryRequest(collection="c", limit=HITS)
        dense = request.retrievers.add(limit=CANDIDATES).dense
        dense.vector.values.extend(vector.tolist())
        dense.params.exact = exact
        request.retrievers.add(limit=CANDIDATES).text.query = text
        request.fusion.reciprocal_rank.k = RRF_K
        for part, field, what, value in clauses(filter_ or {}):
            condition = getattr(request.filter, part).add().field
            condition.path = field
            if what == "missing":
                condition.is_empty.SetInParent()
            elif what == "range":
                for end, number in value.items():
                    setattr(condition.range, end, number)
            else:
                for one in value if what == "any" else [value]:
                    scalar = condition.any_of.scalars.add() if what == "any" else condition.match
                    kind = {bool: "bool", int: "integer", float: "float", str: "keyword"}[type(one)]
                    setattr(scalar, kind, one)
        return request.SerializeToString()

    def ask(self, client, request):
        return self.asks[client](request, timeout=60)

    @staticmethod
    def ids(reply):
        from nigh.v1 import points_pb2 as of

        return [hit.id.num for hit in of.QueryReply.FromString(reply).hits]

    def end(self):
        self.process.end()


class InProcess:
    """Qdrant's engine."""

    name = "Qdrant's engine, in process"

    def load(self, passages, folder):
        import qdrant_edge as of

        self.of = of
        self.words = Words(passages)
        config = of.EdgeConfig(
            vectors={"text": of.EdgeVectorParams(384, of.Distance.Cosine)},
            sparse_vectors={"words": of.EdgeSparseVectorParams(modifier=of.Modifier.Idf)},
            hnsw_config=of.HnswIndexConfig(16, 100, 10_000),
            optimizers=of.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1000),
        )
        self.shard = of.EdgeShard.create(str(pathlib.Path(folder) / "shard"), config)
        for field, kind in INDEXED.items():
            schema = getattr(of.PayloadSchemaType, kind)
            self.shard.update(of.UpdateOperation.create_field_index(field, schema))
        for rows in passages.batches():
            points = []
            for row in rows:
                payload = json.loads(passages.payloads[row])
                vector = {"text": passages.vectors[row].tolist(), "words": self.words.of_document(payload["text"])}
                points.append(of.Point(row, vector, payload))
            self.shard.update(of.UpdateOperation.upsert_points(points))
        self.shard.optimize()
        print(self.shard.info(), flush=True)

    def request(self, vector, text, filter_, exact):
        of = self.of
        parts = {"must": [], "should": [], "must_not": []}
        for part, field, what, value in clauses(filter_ or {}):
            if what == "missing":
                condition = of.IsEmptyCondition(field)
            elif what == "range":
                condition = of.FieldCondition(field, range=of.RangeFloat(**value))
            else:
                condition = of.FieldCondition(field, of.MatchAny(value) if what == "any" else of.MatchValue(value))
            parts[part].append(condition)
        filter_ = of.Filter(**{part: found or None for part, found in parts.items()}) if filter_ else None
        dense = of.Query.Nearest(vector.tolist(), "text")
        sparse = of.Query.Nearest(self.words.of_query(text), "words")
        prefetches = [
            of.Prefetch(CANDIDATES, dense, filter=filter_, params=of.SearchParams(exact=exact)),
            of.Prefetch(CANDIDATES, sparse, filter=filter_),
        ]
        # Its ranks begin at 0.
        return of.QueryRequest(HITS, prefetches=prefetches, query=of.Fusion.Rrf(RRF_K + 1), with_payload=False)

    def ask(self, _client, request):
        return self.shard.query(request)

    @staticmethod
    def ids(reply):
        return [point.id for point in reply]

    def end(self):
        self.shard.close()


def in_turns(requests, clients, ask):
    """Every client asks its share of the requests, one after the other; milliseconds of each."""
    def of(client):
        took = []
        for request in requests[client::clients]:
            began = time.perf_counter()
            ask(client, request)
            took.append((time.perf_counter() - began) * 1000)
        return took

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        return [time_ for took in pool.map(of, range(clients)) for time_ in took]


def recall(engine, requests, exact):
    sums = 0.0
    for request, reference in zip(requests, exact):
        wanted = set(engine.ids(engine.ask(0, reference)))
        sums += len(wanted & set(engine.ids(engine.ask(0, request)))) / len(wanted) if wanted else 1.0
    return sums / len(requests)


def measure(engines, passages, texts, filters, args):
    import numpy

    nothing = numpy.percentile(engines[0].nothing(2000), [50, 99])
    against = [engine for engine in engines if engine.name == DOOR]
    columns = ["filter", "clients", *(f"{engine.name}: p50, p99 ms, recall" for engine in engines)]
    columns.insert(3, "nigh's engine alone")
    columns += [f"{DOOR}: times {engine.name}" for engine in engines[:2]]
    lines = [f"A request that asks for nothing takes this client {nothing[0]:.2f} ms (p50), {nothing[1]:.2f} (p99).\n",
             "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for name, filter_ in filters:
        def requests(engine, exact, count):
            return [engine.request(vector, text, filter_, exact)
                    for vector, text in list(zip(passages.queries, texts))[:count]]

        prepared = {engine: requests(engine, False, args.queries) for engine in engines}
        recalls = {engine: recall(engine, prepared[engine][:100], requests(engine, True, 100)) for engine in engines}
        for clients in args.clients:
            took = {engine: [] for engine in engines}
            inside = []
            for _ in range(args.rounds):
                for engine in engines:
                    took[engine] += in_turns(prepared[engine], clients, engine.ask)
                inside += engines[0].inside(prepared[engines[0]], clients)
            ends = {engine: numpy.percentile(took[engine], [50, 99]) for engine in engines}
            cells = [f"{ends[engine][0]:.2f}, {ends[engine][1]:.2f}, {recalls[engine]:.3f}" for engine in engines]
            alone = numpy.percentile(inside, [50, 99])
            cells.insert(1, f"{alone[0]:.2f}, {alone[1]:.2f}")
            for engine in engines[:2]:
                ratio = ends[against[0]] / ends[engine]
                cells.append(f"{ratio[0]:.1f}, {ratio[1]:.1f}")
            lines.append(f"| {name} | {clients} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    return lines


def main():
    args = arguments()
    in_environment()
    out = pathlib.Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(args.data) / "passages"
    passages = Passages(args)
    import numpy

    passages.queries = numpy.load(folder / "queries.npy")[: args.queries].astype("float32")
    with gzip.open(folder / "queries.jsonl.gz", "rt") as lines:
        texts = [json.loads(line)["text"] for line, _ in zip(lines, range(args.queries))]
    filters = [("none", None)] + [(one["name"], one["filter"]) for one in json.loads((folder / "filters.json").read_text())]
    with tempfile.TemporaryDirectory(prefix="hybrid-", dir=out.parent) as scratch:
        own = OverGrpc(args, scratch)
        door = qdrant_door(args.door)

        def nigh(http, grpc):
            return [own.binary, "serve", "--data", "data", "--http", http, "--grpc", grpc]

        engines = [own, ByQdrant("nigh, Qdrant's API", nigh), ByQdrant(DOOR, lambda http, grpc: [door, http, grpc, "shards"]),
                   InProcess()]
        for at, engine in enumerate(engines):
            home = pathlib.Path(scratch) / str(at)
            home.mkdir()
            began = time.time()
            engine.load(passages, home)
            print(f"{engine.name}: loaded and indexed after {time.time() - began:.0f} s", flush=True)
        try:
            lines = measure(engines, passages, texts, filters, args)
        finally:
            for engine in engines:
                engine.end()
    head = f"{args.rows} passages, {args.queries} queries, {args.rounds} rounds in turns; recall of 100 queries.\n"
    out.write_text("\n".join([head, *lines]) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    main()
