"""Retrievers: the ways of finding points, and of ranking those that other retrievers found (docs/queries.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union

from nigh import mirror
from nigh.errors import invalid
from nigh.filters import FilterLike, filter_out
from nigh.formulas import Formula
from nigh.points import multi_out, sparse_out
from nigh.v1 import points_pb2, ranking_pb2
from nigh.wire import PointId, SparseVector, VectorLike, id_out, vector_out


@dataclass(frozen=True)
class Like:
    """The vector of a point, which is itself not found."""

    id: PointId


Target = Union[VectorLike, Like]


@dataclass(frozen=True, kw_only=True)
class Retriever:
    """What every retriever may have; others of this room are the kinds."""

    #: Named in explanations; its kind and place where it is left out.
    name: str = ""
    #: Points of its ranking; 100 where it is 0 and others rank them.
    limit: int = 0
    #: Narrows the query's own filter; holds for the sources too.
    filter: FilterLike | None = None
    #: The points among which words, and terms of sparse vectors with ``idf``, are rare or are not; all of them where left out.
    corpus: FilterLike | None = None
    #: What is worse is left out: distances above it, other scores below it.
    score_threshold: float | None = None
    #: Where there are some, only what they found is ranked.
    sources: Sequence[Retriever] = ()

    def _kind(self) -> dict[str, Any]:
        raise TypeError("a retriever is one of its kinds: Dense, Text, ...")

    @property
    def wire(self) -> points_pb2.Retriever:
        """As the wire has it."""
        return points_pb2.Retriever(
            name=self.name,
            limit=self.limit,
            filter=filter_out(self.filter),
            corpus=filter_out(self.corpus),
            score_threshold=self.score_threshold,
            sources=[one.wire for one in self.sources],
            **self._kind(),
        )


@dataclass(frozen=True, kw_only=True)
class _Searching(Retriever):
    """Effort of a search: told, left to a recall, or all of it."""

    #: Width of the graph search, or how many lists are scanned; 0: decided by ``recall``.
    ef: int = 0
    #: Compare with every matching point.
    exact: bool = False
    #: The recall to reach, above 0 and at most 1; 0: the default.
    recall: float = 0.0

    def _params(self) -> ranking_pb2.SearchParams:
        return ranking_pb2.SearchParams(ef=self.ef, exact=self.exact, recall=self.recall)


@dataclass(frozen=True)
class Dense(_Searching):
    """The nearest to a vector, or to that of a point (:class:`Like`)."""

    query: Target
    #: The vector field; may be left out where the collection has one.
    field: str = ""

    def _kind(self) -> dict[str, Any]:
        dense = points_pb2.Dense(field=self.field, params=self._params())
        if isinstance(self.query, Like):
            dense.point.CopyFrom(id_out(self.query.id))
        else:
            dense.vector.CopyFrom(vector_out(self.query))
        return {"dense": dense}


@dataclass(frozen=True)
class Highlighting:
    """Pieces of the texts that show what was found."""

    #: Of a piece, at most; 0: 160.
    bytes: int = 0
    #: Of a field, at most; 0: 3.
    pieces: int = 0


@dataclass(frozen=True)
class Text(Retriever):
    """By words (BM25)."""

    query: str
    #: The text field; may be left out where the collection has one.
    field: str = ""
    #: Several fields with their weights, instead of one.
    fields: Mapping[str, float] | None = None
    #: Signs, quotes and stars mean something: ``+must -not "a phrase" begin*``.
    syntax: bool = False
    #: Words are as rare as they are among the points that the filter leaves.
    rarity_under_filter: bool = False
    highlight: Highlighting | None = None

    def _kind(self) -> dict[str, Any]:
        text = points_pb2.Text(
            field=self.field,
            query=self.query,
            syntax=self.syntax,
            fields=[points_pb2.TextWeight(field=name, weight=weight) for name, weight in (self.fields or {}).items()],
            rarity_under_filter=self.rarity_under_filter,
        )
        if self.highlight is not None:
            text.highlight.CopyFrom(mirror.write(self.highlight, points_pb2.Highlighting()))
        return {"text": text}


@dataclass(frozen=True)
class Sparse(Retriever):
    """The greatest dot products with a sparse vector, exactly."""

    vector: SparseVector
    field: str = ""

    def _kind(self) -> dict[str, Any]:
        return {"sparse": points_pb2.Sparse(field=self.field, vector=sparse_out(self.vector))}


@dataclass(frozen=True)
class Multi(Retriever):
    """The nearest by several vectors (MaxSim), exactly."""

    vectors: Sequence[VectorLike]
    field: str = ""

    def _kind(self) -> dict[str, Any]:
        return {"multi": points_pb2.Multi(field=self.field, vectors=multi_out(self.vectors))}


@dataclass(frozen=True)
class ReciprocalRank:
    """Rankings as one: the sum of ``weight / (k + rank)``, ranks from 1."""

    k: float | None = None
    #: One for each retriever, in order; all 1 where they are left out.
    weights: Sequence[float] = ()
    #: With ``rank`` the sum of ``1 / (k + rank / weight)``.
    weighing: Literal["", "score", "rank"] = ""


@dataclass(frozen=True)
class ScoreBounds:
    """What counts as 0 and as 1."""

    low: float
    high: float


@dataclass(frozen=True)
class ScoreFusion:
    """Rankings as one: the sum of ``weight *`` the scaled score."""

    scale: Literal["", "min_max", "distribution", "bounds"] = ""
    weights: Sequence[float] = ()
    bounds: Sequence[ScoreBounds] = ()


FusionHow = Union[ReciprocalRank, ScoreFusion]


def fusion_out(how: FusionHow | None) -> ranking_pb2.Fusion | None:
    """A fusion as a message."""
    if how is None:
        return None
    if isinstance(how, ReciprocalRank):
        return ranking_pb2.Fusion(reciprocal_rank=mirror.write(how, ranking_pb2.ReciprocalRank()))
    return ranking_pb2.Fusion(scores=mirror.write(how, ranking_pb2.ScoreFusion()))


@dataclass(frozen=True)
class Fusion(Retriever):
    """The rankings of its sources as one."""

    how: FusionHow = ReciprocalRank()

    def _kind(self) -> dict[str, Any]:
        return {"fusion": fusion_out(self.how)}


@dataclass(frozen=True)
class Scored(Retriever):
    """What its sources found, by a number that is computed."""

    formula: Formula

    def _kind(self) -> dict[str, Any]:
        return {"formula": self.formula.wire}


@dataclass(frozen=True)
class Mmr(_Searching):
    """Near to a target, but unlike what was chosen before."""

    target: Target
    field: str = ""
    #: From 0, nothing but nearness, to 1.
    diversity: float = 0.5
    #: How many of the nearest it chooses from; as many as are wanted where it is 0.
    candidates: int = 0

    def _kind(self) -> dict[str, Any]:
        mmr = ranking_pb2.Mmr(
            field=self.field,
            target=_target(self.target),
            diversity=self.diversity,
            candidates=self.candidates,
            params=self._params(),
        )
        return {"mmr": mmr}


@dataclass(frozen=True)
class Recommend(_Searching):
    """By examples of what is liked and what is not."""

    positive: Sequence[Target]
    negative: Sequence[Target] = ()
    field: str = ""
    strategy: Literal["", "average_vector", "best_score", "sum_scores"] = ""

    def _kind(self) -> dict[str, Any]:
        strategies = ranking_pb2.Recommend.Strategy.DESCRIPTOR
        recommend = ranking_pb2.Recommend(
            field=self.field,
            positive=[_target(one) for one in self.positive],
            negative=[_target(one) for one in self.negative],
            strategy=mirror.enum_out(strategies, self.strategy, "strategy"),  # type: ignore[arg-type]
            params=self._params(),
        )
        return {"recommend": recommend}


@dataclass(frozen=True)
class Discover(Retriever):
    """On how many right sides of pairs a point is, then nearness to a target."""

    target: Target
    #: Pairs of a positive and a negative example.
    context: Sequence[tuple[Target, Target]]
    field: str = ""

    def _kind(self) -> dict[str, Any]:
        pairs = [_pair(one) for one in self.context]
        return {"discover": ranking_pb2.Discover(field=self.field, target=_target(self.target), context=pairs)}


@dataclass(frozen=True)
class Context(Retriever):
    """By how far a point is on the negative side of pairs."""

    pairs: Sequence[tuple[Target, Target]]
    field: str = ""

    def _kind(self) -> dict[str, Any]:
        return {"context": ranking_pb2.Context(field=self.field, pairs=[_pair(one) for one in self.pairs])}


@dataclass(frozen=True)
class OrderBy(Retriever):
    """By a number or an instant in the payload."""

    path: str
    descending: bool = False
    #: Only values from this one on: a number, or an instant as text.
    start_from: int | float | str | None = None

    def _kind(self) -> dict[str, Any]:
        start = None if self.start_from is None else order_value_out(self.start_from)
        return {"order_by": ranking_pb2.OrderBy(path=self.path, descending=self.descending, start_from=start)}


@dataclass(frozen=True)
class Sample(Retriever):
    """By chance: the same points in the same order for the same seed."""

    seed: int | None = None

    def _kind(self) -> dict[str, Any]:
        return {"sample": ranking_pb2.Sample(seed=self.seed)}


def order_value_out(value: int | float | str) -> ranking_pb2.OrderValue:
    """A value that points are ordered by, as a message."""
    if isinstance(value, str):
        return ranking_pb2.OrderValue(datetime=value)
    if isinstance(value, float):
        return ranking_pb2.OrderValue(float=value)
    if value > 2**63 - 1:
        return ranking_pb2.OrderValue(natural=value)
    return ranking_pb2.OrderValue(integer=value)


def _target(target: Target) -> ranking_pb2.Target:
    if isinstance(target, Like):
        return ranking_pb2.Target(point=id_out(target.id))
    return ranking_pb2.Target(vector=vector_out(target))


def _pair(pair: tuple[Target, Target]) -> ranking_pb2.ContextPair:
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise invalid("context", repr(pair), "a pair is (positive, negative)")
    return ranking_pb2.ContextPair(positive=_target(pair[0]), negative=_target(pair[1]))
