"""How a call becomes a method of both clients.

The functions of :mod:`nigh.calls` build requests; a method builds one and sends it. They are written once, with their
types and their docs, and stand in :class:`nigh.Client` and :class:`nigh.AsyncClient` by these few lines.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from nigh.calls.upload import Upload
from nigh.ingest import UploadSummary
from nigh.transport import Call, Stream

if TYPE_CHECKING:
    from nigh.aio import AsyncClient
    from nigh.client import Client

P = ParamSpec("P")
T = TypeVar("T")


class Method(Generic[P, T]):
    """What a type checker sees: a method with the arguments of the call."""

    @overload
    def __get__(self, client: None, owner: type) -> Method[P, T]: ...
    @overload
    def __get__(self, client: object, owner: type) -> Callable[P, T]: ...
    def __get__(self, client: object, owner: type) -> Any:
        raise NotImplementedError

    def __call__(self, client: object, *args: P.args, **kwargs: P.kwargs) -> T:
        raise NotImplementedError


def _method(build: Callable[..., Any], send: Callable[..., Any]) -> Any:
    """A plain function, so that `help` and completion show what there is."""
    signature = inspect.signature(build)
    me = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    send.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[me, *signature.parameters.values()], return_annotation=inspect.Signature.empty
    )
    send.__name__, send.__doc__, send.__qualname__ = build.__name__, build.__doc__, build.__name__
    send.__annotations__ = {name: kind for name, kind in build.__annotations__.items() if name != "return"}
    return send


def blocking(build: Callable[P, Call[T]]) -> Method[P, T]:
    """A call of the client that waits."""

    def send(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._call(build(*args, **kwargs))

    return cast("Method[P, T]", _method(build, send))


def blocking_stream(build: Callable[P, Stream[T]]) -> Method[P, T]:
    """A call of the client that waits, whose reply is a stream."""

    def send(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._stream(build(*args, **kwargs))

    return cast("Method[P, T]", _method(build, send))


def blocking_upload(build: Callable[P, Upload]) -> Method[P, UploadSummary]:
    """An upload of the client that waits."""

    def send(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> UploadSummary:
        return self._upload(build(*args, **kwargs))

    return cast("Method[P, UploadSummary]", _method(build, send))


def awaited(build: Callable[P, Call[T]]) -> Method[P, Coroutine[Any, Any, T]]:
    """A call of the client that is awaited."""

    async def send(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._call(build(*args, **kwargs))

    return cast("Method[P, Coroutine[Any, Any, T]]", _method(build, send))


def awaited_stream(build: Callable[P, Stream[T]]) -> Method[P, Coroutine[Any, Any, T]]:
    """A call of the client that is awaited, whose reply is a stream."""

    async def send(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._stream(build(*args, **kwargs))

    return cast("Method[P, Coroutine[Any, Any, T]]", _method(build, send))


def awaited_upload(build: Callable[P, Upload]) -> Method[P, Coroutine[Any, Any, UploadSummary]]:
    """An upload of the client that is awaited."""

    async def send(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> UploadSummary:
        return await self._upload(build(*args, **kwargs))

    return cast("Method[P, Coroutine[Any, Any, UploadSummary]]", _method(build, send))


