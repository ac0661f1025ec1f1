"""The internal prediction API over REST: one unit, its operations at the paths of the Seldon Core Python wrapper.

Requests are read as the wrapper reads them: a form field or query parameter `json`, parts of a multipart form, or a
JSON body. Replies are the wrapper's byte for byte, errors too:
`{"status":{"code":-1,"info":…,"reason":…,"status":1}}` under the HTTP status that they deserve.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

from gaal.errors import ComponentError, ComponentRejected, GaalError, MessageError
from gaal.executor.context import Context
from gaal.executor.node import Node
from gaal.messages import Encoding, Feedback, Message
from gaal.protocols import seldon_json, seldon_proto
from gaal.protocols.json_text import dump_line, parse_exactly
from gaal.protocols.seldon_json import Verbatim, encode_line
from gaal.transport.bodies import form_field, media_type_of, multipart_object
from gaal.transport.errors import http_status
from gaal.transport.grpc_microservice import Answer, route_answer
from gaal.transport.in_flight import within
from gaal.transport.rest import Endpoint, Reply, Request

BAD_DATA = "MICROSERVICE_BAD_DATA"
INTERNAL_ERROR = "MICROSERVICE_INTERNAL_ERROR"
NO_JSON = "Can't find JSON in data"
MAX_SHOWN = 1000
"""Characters of a request that an error shows."""

BOTH = ("GET", "POST", "OPTIONS")
READ = ("GET", "HEAD", "OPTIONS")
WRITE = ("POST", "OPTIONS")

ErrorHandler: TypeAlias = Callable[[BaseException], "Reply | None"]
"""What user code answers to an exception of its own; None where it has no answer."""


class InternalNode(Node, Protocol):
    """A node with what the internal API has beside a graph's calls."""

    keeps_documents: bool
    """Whether messages must keep the JSON that they came as."""

    async def predict_bytes(self, body: bytes | str) -> bytes:
        """The reply to a body that nobody has decoded, as text if it came in a form."""


class InternalApi:
    """The endpoints of one unit. `passes_through` says that bodies of predictions are not decoded."""

    def __init__(self, node: InternalNode, passes_through: bool, timeout_s: float | None) -> None:
        self._node = node
        self._passes_through = passes_through
        self._timeout_s = timeout_s

    def endpoints(self) -> dict[str, Endpoint]:
        """By path."""
        node = self._node
        predict = self._predict_bytes if self._passes_through else self._predict
        feedback, health, metadata = self._send_feedback, self._health, self._metadata
        paths = {
            "/predict": Endpoint(BOTH, predict),
            "/transform-input": Endpoint(BOTH, self._operation(node.transform_input)),
            "/transform-output": Endpoint(BOTH, self._operation(node.transform_output)),
            "/route": Endpoint(BOTH, self._operation(route_answer(node))),
            "/aggregate": Endpoint(BOTH, self._aggregate),
            "/send-feedback": Endpoint(BOTH, feedback),
            "/health/ping": Endpoint(READ, _ping),
            "/health/status": Endpoint(READ, health),
            "/api/v1.0/health/status": Endpoint(READ, health),
            "/metadata": Endpoint(READ, metadata),
            "/api/v1.0/metadata": Endpoint(READ, metadata),
        }
        for version in ("v0.1", "v1.0"):
            paths[f"/api/{version}/predictions"] = Endpoint(WRITE, predict)
            paths[f"/api/{version}/feedback"] = Endpoint(WRITE, feedback)
        return paths

    async def _predict(self, request: Request) -> Reply:
        reply = await self._answered(self._node.predict, self._message(request), request)
        return Reply(encode_line(reply), _status_of(reply))

    async def _predict_bytes(self, request: Request) -> Reply:
        text = _json_field(request)
        return Reply(await self._node.predict_bytes(request.body if text is None else text.decode()))

    def _operation(self, answer: Answer) -> Callable[[Request], Awaitable[Reply]]:
        async def operate(request: Request) -> Reply:
            return Reply(encode_line(await self._answered(answer, self._message(request), request)))

        return operate

    async def _aggregate(self, request: Request) -> Reply:
        messages = read_messages(document_of(request), self._node.keeps_documents)
        return Reply(encode_line(await self._answered(self._node.aggregate, messages, request)))

    async def _send_feedback(self, request: Request) -> Reply:
        feedback = read_feedback(document_of(request))
        reply = await self._answered(self._node.send_feedback, feedback, request)
        if isinstance(reply, Verbatim):
            return Reply(encode_line(reply))
        # The original's feedback goes through protobuf: what is empty is missing, numbers are doubles.
        return Reply(dump_line(seldon_proto.json_object_of(reply)))

    async def _health(self, request: Request) -> Reply:
        return Reply(encode_line(await self._node.health(_context(request))))

    async def _metadata(self, request: Request) -> Reply:
        return Reply(dump_line(seldon_json.model_metadata_object(await self._node.metadata())))

    def _message(self, request: Request) -> Message:
        return read_message(document_of(request), self._node.keeps_documents)

    async def _answered(self, answer: Answer, subject: Any, request: Request) -> Message:
        context = _context(request)
        if self._timeout_s is None:
            return await answer(subject, context)
        return await within(self._timeout_s, _called(answer, subject, context), context)


async def _called(answer: Answer, subject: Any, context: Context) -> Message:
    return await answer(subject, context)


async def _ping(request: Request) -> Reply:
    return Reply(b"pong", content_type=b"text/html; charset=utf-8")


def _context(request: Request) -> Context:
    return Context(request.puid, Encoding.JSON, request.headers)


def _status_of(reply: Message) -> int:
    """The HTTP status that a reply asks for by its `status.code`."""
    code: Any = reply.status.code if reply.status is not None else None
    if isinstance(reply, Verbatim):
        status = reply.document.get("status")
        code = status.get("code") if isinstance(status, Mapping) else None
    return code if type(code) is int and 200 <= code <= 599 else 200


# Reading


def document_of(request: Request) -> bytes:
    """The JSON text of a request. Raises MessageError where there is none."""
    media_type = media_type_of(request.content_type)
    if media_type == b"multipart/form-data":
        return dump_line(multipart_object(request.body, request.content_type))
    text = _json_field(request)
    if text is not None:
        _check(text)
        return text
    if media_type == b"application/json" or media_type.endswith(b"+json"):
        return request.body
    raise MessageError(NO_JSON)


def _json_field(request: Request) -> bytes | None:
    """The field `json` of a form, else of the query."""
    if media_type_of(request.content_type) == b"application/x-www-form-urlencoded":
        text = form_field(request.body, "json")
        if text is not None:
            return text
    return form_field(request.query, "json") if request.query else None


def _check(text: bytes) -> None:
    """Raises GaalError if the text is no JSON: a failure of the server, in the original's words."""
    try:
        json.loads(text)
    except ValueError as error:
        raise GaalError(str(error)) from None


def read_message(text: bytes, keeps_document: bool) -> Message:
    try:
        message = seldon_json.verbatim_of(parse_exactly(text)) if keeps_document else seldon_json.decode_message(text)
    except MessageError as error:
        value = _parsed(text)
        raise error if isinstance(value, dict) else _no_message(value) from None
    if message.payload is None:
        raise _no_message(_parsed(text))
    return message


def read_messages(text: bytes, keeps_document: bool) -> list[Message]:
    """From `{"seldonMessages": […]}` or the bare list."""
    value = _parsed(text)
    items = value.get("seldonMessages") if isinstance(value, dict) else value
    if not isinstance(items, list):
        raise _no_message(value)
    return seldon_json.verbatim_list_of(value) if keeps_document else seldon_json.message_list_of(value)


def read_feedback(text: bytes) -> Feedback:
    try:
        return seldon_json.decode_feedback(text)
    except MessageError as error:
        _parsed(text)
        raise MessageError(f"Invalid JSON: {error}") from None


def _parsed(text: bytes) -> Any:
    try:
        value = parse_exactly(text)
    except MessageError:
        raise MessageError(NO_JSON) from None
    if value is None:
        raise MessageError(NO_JSON)
    return value


def _no_message(value: Any) -> MessageError:
    return MessageError(f"Invalid request data type: {value}"[:MAX_SHOWN])


# Errors


def refusing(handle: ErrorHandler) -> Callable[[GaalError], Reply]:
    """The reply to an error. User code may answer first to an exception of its own, by `handle`."""

    def refuse(error: GaalError) -> Reply:
        cause = error.__cause__ if isinstance(error, ComponentError) else None
        if cause is None or isinstance(cause, GaalError):
            return wrapper_error(error)
        return handle(cause) or wrapper_error(error)

    return refuse


def wrapper_error(error: GaalError) -> Reply:
    """The wrapper's form: its text is that of the exception alone, its reason one of four words or the user's own."""
    info, reason = str(error), INTERNAL_ERROR
    if isinstance(error, ComponentRejected):
        info, reason = error.what, error.reason
    elif isinstance(error, ComponentError):
        cause = error.__cause__
        info = error.what if cause is None or isinstance(cause, GaalError) else str(cause)
        reason = error.reason
    elif isinstance(error, MessageError):
        reason = BAD_DATA
    elif type(error) is not GaalError:
        reason = error.reason
    status = {"code": -1, "info": info, "reason": reason, "status": 1}
    return Reply(dump_line({"status": status}), http_status(error))
