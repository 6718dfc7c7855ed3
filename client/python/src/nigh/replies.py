"""What comes back of points: hits, pages, counts, and how they came about."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nigh import mirror
from nigh.filters import Scalar, scalar_in
from nigh.points import Point, point_in, vectors_in
from nigh.v1 import points_pb2, ranking_pb2
from nigh.wire import id_in, payload_in


@dataclass(frozen=True)
class WriteReply:
    """What became of a batch."""

    #: The sequence number of its last operation.
    seq: int
    #: How far it got.
    reached: Literal["applied", "logged", "durable"]
    #: Points written, changed or deleted.
    affected: int
    #: It had been applied before, by its name or its positions, and was not applied again.
    duplicate: bool


@dataclass(frozen=True)
class Placing:
    """A hit's place in a retriever's ranking, from 1; 0: not found there."""

    retriever: str
    rank: int
    score: float


@dataclass(frozen=True)
class Span:
    """A word in a highlight, in bytes of its text."""

    start: int
    end: int


@dataclass(frozen=True)
class Highlight:
    """A piece of a text with the words that were found."""

    field: str
    text: str
    #: Where it begins in the string that it is of, in bytes.
    start: int
    words: tuple[Span, ...]


@dataclass(frozen=True)
class Hit:
    """A point that was found."""

    id: int | uuid.UUID
    #: Cosine and dot, BM25, fused: bigger is better. Euclid and Manhattan: a distance.
    score: float
    payload: dict[str, Any]
    vectors: Mapping[str, Any]
    version: int
    expires_at_ms: int | None = None
    #: The value that points are ordered by, where they are.
    order_value: int | float | None = None
    placings: tuple[Placing, ...] = ()
    highlights: tuple[Highlight, ...] = ()


@dataclass(frozen=True)
class Group:
    """Hits that have a value in common."""

    key: Scalar
    hits: list[Hit]
    #: The point whose id the key is, where it was asked for and is there.
    lookup: Point | None


@dataclass(frozen=True)
class Plan:
    """What one retriever did."""

    retriever: str
    routes: tuple[str, ...]
    ef: int
    matching: int


@dataclass(frozen=True)
class Stage:
    """A stage of a query, and its time."""

    name: str
    took_us: int


@dataclass(frozen=True)
class RetrieverRun:
    """What one retriever of the tree came to."""

    retriever: str
    kind: str
    depth: int
    matching: int
    found: int
    took_us: int


@dataclass(frozen=True)
class PlanCost:
    """A plan that was weighed."""

    route: str
    cost_us: float


@dataclass(frozen=True)
class MeasuredRecall:
    """The recall of live queries, with its interval of 95 % confidence."""

    recall: float
    low: float
    high: float
    queries: int


@dataclass(frozen=True)
class PartPlan:
    """What one retriever did in one part."""

    retriever: str
    place: int
    segment: int
    rows: int
    matching: int
    route: str
    ef: int
    distances_full: int
    distances_coded: int
    expanded: int
    postings: int
    took_us: int
    considered: tuple[PlanCost, ...]
    recall: float | None
    note: str
    measured: MeasuredRecall | None


@dataclass(frozen=True)
class Explanation:
    """How an answer came about."""

    parts: tuple[PartPlan, ...]
    stages: tuple[Stage, ...]
    total_us: int
    scanned_fields: tuple[str, ...]
    retrievers: tuple[RetrieverRun, ...]


@dataclass(frozen=True)
class RankPlace:
    """A place in a ranking: it comes from a reply, and is only given back."""

    wire: ranking_pb2.RankPlace


#: The place before the first hit: where paging begins.
FIRST_PAGE = RankPlace(ranking_pb2.RankPlace())


@dataclass(frozen=True)
class QueryReply:
    """What a query found, the best first. It is read as the list of its hits, too."""

    hits: list[Hit]
    #: The one state that every part of this reply speaks of.
    seq: int
    plans: tuple[Plan, ...]
    #: Where ``explain`` was asked for.
    explanation: Explanation | None
    #: Where groups were asked for; there are no hits then.
    groups: list[Group]
    #: Behind what the next page begins; ``None`` after the last one, and without paging.
    next: RankPlace | None

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, at: int) -> Hit:
        return self.hits[at]


@dataclass(frozen=True)
class Page:
    """Points in rising order of id."""

    points: list[Point]
    #: Where the next page starts; ``None`` after the last one.
    next: int | uuid.UUID | None
    seq: int


@dataclass(frozen=True)
class FacetValue:
    """A value, and how many points have it."""

    value: Scalar
    count: int


@dataclass(frozen=True)
class Facets:
    """The values of a field, the most frequent first."""

    values: list[FacetValue]
    #: How many distinct values there are.
    distinct: int
    seq: int
    scanned_fields: tuple[str, ...]


def hit_in(hit: points_pb2.Hit) -> Hit:
    """A hit of a reply."""
    return Hit(
        id=id_in(hit.id),
        score=hit.score,
        payload=payload_in(hit.payload),
        vectors=vectors_in(hit.vectors, hit.sparse, hit.multi),
        version=hit.version,
        expires_at_ms=hit.expires_at_ms if hit.HasField("expires_at_ms") else None,
        order_value=_order_value_in(hit.order_value) if hit.HasField("order_value") else None,
        placings=tuple(mirror.read(Placing, one) for one in hit.placings),
        highlights=tuple(_highlight_in(one) for one in hit.highlights),
    )


def query_in(reply: points_pb2.QueryReply) -> QueryReply:
    """The reply to a query."""
    return QueryReply(
        hits=[hit_in(hit) for hit in reply.hits],
        seq=reply.seq,
        plans=tuple(mirror.read(Plan, plan) for plan in reply.plans),
        explanation=mirror.read(Explanation, reply.explanation) if reply.HasField("explanation") else None,
        groups=[_group_in(group) for group in reply.groups],
        next=RankPlace(reply.next) if reply.HasField("next") else None,
    )


def page_in(reply: points_pb2.ScrollReply) -> Page:
    """A page of points."""
    following = id_in(reply.next) if reply.HasField("next") else None
    return Page([point_in(point) for point in reply.points], following, reply.seq)


def facets_in(reply: points_pb2.FacetReply) -> Facets:
    """The values of a field."""
    values = [FacetValue(scalar_in(one.value), one.count) for one in reply.values]
    return Facets(values, reply.distinct, reply.seq, tuple(reply.scanned_fields))


def paging_out(after: RankPlace | None) -> ranking_pb2.Paging | None:
    """Where a page begins, as a message."""
    if after is None:
        return None
    first = after.wire == ranking_pb2.RankPlace()
    return ranking_pb2.Paging() if first else ranking_pb2.Paging(after=after.wire)


def _group_in(group: points_pb2.Group) -> Group:
    lookup = point_in(group.lookup) if group.HasField("lookup") else None
    return Group(scalar_in(group.key), [hit_in(hit) for hit in group.hits], lookup)


def _highlight_in(piece: points_pb2.Highlight) -> Highlight:
    # `from` is a word of Python's.
    words = tuple(Span(getattr(word, "from"), word.to) for word in piece.words)
    return Highlight(piece.field, piece.text, getattr(piece, "from"), words)


def _order_value_in(value: ranking_pb2.OrderValue) -> int | float | None:
    kind = value.WhichOneof("value")
    found: int | float | None = getattr(value, kind) if kind else None
    return found


