"""Both doors under requests that are made up, by chance and by changing bytes: no panic, no answer left out, no right exceeded.

    python tests/doors/fuzz.py target/debug/nigh        NIGH_DOORS=3600 goes on for so many seconds, NIGH_DOORS_SEED is where it begins

Four kinds: calls of gRPC and of JSON whose messages are of the right type with values by chance, the same with bytes changed, routes of
the Qdrant API with JSON by chance, and heads, bodies and frames changed byte by byte. First with keys that may only read: nothing may
have changed then. Then with one that may write to `docs`: `other` is what it was, and nobody but those who may has seen a word of it.
Then with the key that may everything.
"""

import collections
import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import socket
import struct
import sys
import time

import h2
from messages import COLLECTIONS, WORDS, Schema
from served import PATIENCE, SECRET, secret, served

SECONDS = 15
#: Calls on one connection.
ON_ONE = 50
#: Codes of gRPC that are the server's own fault.
FAULTS = {2, 13, 15}
TABLE = pathlib.Path(__file__).resolve().parent.parent.parent / "server/src/access/table.rs"
INNER = ["vector", "limit", "filter", "must", "should", "key", "match", "value", "points", "id", "ids", "payload", "query", "with_payload", "with_vector", "searches", "using", "prefetch", "vectors", "operations", "upsert", "delete", "range", "gte", "nearest", "fusion", "recommend", "positive", "strategy", "target", "context", "group_by", "lookup_from", "collection", "offset", "order_by", "shard_key", "params", "hnsw_ef", "exact", "score_threshold", "sample", "formula", "mult", "text", "geo_radius", "center", "lat", "lon", "actions", "create_alias", "collection_name", "alias_name", "size", "distance", "name", "field_name", "field_schema"]


class Fuzz:
    def __init__(self, server, seed):
        self.server, self.chance, self.seed = server, random.Random(seed), seed
        self.schemas = [Schema("nigh/v1", "nigh.v1"), Schema("qdrant", "qdrant")]
        self.routes = re.findall(r'"(GET|POST|PUT|PATCH|DELETE) (/[^"]*)"', TABLE.read_text())
        self.last, self.codes, self.asked = collections.deque(maxlen=5), collections.Counter(), 0
        self.kinds = [self.grpc, self.grpc, self.json, self.json, self.qdrant, self.bytes_of_http, self.bytes_of_grpc]
        self.kept, self.grpc_kept = None, None

    def run(self, keys, seconds, private):
        """Requests with these keys for so long; `private`: nobody of them may see a word of `other`."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            key, kind = self.chance.choice(keys), self.chance.choice(self.kinds)
            answer = kind(key)
            self.asked += 1
            if private(key) and SECRET.encode() in answer:
                raise AssertionError(f"{key} was told of `other`: {self.told()}")
            if self.asked % 500 == 0:
                self.server.sound()
        self.server.sound()

    def told(self):
        return f"seed {self.seed}; the last requests: {[(name, bytes(data)[:2000]) for name, data in self.last]}"

    def headers(self, key):
        return [("api-key", secret(key))] if key else []

    def changed(self, data):
        """Some bytes otherwise: flipped, left out, twice, from elsewhere, extreme."""
        data = bytearray(data)
        for _ in range(self.chance.choice([1, 1, 2, 5, 20])):
            at = self.chance.randrange(len(data) + 1)
            how, length = self.chance.randrange(6), self.chance.choice([1, 1, 2, 4, 30])
            if how == 0 and at < len(data):
                data[at] ^= 1 << self.chance.randrange(8)
            elif how == 1:
                del data[at : at + length]
            elif how == 2:
                data[at:at] = data[at : at + length] * self.chance.choice([1, 2, 50])
            elif how == 3:
                data[at : at + length] = self.chance.randbytes(length)
            elif how == 4:
                data[at:at] = self.chance.choice([b"\0", b"\r\n", b"\xff" * 8, b"\x7f\xff\xff\xff", b"\r\n\r\n", b"%00", b"../"])
            else:
                other = self.chance.randrange(len(data) + 1)
                data[at:at] = data[other : other + length]
        return bytes(data)

    def call(self):
        schema = self.chance.choices(self.schemas, [3, 2])[0]
        return schema, *self.chance.choice(schema.calls)

    def grpc(self, key):
        """A call with a message of its type, sometimes with bytes changed."""
        schema, path, asks, _ = self.call()
        owner = schema.find(asks, "")
        message = schema.message(self.chance, owner) if owner else b""
        changed = self.chance.random() < 0.3
        message = self.changed(message) if changed else message
        self.last.append((f"{key} {path}", message))
        if self.grpc_kept is None or self.grpc_kept[1] > ON_ONE:
            if self.grpc_kept:
                self.grpc_kept[0].close()
            wide = h2.NO_TABLE + struct.pack(">HI", 4, (1 << 31) - 1)
            connection = h2.Connection(self.server.grpc, timeout=PATIENCE, settings=wide)
            connection.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30)))
            self.grpc_kept = (connection, 0)
        connection, calls = self.grpc_kept
        self.grpc_kept = (connection, calls + 1)
        stream = calls * 2 + 1
        fields = [*self.headers(key), ("grpc-timeout", "5S")]
        connection.send(h2.frame(h2.HEADERS, h2.END_HEADERS, stream, h2.head(path, *fields)))
        # Within what a window of 64 KiB takes before the other end has said how wide its own is.
        framed = h2.message(message)[:40_000]
        for at in range(0, len(framed), 16_000):
            connection.send(h2.frame(h2.DATA, 0, stream, framed[at : at + 16_000]))
        connection.send(h2.frame(h2.DATA, h2.END_STREAM, stream))
        answer = connection.answer(stream)
        if not answer or b" reset" in answer[-20:]:
            # A watch of health goes on for ever, and says something at once.
            if not path.endswith("Watch"):
                self.server.sound()
            self.grpc_kept = None
        code = h2.code(answer)
        self.codes[f"grpc {code}"] += 1
        if code in FAULTS:
            raise AssertionError(f"{path} ended with {code}: {answer[-300:]} {self.told()}")
        return answer

    def json(self, key):
        schema = self.schemas[0]
        path, asks, _ = self.chance.choice(schema.calls)
        body = json.dumps(schema.json(self.chance, schema.find(asks, ""))).encode()
        if self.chance.random() < 0.2:
            body = self.changed(body)
        return self.http("POST", path, key, body)

    def qdrant(self, key):
        method, route = self.chance.choice(self.routes)
        for name, values in (("collection", ["docs", "other", "docs", "absent"]), ("id", ["1", "x", "-1"]), ("field", ["n"]), ("name", ["v"]), ("*path", ["a"])):
            route = route.replace("{" + name + "}", self.chance.choice(values))
        if self.chance.random() < 0.1:
            route += "?" + self.chance.choice(["wait=true", "wait=maybe", "ordering=x", "a" * 1000, "%ff=%00", "consistency=9"])
        return self.http(method, route, key, json.dumps(self.loose(0)).encode() if method != "GET" else b"")

    def loose(self, depth):
        """JSON of words that the Qdrant API knows."""
        chance = self.chance
        if depth > 5 or chance.random() < 0.25 * depth / 2:
            return chance.choice([0, 1, 3, -1, 0.5, 1e300, 1 << 70, True, None, *WORDS[:12], *COLLECTIONS[:3], [1.0, 0.0, 0.5, 1.0]])
        if chance.random() < 0.25:
            return [self.loose(depth + 1) for _ in range(chance.randrange(4))]
        return {chance.choice(INNER): self.loose(depth + 1) for _ in range(chance.randrange(1, 6))}

    def http(self, method, path, key, body):
        self.last.append((f"{key} {method} {path}", body))
        if self.kept is None:
            self.kept = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=PATIENCE)
        headers = {"content-type": "application/json", **dict(self.headers(key))}
        try:
            self.kept.request(method, path, body, headers)
            reply = self.kept.getresponse()
            answer = reply.read()
        except (ConnectionError, http.client.HTTPException) as broken:
            # A connection may be closed between two requests; a call on a new one has an answer.
            self.kept.close()
            self.kept.request(method, path, body, headers)
            try:
                reply = self.kept.getresponse()
            except http.client.RemoteDisconnected:
                raise AssertionError(f"no answer ({broken!r}): {self.told()}") from None
            answer = reply.read()
        self.codes[f"http {reply.status}"] += 1
        if reply.status == 500:
            raise AssertionError(f"{reply.status} {answer[:300]}: {self.told()}")
        return answer

    def bytes_of_http(self, key):
        schema = self.schemas[0]
        path, asks, _ = self.chance.choice(schema.calls)
        body = json.dumps(schema.json(self.chance, schema.find(asks, ""), 3)).encode()
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers(key)]
        return self.raw(self.server.http, self.changed("\r\n".join(lines).encode() + b"\r\n\r\n" + body))

    def bytes_of_grpc(self, key):
        schema, path, asks, _ = self.call()
        owner = schema.find(asks, "")
        message = h2.message(schema.message(self.chance, owner, 3) if owner else b"")[:16_000]
        frames = [h2.frame(h2.SETTINGS, 0, 0), h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.head(path, *self.headers(key)))]
        frames += [h2.frame(h2.DATA, h2.END_STREAM, 1, message), h2.frame(h2.PING, 0, 0, b"12345678"), h2.frame(h2.GOAWAY, 0, 0, b"\0" * 8)]
        if self.chance.random() < 0.5:
            self.chance.shuffle(frames)
        begin = h2.PREFACE if self.chance.random() < 0.95 else self.changed(h2.PREFACE)
        return self.raw(self.server.grpc, begin + self.changed(b"".join(frames)))

    def raw(self, port, data):
        """Sends it, says that this is all, and reads what comes."""
        self.last.append((f"bytes to {port}", data))
        got = bytearray()
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as stream:
            stream.sendall(data)
            with contextlib.suppress(OSError):
                # The server may have ended the connection by now; what it said is there to be read.
                stream.shutdown(socket.SHUT_WR)
            while piece := stream.recv(1 << 16):
                got += piece
        self.codes["bytes"] += 1
        return bytes(got)


def state(server):
    """What nobody without the right may change."""
    told = [server.ask("Collections/List", {}), server.ask("Collections/ListAliases", {})]
    return told, {name: of(server, name) for name in ("docs", "other")}


def of(server, name):
    spec = server.ask("Collections/Describe", {"collection": name})["spec"]
    page = server.ask("Points/Scroll", {"collection": name, "limit": 1000, "payload": {"all": True}, "vectors": {"all": True}})
    return spec, page.get("points"), server.seq(name), server.ask("Versions/Pins", {"collection": name}).get("pins")


def main(program):
    seconds = float(os.environ.get("NIGH_DOORS") or SECONDS)
    seed = int(os.environ.get("NIGH_DOORS_SEED") or time.time())
    with served(program, limits__begin_ms=2000, limits__request_ms=5000, memory__limit_mib=1024) as server:
        fuzz = Fuzz(server, seed)
        before = state(server)
        fuzz.run(["read", "read", "read-docs", "read-docs", "", "nobody"], seconds / 3, lambda key: key != "read")
        assert state(server)[1] == before[1], f"a key that may only read has changed something; seed {seed}"
        fuzz.run(["write-docs"], seconds / 3, lambda key: True)
        assert state(server)[1]["other"] == before[1]["other"], f"a key for `docs` has changed `other`; seed {seed}"
        assert of(server, "docs")[0] == before[1]["docs"][0], f"a key that may write has changed a spec; seed {seed}"
        fuzz.run(["admin", "admin", "read", "write-docs"], seconds / 3, lambda key: False)
        memory = server.memory()
        for kept in (fuzz.kept, fuzz.grpc_kept and fuzz.grpc_kept[0]):
            if kept:
                kept.close()
    told = ", ".join(f"{code}: {count:,}" for code, count in sorted(fuzz.codes.items()))
    print(f"doors: fuzzed with {fuzz.asked:,} requests in {seconds:.0f} s, seed {seed}, {memory:.0f} MB at the end; {told}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).absolute())
