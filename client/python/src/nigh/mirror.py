"""Dataclasses that mirror messages: a field of one is the field of the same name of the other.

What has another form in Python than on the wire is told once here: enums are strings (``METRIC_COSINE`` is ``"cosine"``,
what is unspecified is ``""``), ids are numbers or UUIDs, a field that may be absent is ``None``, and lists are tuples.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
import uuid
from typing import Any, TypeVar

from google.protobuf.message import Message

from nigh.errors import invalid
from nigh.wire import id_in, id_out

T = TypeVar("T")
M = TypeVar("M", bound=Message)


@functools.cache
def _prefix(enum: Any) -> str:
    return str(enum.values_by_number[0].name).removesuffix("UNSPECIFIED")


def enum_in(enum: Any, number: int) -> str:
    """The word for a value of an enum."""
    value = enum.values_by_number.get(number)
    if value is None:
        return str(number)
    word = value.name.removeprefix(_prefix(enum)).lower()
    return "" if word == "unspecified" else word


def enum_out(enum: Any, word: str, name: str) -> int:
    """The value of an enum for a word."""
    found = enum.values_by_name.get(_prefix(enum) + (word or "unspecified").upper())
    if found is None:
        words = [enum_in(enum, value.number) for value in enum.values if value.number]
        raise invalid(name, repr(word), f"one of {', '.join(words)}")
    return int(found.number)


@functools.cache
def _plan(kind: Any) -> tuple[tuple[str, type | None], ...]:
    """The names of a dataclass's fields, each with the dataclass that it holds, where it holds one."""
    hints = typing.get_type_hints(kind)
    return tuple((one.name, _held(hints[one.name])) for one in dataclasses.fields(kind))


def _fields(value: Any) -> tuple[tuple[str, type | None], ...]:
    return _plan(value)


def _held(hint: Any) -> type | None:
    if dataclasses.is_dataclass(hint):
        return typing.cast(type, hint)
    for inner in typing.get_args(hint):
        found = _held(inner)
        if found is not None:
            return found
    return None


def read(kind: type[T], message: Message) -> T:
    """A message as the dataclass that mirrors it."""
    descriptors = message.DESCRIPTOR.fields_by_name
    values: dict[str, Any] = {}
    for name, held in _fields(kind):
        descriptor = descriptors[name]
        if descriptor.is_repeated:
            values[name] = tuple(_one_in(descriptor, held, one) for one in getattr(message, name))
        elif descriptor.has_presence and not message.HasField(name):
            values[name] = None
        else:
            values[name] = _one_in(descriptor, held, getattr(message, name))
    return kind(**values)


def _one_in(descriptor: Any, held: type | None, value: Any) -> Any:
    if descriptor.enum_type is not None:
        return enum_in(descriptor.enum_type, value)
    if descriptor.message_type is None:
        return value
    if held is None:
        return id_in(value)
    return read(held, value)


def write(value: Any, message: M) -> M:
    """Fills a message from the dataclass that mirrors it."""
    descriptors = message.DESCRIPTOR.fields_by_name
    for name, _ in _fields(type(value)):
        given = getattr(value, name)
        descriptor = descriptors[name]
        if given is None:
            continue
        try:
            if descriptor.is_repeated:
                _many_out(descriptor, given, getattr(message, name))
            elif descriptor.enum_type is not None:
                setattr(message, name, enum_out(descriptor.enum_type, given, name))
            elif descriptor.message_type is None:
                setattr(message, name, given)
            else:
                getattr(message, name).CopyFrom(_message_out(descriptor, given))
                getattr(message, name).SetInParent()
        except (TypeError, ValueError) as error:
            raise invalid(name, repr(given), str(error)) from None
    return message


def _many_out(descriptor: Any, given: Any, into: Any) -> None:
    if isinstance(given, (str, bytes)):
        raise TypeError("a list is wanted")
    if descriptor.message_type is None:
        into.extend(given)
    else:
        into.extend(_message_out(descriptor, one) for one in given)


def _message_out(descriptor: Any, given: Any) -> Message:
    if isinstance(given, (int, str, uuid.UUID)):
        return id_out(given)
    kind: type[Message] = descriptor.message_type._concrete_class
    return write(given, kind())


