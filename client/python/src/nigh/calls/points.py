"""Points: written, found, read, counted."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from nigh import mirror
from nigh.errors import invalid
from nigh.filters import FilterLike, filter_out
from nigh.points import (
    ClearPayload,
    Delete,
    DeletePayloadKeys,
    DeleteVectors,
    Durability,
    Op,
    OverwritePayload,
    Point,
    Points,
    SetExpiry,
    SetPayload,
    UpdateVectors,
    Upsert,
    names_out,
    op_out,
    point_in,
)
from nigh.replies import Facets, Page, QueryReply, RankPlace, WriteReply, facets_in, page_in, paging_out, query_in
from nigh.retrievers import FusionHow, Retriever, fusion_out
from nigh.schema import SourcePosition
from nigh.transport import Call
from nigh.v1 import common_pb2, points_pb2, ranking_pb2, sources_pb2
from nigh.wire import PointId, id_out


@dataclass(frozen=True)
class Without:
    """All of a payload but these top-level keys."""

    keys: Sequence[str]


#: What of a payload comes back: all, nothing, these top-level keys, or all but some.
PayloadWanted = Union[bool, Sequence[str], Without]
#: Which vectors come back: all, none, or those of these fields.
VectorsWanted = Union[bool, Sequence[str]]


@dataclass(frozen=True)
class Lookup:
    """Brings the point of another collection whose id is a group's value."""

    collection: str
    payload: PayloadWanted = True
    vectors: VectorsWanted = False


@dataclass(frozen=True)
class GroupBy:
    """Hits in groups of those that have a string or an integer at a path in common."""

    path: str
    #: Groups wanted; 0: 10.
    groups: int = 0
    #: Hits wanted of each; 0: 3.
    size: int = 0
    lookup: Lookup | None = None


def durability_out(durability: Durability) -> Any:
    """A durability as the wire has it."""
    return mirror.enum_out(points_pb2.Durability.DESCRIPTOR, durability, "durability")


def _payload_out(wanted: PayloadWanted) -> common_pb2.PayloadSelection:
    if isinstance(wanted, bool):
        return common_pb2.PayloadSelection(all=wanted)
    if isinstance(wanted, Without):
        return common_pb2.PayloadSelection(exclude=common_pb2.Names(names=names_out(wanted.keys)))
    return common_pb2.PayloadSelection(include=common_pb2.Names(names=names_out(wanted)))


def _vectors_out(wanted: VectorsWanted) -> common_pb2.VectorSelection:
    if isinstance(wanted, bool):
        return common_pb2.VectorSelection(all=wanted)
    return common_pb2.VectorSelection(include=common_pb2.Names(names=names_out(wanted)))


def write(
    collection: str,
    ops: Iterable[Op | Point],
    *,
    durability: Durability = "durable",
    op_id: bytes | uuid.UUID | None = None,
    positions: Sequence[SourcePosition] = (),
) -> Call[WriteReply]:
    """Applies a batch of operations, all of it or nothing. A batch is applied once however often it is sent: it has a
    name, ``op_id``, 16 bytes, or gets one.

    >>> client.write("books", [nigh.Delete([1]), nigh.SetPayload("kind = 'novel'", {"old": True})]).affected
    3
    """
    named = uuid.uuid4() if op_id is None else op_id
    request = points_pb2.WriteRequest(
        collection=collection,
        ops=[op_out(op) for op in ops],
        durability=durability_out(durability),
        op_id=named.bytes if isinstance(named, uuid.UUID) else named,
        positions=[mirror.write(one, sources_pb2.SourcePosition()) for one in positions],
    )
    return Call("Points.Write", request, _written)


def _written(reply: points_pb2.WriteReply) -> WriteReply:
    return mirror.read(WriteReply, reply)


def upsert(
    collection: str,
    points: Point | Iterable[Point],
    *,
    durability: Durability = "durable",
    if_version: int | None = None,
) -> Call[WriteReply]:
    """Writes points in one batch, replacing those that are there. See :meth:`upload` for many.

    >>> point = nigh.Point(9, vectors={"v": [0.0, 1.0, 0.0]}, payload={"title": "Emma"})
    >>> client.upsert("books", point).affected
    1
    """
    given = [points] if isinstance(points, Point) else points
    return write(collection, [Upsert(point, if_version) for point in given], durability=durability)


def delete(
    collection: str, points: Points, *, durability: Durability = "durable", if_version: int | None = None
) -> Call[WriteReply]:
    """Deletes points: an id, a list of ids, or a filter.

    >>> client.delete("books", nigh.field("year") < 1900).affected
    3
    """
    return write(collection, [Delete(points, if_version)], durability=durability)


def set_payload(
    collection: str,
    points: Points,
    payload: Mapping[str, Any],
    *,
    durability: Durability = "durable",
    if_version: int | None = None,
) -> Call[WriteReply]:
    """Sets these top-level keys, keeps the others.

    >>> client.set_payload("books", [1, 2], {"lent": True}).affected
    2
    """
    return write(collection, [SetPayload(points, payload, if_version)], durability=durability)


def overwrite_payload(
    collection: str,
    points: Points,
    payload: Mapping[str, Any],
    *,
    durability: Durability = "durable",
    if_version: int | None = None,
) -> Call[WriteReply]:
    """Replaces the payload.

    >>> client.overwrite_payload("books", 1, {"title": "Persuasion"}).affected
    1
    """
    return write(collection, [OverwritePayload(points, payload, if_version)], durability=durability)


def delete_payload_keys(
    collection: str,
    points: Points,
    keys: Sequence[str],
    *,
    durability: Durability = "durable",
    if_version: int | None = None,
) -> Call[WriteReply]:
    """Takes these top-level keys out.

    >>> client.delete_payload_keys("books", "TRUE", ["year"]).affected
    4
    """
    return write(collection, [DeletePayloadKeys(points, keys, if_version)], durability=durability)


def clear_payload(
    collection: str, points: Points, *, durability: Durability = "durable", if_version: int | None = None
) -> Call[WriteReply]:
    """Empties the payload.

    >>> client.clear_payload("books", 1).affected
    1
    """
    return write(collection, [ClearPayload(points, if_version)], durability=durability)


def update_vectors(
    collection: str,
    point: PointId,
    vectors: Mapping[str, Any],
    *,
    durability: Durability = "durable",
    if_version: int | None = None,
) -> Call[WriteReply]:
    """Sets these vectors of an existing point, keeps the others and the payload.

    >>> client.update_vectors("books", 1, {"v": [0.0, 0.0, 1.0]}).affected
    1
    """
    return write(collection, [UpdateVectors(point, vectors, if_version)], durability=durability)


def delete_vectors(
    collection: str,
    points: Points,
    names: Sequence[str],
    *,
    durability: Durability = "durable",
    if_version: int | None = None,
) -> Call[WriteReply]:
    """Takes the vectors of these fields out.

    >>> client.delete_vectors("books", [1], ["v"]).affected
    1
    """
    return write(collection, [DeleteVectors(points, names, if_version)], durability=durability)


def set_expiry(
    collection: str,
    points: Points,
    expires_at: int | datetime.datetime | None,
    *,
    durability: Durability = "durable",
    if_version: int | None = None,
) -> Call[WriteReply]:
    """Sets when points expire, in Unix milliseconds or as a time; ``None``: they stay.

    >>> client.set_expiry("books", [1], datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)).affected
    1
    """
    return write(collection, [SetExpiry(points, expires_at, if_version)], durability=durability)


def query(
    collection: str,
    *retrievers: Retriever,
    filter: FilterLike | None = None,
    fusion: FusionHow | None = None,
    limit: int = 10,
    offset: int = 0,
    payload: PayloadWanted = True,
    vectors: VectorsWanted = False,
    score_threshold: float | None = None,
    group_by: GroupBy | None = None,
    page: RankPlace | None = None,
    version: str = "",
    explain: bool = False,
) -> Call[QueryReply]:
    """Finds points. One retriever is the ranking itself; several are fused, by reciprocal ranks unless ``fusion`` says
    otherwise. A filter is a condition or its text.

    >>> for hit in client.query("books", nigh.Dense([1.0, 0.0, 0.0]), filter="year > 1800", limit=2):
    ...     print(hit.id, hit.payload["title"])
    1 Pride and Prejudice
    4 Middlemarch
    >>> found = client.query("books", nigh.Dense([1.0, 0.0, 0.0], recall=0.99), nigh.Text("war"), explain=True)
    >>> [run.kind for run in found.explanation.retrievers]
    ['fusion', 'dense', 'text']

    To read a ranking to its end begin with ``page=nigh.FIRST_PAGE`` and give ``next`` of every reply to the following
    query; :meth:`query_all` does so.
    """
    for one in retrievers:
        if not isinstance(one, Retriever):
            raise invalid("retrievers", repr(one), "a retriever is Dense(..), Text(..) or another kind")
    grouped = None
    if group_by is not None:
        grouped = ranking_pb2.GroupBy(path=group_by.path, groups=group_by.groups, size=group_by.size)
        if group_by.lookup is not None:
            grouped.lookup.collection = group_by.lookup.collection
            grouped.lookup.payload.CopyFrom(_payload_out(group_by.lookup.payload))
            grouped.lookup.vectors.CopyFrom(_vectors_out(group_by.lookup.vectors))
    request = points_pb2.QueryRequest(
        collection=collection,
        retrievers=[one.wire for one in retrievers],
        filter=filter_out(filter),
        fusion=fusion_out(fusion),
        limit=limit,
        offset=offset,
        payload=_payload_out(payload),
        vectors=_vectors_out(vectors),
        score_threshold=score_threshold,
        group_by=grouped,
        paging=paging_out(page),
        version=version,
        explain=explain,
    )
    return Call("Points.Query", request, query_in)


def get(
    collection: str,
    ids: Iterable[PointId],
    *,
    payload: PayloadWanted = True,
    vectors: VectorsWanted = False,
    version: str = "",
) -> Call[list[Point]]:
    """Points by id, in the order asked for; ids that are not there are left out.

    >>> [point.payload["title"] for point in client.get("books", [2, 77])]
    ['War and Peace']
    >>> client.get("books", [2], vectors=True)[0].vectors["v"]
    array([0., 1., 0.], dtype=float32)
    """
    request = points_pb2.GetRequest(
        collection=collection,
        ids=[id_out(one) for one in ids],
        payload=_payload_out(payload),
        vectors=_vectors_out(vectors),
        version=version,
    )
    return Call("Points.Get", request, lambda reply: [point_in(point) for point in reply.points])


def scroll(
    collection: str,
    *,
    filter: FilterLike | None = None,
    start: PointId | None = None,
    limit: int = 100,
    payload: PayloadWanted = True,
    vectors: VectorsWanted = False,
    version: str = "",
) -> Call[Page]:
    """A page of points in rising order of id, from ``start`` on. :meth:`scroll_all` reads all pages.

    >>> page = client.scroll("books", filter="year < 1900", limit=2)
    >>> [point.id for point in page.points], page.next
    ([1, 2], 4)
    """
    request = points_pb2.ScrollRequest(
        collection=collection,
        filter=filter_out(filter),
        limit=limit,
        payload=_payload_out(payload),
        vectors=_vectors_out(vectors),
        version=version,
    )
    if start is not None:
        # `from` is a word of Python's.
        getattr(request, "from").CopyFrom(id_out(start))
    return Call("Points.Scroll", request, page_in)


def count(collection: str, filter: FilterLike | None = None, *, version: str = "") -> Call[int]:
    """How many points there are, under a filter.

    >>> client.count("books", nigh.field("kind") == "novel")
    3
    """
    request = points_pb2.CountRequest(collection=collection, filter=filter_out(filter), version=version)
    return Call("Points.Count", request, lambda reply: int(reply.count))


def facet(
    collection: str, path: str, *, filter: FilterLike | None = None, limit: int = 10, version: str = ""
) -> Call[Facets]:
    """How many points have each value of a field, exactly.

    >>> [(one.value, one.count) for one in client.facet("books", "kind").values]
    [('novel', 3), ('essay', 1)]
    """
    request = points_pb2.FacetRequest(
        collection=collection, path=path, filter=filter_out(filter), limit=limit, version=version
    )
    return Call("Points.Facet", request, facets_in)


