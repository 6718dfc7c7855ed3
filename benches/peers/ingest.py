#!/usr/bin/env python3
"""Loading 100,000 passages into nigh and, where there is one, into a Qdrant: both in one run, on this machine.

    [QDRANT=/path/to/qdrant] python3 benches/peers/ingest.py [--rows 100000] [--rounds 3]

Both are loaded over gRPC by four clients in batches of 256 points (vector and JSON payload), every batch acknowledged
as each calls durable: nigh after a sync, Qdrant with `wait`. Requests are serialised before the clock starts, so that
the client costs the same for both. Told are points a second until the last acknowledgement, the time from there until
everything is indexed, the most memory that the process had (VmHWM, and the part of it that is not mapped from files),
bytes on disk, and recall@10 of what was loaded.

The environment (`target/peers/ingest-venv`) is made where it is not there; nigh is built in release. Without QDRANT
only nigh is measured, and the table says so.
"""

import argparse
import gzip
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NEEDED = ["grpcio", "grpcio-tools", "numpy", "qdrant-client"]
BATCH, CLIENTS, SIZE = 256, 4, 384
UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
START_SECONDS_MAX, INDEX_SECONDS_MAX = 60, 1800


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1, help="medians of so many loads of each, in turns")
    parser.add_argument("--nigh", help="a `nigh` that is built already")
    parser.add_argument("--qdrant", default=os.environ.get("QDRANT"), help="a Qdrant binary; else the variable QDRANT")
    parser.add_argument("--data", default=os.environ.get("NIGH_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--out", default=ROOT / "target" / "peers" / "ingest.md")
    return parser.parse_args()


def in_environment():
    home = ROOT / "target" / "peers" / "ingest-venv"
    python = home / "bin" / "python"
    if pathlib.Path(sys.prefix) == home.resolve() or os.environ.get("NIGH_INGEST_INSIDE"):
        return
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
    have = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True).stdout.lower()
    wanted = [name for name in NEEDED if name + "==" not in have]
    if wanted:
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], check=True)
    os.execve(python, [python, __file__, *sys.argv[1:]], os.environ | {"NIGH_INGEST_INSIDE": "1"})


class Passages:
    def __init__(self, args):
        import numpy

        folder = pathlib.Path(args.data) / "passages"
        self.vectors = numpy.load(folder / "base.npy", mmap_mode="r")[: args.rows].astype("float32")
        with gzip.open(folder / "base.jsonl.gz", "rt") as lines:
            self.payloads = [line.strip() for line, _ in zip(lines, range(args.rows))]
        self.queries = numpy.load(folder / "queries.npy")[:200].astype("float32")
        norms = numpy.linalg.norm(self.vectors, axis=1, keepdims=True)
        scores = self.queries @ (self.vectors / norms).T
        self.truth = numpy.argsort(-scores, axis=1)[:, :10]

    def batches(self):
        for first in range(0, len(self.payloads), BATCH):
            yield range(first, min(first + BATCH, len(self.payloads)))

    def recall(self, ask):
        found = [len(set(ask(query)) & set(truth.tolist())) for query, truth in zip(self.queries, self.truth)]
        return sum(found) / (10 * len(found))


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def qdrant_door(given):
    """The program that puts Qdrant's engine behind a door: built where none was given, which takes long."""
    if given:
        return pathlib.Path(given).resolve()
    # There the compiler is named that the engine needs.
    home = HERE / "qdrant-door"
    subprocess.run(["cargo", "build", "--release"], cwd=home, check=True)
    return home / "target" / "release" / "qdrant-door"


class Process:
    """A server of its own, its memory watched; ended by its id."""

    def __init__(self, command, folder, environment=None):
        self.folder = folder
        log = open(pathlib.Path(folder) / "log", "w")
        self.child = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=os.environ | (environment or {}))
        self.anonymous = 0
        self.over = threading.Event()
        threading.Thread(target=self.watch, daemon=True).start()

    def status(self, name):
        try:
            for line in open(f"/proc/{self.child.pid}/status"):
                if line.startswith(name + ":"):
                    return int(line.split()[1]) * 1024
        except OSError:
            pass
        return 0

    def watch(self):
        while not self.over.wait(0.02):
            self.anonymous = max(self.anonymous, self.status("RssAnon"))

    def disk(self):
        # Blocks rather than lengths: what was reserved and never written takes no room.
        files = (path for path in pathlib.Path(self.folder).rglob("*") if path.is_file())
        return sum(path.stat().st_blocks * 512 for path in files)

    def end(self):
        self.over.set()
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(30)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Nigh:
    name = "nigh"

    def __init__(self, args, scratch):
        from grpc_tools import protoc

        self.binary = pathlib.Path(args.nigh).resolve() if args.nigh else self.build()
        stubs = pathlib.Path(scratch) / "stubs"
        stubs.mkdir()
        protos = sorted(str(path.relative_to(ROOT / "proto")) for path in (ROOT / "proto" / "nigh" / "v1").glob("*.proto"))
        if protoc.main(["", f"-I{ROOT / 'proto'}", f"--python_out={stubs}", *protos]) != 0:
            raise SystemExit("the calls of nigh could not be compiled")
        sys.path.insert(0, str(stubs))

    @staticmethod
    def build():
        subprocess.run(["cargo", "build", "--release", "-p", "nigh-server"], cwd=ROOT, check=True)
        return ROOT / "target" / "release" / "nigh"

    def start(self, folder):
        self.port, http = free_port(), free_port()
        grpc, http = f"127.0.0.1:{self.port}", f"127.0.0.1:{http}"
        return Process([self.binary, "serve", "--data", "data", "--grpc", grpc, "--http", http], folder)

    def requests(self, passages):
        from nigh.v1 import points_pb2

        for rows in passages.batches():
            request = points_pb2.WriteRequest(collection="c")
            for row in rows:
                point = request.ops.add().upsert
                point.id.num = row
                point.vectors["text"].values.extend(passages.vectors[row].tolist())
                point.payload = passages.payloads[row]
            yield request.SerializeToString()

    write = "/nigh.v1.Points/Write"

    def call(self, channel, method, request, reply):
        call = channel.unary_unary(method, type(request).SerializeToString, reply.FromString)
        return call(request, timeout=60)

    def create(self, channel):
        from nigh.v1 import collections_pb2 as of

        spec = of.CollectionSpec(vectors=[of.VectorField(name="text", size=SIZE, metric=of.METRIC_COSINE)])
        request = of.CreateCollectionRequest(collection="c", spec=spec)
        self.call(channel, "/nigh.v1.Collections/Create", request, of.CreateCollectionReply)

    def indexed(self, channel):
        from nigh.v1 import collections_pb2 as of

        request = of.DescribeCollectionRequest(collection="c")
        status = self.call(channel, "/nigh.v1.Collections/Describe", request, of.DescribeCollectionReply).status
        return status.upkeep == "idle" and status.live_rows < 2000

    def search(self, channel, query):
        from nigh.v1 import points_pb2 as of

        request = of.QueryRequest(collection="c", limit=10)
        request.retrievers.add().dense.vector.values.extend(query.tolist())
        return [hit.id.num for hit in self.call(channel, "/nigh.v1.Points/Query", request, of.QueryReply).hits]


class Qdrant:
    name = "Qdrant"
    write = "/qdrant.Points/Upsert"

    def __init__(self, args):
        self.binary = pathlib.Path(args.qdrant).resolve()

    def start(self, folder):
        self.port, self.http = free_port(), free_port()
        # The variables of its own configuration; everything else is its default.
        return Process([self.binary], folder, {
            "QDRANT__SERVICE__HOST": "127.0.0.1",
            "QDRANT__SERVICE__HTTP_PORT": str(self.http),
            "QDRANT__SERVICE__GRPC_PORT": str(self.port),
            "QDRANT__STORAGE__STORAGE_PATH": str(pathlib.Path(folder) / "storage"),
            "QDRANT__STORAGE__SNAPSHOTS_PATH": str(pathlib.Path(folder) / "snapshots"),
            "QDRANT__TELEMETRY_DISABLED": "true",
        })

    def requests(self, passages):
        from qdrant_client import grpc as of
        from qdrant_client.conversions.conversion import RestToGrpc

        for rows in passages.batches():
            points = []
            for row in rows:
                payload = RestToGrpc.convert_payload(json.loads(passages.payloads[row]))
                vector = of.Vectors(vector=of.Vector(data=passages.vectors[row].tolist()))
                points.append(of.PointStruct(id=of.PointId(num=row), vectors=vector, payload=payload))
            yield of.UpsertPoints(collection_name="c", wait=True, points=points).SerializeToString()

    def rest(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)["result"]

    def create(self, _channel):
        self.rest("PUT", "/collections/c", {"vectors": {"size": SIZE, "distance": "Cosine"}})

    def indexed(self, _channel):
        info = self.rest("GET", "/collections/c")
        return info["status"] == "green" and info["optimizer_status"] == "ok"

    def search(self, _channel, query):
        body = {"query": query.tolist(), "limit": 10}
        return [point["id"] for point in self.rest("POST", "/collections/c/points/query", body)["points"]]


def load(server, passages, requests, scratch):
    import grpc

    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        process = server.start(folder)
        try:
            channels = [grpc.insecure_channel(f"127.0.0.1:{server.port}", UNLIMITED) for _ in range(CLIENTS)]
            for channel in channels:
                grpc.channel_ready_future(channel).result(START_SECONDS_MAX)
            server.create(channels[0])
            return measure(server, process, passages, requests, channels)
        finally:
            process.end()


def measure(server, process, passages, requests, channels):
    lock, left, wrong = threading.Lock(), iter(requests), []

    def send(channel):
        call = channel.unary_unary(server.write, lambda body: body, lambda body: body)
        while True:
            with lock:
                body = next(left, None)
            if body is None or wrong:
                return
            try:
                call(body, timeout=120)
            except Exception as err:  # whatever it is, the run is void
                wrong.append(err)

    senders = [threading.Thread(target=send, args=(channel,)) for channel in channels]
    began = time.time()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    if wrong:
        raise wrong[0]
    acknowledged = time.time()
    settled, quiet = acknowledged, 0
    while quiet < 5:
        time.sleep(0.1)
        if server.indexed(channels[0]):
            quiet += 1
        else:
            quiet, settled = 0, time.time()
        if time.time() - acknowledged > INDEX_SECONDS_MAX:
            raise SystemExit(f"{server.name} did not come to rest")
    return {
        "points a second, until the last acknowledgement": len(passages.payloads) / (acknowledged - began),
        "seconds from there until all is indexed": settled - acknowledged,
        "most memory, MB": process.status("VmHWM") / 1e6,
        "of it not mapped from files, MB": process.anonymous / 1e6,
        "bytes a point on disk": process.disk() / len(passages.payloads),
        "recall@10": passages.recall(lambda query: server.search(channels[0], query)),
    }


def main():
    args = arguments()
    in_environment()
    out = pathlib.Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ingest-", dir=out.parent) as scratch:
        passages = Passages(args)
        servers = [Nigh(args, scratch)] + ([Qdrant(args)] if args.qdrant else [])
        results = {server.name: [] for server in servers}
        requests = {server.name: list(server.requests(passages)) for server in servers}
        for turn in range(args.rounds):
            for server in servers:
                results[server.name].append(load(server, passages, requests[server.name], scratch))
                print(f"{server.name}, {turn + 1} of {args.rounds}: {results[server.name][-1]}", flush=True)
    lines = [f"{args.rows} passages, {CLIENTS} clients, batches of {BATCH}; medians of {args.rounds}.", ""]
    lines += ["| | " + " | ".join(results) + " |", "|---" * (len(results) + 1) + "|"]
    for what in next(iter(results.values()))[0]:
        values = (statistics.median(run[what] for run in runs) for runs in results.values())
        digits = 4 if what.startswith("recall") else 1 if what.startswith("seconds") else 0
        lines.append(f"| {what} | " + " | ".join(f"{value:,.{digits}f}" for value in values) + " |")
    if not args.qdrant:
        lines += ["", "No Qdrant was given (the variable QDRANT)."]
    out.write_text("\n".join(lines) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    main()
