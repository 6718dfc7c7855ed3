"""Filters: conditions on payloads, ids and vectors, built from :func:`field` or read from text.

>>> from nigh import field
>>> (field("year") >= 2020) & ~(field("tags") == "draft")
Condition(year >= 2020 AND NOT tags = 'draft')
>>> nigh.parse_filter("year >= 2020 AND NOT tags = 'draft'") == (field("year") >= 2020) & ~(field("tags") == "draft")
True
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Literal, Union

from nigh.errors import invalid
from nigh.v1 import common_pb2
from nigh.wire import PointId, id_out

Scalar = Union[str, int, float, bool]
#: An end of a range: a number, or an instant as RFC 3339, as ``YYYY-MM-DD``, or as a date of Python's.
End = Union[int, float, str, datetime.date]
#: Degrees north, degrees east.
Place = tuple[float, float]
How = Literal["all", "any", "phrase", "prefix"]

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1


class Condition:
    """Something that holds for a point or does not; ``&``, ``|`` and ``~`` make others of it."""

    __slots__ = ("_wire",)

    def __init__(self, wire: common_pb2.Condition) -> None:
        self._wire = wire

    @property
    def wire(self) -> common_pb2.Condition:
        """As the wire has it."""
        return self._wire

    def __and__(self, other: Condition) -> Condition:
        return all_of([self, other])

    def __or__(self, other: Condition) -> Condition:
        return any_of([self, other])

    def __invert__(self) -> Condition:
        return none_of([self])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self._wire == other._wire

    def __hash__(self) -> int:
        return hash(self._wire.SerializeToString(deterministic=True))

    def __bool__(self) -> bool:
        # `a and b` would silently be b.
        raise TypeError("conditions are joined by &, | and ~, not by and, or and not")

    def __repr__(self) -> str:
        from nigh.filter_repr import shown

        return f"Condition({shown(self._wire)})"


#: What a filter may be given as.
FilterLike = Union[Condition, str]


def filter_out(given: FilterLike | None) -> common_pb2.Filter | None:
    """A filter as a message; text is read."""
    if given is None:
        return None
    if isinstance(given, str):
        from nigh.filter_text import parse_filter

        given = parse_filter(given)
    if not isinstance(given, Condition):
        raise invalid("filter", repr(given), "a filter is a Condition or its text")
    if given.wire.WhichOneof("condition") == "filter":
        return given.wire.filter
    return common_pb2.Filter(must=[given.wire])


def all_of(conditions: Iterable[Condition]) -> Condition:
    """Every one holds; of none, every point."""
    joined = common_pb2.Filter()
    for one in conditions:
        inner = one.wire.filter
        # `a & b & ~c` is one filter of three conditions.
        if one.wire.HasField("filter") and not inner.should:
            joined.MergeFrom(inner)
        else:
            joined.must.append(one.wire)
    return Condition(common_pb2.Condition(filter=joined))


def any_of(conditions: Iterable[Condition]) -> Condition:
    """At least one holds; of none, no point."""
    joined = common_pb2.Filter()
    for one in conditions:
        inner = one.wire.filter
        if inner.should and not inner.must and not inner.must_not:
            joined.MergeFrom(inner)
        else:
            joined.should.append(one.wire)
    wire = common_pb2.Condition(filter=joined)
    return Condition(wire) if joined.should else none_of([all_of([])])


def none_of(conditions: Iterable[Condition]) -> Condition:
    """None holds."""
    refused = common_pb2.Filter(must_not=[one.wire for one in conditions])
    return Condition(common_pb2.Condition(filter=refused))


def at_least(count: int, conditions: Iterable[Condition]) -> Condition:
    """At least so many of these hold."""
    of = [one.wire for one in conditions]
    return Condition(common_pb2.Condition(at_least=common_pb2.AtLeast(count=count, of=of)))


def has_id(ids: Iterable[PointId]) -> Condition:
    """The point's id is one of these."""
    named = common_pb2.PointIds(ids=[id_out(one) for one in ids])
    return Condition(common_pb2.Condition(has_id=named))


def in_slice(index: int, total: int) -> Condition:
    """The point's id falls into this one, from 0, of so many slices: parts of a collection that stay the same, for readers
    that share the work, or as a sample.

    >>> in_slice(0, 4)
    Condition(SLICE(0 OF 4))
    """
    return Condition(common_pb2.Condition(slice=common_pb2.Slice(index=index, total=total)))


def has_vector(name: str) -> Condition:
    """The point has a vector of this field, of whichever kind."""
    return Condition(common_pb2.Condition(has_vector=name))


def _scalar(value: object) -> common_pb2.Scalar:
    if isinstance(value, bool):
        return common_pb2.Scalar(bool=value)
    if isinstance(value, str):
        return common_pb2.Scalar(keyword=value)
    if isinstance(value, float):
        return common_pb2.Scalar(float=value)
    if isinstance(value, int):
        if not _INT_MIN <= value <= _INT_MAX:
            raise invalid("filter", value, "an integer has 64 bits")
        return common_pb2.Scalar(integer=value)
    item = getattr(value, "item", None)
    if item is not None:
        return _scalar(item())
    raise invalid("filter", repr(value), "a value is a str, int, float or bool")


def scalar_in(scalar: common_pb2.Scalar) -> Scalar:
    """A value of a reply."""
    kind = scalar.WhichOneof("scalar")
    value: Scalar = getattr(scalar, kind) if kind else ""
    return value


def _scalars(values: Iterable[Scalar]) -> common_pb2.Scalars:
    if isinstance(values, str):
        raise invalid("filter", repr(values), "a list of values is wanted")
    return common_pb2.Scalars(scalars=[_scalar(value) for value in values])


class Field:
    """The values at a payload path: keys joined by dots; lists are entered."""

    __slots__ = ("_path",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, path: str) -> None:
        self._path = path

    def _test(self, **test: object) -> Condition:
        asked = common_pb2.FieldCondition(path=self._path, **test)  # type: ignore[arg-type]
        return Condition(common_pb2.Condition(field=asked))

    def __eq__(self, value: Scalar) -> Condition:  # type: ignore[override]
        return self._test(match=_scalar(value))

    def __ne__(self, value: Scalar) -> Condition:  # type: ignore[override]
        """There is a value, and it is another one; ``~(field(..) == value)`` also holds where there is none."""
        return self.not_in([value])

    def __gt__(self, end: End) -> Condition:
        return self.between(gt=end)

    def __ge__(self, end: End) -> Condition:
        return self.between(gte=end)

    def __lt__(self, end: End) -> Condition:
        return self.between(lt=end)

    def __le__(self, end: End) -> Condition:
        return self.between(lte=end)

    def between(
        self,
        gte: End | None = None,
        lte: End | None = None,
        *,
        gt: End | None = None,
        lt: End | None = None,
    ) -> Condition:
        """One value is inside: ``field("year").between(2019, 2021)``, ends included."""
        ends = {name: end for name, end in (("gt", gt), ("gte", gte), ("lt", lt), ("lte", lte)) if end is not None}
        dates = [isinstance(end, (str, datetime.date)) for end in ends.values()]
        if not ends or (any(dates) and not all(dates)):
            raise invalid("filter", ends, "the ends of a range are numbers, or dates, and there is one at least")
        if all(dates):
            texts = {name: _instant(end) for name, end in ends.items()}
            return self._test(datetime_range=common_pb2.DatetimeRange(**texts))
        numbers = {name: float(end) for name, end in ends.items()}  # type: ignore[arg-type]
        return self._test(range=common_pb2.NumberRange(**numbers))

    def is_in(self, values: Iterable[Scalar]) -> Condition:
        """A value is one of these."""
        return self._test(any_of=_scalars(values))

    def not_in(self, values: Iterable[Scalar]) -> Condition:
        """There is a value that is none of these."""
        return self._test(none_of=_scalars(values))

    def is_empty(self) -> Condition:
        """Absent, null or an empty list."""
        return self._test(is_empty=common_pb2.Unit())

    def is_null(self) -> Condition:
        """There, and null."""
        return self._test(is_null=common_pb2.Unit())

    def starts_with(self, prefix: str) -> Condition:
        """A string begins so."""
        return self._test(prefix=prefix)

    def substring(self, part: str) -> Condition:
        """A string that has this in it."""
        return self._test(substring=part)

    def words(self, text: str, how: How = "all") -> Condition:
        """A string has these words: all of them, any, as a phrase, or as a phrase whose last word goes on."""
        kinds = {"all": 1, "any": 2, "phrase": 3, "prefix": 4}
        if how not in kinds:
            raise invalid("how", repr(how), f"one of {', '.join(kinds)}")
        return self._test(words=common_pb2.WordsTest(text=text, how=kinds[how]))  # type: ignore[arg-type]

    def near(self, lat: float, lon: float, meters: float) -> Condition:
        """A place lies within so many metres of this one."""
        circle = common_pb2.GeoCircle(center=_place((lat, lon)), meters=meters)
        return self._test(geo=common_pb2.GeoShape(circle=circle))

    def in_box(self, south: float, west: float, north: float, east: float) -> Condition:
        """A place lies in a box; across the 180th meridian where west is greater than east."""
        box = common_pb2.GeoBox(south_west=_place((south, west)), north_east=_place((north, east)))
        return self._test(geo=common_pb2.GeoShape(box=box))

    def in_polygon(self, outer: Sequence[Place], holes: Sequence[Sequence[Place]] = ()) -> Condition:
        """A place lies in a polygon and in none of its holes."""
        rings = [common_pb2.GeoRing(places=[_place(place) for place in ring]) for ring in (outer, *holes)]
        polygon = common_pb2.GeoPolygon(outer=rings[0], holes=rings[1:])
        return self._test(geo=common_pb2.GeoShape(polygon=polygon))

    def has(self, condition: FilterLike) -> Condition:
        """One object at the path passes a whole filter, whose paths begin at the object."""
        nested = common_pb2.Nested(path=self._path, filter=filter_out(condition))
        return Condition(common_pb2.Condition(nested=nested))

    @property
    def count(self) -> Count:
        """How many values there are: ``field("tags").count >= 2``."""
        return Count(self._test)

    def __repr__(self) -> str:
        return f"field({self._path!r})"


class Count:
    """The number of values at a path."""

    __slots__ = ("_test",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, test: object) -> None:
        self._test = test

    def between(self, gte: int | None = None, lte: int | None = None, *, gt: int | None = None, lt: int | None = None) -> Condition:
        """So many, ends included."""
        asked = common_pb2.CountRange(gt=gt, gte=gte, lt=lt, lte=lte)
        return self._test(values_count=asked)  # type: ignore[operator,no-any-return]

    def __eq__(self, count: int) -> Condition:  # type: ignore[override]
        return self.between(count, count)

    def __gt__(self, count: int) -> Condition:
        return self.between(gt=count)

    def __ge__(self, count: int) -> Condition:
        return self.between(gte=count)

    def __lt__(self, count: int) -> Condition:
        return self.between(lt=count)

    def __le__(self, count: int) -> Condition:
        return self.between(lte=count)


def field(path: str) -> Field:
    """What is asked of the values at a payload path."""
    return Field(path)


def _place(place: Place) -> common_pb2.GeoPlace:
    return common_pb2.GeoPlace(lat=place[0], lon=place[1])


def _instant(end: End) -> str:
    if isinstance(end, datetime.datetime):
        if end.tzinfo is None:
            raise invalid("filter", end, "an instant has a time zone")
        return end.isoformat()
    return end.isoformat() if isinstance(end, datetime.date) else str(end)
