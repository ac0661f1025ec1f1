"""From errors to status codes: the one table, for HTTP and for gRPC."""

from __future__ import annotations

import logging
from enum import Enum
from math import ceil

import orjson

from gaal.errors import (
    ComponentError,
    ComponentRejected,
    Conflict,
    DeadlineExceeded,
    GaalError,
    MessageError,
    MessageTooLarge,
    MethodNotAllowed,
    NotFound,
    PermissionDenied,
    QueueFull,
    RemoteReply,
    RemoteStatus,
    StrategyMissing,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)
from gaal.transport.types import Headers

logger = logging.getLogger("gaal.transport")


class GrpcCode(Enum):
    """The codes of gRPC that Gaal answers with. Source: grpc.io, "Status codes and their use in gRPC"."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


_CODES: dict[type[GaalError], tuple[int, GrpcCode]] = {
    MessageTooLarge: (413, GrpcCode.RESOURCE_EXHAUSTED),
    UnsupportedMedia: (415, GrpcCode.UNIMPLEMENTED),
    MessageError: (400, GrpcCode.INVALID_ARGUMENT),
    Unauthenticated: (401, GrpcCode.UNAUTHENTICATED),
    PermissionDenied: (403, GrpcCode.PERMISSION_DENIED),
    TooManyRequests: (429, GrpcCode.RESOURCE_EXHAUSTED),
    Conflict: (409, GrpcCode.ALREADY_EXISTS),
    NotFound: (404, GrpcCode.NOT_FOUND),
    MethodNotAllowed: (405, GrpcCode.UNIMPLEMENTED),
    StrategyMissing: (500, GrpcCode.FAILED_PRECONDITION),
    ComponentError: (500, GrpcCode.INTERNAL),
    DeadlineExceeded: (504, GrpcCode.DEADLINE_EXCEEDED),
    QueueFull: (503, GrpcCode.RESOURCE_EXHAUSTED),
    Unavailable: (503, GrpcCode.UNAVAILABLE),
    GaalError: (500, GrpcCode.INTERNAL),
}
_GRPC_OF_HTTP = {
    400: GrpcCode.INVALID_ARGUMENT,
    401: GrpcCode.UNAUTHENTICATED,
    403: GrpcCode.PERMISSION_DENIED,
    404: GrpcCode.NOT_FOUND,
    409: GrpcCode.ABORTED,
    429: GrpcCode.RESOURCE_EXHAUSTED,
    503: GrpcCode.UNAVAILABLE,
    504: GrpcCode.DEADLINE_EXCEEDED,
}
"""For a component that refuses with an HTTP status of its own choice."""

_HTTP_OF_GRPC = {
    **{code.value: status for status, code in _GRPC_OF_HTTP.items()},
    GrpcCode.FAILED_PRECONDITION.value: 400,
    GrpcCode.OUT_OF_RANGE.value: 400,
    GrpcCode.ALREADY_EXISTS.value: 409,
}
"""For a remote unit that refuses with a gRPC code of its own choice. All others are 500."""


def http_status(error: BaseException) -> int:
    if isinstance(error, ComponentRejected):
        return error.http_status if 400 <= error.http_status <= 599 else 500
    if isinstance(error, RemoteReply):
        return error.http_status
    if isinstance(error, RemoteStatus):
        return _HTTP_OF_GRPC.get(error.grpc_code, 500)
    return _codes(error)[0]


def grpc_code(error: BaseException) -> GrpcCode:
    if isinstance(error, RemoteStatus):
        return GrpcCode(error.grpc_code) if 0 < error.grpc_code <= 16 else GrpcCode.UNKNOWN
    if isinstance(error, ComponentRejected | RemoteReply):
        status = http_status(error)
        return _GRPC_OF_HTTP.get(status, GrpcCode.FAILED_PRECONDITION if status < 500 else GrpcCode.INTERNAL)
    return _codes(error)[1]


def grpc_text(error: BaseException) -> str:
    """What the caller reads: of a remote unit that refused over gRPC, its own words."""
    return error.text if isinstance(error, RemoteStatus) else str(error)


def _codes(error: BaseException) -> tuple[int, GrpcCode]:
    for cls in type(error).__mro__:
        if cls in _CODES:
            return _CODES[cls]
    return 500, GrpcCode.INTERNAL


def described(error: BaseException) -> GaalError:
    """The error as the caller may see it. What nobody foresaw goes whole to the log only."""
    if isinstance(error, GaalError):
        return error
    logger.error("a request failed in a way that is a defect of Gaal", exc_info=error)
    return GaalError("internal error, see the server's log")


def error_headers(error: BaseException) -> Headers:
    """What the caller is told beside the body: how to say who they are, or when to come again.

    Sources: RFC 9110, "WWW-Authenticate" and "Retry-After"; RFC 6750, the attributes of Bearer.
    """
    match error:
        case TooManyRequests():
            return [(b"retry-after", b"%d" % max(1, ceil(error.retry_after_s)))]
        case Unauthenticated(reason="TOKEN_MISSING"):
            return [(b"www-authenticate", b'Bearer realm="gaal"')]
        case Unauthenticated():
            return [(b"www-authenticate", b'Bearer realm="gaal", error="invalid_token"')]
        case PermissionDenied():
            return [(b"www-authenticate", b'Bearer realm="gaal", error="insufficient_scope"')]
        case _:
            return []


def error_trailers(error: BaseException) -> Headers:
    """The same over gRPC. Clients that retry by themselves know the time in milliseconds: gRPC proposal A6."""
    if not isinstance(error, TooManyRequests):
        return []
    pushback_ms = b"%d" % ceil(error.retry_after_s * 1000)
    return [*error_headers(error), (b"grpc-retry-pushback-ms", pushback_ms)]


def error_body(error: GaalError, status: int) -> bytes:
    """The Status form of the external API."""
    body = {"status": {"code": status, "info": str(error), "reason": error.reason, "status": "FAILURE"}}
    return orjson.dumps(body)
