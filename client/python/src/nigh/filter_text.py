"""Filters as people write them; docs/filters.md tells the language.

    filter    = all { OR all }
    all       = term { AND term }
    term      = { NOT } ( "(" filter ")" | TRUE | FALSE | HAS_ID "(" ids ")" | question )
    question  = path sign value | value sign path [ sign value ] | path [NOT] IN "(" values ")"
              | path [NOT] BETWEEN value AND value | path IS [NOT] ( NULL | EMPTY ) | path STARTS WITH text
              | path CONTAINS ( ALL | ANY | PHRASE | PREFIX | SUBSTRING ) text | path WITHIN shape | path HAS "(" filter ")"
              | COUNT "(" path ")" sign number | HAS_VECTOR "(" text ")" | AT_LEAST "(" number { "," filter } ")"
              | SLICE "(" number OF number ")"

What the command line reads with its own parser is read here again, as a filter is typed on the wire and never text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn, TypeVar

from nigh.errors import InvalidArgumentError
from nigh.filters import Condition, End, Field, How, Place, Scalar, all_of, any_of, at_least, has_id, has_vector, in_slice, none_of

T = TypeVar("T")

_DEPTH_MAX = 32
_BYTES_MAX = 1 << 20
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<sign>==|!=|<>|<=|>=|[=<>(),])
    | '(?P<text>(?:[^'\\]|''|\\'|\\\\|\\(?!['\\]))*)'
    | `(?P<tick>(?:[^`]|``)*)`
    | (?P<number>[0-9.+-](?:[eE][+-]|[\w.])*)
    | (?P<path>(?:[^\W\d][\w$@-]*|[$@][\w$@-]*|"[^"]*")(?:\[[0-9]*\])*(?:\.(?:[\w$@-]+|"[^"]*")(?:\[[0-9]*\])*)*)
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_WORDS = {"AND", "OR", "NOT", "IN", "IS", "NULL", "EMPTY", "BETWEEN", "TRUE", "FALSE", "HAS_ID"}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ENDS = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_ORDER = tuple(_ENDS)


def parse_filter(text: str) -> Condition:
    """Reads a filter such as ``kind = 'news' AND year >= 2020``; an error names the column and what was expected there.

    >>> nigh.parse_filter("kind = 'news' AND year >= 2020")
    Condition(kind = 'news' AND year >= 2020)
    >>> nigh.parse_filter("year >=")
    Traceback (most recent call last):
      ...
    nigh.errors.InvalidArgumentError: filter is `year >=`; at column 8, expected a number or a date, found the end
    """
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        if len(text.encode()) > _BYTES_MAX:
            raise _wrong("a longer text", f"a filter's text has at most {_BYTES_MAX} bytes")
        self.text = text
        self.depth = 0
        self.end = 0
        self.step()

    def step(self) -> None:
        """Takes what comes next: `kind` is how it is written, `next` what it says."""
        found = _TOKEN.match(self.text, self.end)
        if found is None:
            self.at = len(self.text) - len(self.text[self.end :].lstrip())
            first = self.text[self.at]
            closing = {"'": "a closing ' for this string", "`": "a closing ` for this path", '"': 'a closing " for this key'}
            self.kind, self.end = "nothing", self.at + 1
            self.expected(closing.get(first, "a path, a number, a 'text', NOT or ("))
        self.kind = found.lastgroup or "end"
        self.next = found.group(self.kind)
        self.at, self.end = found.start(self.kind) - (self.kind in ("text", "tick")), found.end()
        if self.kind == "path" and self.next.upper() in _WORDS:
            self.kind, self.next = "word", self.next.upper()
        elif self.kind == "sign":
            self.next = {"==": "=", "<>": "!="}.get(self.next, self.next)
        elif self.kind == "text":
            self.next = re.sub(r"''|\\'|\\\\", lambda pair: pair.group()[1], self.next)
        elif self.kind == "tick":
            self.kind, self.next = "ticked", self.next.replace("``", "`")

    def expected(self, what: str) -> NoReturn:
        found = "the end" if self.kind == "end" else f"`{self.text[self.at : self.end]}`"
        raise _wrong(f"`{_shortened(self.text, self.at)}`", f"at column {self.at + 1}, expected {what}, found {found}")

    def word(self, word: str) -> bool:
        return self._takes(self.kind == "word" and self.next == word)

    def name(self, name: str) -> bool:
        """A word that is no reserved one: a field may be called so."""
        return self._takes(self.kind == "path" and self.next.upper() == name)

    def sign(self, sign: str, expected: str) -> None:
        if not self._takes(self.kind == "sign" and self.next == sign):
            self.expected(expected)

    def _takes(self, found: bool) -> bool:
        if found:
            self.step()
        return found

    def whole(self) -> Condition:
        condition = self.filter()
        if self.kind != "end":
            self.expected("AND, OR or the end")
        return condition

    def filter(self) -> Condition:
        conditions = [self.all()]
        while self.word("OR"):
            conditions.append(self.all())
        return conditions[0] if len(conditions) == 1 else any_of(conditions)

    def all(self) -> Condition:
        conditions = [self.term()]
        while self.word("AND"):
            conditions.append(self.term())
        return conditions[0] if len(conditions) == 1 else all_of(conditions)

    def term(self) -> Condition:
        negated = False
        while self.word("NOT"):
            negated = not negated
        condition = self.positive()
        return none_of([condition]) if negated else condition

    def positive(self) -> Condition:
        if self.kind == "sign" and self.next == "(":
            return self.parenthesis()
        if self.word("TRUE"):
            return all_of([])
        if self.word("FALSE"):
            return none_of([all_of([])])
        if self.word("HAS_ID"):
            return has_id(self.list(self.id))
        if self.kind in ("number", "text"):
            return self.enclosed()
        if self.kind not in ("path", "ticked"):
            self.expected("a path, a value, NOT, HAS_ID or (")
        if self.kind == "path" and re.match(r"\s*\(", self.text[self.end :]):
            if self.name("COUNT"):
                return self.counted()
            if self.name("HAS_VECTOR"):
                self.sign("(", "(")
                name = self.quoted()
                self.sign(")", ")")
                return has_vector(name)
            if self.name("SLICE"):
                return self.slice()
            if self.name("AT_LEAST"):
                return self.at_least()
        return self.question()

    def enter(self) -> None:
        self.depth += 1
        if self.depth > _DEPTH_MAX:
            self.expected(f"at most {_DEPTH_MAX} open parentheses")

    def parenthesis(self) -> Condition:
        self.enter()
        self.sign("(", "(")
        condition = self.filter()
        self.sign(")", "AND, OR or )")
        self.depth -= 1
        return condition

    def at_least(self) -> Condition:
        self.enter()
        self.sign("(", "(")
        count, of = self.natural(), []
        while self.kind == "sign" and self.next == ",":
            self.step()
            of.append(self.filter())
        self.sign(")", ", or )")
        self.depth -= 1
        return at_least(count, of)

    def slice(self) -> Condition:
        self.sign("(", "(")
        index = self.natural()
        if not self.name("OF"):
            self.expected("OF and how many slices there are")
        total = self.natural()
        self.sign(")", ")")
        if index >= total or total >= 1 << 32:
            raise _wrong(f"SLICE({index} OF {total})", "slices are counted from 0, and there are 1 to 4294967295")
        return in_slice(index, total)

    def question(self) -> Condition:
        asked = self.path()
        phrase = self.phrase(asked)
        if phrase is not None:
            return phrase
        if self.word("IS"):
            negated = self.word("NOT")
            if self.word("NULL"):
                condition = asked.is_null()
            elif self.word("EMPTY"):
                condition = asked.is_empty()
            else:
                self.expected("NULL, EMPTY or NOT")
            return ~condition if negated else condition
        negated = self.word("NOT")
        if self.word("IN"):
            values = self.list(self.value)
            return asked.not_in(values) if negated else asked.is_in(values)
        if self.word("BETWEEN"):
            lower = self.range_end()
            if not self.word("AND"):
                self.expected("AND and the upper end")
            condition = self.range(asked, {">=": lower, "<=": self.range_end(lower)})
            return ~condition if negated else condition
        if negated:
            self.expected("IN or BETWEEN")
        if self.kind != "sign" or self.next not in ("=", "!=", *_ORDER):
            self.expected("=, !=, <, <=, >, >=, IN, BETWEEN, IS, STARTS, CONTAINS, WITHIN or HAS")
        sign = self.next
        self.step()
        if sign == "=":
            return asked == self.value()
        if sign == "!=":
            return asked != self.value()
        return self.range(asked, {sign: self.range_end()})

    def enclosed(self) -> Condition:
        """`1 < x`, `1 < x <= 5`, `5 >= x > 1`."""
        first = self.range_end()
        if self.kind != "sign" or self.next not in _ORDER:
            self.expected("<, <=, > or >= between a value and a path")
        sign = self.next
        self.step()
        asked = self.path()
        ends = {_TURNED[sign]: first}
        if self.kind == "sign" and self.next in _ORDER:
            second = self.next
            if second[0] != sign[0]:
                self.expected("a sign that points the same way as the one before")
            self.step()
            ends[second] = self.range_end(first)
        return self.range(asked, ends)

    def range(self, asked: Field, ends: dict[str, End]) -> Condition:
        return asked.between(**{_ENDS[sign]: end for sign, end in ends.items()})

    def range_end(self, like: End | None = None) -> End:
        if like is not None and isinstance(like, str) and self.kind == "number":
            self.expected("a date, like the other end")
        if like is not None and not isinstance(like, str) and self.kind == "text":
            self.expected("a number, like the other end")
        if self.kind == "text":
            end: End = self.next
        else:
            number = _number(self.next) if self.kind == "number" else None
            if number is None:
                self.expected("a number or a date")
            if isinstance(number, int) and int(float(number)) != number:
                self.expected("an end that a 64-bit float holds exactly")
            end = number
        self.step()
        return end

    def phrase(self, asked: Field) -> Condition | None:
        """What is asked of a path in words, where something is."""
        if self.name("HAS"):
            if self.kind != "sign" or self.next != "(":
                self.expected("( and what one object has to pass")
            return asked.has(self.parenthesis())
        if self.name("STARTS"):
            if not self.name("WITH"):
                self.expected("WITH")
            return asked.starts_with(self.quoted())
        if self.name("CONTAINS"):
            hows: tuple[How, ...] = ("all", "any", "phrase", "prefix")
            for how in hows:
                if self.name(how.upper()):
                    return asked.words(self.quoted(), how)
            if self.name("SUBSTRING"):
                return asked.substring(self.quoted())
            self.expected("ALL, ANY, PHRASE, PREFIX or SUBSTRING")
        return self.shape(asked) if self.name("WITHIN") else None

    def shape(self, asked: Field) -> Condition:
        if self.name("BOX"):
            ends = self.list(self.float)
            if len(ends) != 4:
                self.expected("BOX (south, west, north, east) before this")
            return asked.in_box(*ends)
        if self.name("POLYGON"):
            rings = self.list(self.ring)
            if not rings:
                self.expected("POLYGON ((lat, lon, ...), ...) before this")
            return asked.in_polygon(rings[0], rings[1:])
        meters = self.float()
        if not self.name("OF"):
            self.expected("OF and the centre")
        center = self.list(self.float)
        if len(center) != 2:
            self.expected("OF (lat, lon) before this")
        return asked.near(center[0], center[1], meters)

    def ring(self) -> list[Place]:
        degrees = self.list(self.float)
        if len(degrees) % 2:
            self.expected("a longitude for every latitude before this")
        return list(zip(degrees[::2], degrees[1::2]))

    def counted(self) -> Condition:
        self.sign("(", "(")
        count = self.path().count
        self.sign(")", ")")
        if self.word("BETWEEN"):
            lower = self.natural()
            if not self.word("AND"):
                self.expected("AND and the upper end")
            return count.between(lower, self.natural())
        if self.kind != "sign" or self.next not in ("=", *_ORDER):
            self.expected("=, <, <=, >, >= or BETWEEN")
        sign = self.next
        self.step()
        wanted = self.natural()
        return count == wanted if sign == "=" else count.between(**{_ENDS[sign]: wanted})

    def list(self, item: Callable[[], T]) -> list[T]:
        self.sign("(", "(")
        items: list[T] = []
        if not (self.kind == "sign" and self.next == ")"):
            items.append(item())
            while self.kind == "sign" and self.next == ",":
                self.step()
                items.append(item())
        self.sign(")", ", or )")
        return items

    def path(self) -> Field:
        if self.kind not in ("path", "ticked") or not self.next:
            self.expected("a path")
        path = Field(self.next)
        self.step()
        return path

    def quoted(self) -> str:
        if self.kind != "text":
            self.expected("a 'text'")
        text = self.next
        self.step()
        return text

    def value(self) -> Scalar:
        value: Scalar | None = None
        if self.kind == "text":
            value = self.next
        elif self.kind == "number":
            value = _number(self.next)
        elif self.kind == "word" and self.next in ("TRUE", "FALSE"):
            value = self.next == "TRUE"
        if value is None:
            self.expected("a number of 64 bits, a 'text', TRUE or FALSE")
        self.step()
        return value

    def id(self) -> int | str:
        try:
            found: int | str = int(self.next) if self.kind == "number" else self.next
            has_id([found if self.kind in ("number", "text") else ""])
        except (InvalidArgumentError, ValueError):
            self.expected("an id: an unsigned number or a quoted UUID")
        self.step()
        return found

    def float(self) -> float:
        number = _number(self.next) if self.kind == "number" else None
        if number is None:
            self.expected("a number")
        self.step()
        return float(number)

    def natural(self) -> int:
        if self.kind != "number" or not re.fullmatch(r"\+?[0-9]+", self.next):
            self.expected("a number from 0")
        natural = int(self.next)
        self.step()
        return natural


def _number(digits: str) -> int | float | None:
    if re.fullmatch(r"[+-]?[0-9]+", digits):
        integer = int(digits)
        return integer if -(2**63) <= integer < 2**63 else None
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", digits):
        return None
    number = float(digits)
    return number if abs(number) != float("inf") else None


def _shortened(text: str, column: int) -> str:
    if len(text) <= 80:
        return text
    start = max(column - 40, 0)
    cut = text[start : start + 80]
    return f"{'…' if start else ''}{cut}{'…' if start + 80 < len(text) else ''}"


def _wrong(value: str, limit: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"filter is {value}; {limit}", field="filter", value=value, limit=limit)
