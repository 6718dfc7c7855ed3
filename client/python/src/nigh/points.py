"""Points and what is done with them: operations of a write."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Union

import numpy as np

from nigh.errors import invalid
from nigh.filters import Condition, filter_out
from nigh.v1 import common_pb2, points_pb2
from nigh.wire import (
    FloatArray,
    PointId,
    SparseVector,
    VectorLike,
    id_in,
    id_out,
    payload_in,
    payload_text,
    vector_in,
    vector_out,
)

#: How far a write has to get before it is acknowledged: visible, handed to the operating system, on disk.
Durability = Literal["applied", "logged", "durable"]
#: A vector of any kind: numbers, a sparse vector, or several vectors of one size.
AnyVector = Union[VectorLike, SparseVector]
#: Points by id, or by a filter (a condition, or its text).
Points = Union[int, uuid.UUID, Iterable[PointId], Condition, str]


@dataclass(frozen=True)
class Point:
    """A point as it is written and as it is returned.

    A vector with one dimension is dense, one with two is several vectors, and a :class:`SparseVector` is sparse. What is
    returned has numpy arrays of 32-bit floats.
    """

    id: PointId
    vectors: Mapping[str, Any] = field(default_factory=dict)
    payload: Mapping[str, Any] = field(default_factory=dict)
    #: From this time on, in Unix milliseconds, it is not there any more; ``None``: it stays.
    expires_at_ms: int | None = None
    #: The operation that last wrote it; the server says it.
    version: int = 0


@dataclass(frozen=True)
class Upsert:
    """Replaces the whole point: what the new one leaves out is gone."""

    point: Point
    #: The version that it has to have; 0: it must not be there.
    if_version: int | None = None


@dataclass(frozen=True)
class Delete:
    """Deletes points."""

    points: Points
    if_version: int | None = None


@dataclass(frozen=True)
class SetPayload:
    """Sets these top-level keys, keeps the others."""

    points: Points
    payload: Mapping[str, Any]
    if_version: int | None = None


@dataclass(frozen=True)
class OverwritePayload:
    """Replaces the payload."""

    points: Points
    payload: Mapping[str, Any]
    if_version: int | None = None


@dataclass(frozen=True)
class DeletePayloadKeys:
    """Takes these top-level keys out."""

    points: Points
    keys: Iterable[str]
    if_version: int | None = None


@dataclass(frozen=True)
class ClearPayload:
    """Empties the payload."""

    points: Points
    if_version: int | None = None


@dataclass(frozen=True)
class UpdateVectors:
    """Sets these vectors of an existing point, keeps the others and the payload."""

    id: PointId
    vectors: Mapping[str, Any]
    if_version: int | None = None


@dataclass(frozen=True)
class DeleteVectors:
    """Takes the vectors of these fields out."""

    points: Points
    names: Iterable[str]
    if_version: int | None = None


@dataclass(frozen=True)
class SetExpiry:
    """Sets when points expire, in Unix milliseconds or as a time; ``None``: they do not."""

    points: Points
    expires_at: int | datetime.datetime | None
    if_version: int | None = None


Op = Union[
    Upsert,
    Delete,
    SetPayload,
    OverwritePayload,
    DeletePayloadKeys,
    ClearPayload,
    UpdateVectors,
    DeleteVectors,
    SetExpiry,
]


def selector_out(points: Points) -> points_pb2.Selector:
    """Points as a message: a filter, an id, or a list of ids."""
    if isinstance(points, (Condition, str)):
        return points_pb2.Selector(filter=filter_out(points))
    ids = [points] if isinstance(points, (int, np.integer, uuid.UUID)) else points
    return points_pb2.Selector(ids=common_pb2.PointIds(ids=[id_out(one) for one in ids]))


def vectors_out(vectors: Mapping[str, AnyVector], into: common_pb2.Point) -> None:
    """Puts vectors of all kinds where they belong in a point."""
    for name, vector in vectors.items():
        place = f"vectors.{name}"
        if isinstance(vector, SparseVector):
            into.sparse[name].indices.extend(vector.indices)
            into.sparse[name].values.extend(vector.values)
        elif np.ndim(vector) == 2:
            into.multi[name].CopyFrom(multi_out(vector, place))
        else:
            into.vectors[name].CopyFrom(vector_out(vector, place))


def multi_out(vectors: Iterable[Any], name: str = "vectors") -> common_pb2.MultiVector:
    """Several vectors as a message."""
    return common_pb2.MultiVector(vectors=[vector_out(one, name) for one in vectors])


def sparse_out(vector: SparseVector) -> common_pb2.SparseVector:
    """A sparse vector as a message."""
    return common_pb2.SparseVector(indices=vector.indices, values=vector.values)


def vectors_in(dense: Any, sparse: Any, multi: Any) -> dict[str, Any]:
    """The vectors of a reply, by name."""
    found: dict[str, Any] = {name: vector_in(one) for name, one in dense.items()}
    for name, one in sparse.items():
        found[name] = SparseVector(tuple(one.indices), tuple(one.values))
    for name, one in multi.items():
        rows: list[FloatArray] = [vector_in(row) for row in one.vectors]
        found[name] = np.stack(rows) if rows else np.empty((0, 0), np.float32)
    return found


def point_out(point: Point) -> common_pb2.Point:
    """A point as a message."""
    message = common_pb2.Point(
        id=id_out(point.id), payload=payload_text(point.payload), expires_at_ms=point.expires_at_ms
    )
    vectors_out(point.vectors, message)
    return message


def point_in(point: common_pb2.Point) -> Point:
    """A point of a reply."""
    return Point(
        id=id_in(point.id),
        vectors=vectors_in(point.vectors, point.sparse, point.multi),
        payload=payload_in(point.payload),
        expires_at_ms=point.expires_at_ms if point.HasField("expires_at_ms") else None,
        version=point.version,
    )


def names_out(names: Iterable[str]) -> Iterable[str]:
    """Several names; a string is one, and not its letters."""
    return [names] if isinstance(names, str) else names


def op_out(op: Op | Point) -> points_pb2.Op:
    """An operation as a message; a point is upserted."""
    if isinstance(op, Point):
        op = Upsert(op)
    message = points_pb2.Op(if_version=op.if_version)
    if isinstance(op, Upsert):
        message.upsert.CopyFrom(point_out(op.point))
    elif isinstance(op, UpdateVectors):
        message.update_vectors.id.CopyFrom(id_out(op.id))
        vectors_out(op.vectors, message.update_vectors)
    elif isinstance(op, Delete):
        message.delete.CopyFrom(selector_out(op.points))
    elif isinstance(op, ClearPayload):
        message.clear_payload.CopyFrom(selector_out(op.points))
    else:
        selector = selector_out(op.points)
        if isinstance(op, SetPayload):
            changed = points_pb2.PayloadOp(points=selector, payload=payload_text(op.payload))
            message.set_payload.CopyFrom(changed)
        elif isinstance(op, OverwritePayload):
            changed = points_pb2.PayloadOp(points=selector, payload=payload_text(op.payload))
            message.overwrite_payload.CopyFrom(changed)
        elif isinstance(op, DeletePayloadKeys):
            message.delete_payload_keys.CopyFrom(points_pb2.PayloadKeysOp(points=selector, keys=names_out(op.keys)))
        elif isinstance(op, DeleteVectors):
            message.delete_vectors.CopyFrom(points_pb2.DeleteVectorsOp(points=selector, names=names_out(op.names)))
        else:
            expiry = points_pb2.SetExpiryOp(points=selector, expires_at_ms=expiry_ms(op.expires_at))
            message.set_expiry.CopyFrom(expiry)
    return message


def expiry_ms(at: int | datetime.datetime | None) -> int | None:
    """A time in Unix milliseconds."""
    if isinstance(at, datetime.datetime):
        if at.tzinfo is None:
            raise invalid("expires_at", at, "a time has a time zone")
        return int(at.timestamp() * 1000)
    return at
