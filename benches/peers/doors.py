#!/usr/bin/env python3
"""The doors of the Qdrant API under Qdrant's own Python client: nigh over REST and over gRPC, and Qdrant's engine.

    python3 benches/peers/doors.py [--rows 100000] [--rounds 3] [--prepared] [--nigh target/release/nigh]

Passages go in by batches of 256 with their payload, one client after the other with `wait`, and as many clients at once as
`--clients` says; then every query asks for ten hits with payload, at the least effort (`hnsw_ef`) whose recall reaches
`--recall` against an exact answer of the same server. Contestants take turns, each once the one before has built what it had
to build, told are medians of the rounds: points a second, and p50 and p99 of a query in milliseconds.

Qdrant's engine takes part three ways: behind the thin server of `qdrant-door/` (built here, or `--door`), which does less
on the way to it than Qdrant's own server, over REST and over gRPC; in this process (`qdrant-edge-py`), with **no network and
no client before it**, which says what the engine costs alone; and as a Qdrant server where `QDRANT_BINARY` names its program.

With `--prepared` the client's part is done beforehand: the same bytes go to every server, over plain connections, and nobody
reads what comes back while the clock runs. That tells the doors apart where the client takes most of the time.

Everything is installed into target/peers/doors-venv, once.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from ingest import ROOT, START_SECONDS_MAX, Passages, Process, free_port, qdrant_door

NEEDED = ["numpy", "qdrant-client", "qdrant-edge-py"]
EFFORTS = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
HITS, BATCH, SIZE, NAME = 10, 256, 384, "doors"
CLIENTS_MAX = 8
STILL_SECONDS = 8
# A server that takes less of a core does nothing.
REST_SHARE_MAX = 0.05


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--recall", type=float, default=0.98)
    parser.add_argument("--prepared", action="store_true", help="requests that were made beforehand, without the client")
    parser.add_argument("--nigh", default=ROOT / "target" / "release" / "nigh")
    parser.add_argument("--door", help="a `qdrant-door` that is built already")
    parser.add_argument("--data", default=os.environ.get("NIGH_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--out", default=ROOT / "target" / "peers" / "doors.md")
    return parser.parse_args()


def in_environment():
    home = ROOT / "target" / "peers" / "doors-venv"
    if os.environ.get("NIGH_DOORS_INSIDE"):
        return
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
    have = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True).stdout.lower().replace("_", "-")
    wanted = [name for name in NEEDED if name + "==" not in have]
    if wanted:
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], check=True)
    os.execve(python, [python, __file__, *sys.argv[1:]], os.environ | {"NIGH_DOORS_INSIDE": "1"})


class Door:
    """A server of its own, asked by the client."""

    def __init__(self, name, grpc, command, environment):
        self.name, self.grpc, self.command, self.environment = name, grpc, command, environment

    def start(self, folder):
        http, grpc = free_port(), free_port()
        self.url, self.grpc_port = f"http://127.0.0.1:{http}", grpc
        self.process = Process(self.command(http, grpc), folder, self.environment(http, grpc))
        ends = time.time() + START_SECONDS_MAX
        while True:
            try:
                urllib.request.urlopen(self.url + "/readyz", timeout=1)
                break
            except OSError:
                if time.time() > ends:
                    raise
                time.sleep(0.05)
        from qdrant_client import QdrantClient

        over = {"prefer_grpc": True, "grpc_port": grpc} if self.grpc else {}
        def client(**over):
            return QdrantClient(url=self.url, check_compatibility=False, timeout=120, **over)

        self.ready = [client(**over) for _ in range(CLIENTS_MAX)]
        # Collections come and go over REST, whatever points are asked over.
        self.keeper = client()

    def create(self):
        from qdrant_client import models as m

        self.keeper.create_collection(NAME, vectors_config=m.VectorParams(size=SIZE, distance=m.Distance.COSINE))

    def point(self, row, vector, payload):
        from qdrant_client import models as m

        return m.PointStruct(id=row, vector=vector, payload=payload)

    def batch(self, passages, payloads, rows):
        return [self.point(row, passages.vectors[row].tolist(), payloads[row]) for row in rows]

    def upsert(self, client, points):
        self.ready[client].upsert(NAME, points, wait=True)

    def settle(self):
        """Until as many rows as ever will be are behind a graph."""
        last, since = None, time.time()
        while time.time() - since < STILL_SECONDS:
            now = self.keeper.get_collection(NAME)
            state = (now.indexed_vectors_count, now.segments_count, str(now.status))
            # Yellow: a graph is being built.
            if state != last or "yellow" in state[2].lower():
                last, since = state, time.time()
            time.sleep(0.5)

    def rest(self):
        """Until the server does nothing any more."""
        def worked():
            fields = open(f"/proc/{self.process.child.pid}/stat").read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        before = -1.0
        while (now := worked()) - before > REST_SHARE_MAX:
            before = now
            time.sleep(1)

    def question(self, vector, effort):
        from qdrant_client import models as m

        return vector, m.SearchParams(exact=True) if effort is None else m.SearchParams(hnsw_ef=effort)

    def ask(self, client, question):
        vector, params = question
        return self.ready[client].query_points(NAME, query=vector, limit=HITS, search_params=params, with_payload=True)

    def ids(self, found):
        return [point.id for point in found.points]

    def drop(self):
        self.keeper.delete_collection(NAME)

    def end(self):
        for client in [*self.ready, self.keeper]:
            client.close()
        self.process.end()


class Prepared(Door):
    """The same, asked with requests that were made beforehand."""

    # By what they ask, for all doors of one kind.
    made = {}

    def start(self, folder):
        super().start(folder)
        address = urllib.parse.urlsplit(self.url)
        if self.grpc:
            import grpc

            # A connection of its own for each; limits are the servers'.
            options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
            self.raw = [grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}", options) for _ in range(CLIENTS_MAX)]
        else:
            self.raw = [http.client.HTTPConnection(address.hostname, address.port) for _ in range(CLIENTS_MAX)]

    def send(self, client, call, path, body):
        if self.grpc:
            return self.raw[client].unary_unary(f"/qdrant.Points/{call}", None, None)(body, timeout=120)
        try:
            reply = self.sent(client, path, body)
        except ConnectionError:
            # A connection that nobody used for long is closed; the next request opens another one.
            self.raw[client].close()
            reply = self.sent(client, path, body)
        told = reply.read()
        if reply.status != 200:
            raise RuntimeError(told)
        return told

    def sent(self, client, path, body):
        self.raw[client].request(*path, body, {"content-type": "application/json"})
        return self.raw[client].getresponse()

    def once(self, key, make):
        key = (self.grpc, *key)
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def batch(self, passages, payloads, rows):
        def make():
            if not self.grpc:
                points = [
                    {"id": row, "vector": passages.vectors[row].tolist(), "payload": payloads[row]} for row in rows
                ]
                return json.dumps({"points": points}).encode()
            from qdrant_client import grpc as m
            from qdrant_client.conversions.conversion import RestToGrpc

            points = [RestToGrpc.convert_point_struct(self.point(row, passages.vectors[row].tolist(), payloads[row])) for row in rows]
            return m.UpsertPoints(collection_name=NAME, wait=True, points=points).SerializeToString()

        return self.once(("upsert", rows[0]), make)

    def upsert(self, client, body):
        self.send(client, "Upsert", ("PUT", f"/collections/{NAME}/points?wait=true"), body)

    def question(self, vector, effort):
        def make():
            params = {"exact": True} if effort is None else {"hnsw_ef": effort}
            if not self.grpc:
                asked = {"query": vector, "limit": HITS, "params": params, "with_payload": True}
                return json.dumps(asked).encode()
            from qdrant_client import grpc as m

            nearest = m.VectorInput(dense=m.DenseVector(data=vector))
            return m.QueryPoints(
                collection_name=NAME, query=m.Query(nearest=nearest), limit=HITS, params=m.SearchParams(**params),
                with_payload=m.WithPayloadSelector(enable=True),
            ).SerializeToString()

        return self.once(("ask", id(vector), effort), make)

    def ask(self, client, question):
        return self.send(client, "Query", ("POST", f"/collections/{NAME}/points/query"), question)

    def ids(self, found):
        if not self.grpc:
            return [point["id"] for point in json.loads(found)["result"]["points"]]
        from qdrant_client import grpc as m

        return [point.id.num for point in m.QueryResponse.FromString(found).result]

    def end(self):
        for connection in self.raw:
            connection.close()
        super().end()


class InProcess:
    name, grpc = "Qdrant's engine, in process, no network", False

    def start(self, folder):
        self.folder, self.made = pathlib.Path(folder), 0

    def create(self):
        import qdrant_edge as of

        self.of, self.made = of, self.made + 1
        config = of.EdgeConfig(
            vectors=of.EdgeVectorParams(SIZE, of.Distance.Cosine),
            hnsw_config=of.HnswIndexConfig(16, 100, 10_000),
            optimizers=of.EdgeOptimizersConfig(indexing_threshold=1000),
        )
        self.shard = of.EdgeShard.create(str(self.folder / f"shard{self.made}"), config)

    def point(self, row, vector, payload):
        return self.of.Point(row, vector, payload)

    def batch(self, passages, payloads, rows):
        return [self.point(row, passages.vectors[row].tolist(), payloads[row]) for row in rows]

    def upsert(self, _client, points):
        self.shard.update(self.of.UpdateOperation.upsert_points(points))

    def settle(self):
        self.shard.optimize()

    def question(self, vector, effort):
        of = self.of
        params = of.SearchParams(exact=True) if effort is None else of.SearchParams(hnsw_ef=effort)
        return of.QueryRequest(HITS, query=of.Query.Nearest(vector), params=params, with_payload=True)

    def ask(self, _client, question):
        return self.shard.query(question)

    def ids(self, found):
        return [point.id for point in found]

    def rest(self):
        pass

    def drop(self):
        self.shard.close()

    def end(self):
        pass


def contestants(args):
    def nigh(http, grpc):
        return [args.nigh, "serve", "--data", "data", "--http", f"127.0.0.1:{http}", "--grpc", f"127.0.0.1:{grpc}"]

    args.nigh = pathlib.Path(args.nigh).resolve()
    of = Prepared if args.prepared else Door
    all_ = [of("nigh, REST", False, nigh, lambda *_: {}), of("nigh, gRPC", True, nigh, lambda *_: {})]

    def engine(http, grpc):
        return [door, f"127.0.0.1:{http}", f"127.0.0.1:{grpc}", "shards"]

    door = qdrant_door(args.door)
    all_ += [of(f"Qdrant's engine behind a thin server, {over}", over == "gRPC", engine, lambda *_: {}) for over in ("REST", "gRPC")]
    binary = os.environ.get("QDRANT_BINARY")
    if binary:
        def ports(http, grpc):
            return {
                "QDRANT__SERVICE__HTTP_PORT": str(http), "QDRANT__SERVICE__GRPC_PORT": str(grpc),
                "QDRANT__SERVICE__HOST": "127.0.0.1", "QDRANT__STORAGE__STORAGE_PATH": "storage",
                "QDRANT__TELEMETRY_DISABLED": "true",
            }

        program = [pathlib.Path(binary).resolve()]
        all_ += [of("Qdrant, REST", False, lambda *_: program, ports), of("Qdrant, gRPC", True, lambda *_: program, ports)]
    return [*all_, InProcess()]


def written(door, passages, payloads, clients):
    """Points a second; the points of a batch are made before its clock starts."""
    batches = list(passages.batches())
    if isinstance(door, Prepared):
        for rows in batches:
            door.batch(passages, payloads, rows)

    def of(client):
        took = 0.0
        for rows in batches[client::clients]:
            points = door.batch(passages, payloads, rows)
            began = time.perf_counter()
            door.upsert(client, points)
            took += time.perf_counter() - began
        return took

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        took = list(pool.map(of, range(clients)))
    # Clients make points between requests: what counts is the time in requests.
    return len(payloads) / (sum(took) / clients)


def asked(door, queries, effort, clients):
    """Milliseconds of each query."""
    def of(client):
        took = []
        for query in queries[client::clients]:
            question = door.question(query, effort)
            began = time.perf_counter()
            door.ask(client, question)
            took.append((time.perf_counter() - began) * 1000)
        return took

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        return [one for took in pool.map(of, range(clients)) for one in took]


def effort_for(door, queries, wanted):
    """The least effort that reaches the recall, and what it reaches."""
    def ids(query, effort):
        return set(door.ids(door.ask(0, door.question(query, effort))))

    exact = [ids(query, None) for query in queries]
    for effort in EFFORTS:
        found = sum(len(truth & ids(query, effort)) for query, truth in zip(queries, exact))
        reached = found / sum(map(len, exact))
        if reached >= wanted:
            break
    return effort, reached


def main():
    args = arguments()
    in_environment()
    import numpy

    out = pathlib.Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    passages = Passages(args)
    payloads = [json.loads(line) for line in passages.payloads]
    queries = numpy.load(pathlib.Path(args.data) / "passages" / "queries.npy")[: args.queries].astype("float32")
    queries = [query.tolist() for query in queries]
    told = {}
    with tempfile.TemporaryDirectory(prefix="doors-", dir=out.parent) as scratch:
        doors = contestants(args)
        try:
            for at, door in enumerate(doors):
                folder = pathlib.Path(scratch) / str(at)
                folder.mkdir()
                door.start(folder)
                told[door] = {"one": [], "many": [], "asked one": [], "asked many": []}
            for turn in range(args.rounds):
                for door in doors:
                    for kind, clients in (("one", 1), ("many", args.clients)):
                        door.create()
                        told[door][kind].append(written(door, passages, payloads, clients))
                        if turn + 1 < args.rounds or kind == "one":
                            door.drop()
                        # What a contestant still builds would be at the cost of the next one.
                        door.rest()
                    print(turn, door.name, told[door], flush=True)
            for door in doors:
                door.settle()
                told[door]["effort"] = effort_for(door, queries[:200], args.recall)
            for _ in range(args.rounds):
                for door in doors:
                    for kind, clients in (("asked one", 1), ("asked many", args.clients)):
                        took = asked(door, queries, told[door]["effort"][0], clients)
                        told[door][kind].append((*numpy.percentile(took, [50, 99]), 1000 * clients * len(took) / sum(took)))
        finally:
            for door in told:
                door.end()
    lines = [
        f"{args.rows} passages, {args.queries} queries, {args.rounds} rounds in turns; medians.\n",
        f"| | upserts, points/s: 1 client | {args.clients} clients | ef, recall | query p50, p99 ms: 1 client | {args.clients} clients |"
        " queries/s |", "|---|---|---|---|---|---|---|",
    ]
    for door, of in told.items():
        def median(kind, place):
            return statistics.median(one[place] for one in of[kind])

        cells = [door.name, f"{statistics.median(of['one']):.0f}", f"{statistics.median(of['many']):.0f}",
                 f"{of['effort'][0]}, {of['effort'][1]:.3f}"]
        cells += [f"{median(kind, 0):.2f}, {median(kind, 1):.2f}" for kind in ("asked one", "asked many")]
        lines.append("| " + " | ".join([*cells, f"{median('asked many', 2):.0f}"]) + " |")
    out.write_text("\n".join(lines) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    main()
