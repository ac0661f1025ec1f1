"""What goes over the wire and how it is understood, without any input or output.

A `Call` is a request and the function that reads its response. REST and gRPC each make calls in their own way
(`rest_calls`, `grpc_calls`); transports carry them (`http_transport`, `grpc_transport`); `attempts` decides how often.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, Protocol, TypeVar

from gaal.client.errors import BadReply, RequestRefused, ServerFailed
from gaal.client.replies import Reply
from gaal.errors import MessageError
from gaal.messages import Feedback, GraphMetadata, Message, ModelMetadata

T = TypeVar("T")

NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is that of the URL, or the full name of the gRPC method. `headers` have names in lower case."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Response:
    """`status` is HTTP's, or the number of the gRPC code; `text` what stands beside it.

    `headers` have names in lower case; for gRPC they are the metadata, the trailing one included.
    """

    status: int
    text: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """`read` raises CallFailed. `is_repeatable`: nothing changes at the server, however often it is asked."""

    request: Request
    read: Callable[[Response], T]
    is_repeatable: bool


class Calls(Protocol):
    """The calls of one transport. Each may raise MessageError for what it cannot carry."""

    def predict(self, message: Message, is_repeatable: bool) -> Call[Reply]: ...

    def send_feedback(self, feedback: Feedback) -> Call[Reply]: ...

    def explain(self, message: Message, predictor: str, is_repeatable: bool) -> Call[Any]:
        """The explanation is JSON, in the form of the explainer."""
        ...

    def graph_metadata(self) -> Call[GraphMetadata]: ...

    def model_metadata(self, unit: str) -> Call[ModelMetadata]: ...

    def health(self, unit: str) -> Call[Reply]: ...

    def ready(self) -> Call[bool]: ...


class Transport(Protocol):
    """Carries a request to the server and brings the response, whatever its status.

    Raises CallFailed where there is none: Unavailable, DeadlineExceeded or BadReply.
    """

    def send(self, request: Request, timeout_s: float | None) -> Response: ...

    def close(self) -> None: ...


class AsyncTransport(Protocol):
    """As Transport, without blocking."""

    def send(self, request: Request, timeout_s: float | None) -> Awaitable[Response]: ...

    def close(self) -> Awaitable[None]: ...


def puid_header(message: Message) -> Mapping[str, str]:
    """The header that names the prediction, for servers that do not look into messages; none for an odd puid."""
    puid = message.meta.puid
    return {"seldon-puid": puid} if puid and puid.isascii() and puid.isprintable() else NO_HEADERS


def decoded(place: str, body: bytes, decode: Callable[[bytes], T]) -> T:
    """The body by a codec. Raises BadReply."""
    try:
        return decode(body)
    except MessageError as error:
        raise BadReply(place, f"the reply is none of the protocol: {error}") from None


def reply_of(place: str, response: Response, decode: Callable[[bytes], Message], request: Message | None) -> Reply:
    """The message that came, with its payload decoded: what is malformed is said here and not at a later look.

    A message that says FAILURE about itself is raised. The puid is the message's own, otherwise the header's.
    """
    message = decoded(place, response.body, lambda body: _looked_at(decode(body)))
    status = message.status
    if status is not None and status.status == "FAILURE":
        failed = RequestRefused if 400 <= status.code <= 499 else ServerFailed
        raise failed(place, status.info, reason=status.reason, http_status=status.code or None)
    puid = response.headers.get("seldon-puid", "")
    if puid and not message.meta.puid:
        message.meta = replace(message.meta, puid=puid)
    return Reply(message, request)


def _looked_at(message: Message) -> Message:
    payload = message.payload
    if payload is not None:
        _ = payload.array if payload.kind.is_data else payload.value
    return message


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long the server wants to be left alone, or None where it does not say.

    Sources: RFC 9110, "Retry-After" (seconds or a date); gRPC proposal A6, "grpc-retry-pushback-ms".
    """
    pushback_ms = headers.get("grpc-retry-pushback-ms", "")
    if re.fullmatch(r"\d{1,9}", pushback_ms):
        return int(pushback_ms) / 1000
    told = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", told):
        return float(told)
    try:
        until = parsedate_to_datetime(told)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
