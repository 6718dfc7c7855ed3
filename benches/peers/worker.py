"""One contestant in a process of its own: builds, then obeys the driver line by line.

    worker.py PEER BUILD.json SET DATA THREADS FOLDER

speaks what `nigh_benches::service` speaks: `{"built": ..}` once, then for every `{"setting", "way", "queries", "ids"}`
one line of times, and the ids where they were asked for. What a library prints goes to standard error.
"""

import ctypes
import json
import os
import pathlib
import sys
import time

# One line at a time belongs to the driver: whatever else is written to standard output is sent elsewhere.
DRIVER = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import numpy as np  # noqa: E402

from contestants import PEERS  # noqa: E402
from data import Data  # noqa: E402


def say(answer):
    DRIVER.write(json.dumps(answer) + "\n")
    DRIVER.flush()


def memory(key):
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        pass
    for line in open("/proc/self/status"):
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    return 0


def size_of(path):
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else None


def built(contestant, how, data, threads, folder):
    before, mapped = memory("RssAnon"), memory("RssFile")
    cpu, start = time.process_time(), time.perf_counter()
    contestant.build(data, threads, folder / "index", **how)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    grown = memory("RssAnon") - before
    on_disk = folder / "index"
    if hasattr(contestant, "save"):
        on_disk = folder / "saved"
        contestant.save(on_disk)
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "memory_bytes": grown / data.rows,
        "mapped_bytes": max(0, memory("RssFile") - mapped) / data.rows,
        "disk_bytes": None if size_of(on_disk) is None else size_of(on_disk) / data.rows,
    }


def run(contestant, data, order):
    queries = data.queries[: order["queries"]]
    contestant.set(**order["setting"])
    # What is set up at the first query (buffers, tables) is no part of the queries.
    contestant.one(queries[0])
    micros = []
    if order["way"] == "batch":
        cpu, start = time.process_time(), time.perf_counter()
        found = contestant.many(queries)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    else:
        found, one, clock = [], contestant.one, time.perf_counter
        cpu, start = time.process_time(), clock()
        for query in queries:
            begin = clock()
            found.append(one(query))
            micros.append(clock() - begin)
        seconds, cpu_seconds = clock() - start, time.process_time() - cpu
    answer = {"seconds": seconds, "cpu_seconds": cpu_seconds}
    if micros:
        answer["p50_us"], answer["p99_us"] = (float(np.quantile(micros, at)) * 1e6 for at in (0.5, 0.99))
    if order.get("ids"):
        answer["ids"] = [[int(row) for row in np.asarray(rows).reshape(-1)[:10]] for rows in found]
    return answer


def main():
    peer, how, name, root, threads, folder = sys.argv[1:]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    data = Data(name, root)
    contestant = PEERS[peer]()
    cost = built(contestant, json.loads(how), data, int(threads), folder)
    data.base = data.bytes = None
    say({"built": cost, "ways": ["single"] + (["batch"] if hasattr(contestant, "many") else [])})
    for line in sys.stdin:
        say(run(contestant, data, json.loads(line)))


main()
