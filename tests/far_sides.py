"""What stands at the other end of a remote unit: servers on real sockets, well-behaved and not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import h2corn
from serving import new_listener

from gaal.settings import ServeSettings
from gaal.transport.server import server_config, silence_banner
from gaal.transport.worker import WorkerContext

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Answer = tuple[int, bytes, bytes]
"""An HTTP status, a content type and a body."""


@dataclass
class Asked:
    """One request that a far side got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HttpFarSide:
    """An ASGI app with an answer for each path: bytes are JSON with status 200."""

    answers: Mapping[str, Callable[[Asked], bytes | Answer]]
    asked: list[Asked] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        asked = Asked(scope["path"], headers, body)
        self.asked.append(asked)
        answer = self.answers.get(asked.path, _nothing_here)(asked)
        status, content_type, reply = answer if isinstance(answer, tuple) else (200, b"application/json", answer)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", content_type)]})
        await send({"type": "http.response.body", "body": reply, "more_body": False})


def _nothing_here(asked: Asked) -> Answer:
    return 404, b"text/plain", b"nothing here"


@asynccontextmanager
async def http_far_side(app: Any, **settings: Any) -> AsyncIterator[int]:
    """Serves an ASGI app; gives the port."""
    silence_banner()
    with new_listener() as listener:
        context = WorkerContext(ServeSettings(**settings), 0, (listener,), (), -1, -1)
        server = h2corn.Server(app, server_config(context))
        serving = asyncio.create_task(server.serve())
        await server.wait_started()
        try:
            yield listener.getsockname()[1]
        finally:
            server.shutdown()
            await serving


Call = Callable[[bytes, Any], Awaitable[bytes]]


class _AnyMethod(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # the class itself has no parameters
    def __init__(self, methods: Mapping[str, Call]) -> None:
        self._methods = methods

    def service(self, details: Any) -> Any:
        call = self._methods.get(details.method) or self._methods.get("")
        return None if call is None else grpc.unary_unary_rpc_method_handler(call)


@asynccontextmanager
async def grpc_far_side(
    methods: Mapping[str, Call], address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[int]:
    """grpcio's server with these methods by full path, "" for any other; gives the port."""
    server: Any = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_AnyMethod(methods),))
    if credentials is None:
        port: int = server.add_insecure_port(address)
    else:
        port = server.add_secure_port(address, credentials)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


@asynccontextmanager
async def socket_far_side(talk: Talk, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    """Anything that can be said over TCP; gives the port. What still talks at the end is cut off."""
    talking: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def talked() -> None:
            try:
                await talk(reader, writer)
            finally:
                writer.transport.abort()

        task = asyncio.get_running_loop().create_task(talked())
        talking.add(task)
        task.add_done_callback(talking.discard)

    server = await asyncio.start_server(connected, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)


def port_of_nobody() -> int:
    """A port of 127.0.0.1 at which nobody listens."""
    with new_listener() as listener:
        port: int = listener.getsockname()[1]
    return port


async def read_http(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """The head and the body of one request. Raises IncompleteReadError when the client is gone."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next((int(line.split(":")[1]) for line in head.lower().splitlines() if line[:15] == "content-length:"), 0)
    return head, await reader.readexactly(length)


def http_reply(body: bytes, content_type: str = "application/json", status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body
