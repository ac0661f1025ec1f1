"""HTTP/1.1 by httpcore: pooled connections that are kept alive, and a limit on time and on bytes.

httpcore is the lower half of httpx: it has the same pool without the redirects, cookies and environment of the upper
one. What decides is that the whole of an exchange can be seen here: whether a request got out, and how long is left.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore

from gaal.client.address import Address
from gaal.client.calls import Request, Response
from gaal.client.deadlines import DeadlineBackend, deadline
from gaal.client.errors import BadReply, CallFailed, DeadlineExceeded, ReplyTooLarge, Unavailable
from gaal.client.settings import Settings

_MAX_CONNECTIONS = 1000
_IDLE_S = 15.0
"""Most servers keep an idle connection longer: it shall not be closed just as it is used again."""

_FAILURES = (
    TimeoutError,
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
)


class HttpTransport:
    """For many threads at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = httpcore.ConnectionPool(**_pool_options(settings), network_backend=DeadlineBackend())

    def send(self, request: Request, timeout_s: float | None) -> Response:
        exchange = _Exchange(self._settings, request, timeout_s)
        try:
            with (
                deadline(timeout_s),
                self._pool.stream(**exchange.parts(), content=exchange.outgoing()) as response,
            ):
                exchange.begin(response.status, response.headers, response.extensions)
                for chunk in response.iter_stream():
                    exchange.take(chunk)
        except _FAILURES as error:
            raise exchange.failed(error) from error
        return exchange.response()

    def close(self) -> None:
        self._pool.close()


class AsyncHttpTransport:
    """For the tasks of one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = httpcore.AsyncConnectionPool(**_pool_options(settings))

    async def send(self, request: Request, timeout_s: float | None) -> Response:
        exchange = _Exchange(self._settings, request, timeout_s)
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._pool.stream(**exchange.parts(), content=exchange.outgoing_async()) as response,
            ):
                exchange.begin(response.status, response.headers, response.extensions)
                async for chunk in response.aiter_stream():
                    exchange.take(chunk)
        except _FAILURES as error:
            raise exchange.failed(error) from error
        return exchange.response()

    async def close(self) -> None:
        await self._pool.aclose()


class _Exchange:
    """One request and its response, as far as they got. The rules are here, once for both transports."""

    def __init__(self, settings: Settings, request: Request, timeout_s: float | None) -> None:
        self._address = settings.address
        self._max_bytes = settings.max_reply_bytes
        self._request = request
        self._timeout_s = timeout_s
        self._went_out = False
        self._status = 0
        self._text = ""
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._n_bytes = 0

    def parts(self) -> dict[str, Any]:
        """The request, but for its body."""
        address, request = self._address, self._request
        headers = {
            "host": address.authority,
            "user-agent": "gaal",
            # What is unpacked here would have to be limited twice; what is large is numbers, which pack badly.
            "accept-encoding": "identity",
            **request.headers,
            "content-length": str(len(request.body)),
        }
        port = address.port
        scheme = b"https" if address.is_tls else b"http"
        url = httpcore.URL(scheme=scheme, host=address.host.encode(), port=port, target=request.path.encode())
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout_s)
        return {"method": request.method, "url": url, "headers": headers, "extensions": {"timeout": timeouts}}

    def outgoing(self) -> Iterator[bytes]:
        """The body. httpcore asks for more when what it had is written, and by then the server may act on it."""
        yield self._request.body
        self._went_out = True

    async def outgoing_async(self) -> AsyncIterator[bytes]:
        for part in self.outgoing():
            yield part

    def begin(self, status: int, headers: Iterable[tuple[bytes, bytes]], extensions: Mapping[str, Any]) -> None:
        """Raises BadReply or ReplyTooLarge by what the headers say."""
        self._status = status
        self._text = extensions.get("reason_phrase", b"").decode("latin-1")
        self._headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        encoding = self._headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise BadReply(self._place, f"the reply has the content encoding {encoding}, for which nobody asked")
        length = self._headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_bytes:
            raise self._too_large(f"{length} bytes")

    def take(self, chunk: bytes) -> None:
        """Raises ReplyTooLarge."""
        self._n_bytes += len(chunk)
        if self._n_bytes > self._max_bytes:
            raise self._too_large("more")
        self._chunks.append(chunk)

    def response(self) -> Response:
        return Response(self._status, self._text, self._headers, b"".join(self._chunks))

    def failed(self, error: BaseException) -> CallFailed:
        """What the caller is told of a failure of the connection."""
        if isinstance(error, TimeoutError | httpcore.TimeoutException):
            return DeadlineExceeded(self._place, self._too_late(), never_arrived=not self._went_out)
        if isinstance(error, httpcore.ConnectError):
            # A certificate that does not count today does not count in a second either.
            is_untrusted = any(isinstance(cause, ssl.SSLError) for cause in error.args)
            return Unavailable(self._place, f"cannot connect: {error}", never_arrived=not is_untrusted)
        if isinstance(error, httpcore.ProtocolError) and not _has_broken_off(error):
            return BadReply(self._place, f"the reply is no HTTP: {error}")
        cause = str(error) or type(error).__name__
        return Unavailable(self._place, f"the connection broke: {cause}", never_arrived=not self._went_out)

    @property
    def _place(self) -> str:
        return f"{self._request.method} {self._address.origin}{self._request.path}"

    def _too_late(self) -> str:
        what = "no whole reply" if self._went_out else "the request did not get out"
        return f"{what} within {self._timeout_s:.3g} s"

    def _too_large(self, size: str) -> ReplyTooLarge:
        return ReplyTooLarge(self._place, f"the reply must have at most {self._max_bytes} bytes, and has {size}")


def _has_broken_off(error: httpcore.ProtocolError) -> bool:
    """Whether the server hung up: h11 has the same exception for that and for what is no HTTP."""
    text = str(error)
    return "disconnected" in text or "closed connection" in text


def _pool_options(settings: Settings) -> dict[str, Any]:
    address = settings.address
    return {
        "ssl_context": settings.tls.context() if address.is_tls else None,
        "proxy": _proxy(address),
        "max_connections": _MAX_CONNECTIONS,
        "keepalive_expiry": _IDLE_S,
    }


def _proxy(address: Address) -> httpcore.Proxy | None:
    """The proxy of the environment (`https_proxy`, `no_proxy`, …), but none for this machine itself."""
    url = getproxies().get("https" if address.is_tls else "http")
    if not url or address.is_loopback or proxy_bypass(address.host):
        return None
    parts = urlsplit(url)
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return httpcore.Proxy(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", auth=login)
