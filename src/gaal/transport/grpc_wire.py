"""gRPC as bytes: length-prefixed messages, timeouts, statuses; native over HTTP/2, and gRPC-Web for browsers.

Source: "gRPC over HTTP2" and "gRPC Web" of the gRPC project.
"""

from __future__ import annotations

import base64
import binascii
import gzip
from collections.abc import AsyncIterator, Sequence
from typing import TypeAlias
from urllib.parse import quote

from gaal.errors import MessageError, MessageTooLarge, UnsupportedMedia
from gaal.transport.bodies import Disconnected, gunzipped, read_body
from gaal.transport.errors import GrpcCode
from gaal.transport.types import Event, Headers, Receive, Send

PREFIX_BYTES = 5
COMPRESSED = 1
TRAILERS = 0x80
"""The flag of the frame that carries a gRPC-Web reply's trailers in its body."""

MAX_TEXT_CHARACTERS = 1024
"""Clients refuse trailers of more than 8 KiB, and a character may take twelve bytes."""

PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if code != ord("%"))
"""The characters that stand for themselves in grpc-message."""

GZIP_MIN_BYTES = 1400
"""Replies below fit into one packet anyway."""

Trailers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""What goes out beside the status."""

UNIT_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_NO_MESSAGE: Headers = [(b"grpc-status", b"0")]


def frame(payload: bytes, flags: int = 0) -> bytes:
    return flags.to_bytes(1, "big") + len(payload).to_bytes(4, "big") + payload


def message_frame(payload: bytes, gzipped: bool) -> bytes:
    if gzipped:
        return frame(gzip.compress(payload, compresslevel=1), COMPRESSED)
    return b"\0" + len(payload).to_bytes(4, "big") + payload


def unframed(body: bytes, encoding: bytes | None, max_bytes: int) -> bytes:
    """The one message in the body of a unary call. Raises MessageError."""
    size = int.from_bytes(body[1:PREFIX_BYTES], "big")
    if size > max_bytes:
        raise MessageTooLarge(f"a message must have at most {max_bytes} bytes, got {size}")
    if len(body) != PREFIX_BYTES + size:
        raise MessageError(f"gRPC: the body must hold one message of {size} bytes, got {max(len(body) - 5, 0)} bytes")
    return inflated(body[0], body[PREFIX_BYTES:], encoding, max_bytes)


def inflated(flags: int, payload: bytes, encoding: bytes | None, max_bytes: int) -> bytes:
    if flags == 0:
        return payload
    if flags != COMPRESSED:
        raise MessageError(f"gRPC: the flags of a message must be 0 or 1, got {flags}")
    if encoding != b"gzip":
        named = (encoding or b"none").decode("latin-1")
        raise UnsupportedMedia(f"grpc-encoding: a compressed message must be gzip, got {named}")
    return gunzipped(payload, max_bytes)


async def messages(receive: Receive, encoding: bytes | None, max_bytes: int) -> AsyncIterator[bytes]:
    """The messages of a stream, as they come. Raises MessageError, and Disconnected when the client goes away."""
    buffer = bytearray()
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Disconnected
        buffer += event.get("body", b"")
        more = event.get("more_body", False)
        while len(buffer) >= PREFIX_BYTES:
            end = PREFIX_BYTES + int.from_bytes(buffer[1:PREFIX_BYTES], "big")
            if end - PREFIX_BYTES > max_bytes:
                raise MessageTooLarge(f"a message must have at most {max_bytes} bytes, got {end - PREFIX_BYTES}")
            if len(buffer) < end:
                break
            flags, payload = buffer[0], bytes(buffer[PREFIX_BYTES:end])
            del buffer[:end]
            yield inflated(flags, payload, encoding, max_bytes)
    if buffer:
        raise MessageError(f"gRPC: the stream ended inside a message, after {len(buffer)} bytes of it")


def timeout_s(value: bytes) -> float:
    """A `grpc-timeout` in seconds. Raises MessageError."""
    text = value.decode("latin-1")
    digits, unit = text[:-1], text[-1:]
    if unit not in UNIT_S or not (digits.isascii() and digits.isdigit() and len(digits) <= 8):
        raise MessageError(f"grpc-timeout: must be up to 8 digits and one of H M S m u n, got {text!r}")
    return int(digits) * UNIT_S[unit]


def status_headers(code: GrpcCode, text: str) -> Headers:
    if code is GrpcCode.OK:
        return _NO_MESSAGE
    if len(text) > MAX_TEXT_CHARACTERS:
        text = text[:MAX_TEXT_CHARACTERS] + "…"
    return [(b"grpc-status", str(code.value).encode()), (b"grpc-message", quote(text, safe=PLAIN).encode())]


class NativeWire:
    """Messages in the body, the status in HTTP/2 trailers."""

    content_type = b"application/grpc"

    def overhead(self, message_bytes: int) -> int:
        """What a body with one message of this size has beside it, in bytes."""
        return PREFIX_BYTES

    def request_body(self, body: bytes) -> bytes:
        return body

    async def binary(self, receive: Receive, max_bytes: int) -> Receive:
        """The same events, free of any text form."""
        return receive

    async def begin(self, send: Send, headers: Headers) -> None:
        headers = [(b"content-type", self.content_type), *headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})

    async def write(self, send: Send, framed: bytes) -> None:
        await send({"type": "http.response.body", "body": framed, "more_body": True})

    async def end(self, send: Send, code: GrpcCode, text: str = "", trailers: Trailers = ()) -> None:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        headers = [*status_headers(code, text), *trailers]
        await send({"type": "http.response.trailers", "headers": headers, "more_trailers": False})

    async def answer(self, send: Send, headers: Headers, framed: bytes, trailers: Trailers = ()) -> None:
        """A whole unary reply, in one event less than by the three steps."""
        headers = [(b"content-type", self.content_type), *headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
        await send({"type": "http.response.body", "body": framed, "more_body": False})
        last = [*_NO_MESSAGE, *trailers] if trailers else _NO_MESSAGE
        await send({"type": "http.response.trailers", "headers": last, "more_trailers": False})


class WebWire:
    """gRPC-Web: the trailers are a last frame of the body; the `-text` form is all in base64."""

    def __init__(self, content_type: bytes) -> None:
        self.content_type = content_type
        self._is_text = b"-text" in content_type

    def overhead(self, message_bytes: int) -> int:
        return 4 * -(-(PREFIX_BYTES + message_bytes) // 3) - message_bytes if self._is_text else PREFIX_BYTES

    async def binary(self, receive: Receive, max_bytes: int) -> Receive:
        """A browser sends all at once and cannot go on later, so the whole body may be read first."""
        body = self.request_body(await read_body(receive, max_bytes, self.overhead(max_bytes)))
        events = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_decoded() -> Event:
            return events.pop() if events else await receive()

        return receive_decoded

    def request_body(self, body: bytes) -> bytes:
        if not self._is_text:
            return body
        try:
            return base64.b64decode(body, validate=True)
        except binascii.Error as error:
            raise MessageError(f"gRPC-Web: the body must be base64: {error}") from None

    async def begin(self, send: Send, headers: Headers) -> None:
        headers = [(b"content-type", self.content_type), *headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(self, send: Send, framed: bytes) -> None:
        await send({"type": "http.response.body", "body": self._written(framed), "more_body": True})

    async def end(self, send: Send, code: GrpcCode, text: str = "", trailers: Trailers = ()) -> None:
        headers = (*status_headers(code, text), *trailers)
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        await send({"type": "http.response.body", "body": self._written(frame(lines, TRAILERS)), "more_body": False})

    async def answer(self, send: Send, headers: Headers, framed: bytes, trailers: Trailers = ()) -> None:
        await self.begin(send, headers)
        await self.write(send, framed)
        await self.end(send, GrpcCode.OK, trailers=trailers)

    def _written(self, framed: bytes) -> bytes:
        return base64.b64encode(framed) if self._is_text else framed


NATIVE = NativeWire()


def wire_of(content_type: bytes) -> NativeWire | WebWire | None:
    """How this content type is spoken; None if it is not gRPC with protobuf messages."""
    if content_type == b"application/grpc":
        return NATIVE
    media_type = content_type.partition(b";")[0].strip().lower()
    if media_type in (b"application/grpc", b"application/grpc+proto"):
        return NATIVE
    if media_type in (b"application/grpc-web", b"application/grpc-web+proto"):
        return WebWire(b"application/grpc-web+proto")
    if media_type in (b"application/grpc-web-text", b"application/grpc-web-text+proto"):
        return WebWire(b"application/grpc-web-text+proto")
    return None
