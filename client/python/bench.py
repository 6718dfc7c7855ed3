"""The Python client on 100,000 passages of 384 numbers: how fast it uploads them, and what a query costs beside the server.

    python client/python/bench.py target/release/nigh --data ../shared/data [--points 100000] [--queries 1000]

Run it with the package installed (run_tests.py leaves target/nigh-python/venv). `target/release/load --clients 4` loads the
same points into the same collection with the Rust client, `target/release/passages --sweep` asks the same queries. A fresh
server with default settings, durable acknowledgements, loopback. Prints Markdown.
"""

import argparse
import asyncio
import gzip
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import nigh

SPEC = nigh.CollectionSpec(vectors=[nigh.VectorField("text", 384)], texts=[nigh.TextField("text", analyzer="english")])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, default=os.environ.get("NIGH_DATA", "../shared/data"))
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1000)
    return parser.parse_args()


def main():
    args = arguments()
    passages = pathlib.Path(args.data) / "passages"
    vectors = np.load(passages / "base.npy")[: args.points].astype(np.float32)
    queries = np.load(passages / "queries.npy")[: args.queries].astype(np.float32)
    with gzip.open(passages / "base.jsonl.gz", "rt") as lines:
        # Dicts, as an application has them: making JSON of them is part of the work.
        payloads = [json.loads(line) for line, _ in zip(lines, range(len(vectors)))]
    print("| | seconds | points a second | processor seconds of the client |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        server, address = started(args.program, folder)
        try:
            with nigh.Client(address) as client:
                upload("upload, sync", client, vectors, payloads)
                asyncio.run(upload_async(address, vectors, payloads))
                settle(client)
                ask(client, queries)
                asyncio.run(ask_async(address, queries))
        finally:
            server.kill()
            server.wait()


def started(program, folder):
    command = [program, "serve", "--data", folder, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    said = server.stdout.readline()
    return server, re.search(r"gRPC ([0-9.:]+)", said).group(1)


def told(name, points, begun, cpu):
    seconds, own = time.perf_counter() - begun, time.process_time() - cpu
    print(f"| {name} | {seconds:.2f} | {points / seconds:,.0f} | {own:.2f} |", flush=True)


def upload(name, client, vectors, payloads):
    client.create_collection("passages", SPEC)
    begun, cpu = time.perf_counter(), time.process_time()
    assert client.upload("passages", None, vectors, payloads).ops == len(vectors)
    told(name, len(vectors), begun, cpu)


async def upload_async(address, vectors, payloads):
    async with nigh.AsyncClient(address) as client:
        await client.create_collection("other", SPEC)
        begun, cpu = time.perf_counter(), time.process_time()
        assert (await client.upload("other", None, vectors, payloads)).ops == len(vectors)
        told("upload, async", len(vectors), begun, cpu)
        await client.drop_collection("other")


def settle(client):
    """Until upkeep was idle for five seconds."""
    idle = 0
    while idle < 50:
        idle = idle + 1 if client.describe("passages").status.upkeep == "idle" else 0
        time.sleep(0.1)


def ask(client, queries):
    print("\n| queries, one at a time | p50 us | p99 us | in the engine, p50 us | beside it, p50 us |\n|---|---|---|---|---|")
    for name, wanted in [("hits alone", {"payload": False}), ("with payloads", {}), ("with vectors", {"payload": False, "vectors": True})]:
        took = []
        for query in queries:
            begun = time.perf_counter()
            client.query("passages", nigh.Dense(query, recall=0.95), **wanted)
            took.append((time.perf_counter() - begun) * 1e6)
        engine, beside = [], []
        for query in queries:
            begun = time.perf_counter()
            reply = client.query("passages", nigh.Dense(query, recall=0.95), explain=True, **wanted)
            engine.append(reply.explanation.total_us)
            beside.append((time.perf_counter() - begun) * 1e6 - reply.explanation.total_us)
        shown = [statistics.median(took), np.percentile(took, 99), statistics.median(engine), statistics.median(beside)]
        print(f"| {name} | {' | '.join(f'{one:.0f}' for one in shown)} |", flush=True)


async def ask_async(address, queries):
    async with nigh.AsyncClient(address) as client:
        begun = time.perf_counter()
        at_once = asyncio.Semaphore(16)

        async def one(query):
            async with at_once:
                await client.query("passages", nigh.Dense(query, recall=0.95), payload=False)

        await asyncio.gather(*(one(query) for query in queries))
        print(f"\nasync, 16 at a time: {len(queries) / (time.perf_counter() - begun):,.0f} queries a second")


if __name__ == "__main__":
    sys.exit(main())
