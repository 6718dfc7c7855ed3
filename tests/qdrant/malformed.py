"""Requests that are wrong in every way, over REST: codes and shapes as described, no 500, and a server that lives.

    python -m venv venv && venv/bin/pip install schemathesis
    venv/bin/python tests/qdrant/malformed.py http://127.0.0.1:6333 [--examples 20] [--seed 1]

First raw bodies that no tool would make, then schemathesis over openapi.yaml.
"""

import argparse
import gzip
import http.client
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
DENSE = {"size": 4, "distance": "Cosine"}
NAMED = {
    "vectors": {"dense": {"size": 4, "distance": "Euclid"}, "many": DENSE | {"multivector_config": {"comparator": "max_sim"}}},
    "sparse_vectors": {"sparse": {"modifier": "idf"}},
}
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
VECTOR = b"[1,2,3,4]"


class Server:
    def __init__(self, url):
        self.address = urllib.parse.urlsplit(url).netloc

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        given = {"content-type": "application/json"} | headers
        try:
            connection.request(method, path, body=body, headers=given)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def prepare(self):
        points = [{"id": at, "vector": [at + 1, 1, 2, 3], "payload": {"a": at, "b": {"c": [at]}}} for at in range(10)]
        for name, made in [("one", {"vectors": DENSE}), ("named", NAMED)]:
            self.ask("DELETE", f"/collections/{name}")
            assert self.ask("PUT", f"/collections/{name}", json.dumps(made))[0] == 200
        assert self.ask("PUT", "/collections/one/points?wait=true", json.dumps({"points": points}))[0] == 200


def nested(deep, opening=b'{"must":[', closing=b"]}", inside=b"{}"):
    return opening * deep + inside + closing * deep


def upsert(point):
    return "PUT", "/collections/one/points", b'{"points":[' + point + b"]}"


def query(body):
    return "POST", "/collections/one/points/query", body


# (what, request, codes)
def attacks():
    wrong, either = {400, 422}, {200, 400, 422}
    yield "no JSON", query(b"{"), wrong
    yield "nothing at all in an upsert", ("PUT", "/collections/one/points", b""), wrong
    yield "bytes that are no UTF-8", query(b'{"query":"\xff\xfe"}'), wrong
    yield "half of a surrogate", query(b'{"query":"\\ud800"}'), wrong
    yield "a mark of byte order", query(b"\xef\xbb\xbf{}"), wrong
    yield "more behind the end", query(b"{} {}"), wrong
    for number in [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1e39", b"01", b"+1", b".5", b"0x1", b'"1"', b"null", b"[]"]:
        yield f"the number {number}", query(b'{"query":[1,2,3,' + number + b"]}"), wrong
        yield f"the number {number} in a point", upsert(b'{"id":1,"vector":[1,2,3,' + number + b"]}"), wrong
    for number in [b"-1", b"1.5", b"1e3", b"18446744073709551616", b"null", b"{}", b'"seven"', b"true"]:
        yield f"the id {number}", upsert(b'{"id":' + number + b',"vector":' + VECTOR + b"}"), wrong
        yield f"the limit {number}", query(b'{"query":' + VECTOR + b',"limit":' + number + b"}"), either
    for deep in [100, 127, 1000, 100_000]:
        yield f"a filter {deep} deep", query(b'{"filter":' + nested(deep) + b"}"), wrong
        yield f"lists {deep} deep", query(b'{"query":' + nested(deep, b"[", b"]", b"") + b"}"), wrong
        yield f"prefetches {deep} deep", query(nested(deep, b'{"query":[1,2,3,4],"prefetch":', b"}", b'{"query":[1,2,3,4]}')), wrong
        yield f"a formula {deep} deep", query(
            b'{"prefetch":{"query":[1,2,3,4]},"query":{"formula":' + nested(deep, b'{"neg":', b"}", b"1") + b"}}"), wrong
        payload = nested(deep, b'{"a":', b"}", b"1")
        yield f"a payload {deep} deep", upsert(b'{"id":50,"vector":' + VECTOR + b',"payload":' + payload + b"}"), either
    yield "a key twice", query(b'{"limit":1,"limit":2,"query":' + VECTOR + b"}"), either
    yield "a key twice in an upsert", ("PUT", "/collections/one/points", b'{"points":[],"points":[]}'), wrong
    yield "a filter with another key", query(b'{"filter":{"musst":[]}}'), wrong
    yield "a selector with another key", query(b'{"with_payload":{"only":["a"]}}'), wrong
    yield "a bare list as a selector", ("POST", "/collections/one/points/delete", b"[1,2]"), wrong
    yield "no selector", ("POST", "/collections/one/points/delete", b"{}"), wrong
    yield "no points", ("PUT", "/collections/one/points", b'{"points":[]}'), wrong
    yield "a limit beyond all", query(b'{"query":' + VECTOR + b',"limit":18446744073709551615}'), either
    yield "an offset beyond all", query(b'{"query":' + VECTOR + b',"offset":18446744073709551615}'), either
    yield "candidates beyond all", query(b'{"query":{"nearest":' + VECTOR + b',"mmr":{"candidates_limit":18446744073709551615}}}'), either
    yield "groups beyond all", ("POST", "/collections/one/points/query/groups",
                                b'{"query":' + VECTOR + b',"group_by":"a","limit":4294967296,"group_size":4294967296}'), either
    yield "a sample beyond all", ("POST", "/collections/one/points/search/matrix/pairs", b'{"sample":1e9}'), wrong
    yield "a key of 100,000 letters", query(b'{"filter":{"must":[{"key":"' + b"a" * 100_000 + b'","match":{"value":1}}]}}'), either
    yield "a key of 10,000 dots", query(b'{"filter":{"must":[{"key":"a' + b".a" * 10_000 + b'","match":{"value":1}}]}}'), wrong
    yield "100,000 prefetches", query(b'{"query":{"fusion":"rrf"},"prefetch":[' + b",".join([b'{"query":[1,2,3,4]}'] * 100_000) + b"]}"), wrong
    yield "100,000 conditions", query(b'{"filter":{"should":[' + b",".join([b'{"has_id":[1]}'] * 100_000) + b"]}}"), either
    yield "100,000 queries", ("POST", "/collections/one/points/query/batch", b'{"searches":[' + b",".join([b"{}"] * 100_000) + b"]}"), either
    yield "too long a body", ("PUT", "/collections/one/points", b" " * (40 << 20)), {413}
    yield "another type of body", (*query(b"{}"), {"content-type": "text/plain"}), either
    yield "a compressed body", (*query(gzip.compress(b"{}")), {"content-encoding": "gzip"}), {200, 400, 415}
    yield "a compressed body that is none", (*query(b"{}"), {"content-encoding": "gzip"}), {200, 400, 415}
    yield "a compressed body that grows", (*query(gzip.compress(b" " * (200 << 20))), {"content-encoding": "gzip"}), {400, 413, 415}
    yield "a timeout of nothing", ("GET", "/collections/one?timeout=0", None), wrong
    yield "a wait of another word", ("POST", "/collections/one/points/delete?wait=maybe", b'{"points":[]}'), wrong
    yield "a collection with a slash", ("PUT", "/collections/a%2Fb", json.dumps({"vectors": DENSE}).encode()), wrong
    yield "a collection of dots", ("PUT", "/collections/..%2f..", json.dumps({"vectors": DENSE}).encode()), wrong
    yield "a collection with a zero byte", ("PUT", "/collections/a%00b", json.dumps({"vectors": DENSE}).encode()), wrong
    yield "a path that is no UTF-8", ("GET", "/collections/%ff", None), {400, 404, 422}
    yield "an index of no path", ("DELETE", "/collections/one/index/%22", None), either
    yield "an id that is none", ("GET", "/collections/one/points/-1", None), wrong
    recover, upload = "/collections/one/snapshots/recover", "/collections/one/snapshots/upload"
    for location in ["", "file:///etc/passwd", "file:///", "http://localhost", "http://[::1", "\x00", "x" * 100_000, 7, None, [], {}]:
        yield f"the location {str(location)[:20]}", ("PUT", recover, json.dumps({"location": location}).encode()), wrong
    form = {"content-type": "multipart/form-data; boundary=b"}
    part = b'--b\r\ncontent-disposition: form-data; name="snapshot"\r\n\r\n'
    yield "an upload that is no form", ("POST", upload, b"{}"), wrong
    for broken in [b"", b"--b", b"--b--", part, part + b"x\r\n--b--", part + b"\0" * 10_240 + b"\r\n--b--", b"--b\r\n" + b"x" * 100_000]:
        yield f"the form {broken[:60]}", ("POST", upload, broken, form), wrong
    yield "a form without a boundary", ("POST", upload, part, {"content-type": "multipart/form-data"}), wrong
    for name in ["..", "%2e%2e%2fCATALOG", "one-1795286112345-00000000.snapshot", "%00", "x" * 5_000]:
        yield f"the snapshot {name[:40]}", ("GET", f"/collections/one/snapshots/{name}", None), {400, 404, 422}
        yield f"the removal of snapshot {name[:40]}", ("DELETE", f"/collections/one/snapshots/{name}", None), {400, 404, 422}
    for size in [0, -1, 1 << 20, 1 << 40, "4", None, 4.5]:
        made = json.dumps({"vectors": {"size": size, "distance": "Dot"}}).encode()
        yield f"vectors of the size {size}", ("PUT", "/collections/sized", made), wrong
    yield "10,000 vectors", ("PUT", "/collections/sized", json.dumps({"vectors": {f"v{n}": DENSE for n in range(10_000)}}).encode()), wrong
    yield "a name of 10,000 letters", ("PUT", "/collections/sized", json.dumps({"vectors": {"v" * 10_000: DENSE}}).encode()), wrong
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW"]:
        yield f"{method} of no path", (method, "/collections/one/points/nowhere/at/all", None), {400, 404, 405, 501}


def sent(server):
    failed = 0
    for what, (method, path, body, *headers), codes in attacks():
        try:
            status, reply = server.ask(method, path, body, **(headers[0] if headers else {}))
        except (ConnectionError, http.client.HTTPException) as error:
            # A server may hang up on a body that it will not read to its end.
            status, reply = (413, b"") if what == "too long a body" else (0, str(error).encode())
        shaped = status not in (400, 422) or not reply or (b"status" in reply and "error" in json.loads(reply)["status"])
        if status not in codes or not shaped:
            failed += 1
            print(f"{what}: {status} {reply[:200]!r}", file=sys.stderr)
    status, _ = server.ask("GET", "/readyz")
    assert status == 200, "the server does not answer any more"
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--examples", type=int, default=20, help="made of each operation")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    server = Server(args.url)
    server.prepare()
    failed = sent(server)
    print(f"malformed: {sum(1 for _ in attacks())} raw requests, {failed} answered otherwise")
    command = [
        pathlib.Path(sys.prefix) / "bin" / "schemathesis", "run", HERE / "openapi.yaml", "--url", args.url, "--checks", CHECKS,
        "--phases", "fuzzing", "--max-examples", str(args.examples), "--seed", str(args.seed), "--mode", "all",
        "--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off", "--no-color",
    ]
    # It keeps notes of its own where it is run.
    with tempfile.TemporaryDirectory() as folder:
        found = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    print(found.stdout[-12000:], found.stderr[-2000:])
    sys.exit(1 if failed or found.returncode else 0)


if __name__ == "__main__":
    main()
