"""One process of a unit, from its start to its end, as its parent sees it.

Both hold one end of a socket, the process as its standard input. Line by line, as JSON:

    parent → process   the orders; then nothing, until the end of the file says: stop
    process → parent   {"ready": true}, or {"failed": text}; later {"hung": text} and
                        {"metrics": {method: [[key, type, value, tags], …]}}

Requests take another way: the internal gRPC API, on a Unix socket. What the process writes to stderr goes to the
parent's stderr, and the last of it into the error if the process ends before it is ready.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Self

import orjson

from gaal.components.worker_orders import Orders
from gaal.errors import ComponentLoadError
from gaal.executor.events import RecordMetrics
from gaal.messages import Metric

PROGRAM = "gaal.cli.unit_worker"

MAX_LAST_WORDS_BYTES = 4096
MAX_LAST_WORDS_LINES = 10
LAST_WORDS_S = 0.5
DRAIN_S = 5.0
"""What a process has to end its calls and itself, before it is killed."""


class WorkerProcess:
    """A process that serves a unit. Make it with `start`.

    `how_it_ended` is done when it has ended: "was killed by SIGKILL", "ended with status 3", or what it said itself.
    """

    def __init__(self, orders: Orders, record: Callable[[str], RecordMetrics]) -> None:
        loop = asyncio.get_running_loop()
        self._orders = orders
        self._record = record
        self._said: asyncio.Future[str | None] = loop.create_future()
        self._unread = b""
        self._last_words = b""
        self._reason = ""
        self.how_it_ended: asyncio.Future[str] = loop.create_future()

    @classmethod
    async def start(
        cls, orders: Orders, environment: Mapping[str, str], record: Callable[[str], RecordMetrics]
    ) -> Self:
        """The process, ready. Raises ComponentLoadError if it ends first, with what it said last."""
        process = cls(orders, record)
        await process._spawn(environment)
        try:
            failure = await process._said
        except asyncio.CancelledError:
            process.kill("was stopped while it started")
            await asyncio.shield(process.how_it_ended)
            raise
        if failure is not None:
            process.kill(failure)
            await process.how_it_ended
            raise ComponentLoadError(orders.unit.name, failure)
        return process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def target(self) -> str:
        """Where it serves, as gRPC calls it."""
        return f"unix:{self._orders.socket}"

    def kill(self, reason: str) -> None:
        """End the process now. `reason` says how it ended, unless it has ended already."""
        if not self.how_it_ended.done():
            self._reason = self._reason or reason
            with suppress(ProcessLookupError):
                self._process.kill()

    async def stop(self) -> None:
        """Let the process answer what it has begun, and end."""
        if not self._channel.is_closing():
            self._channel.write_eof()
        try:
            async with asyncio.timeout(DRAIN_S):
                await asyncio.shield(self.how_it_ended)
        except TimeoutError:
            self.kill("did not end in time")
            await self.how_it_ended

    # How it starts and ends.

    async def _spawn(self, environment: Mapping[str, str]) -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        words, words_in = os.pipe()
        ours.setblocking(False)
        self._reports, self._words = _Pipe(self._hear), _Pipe(self._hear_words)
        self._channel, _ = await loop.create_unix_connection(lambda: self._reports, sock=ours)
        self._words_out, _ = await loop.connect_read_pipe(lambda: self._words, os.fdopen(words, "rb", 0))
        try:
            # A clean interpreter: a fork of this one would have its libraries, their locks, and none of its threads.
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", PROGRAM), stdin=theirs.fileno(), stderr=words_in, env=environment
            )
        except BaseException:
            self._channel.close()
            self._words_out.close()
            raise
        finally:
            theirs.close()
            os.close(words_in)
        self._channel.write(self._orders.encode() + b"\n")
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        how = _how_it_ended(await self._process.wait())
        # What it has said is heard to the end; but a program that it has started may hold its pipes open for ever.
        await asyncio.wait((self._reports.closed, self._words.closed), timeout=LAST_WORDS_S)
        self._channel.close()
        self._words_out.close()
        self._orders.socket.unlink(missing_ok=True)
        self.how_it_ended.set_result(self._reason or how)
        if not self._said.done():
            self._said.set_result(f"its worker process {how} before it was ready{self._quoted()}")

    def _quoted(self) -> str:
        lines = self._last_words.decode(errors="replace").strip().splitlines()[-MAX_LAST_WORDS_LINES:]
        return "; its last words:\n" + "\n".join(f"  {line}" for line in lines) if lines else ""

    # What it says.

    def _hear(self, data: bytes) -> None:
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            self._take(orjson.loads(line))

    def _take(self, said: dict[str, Any]) -> None:
        if "metrics" in said:
            for method, metrics in said["metrics"].items():
                self._record(method)([Metric(*each) for each in metrics])
        elif "hung" in said:
            self.kill(said["hung"])
        elif not self._said.done():
            self._said.set_result(said.get("failed"))

    def _hear_words(self, words: bytes) -> None:
        self._last_words = (self._last_words + words)[-MAX_LAST_WORDS_BYTES:]
        with suppress(OSError):  # nobody may be reading any more
            while words:
                words = words[os.write(2, words) :]


class _Pipe(asyncio.Protocol):
    """Hands on what comes. `closed` is done when nothing more will."""

    def __init__(self, hear: Callable[[bytes], None]) -> None:
        self._hear = hear
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._hear(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set_result(None)


def _how_it_ended(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
