"""HTTP/2 by hand (RFC 9113): frames as bytes, so that they may also be wrong."""

import contextlib
import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def number(value, bits, first=0):
    """An integer of HPACK (RFC 7541, 5.1)."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytearray([first | most]), value - most
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    return bytes([*out, value])


def text(value):
    return number(len(value), 7) + value


def field(name, value):
    """A header that is not kept in any table."""
    return b"\x00" + text(name.encode()) + text(value if isinstance(value, bytes) else value.encode())


def head(path, *more, authority="localhost"):
    """The head of a call of gRPC: POST, http, a path."""
    fields = [("content-type", "application/grpc"), ("te", "trailers"), *more]
    begin = b"\x83\x86" + b"\x04" + text(path.encode()) + b"\x01" + text(authority.encode())
    return begin + b"".join(field(name, value) for name, value in fields)


def message(body, packed=False):
    return struct.pack(">BI", packed, len(body)) + body


class Connection:
    """A client that does what it is told."""

    def __init__(self, port, timeout=30, settings=b""):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        self.send(PREFACE, frame(SETTINGS, 0, 0, settings or NO_TABLE))

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))

    def frames(self):
        """What comes back, until the other end closes or nothing comes for the time of the socket."""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while True:
                while len(self.rest) >= 9:
                    length = int.from_bytes(self.rest[:3], "big")
                    if len(self.rest) < 9 + length:
                        break
                    kind, flags, stream = self.rest[3], self.rest[4], int.from_bytes(self.rest[5:9], "big")
                    payload, self.rest = self.rest[9 : 9 + length], self.rest[9 + length :]
                    yield kind, flags, stream, payload
                got = self.socket.recv(1 << 16)
                if not got:
                    return
                self.rest += got

    def ends(self):
        """Reads to the end; whether the other end closed."""
        for _ in self.frames():
            pass
        try:
            return self.socket.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def answer(self, stream):
        """Everything that is said on a stream, until it ends."""
        said = b""
        for kind, flags, of, payload in self.frames():
            if kind == GOAWAY or (kind == RST_STREAM and of == stream):
                return said + b" reset" + payload
            if of == stream and kind in (HEADERS, DATA):
                said += payload
                if flags & END_STREAM:
                    return said
        return said

    def close(self):
        self.socket.close()


def varint(value):
    """A number of protocol buffers."""
    out = bytearray()
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    return bytes([*out, value])


#: Letters of a Huffman code (RFC 7541, appendix B): those that the name and the values of a status have.
LETTERS = dict(zip("012acst-3456789gpru", "00000 00001 00010 00011 00100 01000 01001 010110 011001 011010 011011 011100 011101 011110 011111 100110 101011 101100 101101".split()))


def huffman(word):
    bits = "".join(LETTERS[letter] for letter in word)
    bits += "1" * (-len(bits) % 8)
    packed = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return bytes([0x80 | len(packed)]) + packed


#: How the codes of gRPC come, where no table of headers is kept.
CODES = {code: huffman("grpc-status") + huffman(str(code)) for code in range(17)}
#: Asks the other end to keep none.
NO_TABLE = struct.pack(">HI", 1, 0)


def code(answer):
    """The code of gRPC that a call ended with, where one came."""
    found = [(answer.rfind(come), code) for code, come in CODES.items() if come in answer]
    return max(found)[1] if found else None
