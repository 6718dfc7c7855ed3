"""What can go wrong: one exception for each kind of refusal, all of them a :class:`NighError`."""

from __future__ import annotations

from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

#: Where a server puts the details of an error.
_DETAILS_KEY = "grpc-status-details-bin"


class NighError(Exception):
    """A call failed.

    ``code`` is the name of the gRPC code. Where the server says so, ``field`` is the culprit in the request
    (``ops[3].upsert.vectors.text``), ``value`` what it is, ``limit`` what it should be, and ``retry_after`` the seconds
    after which it is worth trying again.
    """

    code: str = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        value: str | None = None,
        limit: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.value = value
        self.limit = limit
        self.retry_after = retry_after
        if code is not None:
            self.code = code

    @property
    def retryable(self) -> bool:
        """Whether the same call may go through later: the server is away, or too busy."""
        # A limit that the request itself passes names its field, and stays passed.
        exhausted = self.code == "RESOURCE_EXHAUSTED" and (self.retry_after is not None or self.field is None)
        return self.code == "UNAVAILABLE" or exhausted

    @property
    def untouched(self) -> bool:
        """Whether the server said no before it did anything."""
        return self.code == "RESOURCE_EXHAUSTED"


class InvalidArgumentError(NighError):
    """The request is wrong: a dimension, a number that is not finite, a malformed filter."""

    code = "INVALID_ARGUMENT"


class NotFoundError(NighError):
    """There is no such collection, field or version."""

    code = "NOT_FOUND"


class AlreadyExistsError(NighError):
    """There is one of this name, and it is another one."""

    code = "ALREADY_EXISTS"


class FailedPreconditionError(NighError):
    """A point has another version than was asked for, or a position does not follow."""

    code = "FAILED_PRECONDITION"


class ResourceExhaustedError(NighError):
    """A queue is full, or the disk, or a limit was passed."""

    code = "RESOURCE_EXHAUSTED"


class UnauthenticatedError(NighError):
    """There is no key, or the server does not know it."""

    code = "UNAUTHENTICATED"


class PermissionDeniedError(NighError):
    """The key does not allow this."""

    code = "PERMISSION_DENIED"


class UnavailableError(NighError):
    """The server is not there, is starting or stopping, or its disk does not answer."""

    code = "UNAVAILABLE"


class DeadlineExceededError(NighError):
    """The time of the call was over; a write may or may not have happened."""

    code = "DEADLINE_EXCEEDED"


class DataLossError(NighError):
    """The collection is quarantined: a file of it is damaged."""

    code = "DATA_LOSS"


class ReplyError(NighError):
    """The server's reply makes no sense: another version, or not nigh."""

    code = "INTERNAL"


_BY_CODE: dict[str, type[NighError]] = {
    kind.code: kind
    for kind in (
        InvalidArgumentError,
        NotFoundError,
        AlreadyExistsError,
        FailedPreconditionError,
        ResourceExhaustedError,
        UnauthenticatedError,
        PermissionDeniedError,
        UnavailableError,
        DeadlineExceededError,
        DataLossError,
    )
}


def refusal(code: str, message: str, field: str = "", said: str = "", retry_after: float | None = None) -> NighError:
    """The exception for a code; ``said`` is ``value; limit``, as the server writes it."""
    value, _, limit = said.partition("; ")
    shown = f"{field}: {message}" if field and field not in message else message
    return _BY_CODE.get(code, NighError)(
        shown or code,
        code=code,
        field=field or None,
        value=(value or None) if limit else None,
        limit=(limit or value) or None,
        retry_after=retry_after,
    )


def invalid(field: str, value: object, limit: str) -> InvalidArgumentError:
    """A request that is wrong before it is sent."""
    return InvalidArgumentError(f"{field} is {value}; {limit}", field=field, value=str(value), limit=limit)


# What grpc.aio says where a connection ends in the middle of one of a call's steps. No server said it.
_LOST = "Internal error from Core"


def from_rpc(error: grpc.RpcError) -> NighError:
    """What a failed call says."""
    code, message = error.code().name, error.details() or ""
    if message == _LOST:
        code = "UNAVAILABLE"
    field, said, retry_after = "", "", None
    metadata: Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key == _DETAILS_KEY:
            field, said, retry_after = _details(value)
    return refusal(code, message, field, said, retry_after)


def _details(packed: bytes) -> tuple[str, str, float | None]:
    field, said, retry_after = "", "", None
    for detail in status_pb2.Status.FromString(packed).details:
        if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            request = error_details_pb2.BadRequest.FromString(detail.value)
            for violation in request.field_violations:
                field, said = violation.field, violation.description
                break
        elif detail.Is(error_details_pb2.PreconditionFailure.DESCRIPTOR) and not field:
            failure = error_details_pb2.PreconditionFailure.FromString(detail.value)
            for unmet in failure.violations:
                field, said = unmet.subject, unmet.description
                break
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
            retry_after = delay.seconds + delay.nanos / 1e9
    return field, said, retry_after


def code_name(number: int) -> str:
    """The name of a gRPC code, by its number."""
    for code in grpc.StatusCode:
        if code.value[0] == number:
            return code.name
    return "UNKNOWN"
