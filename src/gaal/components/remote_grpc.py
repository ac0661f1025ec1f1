"""A unit that stands elsewhere and is called over gRPC: the internal prediction API, by the standard client.

All calls share one HTTP/2 connection an address. The addresses behind a name take turns, and gRPC itself looks the
name up again when one of them is lost; a call that had not left yet when its connection broke is sent again by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, Literal, TypeAlias

import grpc
import grpc.aio

from gaal.components.remote_headers import grpc_metadata
from gaal.components.remote_place import Place
from gaal.components.remote_told import error_told, status_told
from gaal.errors import ComponentAnswered, GaalError, RemoteStatus
from gaal.executor.branches import branch_of
from gaal.executor.context import Context
from gaal.messages import Encoding, Feedback, Kind, Message, ModelMetadata, Payload
from gaal.protocols import json_text, seldon_json, seldon_proto

Method: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"

PACKAGE = "seldon.protos"
GAAL_HEALTH = "/gaal.Unit/Health"
STANDARD_HEALTH = "/grpc.health.v1.Health/Check"
ERROR_KEY = "gaal-error"

UNIMPLEMENTED = 12

SERVING = b"\x08\x01"
"""A HealthCheckResponse with the status SERVING."""

CONNECT_TIMEOUT_S = 5.0
"""For `reachable`, where nothing else limits it."""

RECONNECT_S = 0.25
"""How long a call that found no connection waits for one, before it is tried again: a unit that is back already."""

_NO_CONNECTION = ("connections to all backends failing", "failed to connect to all addresses")
_TOO_LATE = "Deadline Exceeded"
_TOO_LARGE = "CLIENT: Received message larger than max"
_NO_GRPC = "Received http2 header with status"
_CUT_OFF = ("", "CANCELLED")
"""By these texts grpcio's own errors are known from those of the far side, for want of anything else."""

_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.max_send_message_length", -1),
    # Half a minute and two minutes by default: too long for a unit that is being restarted.
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # Servers take more than one ping in five minutes for an attack. What counts is what comes with it: a connection
    # on which nothing is acknowledged for 20 s is given up.
    ("grpc.keepalive_time_ms", 310_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.primary_user_agent", "gaal"),
)


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


class GrpcUnit:
    """A unit behind the internal gRPC API at `target`: `host:port`, or `unix:/path`.

    With `codec` "json" the far side is Gaal's own: messages of requests that came as JSON go in their JSON form, and
    its errors are raised here as they were there. "proto" is what everybody speaks. `timeout_s` is for each call,
    `max_reply_bytes` for each reply; -1 is no limit.
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
        self._target = target
        self._timeout_s = timeout_s
        self._json = _JSON if codec == "json" else _PROTO
        self._max_reply_bytes = max_reply_bytes
        self._credentials = credentials

    async def start(self) -> None:
        """Open the channel. Nobody need be there yet."""
        options = (*_OPTIONS, ("grpc.max_receive_message_length", self._max_reply_bytes))
        self._channel: Any  # the stubs know no calls without serializers, by which messages stay bytes
        if self._credentials is None:
            self._channel = grpc.aio.insecure_channel(self._target, options=options)
        else:
            self._channel = grpc.aio.secure_channel(self._target, self._credentials, options=options)
        self._channel.get_state(try_to_connect=True)
        self._predict = self._method("Model/Predict")
        self._transform_input = self._method("Transformer/TransformInput")
        self._transform_output = self._method("OutputTransformer/TransformOutput")
        self._route = self._method("Router/Route")
        self._aggregate = self._method("Combiner/Aggregate")
        # Of units of all kinds, as the orchestrator of Seldon Core does it.
        self._send_feedback = self._method("Model/SendFeedback")
        self._metadata = self._method("Model/Metadata")

    async def close(self) -> None:
        await self._channel.close()

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
        codec = self._codec(context)
        return await self._reply(self._aggregate, codec.encode_message_list(messages), codec, context)

    async def send_feedback(self, feedback: Feedback, context: Context, /) -> Message:
        codec = self._codec(context)
        return await self._reply(self._send_feedback, codec.encode_feedback(feedback), codec, context)

    async def metadata(self) -> ModelMetadata:
        body, _ = await self._answer(self._metadata, b"", self._json.metadata)
        with self._place.wrong_replies():
            return self._json.decode_model_metadata(body)

    async def health(self, context: Context) -> Message:
        """What the far side says of the unit, else of itself; of a server without health checks, that it is there."""
        codec = self._codec(context)
        try:
            return await self._reply(self._channel.unary_unary(GAAL_HEALTH), b"", codec, context)
        except RemoteStatus as error:
            if error.grpc_code != UNIMPLEMENTED:
                raise
        check = self._channel.unary_unary(STANDARD_HEALTH)
        try:
            body, _ = await self._answer(check, b"", grpc_metadata(context))
        except RemoteStatus as error:
            if error.grpc_code != UNIMPLEMENTED:
                raise
            body = SERVING
        if body != SERVING:
            raise self._place.unavailable("the server says that it is not serving")
        return Message(Payload(Kind.STR_DATA, "healthy"), encoding=context.encoding)

    async def reachable(self) -> None:
        """Returns when there is a connection to the unit. Raises Unavailable."""
        timeout_s = min(self._timeout_s or CONNECT_TIMEOUT_S, CONNECT_TIMEOUT_S)
        try:
            async with asyncio.timeout(timeout_s):
                await self._connected()
        except TimeoutError:
            raise self._place.unavailable(f"no connection within {timeout_s:g} s") from None

    async def _connected(self) -> None:
        state = self._channel.get_state(try_to_connect=True)
        while state is not grpc.ChannelConnectivity.READY:
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                raise self._place.unavailable("cannot connect")
            await self._channel.wait_for_state_change(state)
            state = self._channel.get_state(try_to_connect=True)

    def _method(self, name: str) -> Method:
        method: Method = self._channel.unary_unary(f"/{PACKAGE}.{name}")
        return method

    def _codec(self, context: Context) -> _Codec:
        return self._json if context.encoding is Encoding.JSON else _PROTO

    async def _message(self, method: Method, message: Message, context: Context) -> Message:
        codec = self._codec(context)
        return await self._reply(method, codec.encode_message(message), codec, context)

    async def _reply(self, method: Method, request: bytes, codec: _Codec, context: Context) -> Message:
        body, trailers = await self._answer(method, request, (*grpc_metadata(context), *codec.metadata))
        with self._place.wrong_replies():
            reply = codec.decode_message(body)
        reply.encoding = context.encoding  # a unit elsewhere changes nothing for those that come after it
        told = _told(trailers) if codec.metadata else None
        if told is not None:
            raise ComponentAnswered(self._place.unit, reply, status_told(told))
        return reply

    async def _answer(
        self, method: Method, request: bytes, metadata: Sequence[tuple[str, str | bytes]] = ()
    ) -> tuple[bytes, Iterable[Any]]:
        """The bytes of the reply, and its trailing metadata. Cancelling this cancels the call."""
        started = monotonic()
        left_s = self._timeout_s
        try:
            return await self._called(method, request, metadata, left_s)
        except grpc.aio.AioRpcError as error:
            if left_s is not None:
                left_s -= monotonic() - started
            if not _never_left(error) or not await self._connects_again(left_s):
                raise self._failed(error) from None
        try:
            return await self._called(method, request, metadata, left_s)
        except grpc.aio.AioRpcError as error:
            raise self._failed(error) from None

    async def _called(
        self,
        method: Method,
        request: bytes,
        metadata: Sequence[tuple[str, str | bytes]],
        timeout_s: float | None,
    ) -> tuple[bytes, Iterable[Any]]:
        call = method(request, timeout=timeout_s, metadata=tuple(metadata))
        try:
            return await call, await call.trailing_metadata()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled this task: the channel was closed under the call.
            raise self._place.unavailable("the call was cut off, the unit is being closed") from None

    async def _connects_again(self, left_s: float | None) -> bool:
        """Whether there is a connection soon, with some of the time that is left."""
        within_s = RECONNECT_S if left_s is None else min(RECONNECT_S, left_s / 2)
        try:
            async with asyncio.timeout(within_s):
                await self._channel.wait_for_state_change(grpc.ChannelConnectivity.TRANSIENT_FAILURE)
        except TimeoutError:
            return False
        return True

    def _failed(self, error: grpc.aio.AioRpcError) -> GaalError:
        """What the end of a call without a reply means."""
        told = _told(error.trailing_metadata())
        known = None if told is None else error_told(told)
        if known is not None:
            return known
        code, text = error.code(), error.details() or ""
        if code is grpc.StatusCode.UNAVAILABLE:
            return self._place.unavailable(text)
        if code is grpc.StatusCode.CANCELLED and text in _CUT_OFF:
            return self._place.unavailable("the server cut the call off")
        if code is grpc.StatusCode.DEADLINE_EXCEEDED and text == _TOO_LATE and self._timeout_s is not None:
            return self._place.too_late(self._timeout_s)
        if _TOO_LARGE in text:
            return self._place.wrong_reply(f"the reply must have at most {self._max_reply_bytes} bytes ({text})")
        if _NO_GRPC in text:
            return self._place.wrong_reply(f"the reply is no gRPC: {text}")
        return RemoteStatus(self._place.unit, self._place.described(f"{code.name}: {text}"), code.value[0], text)


def _never_left(error: grpc.aio.AioRpcError) -> bool:
    return error.code() is grpc.StatusCode.UNAVAILABLE and (error.details() or "").startswith(_NO_CONNECTION)


def _told(trailers: Iterable[Any] | None) -> str | bytes | None:
    return next((value for key, value in trailers or () if key == ERROR_KEY), None)
