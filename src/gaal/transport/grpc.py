"""gRPC over ASGI: calls to methods and replies back. What a method does with its messages is the services' matter."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import TypeAlias

from gaal.errors import GaalError, MessageError, UnsupportedMedia
from gaal.executor.context import Context
from gaal.executor.puid import new_puid
from gaal.gateway.caller import ANONYMOUS
from gaal.messages import Encoding
from gaal.observability.listener import ServerObservers
from gaal.transport.bodies import Disconnected, read_body
from gaal.transport.connections import Peer
from gaal.transport.errors import GrpcCode, described, grpc_code, grpc_text
from gaal.transport.grpc_stream import Incoming
from gaal.transport.grpc_wire import (
    GZIP_MIN_BYTES,
    NATIVE,
    NativeWire,
    Trailers,
    WebWire,
    message_frame,
    timeout_s,
    unframed,
    wire_of,
)
from gaal.transport.in_flight import InFlight, deadline, dismiss, http1_peer, within
from gaal.transport.types import Event, Headers, Receive, Scope, Send

Wire: TypeAlias = NativeWire | WebWire


class Call:
    """One call: its metadata (`headers`, the last of each name), its id, who calls, and how long it may take.

    A method that belongs to a deployment says so in `observers`. What it puts into `trailers` goes out with the
    status, also with that of an error. `timeout_s` is what the client gave, or None.
    """

    __slots__ = ("caller", "context", "headers", "observers", "peer", "timeout_s", "trailers")

    def __init__(self, headers: dict[bytes, bytes], peer: Peer | None) -> None:
        self.peer = peer
        self.caller = ANONYMOUS
        given = headers.get(b"seldon-puid")
        self.headers = headers
        self.context = Context(given.decode("latin-1") if given else new_puid(), Encoding.PROTO, headers)
        self.observers: ServerObservers | None = None
        self.trailers: Headers = []
        timeout = headers.get(b"grpc-timeout")
        self.timeout_s = None if timeout is None else timeout_s(timeout)


Unary: TypeAlias = Callable[[bytes, Call], Awaitable[bytes]]
Streaming: TypeAlias = Callable[[AsyncIterator[bytes], Call], AsyncGenerator[bytes, None]]


@dataclass(frozen=True, slots=True)
class UnaryMethod:
    """One message in, one out. `reads`: it changes and predicts nothing. `is_open`: anybody may call."""

    handle: Unary
    reads: bool = False
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class StreamingMethod:
    """Any number of messages in and out. `reads` and `is_open` as those of UnaryMethod."""

    handle: Streaming
    reads: bool = False
    is_open: bool = False


Method: TypeAlias = UnaryMethod | StreamingMethod


class GrpcServer:
    """Takes calls to methods, by their full path `/package.Service/Method`."""

    def __init__(
        self, methods: Mapping[str, Method], in_flight: InFlight, web_headers: Headers, max_message_bytes: int
    ) -> None:
        self._methods = methods
        self._in_flight = in_flight
        self._web_headers = web_headers
        self._max_bytes = max_message_bytes

    async def __call__(self, headers: dict[bytes, bytes], scope: Scope, receive: Receive, send: Send) -> None:
        wire = wire_of(headers[b"content-type"])
        if wire is None:
            await send({"type": "http.response.start", "status": 415, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        path: str = scope["path"]
        method = self._methods.get(path)
        extra: Headers = [] if wire is NATIVE else list(self._web_headers)
        try:
            call = Call(headers, http1_peer(scope))
        except MessageError as error:
            await _fail(wire, send, extra, GrpcCode.INVALID_ARGUMENT, str(error))
            return
        if isinstance(method, UnaryMethod):
            await self._unary(method, path, call, wire, extra, receive, send)
        elif isinstance(method, StreamingMethod):
            extra.append(_puid_header(call))
            await self._streaming(method, call, wire, extra, receive, send)
        else:
            extra.append(_puid_header(call))
            await _fail(wire, send, extra, GrpcCode.UNIMPLEMENTED, f"there is no method {path}")

    async def _unary(
        self, method: UnaryMethod, path: str, call: Call, wire: Wire, extra: Headers, receive: Receive, send: Send
    ) -> None:
        started = perf_counter()
        try:
            payload = await self._answer(method, call, wire, receive)
        except Disconnected:
            await dismiss(send)
            return
        except GaalError as error:
            extra.append(_puid_header(call))
            code = grpc_code(error)
            outcome = code.name
            if isinstance(error, UnsupportedMedia):
                extra.append((b"grpc-accept-encoding", b"identity,gzip"))
            await _fail(wire, send, extra, code, grpc_text(error), call.trailers)
        else:
            outcome = "OK"
            extra.append(_puid_header(call))
            gzipped = len(payload) >= GZIP_MIN_BYTES and b"gzip" in call.headers.get(b"grpc-accept-encoding", b"")
            if gzipped:
                extra.append((b"grpc-encoding", b"gzip"))
            await wire.answer(send, extra, message_frame(payload, gzipped), call.trailers)
        if call.observers is not None:
            call.observers[path, "unary", outcome](perf_counter() - started)

    async def _answer(self, method: UnaryMethod, call: Call, wire: Wire, receive: Receive) -> bytes:
        """The reply's bytes. Raises GaalError, and Disconnected if nobody waits for them."""
        body = wire.request_body(await read_body(receive, self._max_bytes, wire.overhead(self._max_bytes)))
        request = unframed(body, call.headers.get(b"grpc-encoding"), self._max_bytes)
        task = self._in_flight.enter(receive, call.peer)
        try:
            if call.timeout_s is None:
                return await method.handle(request, call)
            return await _in_time(method, request, call)
        except Exception as error:
            raise described(error) from error
        finally:
            if self._in_flight.leave(task):
                raise Disconnected

    async def _streaming(
        self, method: StreamingMethod, call: Call, wire: Wire, extra: Headers, receive: Receive, send: Send
    ) -> None:
        send = until_gone(send)
        with suppress(Disconnected):
            await wire.begin(send, extra)
            await self._stream(method, call, wire, receive, send)

    async def _stream(self, method: StreamingMethod, call: Call, wire: Wire, receive: Receive, send: Send) -> None:
        """Raises Disconnected."""
        try:
            whole = await wire.binary(receive, self._max_bytes)
            incoming = Incoming(whole, call.headers.get(b"grpc-encoding"), self._max_bytes)
            async with (
                deadline(call.timeout_s),
                incoming as requests,
                aclosing(method.handle(requests, call)) as replies,
            ):
                async for payload in replies:
                    await wire.write(send, message_frame(payload, gzipped=False))
        except Disconnected:
            raise
        except Exception as error:
            known = described(error)
            await wire.end(send, grpc_code(known), str(known), call.trailers)
        else:
            await wire.end(send, GrpcCode.OK, trailers=call.trailers)


def _puid_header(call: Call) -> tuple[bytes, bytes]:
    """A method may have given the call another id meanwhile."""
    return b"seldon-puid", call.context.puid.encode("latin-1")


def until_gone(send: Send) -> Send:
    """`send`, but with Disconnected for what a server raises when the client is gone. ASGI says, an OSError."""

    async def send_or_stop(event: Event) -> None:
        try:
            await send(event)
        except OSError:
            raise Disconnected from None

    return send_or_stop


async def _in_time(method: UnaryMethod, request: bytes, call: Call) -> bytes:
    assert call.timeout_s is not None

    async def work() -> bytes:
        return await method.handle(request, call)

    return await within(call.timeout_s, work(), call.context)


async def _fail(wire: Wire, send: Send, headers: Headers, code: GrpcCode, text: str, trailers: Trailers = ()) -> None:
    await wire.begin(send, headers)
    await wire.end(send, code, text, trailers)
