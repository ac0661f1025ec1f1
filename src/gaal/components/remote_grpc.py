"""A unit that stands elsewhere and is called over gRPC: the internal prediction API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import grpc

from gaal.components.remote_channel import UNIMPLEMENTED, GrpcCalls, Method, told
from gaal.components.remote_headers import grpc_metadata
from gaal.components.remote_place import Place
from gaal.components.remote_told import status_told
from gaal.errors import ComponentAnswered, RemoteStatus
from gaal.executor.branches import branch_of
from gaal.executor.context import Context
from gaal.messages import Encoding, Feedback, Kind, Message, ModelMetadata, Payload
from gaal.protocols import json_text, seldon_json, seldon_proto, typed_message

PACKAGE = "seldon.protos"
GAAL_HEALTH = "/gaal.Unit/Health"
STANDARD_HEALTH = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"
"""A HealthCheckResponse with the status SERVING."""


@dataclass(frozen=True, slots=True)
class _Codec:
    """The bytes of a call and of its reply ⇄ messages."""

    metadata: tuple[tuple[str, str], ...]
    encode_message: Callable[[Message], bytes]
    encode_message_list: Callable[[Sequence[Message]], bytes]
    encode_feedback: Callable[[Feedback], bytes]
    decode_message: Callable[[bytes], Message]
    decode_model_metadata: Callable[[bytes], ModelMetadata]


_PROTO = _Codec(
    (),
    seldon_proto.encode_message,
    seldon_proto.encode_message_list,
    seldon_proto.encode_feedback,
    seldon_proto.decode_message,
    seldon_proto.decode_model_metadata,
)
_JSON = _Codec(
    (("gaal-codec", "json"),),
    partial(seldon_json.encode_message, bare_non_finite=True),
    partial(seldon_json.encode_message_list, bare_non_finite=True),
    partial(seldon_json.encode_feedback, bare_non_finite=True),
    seldon_json.decode_message,
    lambda body: seldon_json.model_metadata_of(json_text.parse(body)),
)

_TYPED = {
    encoding: _Codec(
        (("gaal-codec", f"typed-{encoding.value}"),),
        typed_message.encode_message,
        typed_message.encode_message_list,
        _JSON.encode_feedback,
        typed_message.decode_message,
        _JSON.decode_model_metadata,
    )
    for encoding in Encoding
}
"""For messages that the Seldon protocol would change."""


class GrpcUnit:
    """A unit behind the internal gRPC API at `target`: `host:port`, or `unix:/path`.

    With `codec` "json" the far side is Gaal's own: messages of requests that came as JSON go in their JSON form, those
    with typed arrays as they are, and its errors are raised here as they were there. "proto" is what everybody speaks.
    `timeout_s` is for each call, `max_reply_bytes` for each reply; -1 is no limit.
    """

    immediate = False

    def __init__(
        self,
        unit: str,
        target: str,
        timeout_s: float | None,
        codec: Literal["proto", "json"] = "proto",
        *,
        max_reply_bytes: int = -1,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._place = Place(unit, target if target.startswith("unix:") else f"grpc://{target}")
        self._calls = GrpcCalls(self._place, target, timeout_s, max_reply_bytes, credentials)
        self._json = _JSON if codec == "json" else _PROTO

    async def start(self) -> None:
        """Open the channel. Nobody need be there yet."""
        await self._calls.start()
        self._predict = self._method("Model/Predict")
        self._transform_input = self._method("Transformer/TransformInput")
        self._transform_output = self._method("OutputTransformer/TransformOutput")
        self._route = self._method("Router/Route")
        self._aggregate = self._method("Combiner/Aggregate")
        # Of units of all kinds, as the orchestrator of Seldon Core does it.
        self._send_feedback = self._method("Model/SendFeedback")
        self._metadata = self._method("Model/Metadata")

    async def close(self) -> None:
        await self._calls.close()

    async def predict(self, message: Message, context: Context, /) -> Message:
        return await self._message(self._predict, message, context)

    async def transform_input(self, message: Message, context: Context, /) -> Message:
        return await self._message(self._transform_input, message, context)

    async def transform_output(self, message: Message, context: Context, /) -> Message:
        return await self._message(self._transform_output, message, context)

    async def route(self, message: Message, context: Context, /) -> int:
        reply = await self._message(self._route, message, context)
        with self._place.wrong_replies():
            return branch_of(reply)

    async def aggregate(self, messages: Sequence[Message], context: Context, /) -> Message:
        codec = self._codec(context, next((each for each in messages if typed_message.is_needed(each.payload)), None))
        return await self._reply(self._aggregate, codec.encode_message_list(messages), codec, context)

    async def send_feedback(self, feedback: Feedback, context: Context, /) -> Message:
        codec = self._codec(context)
        return await self._reply(self._send_feedback, codec.encode_feedback(feedback), codec, context)

    async def metadata(self) -> ModelMetadata:
        body, _ = await self._calls.answer(self._metadata, b"", self._json.metadata)
        with self._place.wrong_replies():
            return self._json.decode_model_metadata(body)

    async def health(self, context: Context) -> Message:
        """What the far side says of the unit, else of itself; of a server without health checks, that it is there."""
        codec = self._codec(context)
        try:
            return await self._reply(self._calls.method(GAAL_HEALTH), b"", codec, context)
        except RemoteStatus as error:
            if error.grpc_code != UNIMPLEMENTED:
                raise
        check = self._calls.method(STANDARD_HEALTH)
        try:
            body, _ = await self._calls.answer(check, b"", grpc_metadata(context))
        except RemoteStatus as error:
            if error.grpc_code != UNIMPLEMENTED:
                raise
            body = SERVING
        if body != SERVING:
            raise self._place.unavailable("the server says that it is not serving")
        return Message(Payload(Kind.STR_DATA, "healthy"), encoding=context.encoding)

    async def reachable(self) -> None:
        """Returns when there is a connection to the unit. Raises Unavailable."""
        await self._calls.reachable()

    def _method(self, name: str) -> Method:
        return self._calls.method(f"/{PACKAGE}.{name}")

    def _codec(self, context: Context, message: Message | None = None) -> _Codec:
        if self._json is _JSON and message is not None and typed_message.is_needed(message.payload):
            return _TYPED[context.encoding]
        return self._json if context.encoding is Encoding.JSON else _PROTO

    async def _message(self, method: Method, message: Message, context: Context) -> Message:
        codec = self._codec(context, message)
        return await self._reply(method, codec.encode_message(message), codec, context)

    async def _reply(self, method: Method, request: bytes, codec: _Codec, context: Context) -> Message:
        body, trailers = await self._calls.answer(method, request, (*grpc_metadata(context), *codec.metadata))
        with self._place.wrong_replies():
            reply = codec.decode_message(body)
        reply.encoding = context.encoding  # a unit elsewhere changes nothing for those that come after it
        value = told(trailers) if codec.metadata else None
        if value is not None:
            raise ComponentAnswered(self._place.unit, reply, status_told(value))
        return reply
