"""gRPC by grpcio. Messages go in and come out as bytes: reading them is the matter of the calls."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from typing import Any

import grpc
import grpc.aio

from gaal.client.calls import Request, Response
from gaal.client.errors import DeadlineExceeded, ReplyTooLarge, Unavailable
from gaal.client.settings import Settings, Tls


class GrpcTransport:
    """For many threads at once."""

    def __init__(self, settings: Settings) -> None:
        self._place = _Place(settings)
        self._channel = _channel(settings, grpc.insecure_channel, grpc.secure_channel)

    def send(self, request: Request, timeout_s: float | None) -> Response:
        method = self._channel.unary_unary(request.path)
        try:
            body, call = method.with_call(request.body, timeout=timeout_s, metadata=tuple(request.headers.items()))
        except grpc.RpcError as error:
            failed: Any = error
            metadata = (failed.initial_metadata(), failed.trailing_metadata())
            return self._place.refused(request, timeout_s, failed.code(), failed.details(), metadata)
        return Response(0, "", _headers(call.initial_metadata(), call.trailing_metadata()), body)

    def close(self) -> None:
        self._channel.close()


class AsyncGrpcTransport:
    """For the tasks of one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._place = _Place(settings)
        self._channel = _channel(settings, grpc.aio.insecure_channel, grpc.aio.secure_channel)

    async def send(self, request: Request, timeout_s: float | None) -> Response:
        method = self._channel.unary_unary(request.path)
        call = method(request.body, timeout=timeout_s, metadata=tuple(request.headers.items()))
        try:
            body = await call
        except grpc.aio.AioRpcError as error:
            metadata = (error.initial_metadata(), error.trailing_metadata())
            return self._place.refused(request, timeout_s, error.code(), error.details(), metadata)
        return Response(0, "", _headers(await call.initial_metadata(), await call.trailing_metadata()), body)

    async def close(self) -> None:
        await self._channel.close()


class _Place:
    """Where the channel leads. Tells what grpcio says itself from what the server says, by the text: no code does."""

    def __init__(self, settings: Settings) -> None:
        self._authority = settings.address.authority
        self._max_reply_bytes = settings.max_reply_bytes

    def refused(
        self, request: Request, timeout_s: float | None, code: grpc.StatusCode, text: str | None, metadata: Any
    ) -> Response:
        """The response of a server that refuses. Raises CallFailed where it is not the server who speaks."""
        text, headers = text or "", _headers(*metadata)
        place = f"gRPC {self._authority}{request.path}"
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _REPLY_TOO_LARGE in text:
            raise ReplyTooLarge(place, f"the reply must have at most {self._max_reply_bytes} bytes, and has more")
        if code is grpc.StatusCode.DEADLINE_EXCEEDED and _TOO_LATE in text:
            raise DeadlineExceeded(place, f"no reply within {timeout_s or 0:.3g} s")
        if code is grpc.StatusCode.UNAVAILABLE and text.startswith(_NOT_CONNECTED) and not headers:
            raise Unavailable(place, f"cannot connect: {text}", never_arrived=_HANDSHAKE not in text)
        return Response(code.value[0], text, headers, b"")


_TOO_LATE = "Deadline Exceeded"
_REPLY_TOO_LARGE = "CLIENT: Received message larger than max"
_NOT_CONNECTED = ("failed to connect to all addresses", "DNS resolution failed")
_HANDSHAKE = "handshake"
"""A certificate that does not count today does not count in a second either."""


def _headers(*metadata: Iterable[tuple[str, str | bytes]] | None) -> dict[str, str]:
    """Initial and trailing metadata in one. Values that are not text are left out."""
    return {key: value for each in metadata for key, value in each or () if isinstance(value, str)}


def _channel(settings: Settings, insecure: Callable[..., Any], secure: Callable[..., Any]) -> Any:
    """A channel of the blocking or the asyncio kind, by the two functions that make them."""
    address = settings.address
    options = [
        ("grpc.max_receive_message_length", settings.max_reply_bytes),
        ("grpc.max_send_message_length", -1),
        # Only uncompressed replies: what is large is numbers, which pack badly.
        ("grpc.compression_enabled_algorithms_bitset", 1),
        # As patient as the retries are, not more: grpcio's own pause after a refused connection is a second.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 5000),
        # Or the pause, and the trust, of another client of this process would be this one's too.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_http_proxy", 0 if address.is_loopback else 1),
    ]
    if not address.is_tls:
        return insecure(address.authority, options=options)
    return secure(address.authority, _credentials(settings.tls), options=options)


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    """grpcio has authorities of its own; those of the system are the ones that REST trusts."""
    trusted = tls.context().get_ca_certs(binary_form=True)
    authorities = "".join(map(ssl.DER_cert_to_PEM_cert, trusted)).encode() or None
    key, cert = (None if path is None else path.read_bytes() for path in (tls.key, tls.cert))
    return grpc.ssl_channel_credentials(authorities, key, cert)
