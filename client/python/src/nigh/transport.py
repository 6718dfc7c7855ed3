"""A connection: where the server is, how it is reached, and the calls that there are.

A :class:`Call` is a request that was built, and how its reply is read. Both clients send the same calls: what differs is
only whether they wait.
"""

from __future__ import annotations

import copy
import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar, Union

import grpc
from google.protobuf.message import Message

from nigh.errors import invalid
from nigh.retry import Attempts, Budget, RetryPolicy
from nigh.v1 import collections_pb2, integrity_pb2, points_pb2, sources_pb2, versions_pb2

T = TypeVar("T")
C = TypeVar("C", bound="Configured")

#: A server takes and sends messages of up to this.
MESSAGE_BYTES_MAX = 64 << 20


@dataclass(frozen=True)
class Method:
    """A call of the API."""

    path: str
    reply: type[Message]


def _methods() -> dict[str, Method]:
    found = {}
    for room in (collections_pb2, points_pb2, versions_pb2, sources_pb2, integrity_pb2):
        for service in room.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                found[f"{service.name}.{method.name}"] = Method(path, method.output_type._concrete_class)
    return found


#: Every call of nigh.v1, by ``Service.Call``.
METHODS: Mapping[str, Method] = _methods()


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and how its reply is read."""

    method: str
    request: Message
    read: Callable[[Any], T]
    #: Whether sending it twice is as good as sending it once.
    harmless: bool = True
    #: What takes as long as it takes has no deadline of its own.
    patient: bool = False


@dataclass(frozen=True)
class Stream(Generic[T]):
    """A request whose reply is a stream: what is told on the way, and the outcome."""

    method: str
    request: Message
    #: The outcome, in the last word of all.
    outcome: Callable[[Any], T | None]
    see: Callable[[Any], None]


@dataclass(frozen=True)
class Tls:
    """How a server is known, and how it knows the client: PEM, as bytes or in a file."""

    #: Certificates that are trusted; those of the system where it is left out.
    root_certificates: Union[bytes, str, pathlib.Path, None] = None
    #: The client's own, where the server asks for one (mTLS).
    certificate: Union[bytes, str, pathlib.Path, None] = None
    key: Union[bytes, str, pathlib.Path, None] = None
    #: The name in the server's certificate, where it is not that of the address.
    server_name: str = ""

    def credentials(self) -> grpc.ChannelCredentials:
        """As gRPC wants them."""
        return grpc.ssl_channel_credentials(_pem(self.root_certificates), _pem(self.key), _pem(self.certificate))


def _pem(given: bytes | str | pathlib.Path | None) -> bytes | None:
    return given if given is None or isinstance(given, bytes) else pathlib.Path(given).read_bytes()


@dataclass(frozen=True)
class Options:
    """How calls are made."""

    #: ``host:port``, also with ``http://`` or ``https://`` before it.
    address: str
    api_key: str | None = None
    tls: Tls | None = None
    #: Seconds of a call with all its retries; ``None``: as long as it takes.
    timeout: float | None = 30.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    #: Sent with every call.
    metadata: tuple[tuple[str, str], ...] = ()

    def target(self) -> str:
        """The address as gRPC wants it."""
        scheme, mark, rest = self.address.partition("://")
        if mark and scheme not in ("http", "https"):
            raise invalid("address", self.address, "an address is host:port, http://host:port or https://host:port")
        return (rest if mark else scheme).rstrip("/")

    def secured(self) -> Tls | None:
        """How the server is known, where the connection is encrypted."""
        return self.tls or (Tls() if self.address.startswith("https://") else None)

    def headers(self) -> tuple[tuple[str, str], ...]:
        """The metadata of a call."""
        return self.metadata if self.api_key is None else (*self.metadata, ("api-key", self.api_key))

    def changed(self, **changes: Any) -> Options:
        """The same with other settings."""
        return replace(self, **changes)

    def channel_options(self) -> list[tuple[str, Any]]:
        """The settings of the channel."""
        options: list[tuple[str, Any]] = [
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
            # Pings find a peer that is gone without a word, so that an idle stream does not wait for ever.
            ("grpc.keepalive_time_ms", 20_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            # Whether a call may be repeated is known here and not there.
            ("grpc.enable_retries", 0),
            # A connection of its own: two clients of one address do not wait for one another.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        tls = self.secured()
        if tls is not None and tls.server_name:
            options.append(("grpc.ssl_target_name_override", tls.server_name))
        return options


class Configured:
    """What both clients are made with."""

    def __init__(
        self,
        address: str = "127.0.0.1:6334",
        *,
        api_key: str | None = None,
        tls: Tls | None = None,
        timeout: float | None = 30.0,
        retry: RetryPolicy = RetryPolicy(),
        metadata: dict[str, str] | None = None,
    ) -> None:
        headers = tuple((metadata or {}).items())
        self._options = Options(address, api_key, tls, timeout, retry, headers)
        self._budget = Budget(retry)
        self._connect()

    def _connect(self) -> None:
        raise NotImplementedError

    def _attempts(self, call: Call[Any]) -> Attempts:
        timeout = None if call.patient else self._options.timeout
        return Attempts(self._options.retry, self._budget, timeout, call.harmless)

    def _changed(self: C, timeout: float | None, retry: RetryPolicy | None) -> C:
        """The same connection with other settings."""
        other = copy.copy(self)
        other._options = self._options.changed(timeout=timeout, retry=retry or self._options.retry)
        return other


def message_bytes(request: Message | bytes) -> bytes:
    """A request as bytes; those of a stream of batches are laid down already."""
    return request if isinstance(request, bytes) else request.SerializeToString()
