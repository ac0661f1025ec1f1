"""HTTP calls to a unit that stands elsewhere, by aiohttp: from the bytes of a request to the bytes of its reply.

Connections are kept alive and pooled by address. The addresses behind a name take turns; one that cannot be reached
is passed over. A request is sent a second time only if nothing of it had left: the unit may have acted on any other.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from gaal.components.remote_addresses import Turns, host_of
from gaal.components.remote_place import Place
from gaal.errors import ComponentError, GaalError, MessageError, RemoteReply
from gaal.protocols import json_text

T = TypeVar("T")

CONNECT_TIMEOUT_S = 5.0
IDLE_S = 1.5
"""How long a connection without a request is kept. Servers close theirs after two seconds and more, and a request
that meets the closing on its way is lost."""

JSON = "application/json"


class HttpCalls:
    """HTTP calls to the unit whose addresses are in `turns`, and whose name is `authority`, `host:port`.

    `timeout_s` is for each call, `max_reply_bytes` for each reply. With `tls` the far side must have a certificate
    for its host that the context trusts.
    """

    def __init__(
        self,
        unit: str,
        authority: str,
        turns: Turns,
        timeout_s: float | None,
        max_reply_bytes: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._unit = unit
        self._authority = authority
        self._turns = turns
        self._timeout_s = timeout_s
        self._max_reply_bytes = max_reply_bytes
        self._scheme = "http" if tls is None else "https"
        self._tls = tls
        self._host = host_of(authority)
        self._headers = {
            "host": authority,
            "accept": "application/json",
            # What is unpacked here would have to be limited twice; numbers pack badly anyway.
            "accept-encoding": "identity",
            "user-agent": "gaal",
        }

    async def start(self) -> None:
        """Open the pool. Nobody need be there yet."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
        )

    async def close(self) -> None:
        await self._turns.close()
        await self._session.close()

    async def reachable(self) -> None:
        """Returns when one of the unit's addresses takes a connection. Raises Unavailable."""
        timeout_s = min(self._timeout_s or CONNECT_TIMEOUT_S, CONNECT_TIMEOUT_S)
        place = self.place("")
        try:
            async with asyncio.timeout(timeout_s):
                await self._connect(place)
        except TimeoutError:
            raise place.unavailable(f"no connection within {timeout_s:g} s") from None

    async def _connect(self, place: Place) -> None:
        tried: list[str] = []
        cause = self._turns.nobody
        try:
            while (address := await self._turns.next(tried)) is not None:
                tried.append(address)
                host, _, port = self._turns.authority(address).rpartition(":")
                try:
                    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                except OSError as error:
                    self._turns.failed(address)
                    cause = self._cause_at(address, error)
                else:
                    writer.close()
                    return
        except OSError as error:
            cause = f"the name cannot be resolved: {_cause(error)}"
        raise place.unavailable(cause)

    def place(self, path: str) -> Place:
        return Place(self._unit, f"{self._scheme}://{self._authority}{path}")

    async def ask(
        self,
        path: str,
        request: bytes | None,
        headers: dict[str, str],
        decode: Callable[[bytes], T],
        query: str = "",
        content_type: str = JSON,
    ) -> T:
        """The decoded reply to a POST of `request`, or to a GET where that is None. Raises GaalError.

        `query` is percent-encoded, with its question mark; no error shows it.
        """
        sending = _Sending(f"{path}{query}", request, content_type, {**headers, **self._headers})
        exchange = await self._reply(path, sending)
        with exchange.place.wrong_replies():
            return decode(exchange.body())

    async def check(self, path: str, headers: dict[str, str]) -> None:
        """Asks by a GET for nothing but the status. Raises GaalError for any but 200."""
        exchange = await self._reply(path, _Sending(path, None, JSON, {**headers, **self._headers}))
        exchange.check_status()

    async def _reply(self, path: str, sending: _Sending) -> _Exchange:
        """A whole reply, whatever it says. Raises GaalError."""
        exchange = _Exchange(self.place(path), self._max_reply_bytes)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._exchanged(exchange, sending)
        except TimeoutError:
            assert self._timeout_s is not None
            raise exchange.place.too_late(self._timeout_s) from None
        return exchange

    async def _exchanged(self, exchange: _Exchange, sending: _Sending) -> None:
        """Sends until something has left, to one address after the other. Raises GaalError."""
        tried: list[str] = []
        repeated = False
        cause = self._turns.nobody
        while (address := await self._next(exchange.place, tried, cause)) is not None:
            body = None if sending.request is None else _Body(sending.request, sending.content_type)
            try:
                await self._send(exchange, address, sending, body)
                return
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
                self._turns.failed(address)
                tried.append(address)
                cause = self._cause_at(address, error)
            except (aiohttp.ClientError, OSError) as error:
                if repeated or body is None or body.has_left:
                    raise exchange.failed(error) from None
                repeated = True  # a connection that was kept alive, and closed as it was taken up again
        raise exchange.place.unavailable(cause)

    async def _next(self, place: Place, tried: Sequence[str], cause: str) -> str | None:
        try:
            return await self._turns.next(tried)
        except OSError as error:
            told = cause if tried else f"the name cannot be resolved: {_cause(error)}"
            raise place.unavailable(told) from None

    def _cause_at(self, address: str, error: BaseException) -> str:
        return _cause(error) if address == self._host else f"{_cause(error)} ({address})"

    async def _send(self, exchange: _Exchange, address: str, sending: _Sending, body: _Body | None) -> None:
        async with self._session.request(
            "GET" if body is None else "POST",
            f"{self._scheme}://{self._turns.authority(address)}{sending.path}",
            data=body,
            headers=sending.headers,
            allow_redirects=False,
            ssl=self._tls or True,
            server_hostname=None if self._tls is None else self._host,
        ) as response:
            exchange.begin(response)
            async for chunk in response.content.iter_any():
                exchange.take(chunk)


@dataclass(frozen=True, slots=True)
class _Sending:
    """What is sent; `path` with its query."""

    path: str
    request: bytes | None
    content_type: str
    headers: dict[str, str]


class _Body(aiohttp.Payload):
    """A text that knows whether something of it may have left."""

    def __init__(self, text: bytes, content_type: str) -> None:
        super().__init__(text, content_type=content_type)
        self._size = len(text)
        self.has_left = False

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        text: bytes = self._value
        return text.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        transport = getattr(writer, "transport", None)
        # Headers and body go out together, and to a connection that is closing nothing does.
        self.has_left = transport is None or not transport.is_closing()
        await writer.write(self._value)


class _Exchange:
    """One reply, as far as it came."""

    def __init__(self, place: Place, max_bytes: int) -> None:
        self.place = place
        self._max_bytes = max_bytes
        self._chunks: list[bytes] = []
        self._n_bytes = 0
        self._status = 0
        self._content_type = ""

    def begin(self, response: aiohttp.ClientResponse) -> None:
        """Raises ComponentError by what the headers say."""
        self._status = response.status
        self._content_type = response.headers.get("content-type", "")
        if response.content_length is not None and response.content_length > self._max_bytes:
            raise self._too_large(response.content_length)
        if 300 <= self._status < 400:
            to = response.headers.get("location", "nowhere")
            raise self.place.wrong_reply(f"HTTP {self._status}: a redirection to {to}, which is not followed")

    def take(self, chunk: bytes) -> None:
        self._n_bytes += len(chunk)
        if self._n_bytes > self._max_bytes:
            raise self._too_large(self._n_bytes)
        self._chunks.append(chunk)

    def check_status(self) -> None:
        """Raises ComponentError for any status but 200."""
        if self._status != 200:
            body = b"".join(self._chunks)
            what = self.place.described(f"HTTP {self._status}{_info(body)}")
            raise RemoteReply(self.place.unit, what, self._status, body, self._content_type)

    def body(self) -> bytes:
        """The whole body of a reply that is JSON by its status and its content type. Raises ComponentError."""
        self.check_status()
        body = b"".join(self._chunks)
        kind = self._content_type.partition(";")[0].strip().lower()
        if kind and kind != "application/json" and not kind.endswith("+json"):
            raise self.place.wrong_reply(f"the reply must be application/json, and is {kind}")
        if not body:
            raise self.place.wrong_reply("the reply is empty")
        return body

    def failed(self, error: BaseException) -> GaalError:
        """What the caller is told of an exchange that broke."""
        if isinstance(error, aiohttp.ClientResponseError):
            return self.place.wrong_reply(f"the reply is no HTTP: {_first_line(error.message)}")
        if self._status:
            return self.place.unavailable(f"the reply broke off after {self._n_bytes} bytes: {_cause(error)}")
        return self.place.unavailable(f"the connection broke before the reply came: {_cause(error)}")

    def _too_large(self, n_bytes: int) -> ComponentError:
        return self.place.wrong_reply(f"the reply must have at most {self._max_bytes} bytes, got {n_bytes} or more")


def _info(body: bytes) -> str:
    """`: ` and what the Status form says in the body of an error, or `{"error": text}`; nothing for another body."""
    try:
        value = json_text.parse(body)
        info = value["error"] if "error" in value else value["status"]["info"]
    except (MessageError, KeyError, TypeError):
        return ""
    return f": {info}" if isinstance(info, str) else ""


def _cause(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, ssl.SSLError):
        return getattr(error, "verify_message", "") or error.reason or "TLS failed"
    number = error.errno if isinstance(error, OSError) else None
    if number is not None and number in errno.errorcode:
        return os.strerror(number)  # asyncio has words of its own
    return _first_line(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip(": ")
