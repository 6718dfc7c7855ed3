#!/usr/bin/env python3
"""Cuts the sample of server/assets/sample out of the passage collection.

    python3 scripts/make_sample.py [DATA]

DATA is the folder that has `passages/` (else NIGH_DATA, else ../shared/data). Nothing but the
standard library is needed: rows of an .npy file have a fixed width, so they are copied as bytes.
The same input gives the same bytes.
"""

import ast
import gzip
import io
import json
import os
import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
POINTS = 4800
QUERIES_OF_A_KIND = 50


def npy_rows(path):
    """Row width in bytes, columns, and the rows of a two-dimensional float16 .npy file."""
    raw = path.read_bytes()
    assert raw[:6] == b"\x93NUMPY", f"{path} is not an .npy file"
    length = struct.unpack("<H", raw[8:10])[0] if raw[6] == 1 else struct.unpack("<I", raw[8:12])[0]
    start = (10 if raw[6] == 1 else 12) + length
    head = ast.literal_eval(raw[start - length : start].decode("latin1"))
    assert head["descr"] == "<f2" and not head["fortran_order"], f"{path}: {head}"
    rows, columns = head["shape"]
    width = 2 * columns
    body = memoryview(raw)[start:]
    assert len(body) == rows * width, f"{path} has the wrong length"
    return columns, [body[row * width : (row + 1) * width] for row in range(rows)]


def write_npy(path, columns, rows):
    head = "{'descr': '<f2', 'fortran_order': False, 'shape': (%d, %d), }" % (len(rows), columns)
    # The body starts at a multiple of 64 bytes; the heading ends in a line feed.
    head += " " * (-(10 + len(head) + 1) % 64) + "\n"
    with open(path, "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode("latin1"))
        for row in rows:
            out.write(row)


def read_lines(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in lines]


def write_lines(path, lines):
    raw = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=9, mtime=0) as out:
        out.write("".join(line + "\n" for line in lines).encode())
    path.write_bytes(raw.getvalue())


def main():
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("NIGH_DATA")
    data = pathlib.Path(given) if given else ROOT / ".." / "shared" / "data"
    passages, sample = data / "passages", ROOT / "server" / "assets" / "sample"
    sample.mkdir(parents=True, exist_ok=True)

    # The rows are in random order, so the first ones are a fair sample.
    columns, vectors = npy_rows(passages / "base.npy")
    write_npy(sample / "points.f16.npy", columns, vectors[:POINTS])
    write_lines(sample / "points.jsonl.gz", read_lines(passages / "base.jsonl.gz")[:POINTS])

    columns, vectors = npy_rows(passages / "queries.npy")
    lines = read_lines(passages / "queries.jsonl.gz")
    kinds = [json.loads(line)["kind"] for line in lines]
    chosen = []
    for kind in ("question", "passage"):
        chosen += [row for row, have in enumerate(kinds) if have == kind][:QUERIES_OF_A_KIND]
    write_npy(sample / "queries.f16.npy", columns, [vectors[row] for row in chosen])
    write_lines(sample / "queries.jsonl.gz", [lines[row] for row in chosen])

    total = sum(file.stat().st_size for file in sample.iterdir())
    print(f"{POINTS} points, {len(chosen)} queries, {total} bytes")
    assert total < 5_000_000, "the sample stays under 5 MB"


main()
