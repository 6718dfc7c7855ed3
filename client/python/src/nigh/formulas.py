"""Formulas: a score that is computed, from numbers, scores of sources, payload, conditions and places.

>>> from nigh import formula
>>> fresh = formula.field("year", missing=2000).decay("exponential", target=2026, scale=5)
>>> formula.score(0) + fresh * 0.2
Formula(sum { ... })
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Union

from nigh.filters import Condition, Place
from nigh.mirror import enum_out
from nigh.v1 import common_pb2, ranking_pb2

Shape = Literal["exponential", "linear", "gauss"]


class Formula:
    """A number that is computed for a point; arithmetic makes others of it."""

    __slots__ = ("_wire",)

    def __init__(self, wire: ranking_pb2.Formula) -> None:
        self._wire = wire

    @property
    def wire(self) -> ranking_pb2.Formula:
        """As the wire has it."""
        return self._wire

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Formula) and self._wire == other._wire

    def __hash__(self) -> int:
        return hash(self._wire.SerializeToString(deterministic=True))

    def __repr__(self) -> str:
        return f"Formula({self._wire.WhichOneof('formula')} {{ ... }})"

    def __add__(self, other: FormulaLike) -> Formula:
        return _many("sum", self, other)

    def __radd__(self, other: float) -> Formula:
        return _many("sum", other, self)

    def __sub__(self, other: FormulaLike) -> Formula:
        return _many("sum", self, -_formula(other))

    def __rsub__(self, other: float) -> Formula:
        return _many("sum", other, -self)

    def __mul__(self, other: FormulaLike) -> Formula:
        return _many("product", self, other)

    def __rmul__(self, other: float) -> Formula:
        return _many("product", other, self)

    def __truediv__(self, other: FormulaLike) -> Formula:
        return self.divided_by(other)

    def __rtruediv__(self, other: float) -> Formula:
        return constant(other).divided_by(self)

    def __pow__(self, exponent: FormulaLike) -> Formula:
        power = ranking_pb2.Power(base=self._wire, exponent=_formula(exponent).wire)
        return Formula(ranking_pb2.Formula(power=power))

    def __neg__(self) -> Formula:
        return Formula(ranking_pb2.Formula(negative=self._wire))

    def __abs__(self) -> Formula:
        return Formula(ranking_pb2.Formula(absolute=self._wire))

    def divided_by(self, other: FormulaLike, *, by_zero: float | None = None) -> Formula:
        """A quotient; ``by_zero`` is the outcome where the divisor is 0, which is an error where it is left out."""
        quotient = ranking_pb2.Quotient(of=self._wire, by=_formula(other).wire, by_zero=by_zero)
        return Formula(ranking_pb2.Formula(quotient=quotient))

    def sqrt(self) -> Formula:
        """The square root."""
        return Formula(ranking_pb2.Formula(square_root=self._wire))

    def exp(self) -> Formula:
        """e to this power."""
        return Formula(ranking_pb2.Formula(exponential=self._wire))

    def ln(self) -> Formula:
        """The natural logarithm."""
        return Formula(ranking_pb2.Formula(ln=self._wire))

    def log10(self) -> Formula:
        """The logarithm to the base of 10."""
        return Formula(ranking_pb2.Formula(log10=self._wire))

    def acosh(self) -> Formula:
        """The inverse hyperbolic cosine."""
        return Formula(ranking_pb2.Formula(acosh=self._wire))

    def decay(
        self,
        shape: Shape = "exponential",
        *,
        target: FormulaLike = 0.0,
        scale: float = 1.0,
        midpoint: float = 0.5,
    ) -> Formula:
        """1 at the target, ``midpoint`` at a distance of ``scale`` from it."""
        decay = ranking_pb2.Decay(
            shape=enum_out(ranking_pb2.Decay.Shape.DESCRIPTOR, shape, "shape"),  # type: ignore[arg-type]
            of=self._wire,
            target=_formula(target).wire,
            scale=scale,
            midpoint=midpoint,
        )
        return Formula(ranking_pb2.Formula(decay=decay))


FormulaLike = Union[Formula, float, int]


def constant(number: float) -> Formula:
    """This number."""
    return Formula(ranking_pb2.Formula(constant=number))


def score(source: int = 0, *, missing: float = 0.0) -> Formula:
    """The score in a source, by its place from 0; ``missing`` where the source did not find the point."""
    return Formula(ranking_pb2.Formula(score=ranking_pb2.SourceScore(source=source, missing=missing)))


def field(path: str, *, missing: float | None = None) -> Formula:
    """The first number at a payload path; instants count in seconds since 1970, bools as 1 and 0."""
    return Formula(ranking_pb2.Formula(field=ranking_pb2.FieldValue(path=path, missing=missing)))


def holds(condition: Condition) -> Formula:
    """1 where a condition holds, else 0."""
    return Formula(ranking_pb2.Formula(holds=condition.wire))


def distance(path: str, place: Place, *, missing: float | None = None) -> Formula:
    """Metres from a place to the first place at a payload path."""
    origin = common_pb2.GeoPlace(lat=place[0], lon=place[1])
    far = ranking_pb2.GeoDistance(path=path, missing=missing)
    # Its name is a word of Python's.
    getattr(far, "from").CopyFrom(origin)
    return Formula(ranking_pb2.Formula(distance=far))


def instant(text: str) -> Formula:
    """An instant, RFC 3339 or ``YYYY-MM-DD``, in seconds since 1970."""
    return Formula(ranking_pb2.Formula(datetime=text))


def greatest(*of: FormulaLike) -> Formula:
    """The greatest of several."""
    return _several("greatest", of)


def least(*of: FormulaLike) -> Formula:
    """The least of several."""
    return _several("least", of)


def _several(kind: Literal["sum", "product", "greatest", "least"], of: Iterable[FormulaLike]) -> Formula:
    formulas = ranking_pb2.Formulas(formulas=[_formula(one).wire for one in of])
    return Formula(ranking_pb2.Formula(**{kind: formulas}))  # type: ignore[arg-type]


def _formula(given: FormulaLike) -> Formula:
    return given if isinstance(given, Formula) else constant(float(given))


def _many(kind: Literal["sum", "product"], *given: FormulaLike) -> Formula:
    gathered: list[ranking_pb2.Formula] = []
    for one in map(_formula, given):
        # `a + b + c` is one sum of three.
        same = one.wire.WhichOneof("formula") == kind
        gathered.extend(getattr(one.wire, kind).formulas if same else [one.wire])
    return _several(kind, map(Formula, gathered))
