"""What somebody without a key, or with one that is worth little, may try: each of them costs the server no more than it allows.

Every attack is a function of a server; it returns what it saw, for whoever reads the run. What must hold of all of them (others are
served, memory stays, nothing panics, connections come back) is looked at in run.py.
"""

import contextlib
import functools
import gzip
import http.client
import json
import socket
import ssl
import struct
import time
import zlib

import h2
from served import PATIENCE, secret

#: An address of this machine that is not the one of everybody else.
ELSEWHERE = "127.0.0.66"
MIB = 1 << 20


def from_elsewhere(port, timeout=PATIENCE):
    return socket.create_connection(("127.0.0.1", port), timeout=timeout, source_address=(ELSEWHERE, 0))


def said(stream):
    """All that comes until the other end closes; a reset is an end as well, waiting in vain is not."""
    got = bytearray()
    try:
        while piece := stream.recv(1 << 16):
            got += piece
    except ConnectionError:
        pass
    except TimeoutError:
        raise AssertionError(f"the connection is held for more than {PATIENCE} s after {bytes(got[-200:])!r}") from None
    return bytes(got)


def post(path, key, length, *lines):
    more = "".join(f"{line}\r\n" for line in lines)
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\napi-key: {secret(key)}\r\nContent-Type: application/json\r\n{more}Content-Length: {length}\r\n\r\n".encode()


def dribble(stream, letters, every):
    """One letter after the other, until the other end has had enough."""
    sent = 0
    try:
        for letter in letters:
            stream.sendall(bytes([letter]))
            sent += 1
            stream.settimeout(every)
            with contextlib.suppress(TimeoutError):
                if stream.recv(1 << 16, socket.MSG_PEEK) == b"":
                    break
    except ConnectionError:
        pass
    stream.settimeout(PATIENCE)
    return sent


def slow_heads(server):
    """Heads that come letter by letter: Slowloris."""
    streams = [from_elsewhere(server.http) for _ in range(24)]
    for stream in streams:
        stream.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n")
    letters = dribble(streams[0], b"X-Slow: " + b"a" * 2000, 0.05)
    answers = [said(stream) for stream in streams]
    assert not any(b"200 OK" in answer for answer in answers), answers
    assert letters < 1500, f"{letters} letters of a head were waited for"
    return f"{letters} letters of a head"


def slow_prefaces(server):
    """The preface of HTTP/2, half of it or without what has to follow; on both ports what is of the other."""
    streams = []
    for begin in (b"P", b"PRI * HTTP", h2.PREFACE, h2.PREFACE + b"\0\0"):
        for _ in range(6):
            streams.append(from_elsewhere(server.grpc))
            streams[-1].sendall(begin)
    for stream in streams:
        said(stream)
    return f"{len(streams)} beginnings of HTTP/2"


def slow_bodies(server):
    """Bodies that come letter by letter, for calls that are quick and for those that may take hours."""
    told = []
    for path in ("/nigh.v1.Points/Count", "/nigh.v1.Collections/Optimize", "/nigh.v1.Points/Write"):
        stream = from_elsewhere(server.http)
        stream.sendall(post(path, "admin", 100_000))
        letters = dribble(stream, b"{" + b" " * 2000, 0.05)
        answer = said(stream)
        assert b" 200 OK" not in answer and letters < 1900, (path, letters, answer)
        told.append(answer.split(b"\r\n")[0].decode() or "closed")
    call = h2.Connection(server.grpc, timeout=PATIENCE)
    call.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.head("/nigh.v1.Collections/Optimize", ("api-key", secret("admin")))))
    call.send(h2.frame(h2.DATA, 0, 1, h2.message(b"x" * 1000)[:20]))
    answer = call.answer(1)
    assert h2.code(answer) or b"reset" in answer, answer
    return ", ".join(told)


def silence(server):
    """Connections that say nothing, as many as one address gets: others still find a place."""
    held = []
    for port in (server.http, server.grpc):
        for _ in range(80):
            with contextlib.suppress(OSError):
                held.append(from_elsewhere(port))
    for stream in held:
        said(stream)
    return f"{len(held)} connections"


def sessions(server):
    """Connections that began well and then do nothing, all that one address gets: those that follow are closed, others are served."""
    held = [from_elsewhere(server.grpc) for _ in range(80)]
    for stream in held:
        with contextlib.suppress(OSError):
            stream.sendall(h2.PREFACE + h2.frame(h2.SETTINGS, 0, 0))
    kept = 0
    for stream in held:
        stream.settimeout(0.2)
        with contextlib.suppress(OSError):
            kept += stream.recv(1) != b""
    assert 0 < kept <= 56, f"{kept} of 64 places are one address's"
    # Somebody else calls.
    call = h2.Connection(server.grpc, timeout=PATIENCE)
    call.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.head("/grpc.health.v1.Health/Check")))
    call.send(h2.frame(h2.DATA, h2.END_STREAM, 1, h2.message(b"")))
    assert h2.code(call.answer(1)) == 0, "nobody else is served"
    for stream in held:
        stream.close()
    return f"{kept} of 64 places"


def handshakes(server):
    """TLS handshakes that do not end: half a greeting, letter by letter, and none."""
    streams = [from_elsewhere(server.http) for _ in range(24)] + [from_elsewhere(server.grpc) for _ in range(24)]
    outgoing = ssl.MemoryBIO()
    context = ssl._create_unverified_context()
    greeting = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        greeting.do_handshake()
    hello = outgoing.read()
    for at, stream in enumerate(streams):
        stream.sendall(hello[: len(hello) * at // len(streams)])
    letters = dribble(streams[1], hello, 0.05)
    for stream in streams:
        said(stream)
    return f"{len(streams)} handshakes, {letters} letters of one"


def unread(server):
    """Answers that nobody reads: large ones are asked for, and the window stays shut."""
    page = json.dumps({"collection": "docs", "limit": 1000, "payload": {"all": True}, "vectors": {"all": True}}).encode()
    streams = []
    for _ in range(24):
        stream = socket.socket()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream.settimeout(PATIENCE)
        stream.bind((ELSEWHERE, 0))
        stream.connect(("127.0.0.1", server.http))
        streams.append(stream)
        with contextlib.suppress(OSError):
            for _ in range(200):
                stream.settimeout(0.5)
                stream.sendall(post("/nigh.v1.Points/Scroll", "read", len(page)) + page)
    until = time.monotonic() + PATIENCE
    # The server gives up: its end of the connections is closed, whatever of the answer is still on its way.
    while server.connections() > server.quiet + 2 and time.monotonic() < until:
        time.sleep(0.1)
    left = server.connections() - server.quiet
    for stream in streams:
        stream.close()
    assert left <= 2, f"{left} connections are held though nothing is read"
    return f"{len(streams)} connections"


def large(server):
    """Bodies, messages, heads, paths and numbers of headers beyond their limits."""
    told = {}

    def ask(name, data, good=()):
        stream = from_elsewhere(server.http)
        with contextlib.suppress(OSError):
            stream.sendall(data)
        with contextlib.suppress(OSError):
            stream.shutdown(socket.SHUT_WR)
        told[name] = int((said(stream).split(b" ", 2) + [b"0", b"0"])[1] or 0)
        assert told[name] not in (200, 201), (name, told[name])

    ask("body", post("/nigh.v1.Points/Count", "read", 40 * MIB) + b" " * (33 * MIB))
    ask("length", post("/nigh.v1.Points/Count", "read", 1 << 60) + b" " * 100)
    ask("length of the Qdrant API", post("/collections/docs/points/count", "read", 1 << 62) + b" " * 100)
    ask("head", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * (8 * MIB) + b"\r\n\r\n")
    ask("headers", b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 100_000 + b"\r\n")
    ask("path", b"GET /" + b"a" * (2 * MIB) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    chunks = b"Transfer-Encoding: chunked\r\n\r\n"
    head = post("/nigh.v1.Points/Count", "read", 0).replace(b"Content-Length: 0\r\n\r\n", chunks)
    ask("chunks without an end", head + b"FFFFFFFFFFFFFFF0\r\n" + b"{" * MIB)
    ask("one letter a chunk", head + b"1\r\n \r\n" * 200_000 + b"1;" + b"x" * MIB)
    # Messages of gRPC: said to be large, and large.
    for length in (65 * MIB, 0xFFFFFFFF):
        call = h2.Connection(server.grpc, timeout=PATIENCE)
        call.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.head("/nigh.v1.Points/Count", ("api-key", secret("read")))))
        call.send(h2.frame(h2.DATA, 0, 1, struct.pack(">BI", 0, length) + b"x" * 1000))
        answer = call.answer(1)
        assert h2.code(answer), "nothing was said of a message that is too large"
        call.close()
    return ", ".join(f"{name} {status or 'closed'}" for name, status in told.items())


@functools.cache
def bomb():
    """A megabyte that unpacks to nearly a gigabyte: made before anybody waits for it."""
    packed, piece = zlib.compressobj(9, wbits=31), b"\0" * MIB
    return b"".join(packed.compress(piece) for _ in range(900)) + packed.flush()


def bombs(server):
    """A megabyte that unpacks to a gigabyte, over gRPC and over HTTP."""
    call = h2.Connection(server.grpc, timeout=PATIENCE)
    greeting = next(call.frames())
    assert greeting[0] == h2.SETTINGS
    call.send(h2.frame(h2.SETTINGS, h2.ACK, 0))
    fields = [("api-key", secret("read")), ("grpc-encoding", "gzip")]
    call.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.head("/nigh.v1.Points/Count", *fields)))
    # What the other end takes is known: the window of a stream is 2 MiB, that of the connection comes with the settings.
    for kind, _, stream, payload in call.frames():
        if kind == h2.WINDOW_UPDATE and stream == 0:
            break
    message, peak = h2.message(bomb(), packed=True), 0.0
    with contextlib.suppress(OSError):
        for at in range(0, len(message), 16_000):
            call.send(h2.frame(h2.DATA, 0, 1, message[at : at + 16_000]))
            peak = max(peak, server.memory())
        call.send(h2.frame(h2.DATA, h2.END_STREAM, 1))
    answer = call.answer(1)
    peak = max(peak, server.memory())
    assert h2.code(answer), answer[-200:]
    call.close()
    asked = http.client.HTTPConnection("127.0.0.1", server.http, timeout=PATIENCE)
    headers = {"content-type": "application/json", "content-encoding": "gzip", "api-key": secret("read")}
    asked.request("POST", "/nigh.v1.Points/Count", bomb(), headers)
    status = asked.getresponse().status
    asked.close()
    assert status >= 400, status
    peak = max(peak, server.memory())
    return f"{len(bomb()):,} bytes for {900 * MIB:,}, {peak:.0f} MB at most; HTTP {status}"


def parts(server):
    """Four kilobytes that unpack to four megabytes of parts without anything in them, each of which takes up hundreds of bytes."""
    many = 2 << 20
    names = b"\x0a\x00" * many
    calls = {
        "/qdrant.Points/Query": ("read", b"\x12\x00" * many),
        "/qdrant.Points/QueryBatch": ("read", b"\x12\x00" * many),
        "/qdrant.Points/Upsert": ("write-docs", b"\x1a\x00" * many),
        "/nigh.v1.Points/Query": ("read", b"\x12\x00" * many),
        "/nigh.v1.Points/Scroll": ("read", b"\x2a" + h2_length(b"\x12" + h2_length(names))),
        "/nigh.v1.Points/Write": ("write-docs", b"\x12\x00" * many),
    }
    before, sent = server.resident(), 0
    for path, (key, body) in calls.items():
        packed = gzip.compress(b"\x0a\x04docs" + body)
        call = h2.Connection(server.grpc, timeout=PATIENCE)
        head = h2.head(path, ("api-key", secret(key)), ("grpc-encoding", "gzip"))
        call.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, head))
        call.send(h2.frame(h2.DATA, h2.END_STREAM, 1, h2.message(packed, packed=True)))
        answer = call.answer(1)
        assert h2.code(answer) == 3, (path, answer[-200:])
        call.close()
        sent += len(packed)
    took = server.peak() - before
    assert took < 200, f"{took:.0f} MB for {sent:,} bytes"
    return f"{len(calls)} calls of {sent:,} bytes, {took:.0f} MB at most"


def nested(server):
    """JSON, payloads, filters as text and as messages, as deep as they can be written."""
    deep = 100_000
    bodies = [b"[" * deep, b'{"filter":{"must":[' * deep, b'{"a":' * deep + b"1" + b"}" * deep]
    condition = '{"filter":{"must":[' * 2000 + "]}}" * 2000
    bodies += [json.dumps({"collection": "docs", "filter": {"must": [{"text": "(" * deep + "n = 1" + ")" * deep}]}}).encode()]
    bodies += [json.dumps({"collection": "docs", "filter": {"must": [{"text": "NOT " * deep + "n ="}]}}).encode()]
    bodies += [json.dumps({"collection": "docs", "filter": {"must": [{"text": "n = 1 AND " * deep + "n ="}]}}).encode()]
    bodies += [b'{"collection":"docs","filter":{"must":[' + condition.encode() + b"]}}"]
    for body in bodies:
        for path in ("/nigh.v1.Points/Count", "/collections/docs/points/count", "/collections/docs/points/query"):
            asked = http.client.HTTPConnection("127.0.0.1", server.http, timeout=PATIENCE)
            asked.request("POST", path, body, {"content-type": "application/json", "api-key": secret("read")})
            status = asked.getresponse().status
            asked.close()
            assert 400 <= status < 500, (path, body[:60], status)
    payload = {"id": {"num": "1"}, "payload": '{"a":' * deep + "1" + "}" * deep}
    asked = http.client.HTTPConnection("127.0.0.1", server.http, timeout=PATIENCE)
    write = json.dumps({"collection": "docs", "ops": [{"upsert": payload}]})
    asked.request("POST", "/nigh.v1.Points/Write", write, {"content-type": "application/json", "api-key": secret("write-docs")})
    assert asked.getresponse().status == 400
    asked.close()
    # A filter in a filter in a filter, as a message: field 1 of Filter and of Condition.
    inner = b""
    for _ in range(5_000):
        inner = b"\x0a" + h2_length(inner)
    call = h2.Connection(server.grpc, timeout=PATIENCE)
    call.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.head("/nigh.v1.Points/Count", ("api-key", secret("read")))))
    message = h2.message(b"\x0a\x04docs\x12" + h2_length(inner))
    for at in range(0, len(message), 16_000):
        call.send(h2.frame(h2.DATA, 0, 1, message[at : at + 16_000]))
    call.send(h2.frame(h2.DATA, h2.END_STREAM, 1))
    assert h2.code(call.answer(1)) == 3, "a filter of 5,000 levels"
    call.close()
    return f"{len(bodies)} bodies"


def h2_length(inner):
    return h2.varint(len(inner)) + inner


def rapid_resets(server):
    """Calls that are called off at once (CVE-2023-44487)."""
    call = h2.Connection(server.grpc, timeout=PATIENCE)
    one = lambda stream: h2.frame(h2.HEADERS, h2.END_HEADERS, stream, h2.head("/nigh.v1.Points/Query", ("api-key", secret("read")))) + h2.frame(
        h2.RST_STREAM, 0, stream, struct.pack(">I", 8)
    )
    sent = 0
    with contextlib.suppress(OSError):
        for stream in range(1, 200_001, 2):
            call.send(one(stream))
            sent += 1
    assert call.ends(), "a client that resets all it begins is kept"
    return f"{sent:,} resets until it was sent away"


def many_streams(server):
    """More calls at once than are served."""
    call = h2.Connection(server.grpc, timeout=PATIENCE)
    head = h2.head("/nigh.v1.Points/Query", ("api-key", secret("read")))
    with contextlib.suppress(OSError):
        for stream in range(1, 20_001, 2):
            call.send(h2.frame(h2.HEADERS, h2.END_HEADERS, stream, head))
    call.socket.settimeout(1)
    refused = sum(kind in (h2.RST_STREAM, h2.GOAWAY) for kind, *_ in call.frames())
    call.close()
    assert refused, "ten thousand calls of one connection are served"
    return f"{refused:,} of 10,000 refused"


def floods(server):
    """Settings, pings, priorities, windows, empty frames and endless heads (CVE-2019-9511 to 9518, CVE-2024-27316)."""
    told = {}
    setting = h2.frame(h2.SETTINGS, 0, 0, struct.pack(">HI", 3, 100))
    head = h2.head("/nigh.v1.Points/Query", ("api-key", secret("read")))
    opened = h2.frame(h2.HEADERS, h2.END_HEADERS, 1, head)
    endless = h2.frame(h2.HEADERS, 0, 1, head) + h2.frame(h2.CONTINUATION, 0, 1, h2.field("x-more", b"a" * 1000)) * 1
    kinds = {
        "settings": (b"", setting),
        "pings": (b"", h2.frame(h2.PING, 0, 0, b"12345678")),
        "priorities": (b"", h2.frame(h2.PRIORITY, 0, 3, struct.pack(">IB", 0, 1))),
        "windows": (opened, h2.frame(h2.WINDOW_UPDATE, 0, 1, struct.pack(">I", 1))),
        "empty data": (opened, h2.frame(h2.DATA, 0, 1)),
        "continuations": (endless, h2.frame(h2.CONTINUATION, 0, 1, h2.field("x-more", b"a" * 1000))),
        "empty continuations": (endless, h2.frame(h2.CONTINUATION, 0, 1)),
        "unknown frames": (b"", h2.frame(0x77, 0, 0, b"a" * 1000)),
    }
    for name, (begin, one) in kinds.items():
        call = h2.Connection(server.grpc, timeout=2)
        sent = 0
        with contextlib.suppress(OSError):
            call.send(begin)
            for _ in range(300):
                # Nothing is read of what comes back: the other end has to keep it, or to stop reading.
                call.send(one * 200)
                sent += 200
        told[name] = sent
        call.close()
    return ", ".join(f"{sent:,} {name}" for name, sent in told.items())


def smuggled(server):
    """Requests that two readers would cut differently, and heads that are none (RFC 9112, section 11.2)."""
    health = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    cases = [
        b"POST /nigh.v1.Points/Count HTTP/1.1\r\nHost: l\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + health,
        b"POST /nigh.v1.Points/Count HTTP/1.1\r\nHost: l\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef" + health,
        b"POST /nigh.v1.Points/Count HTTP/1.1\r\nHost: l\r\nContent-Length: +5\r\n\r\nabcde" + health,
        b"POST /nigh.v1.Points/Count HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: chunked, identity\r\n\r\n" + health,
        b"GET /livez HTTP/1.1\r\nHost: l\r\nX: a\r\n b\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost : l\r\n\r\n",
        b"GET /livez HTTP/1.1\nHost: l\n\n",
        b"GET  /livez HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0" * 1000,
    ]
    for case in cases:
        stream = from_elsewhere(server.http)
        stream.sendall(case)
        stream.shutdown(socket.SHUT_WR)
        answer = said(stream)
        # Whatever is made of it: nothing is told to who has no key.
        assert b"nigh_requests_total" not in answer, (case, answer[:200])
    return f"{len(cases)} requests"
