"""Streaming ingest without the stream: what goes out next, and what a reply means.

    op -> Cutter -> batch (1 MiB or 256 ops) -> [kept until acknowledged] -> next() -> the server
                                                       ^------- credits, acks, refusals: hear()

Every batch is kept until it is acknowledged, and those that are not are sent again after a lost connection. Every batch
has a name, so one that had arrived is not applied twice. A batch goes out when the server has given credit for it. Nothing
here waits or knows a socket: both clients drive the same state.
"""

from __future__ import annotations

import random
import time
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from nigh.calls.points import durability_out
from nigh.errors import NighError, ReplyError, UnavailableError, code_name, refusal
from nigh.points import Durability
from nigh.retry import RetryPolicy
from nigh.v1 import points_pb2, sources_pb2
from nigh.wire import field as wire_field
from nigh.wire import varint

#: Refusals beyond these are counted, not kept.
_REFUSALS_KEPT_MAX = 1000


@dataclass(frozen=True)
class IngestSource:
    """What an upload is read from, where the collection is to remember how far. The position is the number of operations
    sent, counted on from ``offset``; behind a batch that was refused no other is taken."""

    source: str
    partition: str = ""
    #: Where the first operation stands.
    offset: int = 0


@dataclass(frozen=True)
class UploadOptions:
    """How an upload cuts batches and how far they have to get."""

    #: A batch is sent when it has so many operations ...
    batch_ops: int = 256
    #: ... or so many bytes.
    batch_bytes: int = 1 << 20
    #: Batches that are not acknowledged have at most so many bytes together.
    unacked_bytes_max: int = 64 << 20
    durability: Durability = "durable"
    #: A lost connection is looked for again for so many seconds, counted from the last acknowledgement.
    patience: float = 60.0
    source: IngestSource | None = None
    #: What the server refuses is an exception when all is sent, or is only told.
    refusals: Literal["raise", "keep"] = "raise"


@dataclass(frozen=True)
class Refusal:
    """A batch that the server did not take; nothing of it was applied."""

    #: The place of its first operation among all that were sent, from 0, and how many it had.
    first_op: int
    ops: int
    field: str
    message: str
    code: str


@dataclass(frozen=True)
class UploadSummary:
    """What became of an upload."""

    #: Operations that are acknowledged or were refused.
    ops: int
    #: Operations that were refused.
    refused: int
    #: What was refused, the first thousand of it.
    refusals: tuple[Refusal, ...]
    #: The sequence number that the last acknowledgement spoke of.
    seq: int
    #: How often the connection was lost and the stream resumed.
    resumed: int


class UploadRefusedError(NighError):
    """Batches of an upload were refused; ``summary`` says which, and everything else is in."""

    code = "INVALID_ARGUMENT"

    def __init__(self, summary: UploadSummary) -> None:
        first = summary.refusals[0]
        told = f"{first.field}: {first.message}" if first.field and first.field not in first.message else first.message
        super().__init__(
            f"{summary.refused} of {summary.ops} operations were refused, the first in the batch from operation "
            f"{first.first_op} on: {told}",
            code=first.code,
            field=first.field or None,
        )
        self.summary = summary


@dataclass
class Batch:
    """Operations as the wire has them."""

    laid: bytes
    ops: int


class Cutter:
    """Gathers operations into batches."""

    def __init__(self, options: UploadOptions) -> None:
        self._options = options
        self._parts: list[bytes] = []
        self._bytes = 0
        self._ops = 0

    def add(self, op: bytes) -> Batch | None:
        """Takes an operation; a batch that was full before it."""
        full = self._ops >= self._options.batch_ops or self._bytes + len(op) > self._options.batch_bytes
        batch = self.rest() if full and self._ops else None
        self._parts += (b"\x12", varint(len(op)), op)
        self._bytes += len(op)
        self._ops += 1
        return batch

    def rest(self) -> Batch | None:
        """What is gathered."""
        if not self._ops:
            return None
        batch = Batch(b"".join(self._parts), self._ops)
        self._parts, self._bytes, self._ops = [], 0, 0
        return batch


@dataclass
class _Unacked:
    number: int
    first_op: int
    ops: int
    message: bytes
    #: The bytes of the batch itself, as the server counts them.
    size: int
    refused: bool = False


@dataclass
class Ingest:
    """The state of a stream."""

    collection: str
    options: UploadOptions
    retry: RetryPolicy
    _unacked: deque[_Unacked] = field(default_factory=deque)
    _unacked_bytes: int = 0
    _number: int = 0
    _first_op: int = 0
    #: The place in `_unacked` of the next batch to send: 0 again after every opening.
    _next: int = 0
    _credit_batches: int = 0
    _credit_bytes: int = 0
    _ended: bool = False
    _done_ops: int = 0
    _refused_ops: int = 0
    _refusals: list[Refusal] = field(default_factory=list)
    _seq: int = 0
    _resumed: int = 0
    _failures: int = 0
    _heard: float = field(default_factory=time.monotonic)

    def open(self) -> bytes:
        """A new connection: its first message."""
        self._next, self._credit_batches, self._credit_bytes = 0, 0, 0
        opened = points_pb2.IngestOpen(collection=self.collection, durability=durability_out(self.options.durability))
        return points_pb2.IngestRequest(open=opened).SerializeToString()

    @property
    def room(self) -> bool:
        """Whether another batch may be kept."""
        return self._unacked_bytes < self.options.unacked_bytes_max

    @property
    def done(self) -> bool:
        """Whether all is acknowledged or refused, and nothing more comes."""
        return self._ended and not self._unacked

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True

    def keep(self, batch: Batch) -> None:
        """Takes a batch that is to be sent."""
        if not self._unacked:
            self._heard = time.monotonic()
        self._number += 1
        head = b"\x08" + varint(self._number)
        parts = [head, batch.laid, b"\x1a\x10", uuid.uuid4().bytes]
        source = self.options.source
        if source is not None:
            before = source.offset + self._first_op
            position = sources_pb2.SourcePosition(
                source=source.source, partition=source.partition, offset=before + batch.ops, after=before
            )
            parts.append(wire_field(b"\x22", position.SerializeToString()))
        size = sum(map(len, parts))
        message = b"".join((b"\x12", varint(size), *parts))
        self._unacked.append(_Unacked(self._number, self._first_op, batch.ops, message, size))
        self._unacked_bytes += size
        self._first_op += batch.ops

    def next(self) -> bytes | None:
        """What may go out now, once."""
        while self._next < len(self._unacked) and self._unacked[self._next].refused:
            self._next += 1
        if self._next >= len(self._unacked) or not self._credit_batches:
            return None
        batch = self._unacked[self._next]
        # A batch that is greater than all of the credit goes alone.
        if batch.size > self._credit_bytes and self._next:
            return None
        self._credit_batches -= 1
        self._credit_bytes = max(self._credit_bytes - batch.size, 0)
        self._next += 1
        return batch.message

    def hear(self, reply: points_pb2.IngestReply) -> None:
        """What the server says; raises what ends the connection."""
        kind = reply.WhichOneof("reply")
        if kind == "credits":
            self._credit_batches += reply.credits.batches
            self._credit_bytes += reply.credits.bytes
        elif kind == "ack":
            self._acknowledged(reply.ack)
        elif kind == "refusal":
            self._refused(reply.refusal)

    def _acknowledged(self, ack: points_pb2.IngestAck) -> None:
        self._failures, self._heard = 0, time.monotonic()
        unsent = self._next < len(self._unacked) and self._unacked[self._next].number <= ack.number
        if unsent or ack.number > self._number:
            raise ReplyError(f"the server acknowledged batch {ack.number}, which was not sent")
        self._seq = ack.seq
        self._release(ack.number)

    def _refused(self, said: points_pb2.IngestRefusal) -> None:
        code = code_name(said.code)
        # Refused for the moment is not refused: everything from here on is sent again. So is a batch of which nobody knows
        # whether it is kept: it has a name, and is not applied twice.
        if code in ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "UNKNOWN"):
            raise UnavailableError(said.message)
        for batch in self._unacked:
            if batch.number == said.number and not batch.refused:
                batch.refused = True
                self._refused_ops += batch.ops
                if len(self._refusals) < _REFUSALS_KEPT_MAX:
                    self._refusals.append(Refusal(batch.first_op, batch.ops, said.field, said.message, code))
        self._release(0)

    def _release(self, number: int) -> None:
        while self._unacked and (self._unacked[0].number <= number or self._unacked[0].refused):
            oldest = self._unacked.popleft()
            self._unacked_bytes -= oldest.size
            self._done_ops += oldest.ops
            self._next = max(self._next - 1, 0)

    def wait_after(self, error: NighError) -> float:
        """The seconds until the connection is tried again; raises the error where it is not."""
        delay = self.retry.delay(self._failures, error.retry_after, random.random())
        # A retry budget protects a server from many callers; a stream is one, and waits for a restart rather than give up
        # what it has read.
        if not error.retryable or time.monotonic() - self._heard + delay > self.options.patience:
            raise error
        self._failures += 1
        self._resumed += 1
        return delay

    def summary(self) -> UploadSummary:
        """What became of it; raises where something was refused and that is to be raised."""
        told = UploadSummary(self._done_ops, self._refused_ops, tuple(self._refusals), self._seq, self._resumed)
        if told.refusals and self.options.refusals == "raise":
            raise UploadRefusedError(told)
        return told


def broken_off() -> NighError:
    """The server ended a stream that was not at its end."""
    return refusal("UNAVAILABLE", "the server ended the stream")


def batches(ops: Iterator[bytes], options: UploadOptions) -> Iterator[Batch]:
    """Operations in batches."""
    cutter = Cutter(options)
    for op in ops:
        batch = cutter.add(op)
        if batch is not None:
            yield batch
    rest = cutter.rest()
    if rest is not None:
        yield rest
