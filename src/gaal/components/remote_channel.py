"""gRPC calls to a unit that stands elsewhere, by the standard client: bytes of a request to bytes of its reply.

All calls share one HTTP/2 connection an address. The addresses behind a name take turns, and gRPC itself looks the
name up again when one of them is lost; a call that had not left yet when its connection broke is sent again by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any, TypeAlias

import grpc
import grpc.aio

from gaal.components.remote_place import Place
from gaal.components.remote_told import error_told
from gaal.errors import GaalError, RemoteStatus

Method: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"

ERROR_KEY = "gaal-error"

UNIMPLEMENTED = 12

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


class GrpcCalls:
    """gRPC calls to `target`: `host:port`, `unix:/path`, or another name that gRPC resolves.

    `timeout_s` is for each call, `max_reply_bytes` for each reply; -1 is no limit.
    """

    def __init__(
        self,
        place: Place,
        target: str,
        timeout_s: float | None,
        max_reply_bytes: int = -1,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self.place = place
        self._target = target
        self._timeout_s = timeout_s
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

    async def close(self, grace_s: float | None = None) -> None:
        """Close the channel, once the calls under way have ended or `grace_s` is over."""
        await self._channel.close(grace_s)

    def method(self, path: str) -> Method:
        """The method at a full path, `/package.Service/Method`."""
        method: Method = self._channel.unary_unary(path)
        return method

    async def reachable(self) -> None:
        """Returns when there is a connection to the unit. Raises Unavailable."""
        timeout_s = min(self._timeout_s or CONNECT_TIMEOUT_S, CONNECT_TIMEOUT_S)
        try:
            async with asyncio.timeout(timeout_s):
                await self._connected()
        except TimeoutError:
            raise self.place.unavailable(f"no connection within {timeout_s:g} s") from None

    async def _connected(self) -> None:
        state = self._channel.get_state(try_to_connect=True)
        while state is not grpc.ChannelConnectivity.READY:
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                raise self.place.unavailable("cannot connect")
            await self._channel.wait_for_state_change(state)
            state = self._channel.get_state(try_to_connect=True)

    async def answer(
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
            raise self.place.unavailable("the call was cut off, the unit is being closed") from None

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
        value = told(error.trailing_metadata())
        known = None if value is None else error_told(value)
        if known is not None:
            return known
        code, text = error.code(), error.details() or ""
        if code is grpc.StatusCode.UNAVAILABLE:
            return self.place.unavailable(text)
        if code is grpc.StatusCode.CANCELLED and text in _CUT_OFF:
            return self.place.unavailable("the server cut the call off")
        if code is grpc.StatusCode.DEADLINE_EXCEEDED and text == _TOO_LATE and self._timeout_s is not None:
            return self.place.too_late(self._timeout_s)
        if _TOO_LARGE in text:
            return self.place.wrong_reply(f"the reply must have at most {self._max_reply_bytes} bytes ({text})")
        if _NO_GRPC in text:
            return self.place.wrong_reply(f"the reply is no gRPC: {text}")
        return RemoteStatus(self.place.unit, self.place.described(f"{code.name}: {text}"), code.value[0], text)


def _never_left(error: grpc.aio.AioRpcError) -> bool:
    return error.code() is grpc.StatusCode.UNAVAILABLE and (error.details() or "").startswith(_NO_CONNECTION)


def told(trailers: Iterable[Any] | None) -> str | bytes | None:
    """The value of `gaal-error` in trailing metadata."""
    return next((value for key, value in trailers or () if key == ERROR_KEY), None)
