"""The access log: a line a request to stderr. The server's own would show tokens and secrets that stand in a query."""

from __future__ import annotations

import re
import sys
from time import perf_counter
from typing import TextIO

from gaal.transport.drain import ASGIApp
from gaal.transport.types import Event, Receive, Scope, Send

_SECRET = re.compile(rb"(?i)(^|&)((?:oauth_token|access_token|token|consumer_key|consumer_secret|client_secret)=)[^&]*")


class AccessLog:
    """An ASGI app that hands everything to another one, and writes down what came of it."""

    def __init__(self, app: ASGIApp, out: TextIO | None = None) -> None:
        self._app = app
        self._out = out

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, status, n_bytes = perf_counter(), 0, 0

        async def send_noted(event: Event) -> None:
            nonlocal status, n_bytes
            status = event.get("status", status)
            n_bytes += len(event.get("body", b""))
            await send(event)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            milliseconds = (perf_counter() - started) * 1000
            line = f'{peer_of(scope)} "{request_line(scope)}" {status or "-"} {milliseconds:.2f}ms {n_bytes}b'
            print(line, file=self._out or sys.stderr, flush=True)


def peer_of(scope: Scope) -> str:
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else "-"


def request_line(scope: Scope) -> str:
    """Method, path and version; no line break, no quotation mark, and no secret of the query."""
    query: bytes = scope["query_string"]
    path = scope["path"] + (f"?{redacted(query).decode('latin-1')}" if query else "")
    line = f"{scope['method']} {path} HTTP/{scope['http_version']}"
    return "".join(each if each.isprintable() and each != '"' else "?" for each in line)


def redacted(query: bytes) -> bytes:
    return _SECRET.sub(rb"\1\2***", query)
