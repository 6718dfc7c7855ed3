"""Vectors and points as bytes of the wire: the one place that lays protobuf down by hand.

A vector of 384 numbers takes 16 microseconds to go into a message number by number, and 1.4 as its bytes; it comes out in
1.5 instead of 4.8. A packed ``repeated float`` is nothing but its numbers, 4 bytes each, little-endian, behind a tag and a
length: numpy has them in that very form.

    Vector      | 0a | length | numbers ... |
    Op          | 0a | length | Point |                                      upsert
    Point       | 0a | length | PointId |
                | 12 | length | 0a | length | name | 12 | length | Vector |  for each vector
                | 1a | length | payload |

Lengths are varints. tests/test_wire.py holds every function against the generated types.
"""

from __future__ import annotations

import datetime
import json
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from nigh.errors import ReplyError, invalid
from nigh.v1 import common_pb2

#: A point's name: an unsigned number of 64 bits, or a UUID. A string is read as a UUID.
PointId = Union[int, uuid.UUID, str]
#: What a dense vector may be given as.
VectorLike = Union[npt.NDArray[Any], Sequence[float]]
FloatArray = npt.NDArray[np.float32]

_ID_MAX = 2**64 - 1


@dataclass(frozen=True)
class SparseVector:
    """Indices, every one once, each with its number; all other numbers are 0."""

    indices: Sequence[int]
    values: Sequence[float]

    @classmethod
    def of(cls, numbers: Mapping[int, float]) -> SparseVector:
        """The vector that has these numbers, by index."""
        return cls(tuple(numbers.keys()), tuple(numbers.values()))


def varint(number: int) -> bytes:
    """An unsigned number as protobuf writes it, seven bits a byte, the lowest first."""
    if number < 0x80:
        return bytes((number,))
    laid = bytearray()
    while number > 0x7F:
        laid.append(number & 0x7F | 0x80)
        number >>= 7
    laid.append(number)
    return bytes(laid)


def field(tag: bytes, body: bytes) -> bytes:
    """A field with a length: its tag, the length, the body."""
    return b"".join((tag, varint(len(body)), body))


def numbers(vector: object, name: str = "vector") -> FloatArray:
    """A vector's numbers, one behind the other, as the wire has them; not copied where they are so already."""
    if np.ndim(vector) == 0:  # type: ignore[arg-type]
        raise invalid(name, type(vector).__name__, "a vector is numbers in a row")
    try:
        laid = np.ascontiguousarray(vector, dtype="<f4")
    except (TypeError, ValueError) as error:
        raise invalid(name, type(vector).__name__, f"a vector is numbers in a row ({error})") from None
    return laid


def vector_bytes(vector: object, name: str = "vector") -> bytes:
    """A ``Vector`` of the wire."""
    laid = numbers(vector, name)
    if laid.ndim != 1:
        raise invalid(name, f"an array of {laid.ndim} dimensions", "a vector has one")
    return field(b"\x0a", laid.tobytes()) if laid.size else b""


def vector_out(vector: object, name: str = "vector") -> common_pb2.Vector:
    """A vector as a message."""
    return common_pb2.Vector.FromString(vector_bytes(vector, name))


def vector_in(vector: common_pb2.Vector) -> FloatArray:
    """A vector as an array that owns its numbers."""
    packed = vector.SerializeToString()
    at = 1
    while at < len(packed) and packed[at] & 0x80:
        at += 1
    laid = np.frombuffer(packed, dtype="<f4", offset=min(at + 1, len(packed)))
    # As the machine has floats, which is what it was on all but a few.
    return laid if sys.byteorder == "little" else laid.astype(np.float32)


def id_bytes(point: PointId) -> bytes:
    """A ``PointId`` of the wire."""
    if isinstance(point, (int, np.integer)) and not isinstance(point, bool):
        number = int(point)
        if not 0 <= number <= _ID_MAX:
            raise invalid("id", number, f"a numeric id is from 0 to {_ID_MAX}")
        return b"\x08" + varint(number)
    if isinstance(point, uuid.UUID):
        text = str(point)
    elif isinstance(point, str):
        try:
            text = str(uuid.UUID(point))
        except ValueError:
            raise invalid("id", repr(point), "an id is an unsigned number or a UUID") from None
    else:
        raise invalid("id", repr(point), "an id is an unsigned number or a UUID")
    return field(b"\x12", text.encode())


def id_out(point: PointId) -> common_pb2.PointId:
    """An id as a message."""
    return common_pb2.PointId.FromString(id_bytes(point))


def id_in(point: common_pb2.PointId) -> int | uuid.UUID:
    """An id of a reply."""
    kind = point.WhichOneof("id")
    if kind == "num":
        return point.num
    if kind == "uuid":
        return uuid.UUID(point.uuid)
    raise ReplyError("the server's reply has a point without an id")


def payload_text(payload: Mapping[str, Any] | str | None) -> str:
    """A payload as JSON; a string is JSON already. A time without a zone is taken for one of UTC."""
    if payload is None:
        return ""
    if isinstance(payload, str):
        return payload
    try:
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise invalid("payload", type(payload).__name__, f"a payload is a JSON object ({error})") from None


def payload_in(payload: str) -> dict[str, Any]:
    """The payload of a reply."""
    read: dict[str, Any] = json.loads(payload) if payload else {}
    return read


def _plain(value: object) -> object:
    """What JSON has no word for, in words that it has: numpy's numbers and arrays, times, UUIDs.

    A time without a zone is one of UTC, as for ``nigh import`` and the server's filters; whoever reads it back is told so."""
    if isinstance(value, np.datetime64):
        # To the microsecond, as the server compares them: of finer ones numpy would make a number.
        time = value.astype("datetime64[us]").item()
        if isinstance(time, int):
            raise TypeError(f"{value} is beyond the year 9999")
        return time.date() if time and np.datetime_data(value.dtype)[0] in "YMWD" else time
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, datetime.datetime) and value.utcoffset() is None:
        return f"{value.isoformat()}Z"
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def upsert_bytes(point: PointId, vectors: Sequence[tuple[bytes, bytes]], payload: str) -> bytes:
    """An ``Op`` that upserts a point; ``vectors`` are the names, as :func:`name_bytes` lays them, and the numbers."""
    parts = [field(b"\x0a", id_bytes(point))]
    for name, laid in vectors:
        vector = b"".join((b"\x0a", varint(len(laid)), laid)) if laid else b""
        entry = b"".join((name, b"\x12", varint(len(vector)), vector))
        parts += (b"\x12", varint(len(entry)), entry)
    if payload:
        text = payload.encode()
        parts += (b"\x1a", varint(len(text)), text)
    return field(b"\x0a", b"".join(parts))


def name_bytes(name: str) -> bytes:
    """The key of an entry in ``Point.vectors``."""
    return field(b"\x0a", name.encode())
