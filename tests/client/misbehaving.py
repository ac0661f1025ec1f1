"""Small servers that do to a client what servers do on a bad day. Each counts the requests that it has read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import TypeAlias

Behave: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Misbehaving:
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    n_connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(*behaviours: Behave, tls: SSLContext | None = None) -> AsyncIterator[Misbehaving]:
    """Behaves to the first request like the first of `behaviours`, and so on; the last one stays."""
    server = Misbehaving()
    waiting = list(behaviours)
    tasks: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.n_connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while not writer.is_closing():
                server.requests.append(await _request(reader))
                await (waiting.pop(0) if len(waiting) > 1 else waiting[0])(writer)
                await writer.drain()
            writer.close()
        except (EOFError, OSError, asyncio.LimitOverrunError, asyncio.CancelledError):
            # Not to end as cancelled, of which asyncio's streams print a traceback.
            writer.transport.abort()

    listener = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _request(reader: asyncio.StreamReader) -> bytes:
    """The head and the body of a request of HTTP/1.1, whole; or the first line of HTTP/2, which looks like one."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    body = await reader.readexactly(int(lengths[0].partition(b":")[2])) if lengths else b""
    return head + body


def answers(
    body: bytes = b'{"strData":"fine"}',
    status: str = "200 OK",
    content_type: str = "application/json",
    headers: Sequence[str] = (),
) -> Behave:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    if content_type:
        lines.append(f"content-type: {content_type}")

    return says("\r\n".join([*lines, "", ""]).encode() + body)


def says(raw: bytes, then_closes: bool = False) -> Behave:
    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        if then_closes:
            writer.close()

    return behave


async def hangs(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def hangs_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def drips(writer: asyncio.StreamWriter) -> None:
    """Each byte comes in time, and all of them together never."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def floods(writer: asyncio.StreamWriter) -> None:
    """20 MB in chunks, without saying so first."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
    for _ in range(20):
        writer.write(b"f4240\r\n" + b" " * 1_000_000 + b"\r\n")
        await writer.drain()
    writer.write(b"0\r\n\r\n")
