"""How a condition is shown: as the text that would be read as it."""

from __future__ import annotations

import re

from nigh.v1 import common_pb2

_SIGNS = (("gt", ">"), ("gte", ">="), ("lt", "<"), ("lte", "<="))
_BARE = re.compile(r'([^\W\d][\w$@-]*|"[^"]*")(\[[0-9]*\])*(\.([\w$@-]+|"[^"]*")(\[[0-9]*\])*)*\Z')
_RESERVED = {"AND", "OR", "NOT", "IN", "IS", "NULL", "EMPTY", "BETWEEN", "TRUE", "FALSE", "HAS_ID"}


def shown(condition: common_pb2.Condition) -> str:
    """The text of a condition."""
    kind = condition.WhichOneof("condition")
    if kind == "filter":
        return tree(condition.filter)
    if kind == "field":
        return _question(condition.field)
    if kind == "has_id":
        return f"HAS_ID({', '.join(_id(one) for one in condition.has_id.ids)})"
    if kind == "has_vector":
        return f"HAS_VECTOR({_quoted(condition.has_vector)})"
    if kind == "slice":
        return f"SLICE({condition.slice.index} OF {condition.slice.total})"
    if kind == "at_least":
        of = "".join(f", {shown(one)}" for one in condition.at_least.of)
        return f"AT_LEAST({condition.at_least.count}{of})"
    if kind == "nested":
        return f"{_path(condition.nested.path)} HAS ({tree(condition.nested.filter)})"
    return "TRUE"


def tree(given: common_pb2.Filter) -> str:
    """The text of a filter."""
    parts = [_joined(one) for one in given.must]
    if given.should:
        any_of = " OR ".join(_joined(one) for one in given.should)
        alone = not given.must and not given.must_not
        parts.append(any_of if alone else f"({any_of})")
    parts += [f"NOT {_joined(one)}" for one in given.must_not]
    return " AND ".join(parts) if parts else "TRUE"


def _joined(condition: common_pb2.Condition) -> str:
    text = shown(condition)
    return f"({text})" if condition.HasField("filter") and text != "TRUE" else text


def _question(asked: common_pb2.FieldCondition) -> str:
    path, kind = _path(asked.path), asked.WhichOneof("test")
    if kind == "match":
        return f"{path} = {_scalar(asked.match)}"
    if kind == "any_of":
        return f"{path} IN ({', '.join(_scalar(one) for one in asked.any_of.scalars)})"
    if kind == "none_of":
        values = [_scalar(one) for one in asked.none_of.scalars]
        return f"{path} != {values[0]}" if len(values) == 1 else f"{path} NOT IN ({', '.join(values)})"
    if kind == "range":
        return _range(path, {name: _number(getattr(asked.range, name)) for name, _ in _SIGNS if asked.range.HasField(name)})
    if kind == "datetime_range":
        ends = asked.datetime_range
        return _range(path, {name: _quoted(getattr(ends, name)) for name, _ in _SIGNS if ends.HasField(name)})
    if kind == "values_count":
        ends_of = asked.values_count
        return _range(f"COUNT({path})", {name: str(getattr(ends_of, name)) for name, _ in _SIGNS if ends_of.HasField(name)})
    if kind == "is_empty":
        return f"{path} IS EMPTY"
    if kind == "is_null":
        return f"{path} IS NULL"
    if kind == "prefix":
        return f"{path} STARTS WITH {_quoted(asked.prefix)}"
    if kind == "substring":
        return f"{path} CONTAINS SUBSTRING {_quoted(asked.substring)}"
    if kind == "words":
        how = ("ALL", "ALL", "ANY", "PHRASE", "PREFIX")[asked.words.how]
        return f"{path} CONTAINS {how} {_quoted(asked.words.text)}"
    return f"{path} WITHIN {_shape(asked.geo)}"


def _range(path: str, ends: dict[str, str]) -> str:
    lower, upper = ends.get("gte", ""), ends.get("lte", "")
    if len(ends) == 2 and lower and upper:
        return f"{path} = {lower}" if path.startswith("COUNT(") and lower == upper else f"{path} BETWEEN {lower} AND {upper}"
    return " AND ".join(f"{path} {sign} {ends[name]}" for name, sign in _SIGNS if name in ends)


def _shape(shape: common_pb2.GeoShape) -> str:
    if shape.HasField("circle"):
        return f"{_number(shape.circle.meters)} OF ({_place(shape.circle.center)})"
    if shape.HasField("box"):
        return f"BOX ({_place(shape.box.south_west)}, {_place(shape.box.north_east)})"
    rings = [f"({', '.join(_place(place) for place in ring.places)})" for ring in (shape.polygon.outer, *shape.polygon.holes)]
    return f"POLYGON ({', '.join(rings)})"


def _place(place: common_pb2.GeoPlace) -> str:
    return f"{_number(place.lat)}, {_number(place.lon)}"


def _id(one: common_pb2.PointId) -> str:
    return str(one.num) if one.WhichOneof("id") == "num" else _quoted(one.uuid)


def _scalar(scalar: common_pb2.Scalar) -> str:
    kind = scalar.WhichOneof("scalar")
    if kind == "keyword":
        return _quoted(scalar.keyword)
    if kind == "bool":
        return str(scalar.bool).upper()
    return repr(getattr(scalar, kind)) if kind else "''"


def _number(number: float) -> str:
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else repr(number)


def _quoted(text: str) -> str:
    doubled = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"


def _path(path: str) -> str:
    if _BARE.match(path) and path.upper() not in _RESERVED:
        return path
    ticked = path.replace("`", "``")
    return f"`{ticked}`"
