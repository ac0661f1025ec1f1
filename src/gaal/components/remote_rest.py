"""A unit that stands elsewhere and is called over REST: the internal prediction API."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import TypeVar

from gaal.components.remote_addresses import Addresses, Resolve, bracketed, resolve
from gaal.components.remote_headers import http_headers
from gaal.components.remote_http import HttpCalls
from gaal.errors import MessageError, RemoteReply
from gaal.executor.branches import branch_of
from gaal.executor.context import Context
from gaal.messages import Feedback, Message, ModelMetadata
from gaal.protocols import json_text, seldon_json

T = TypeVar("T")

_FIELDS = {"status", "meta", "data", "binData", "strData", "jsonData", "customData"}


class RestUnit:
    """A unit behind the internal REST API at `host` and `port`.

    `timeout_s` is for each call, `max_reply_bytes` for each reply. With `tls` the far side must have a certificate
    for `host` that the context trusts. `resolve` looks the name up.
    """

    immediate = False

    def __init__(
        self,
        unit: str,
        host: str,
        port: int,
        timeout_s: float | None,
        *,
        max_reply_bytes: int,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        turns = Addresses(host, port, resolve)
        self._calls = HttpCalls(unit, f"{bracketed(host)}:{port}", turns, timeout_s, max_reply_bytes, tls)

    async def start(self) -> None:
        """Open the pool. Nobody need be there yet."""
        await self._calls.start()

    async def close(self) -> None:
        await self._calls.close()

    async def predict(self, message: Message, context: Context, /) -> Message:
        return await self._message("/predict", _text(message), context)

    async def transform_input(self, message: Message, context: Context, /) -> Message:
        return await self._message("/transform-input", _text(message), context)

    async def transform_output(self, message: Message, context: Context, /) -> Message:
        return await self._message("/transform-output", _text(message), context)

    async def route(self, message: Message, context: Context, /) -> int:
        return await self._asked("/route", _text(message), context, _branch)

    async def aggregate(self, messages: Sequence[Message], context: Context, /) -> Message:
        request = seldon_json.encode_message_list(messages, bare_non_finite=True)
        return await self._message("/aggregate", request, context)

    async def send_feedback(self, feedback: Feedback, context: Context, /) -> Message:
        # Feedback is read as strict proto3 JSON, where a number that is not finite is a string.
        return await self._message("/send-feedback", seldon_json.encode_feedback(feedback), context)

    async def metadata(self) -> ModelMetadata:
        context = Context("")
        return await self._asked(
            "/metadata", None, context, lambda body: seldon_json.model_metadata_of(json_text.parse(body))
        )

    async def health(self, context: Context) -> Message:
        try:
            return await self._message("/health/status", None, context)
        except RemoteReply as error:
            if error.http_status != 404:
                raise
        return await self._message("/api/v1.0/health/status", None, context)

    async def reachable(self) -> None:
        """Returns when one of the unit's addresses takes a connection. Raises Unavailable."""
        await self._calls.reachable()

    async def _message(self, path: str, request: bytes | None, context: Context) -> Message:
        reply = await self._asked(path, request, context, seldon_json.decode_message)
        reply.encoding = context.encoding  # a unit elsewhere changes nothing for those that come after it
        return reply

    async def _asked(self, path: str, request: bytes | None, context: Context, decode: Callable[[bytes], T]) -> T:
        """The decoded reply to a POST of `request`, or to a GET where that is None."""
        return await self._calls.ask(path, request, self._headers_of(context), decode)

    async def _checked(self, path: str, context: Context) -> None:
        """Asks by a GET for nothing but the status. Raises GaalError for any but 200."""
        await self._calls.check(path, self._headers_of(context))

    def _headers_of(self, context: Context) -> dict[str, str]:
        """What of the request's headers goes along."""
        return http_headers(context)


def _text(message: Message) -> bytes:
    # Python's own JSON reads NaN as a literal only; so does the wrapper of Seldon Core.
    return seldon_json.encode_message(message, bare_non_finite=True)


def _branch(body: bytes) -> int:
    """The branch in a SeldonMessage or in an array of integers, of which the first one counts."""
    value = json_text.parse(body)
    if isinstance(value, list):
        if not value or any(type(each) is not int for each in value):
            raise MessageError(f"a route must be a message or an array of integers, got {json_text.shortened(value)}")
        return int(value[0])
    if isinstance(value, dict) and (unknown := set(value) - _FIELDS):
        raise MessageError(f"a route must be a message or an array of integers, got the field {min(unknown)}")
    return branch_of(seldon_json.message_of(value))
