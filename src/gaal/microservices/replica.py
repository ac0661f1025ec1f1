"""One process of a microservice, kept running: a new one takes the place of one that ended, hangs or never answered.

starting ──answers──▶ ready ──ended, or killed because it is silent──▶ waiting ──0.1 s … 10 s──▶ starting
   └─there is nothing to run──▶ failed ──10 s──▶ starting
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gaal.backoff import LONGEST_DELAY_S, Backoff
from gaal.microservices.commands import HOST
from gaal.microservices.probe import answers
from gaal.microservices.process import End, Process
from gaal.storage.records import Api

logger = logging.getLogger("gaal.microservices")

State: TypeAlias = Literal["starting", "ready", "waiting", "failed"]
StartProcess: TypeAlias = Callable[[int], Awaitable[Process]]
"""Starts a process that listens on a port."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may take, in seconds.

    `start_s` from the start of a process to its first answer; `hang_s` without an answer once it was ready, looked at
    every `check_s`; `stop_s` from being told to stop to the end: less than a
    worker of the server has to close what it runs. `handover_s` is how long a process goes on after its
    successor is ready: others notice within 0.25 s, and calls that they have begun may take 5 s.
    """

    start_s: float = 120.0
    look_s: float = 0.1
    answer_s: float = 2.0
    check_s: float = 5.0
    hang_s: float = 30.0
    stop_s: float = 4.0
    handover_s: float = 6.0
    retry_s: float = LONGEST_DELAY_S


@dataclass(frozen=True, slots=True)
class Status:
    """How a replica does. `since` is when it came into this state, in seconds since 1970."""

    state: State
    port: int = 0
    pid: int = 0
    n_restarts: int = 0
    since: float = 0.0
    failure: str = ""


class Replica:
    """`name` is for the log. `changed` is called after every change of `status`."""

    def __init__(
        self, name: str, api: Api, start_process: StartProcess, changed: Callable[[], None], patience: Patience
    ) -> None:
        self._name = name
        self._api = api
        self._start_process = start_process
        self._changed = changed
        self._patience = patience
        self._backoff = Backoff()
        self._n_restarts = 0
        self._failure = ""
        self._process: Process | None = None
        self.status = Status("starting", since=time.time())
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Stop the process, and start no other."""
        self._keeping.cancel()
        with suppress(asyncio.CancelledError):
            await self._keeping
        if self._process is not None:
            await self._process.stop()

    async def _keep(self) -> None:
        while True:
            try:
                delay_s = await self._lived()
            except Exception as error:  # whatever it is, it is tried again, as the file or Docker may be there then
                delay_s = self._failed(error)
            await asyncio.sleep(delay_s)
            self._n_restarts += 1

    def _failed(self, error: Exception) -> float:
        if str(error) != self._failure:
            logger.error("%s: cannot be started: %s", self._name, error)
        self._failure = str(error)
        self._show("failed")
        return self._patience.retry_s

    async def _lived(self) -> float:
        """One process, from its start to its end. Gives the seconds until the next is due."""
        port = free_port()
        self._show("starting", port)
        process = self._process = await self._start_process(port)
        ready_at, how = await self._ready(process, port)
        if not how:
            self._failure = ""
            self._show("ready", port)
            how = await self._end_of(process, port)
        delay_s = self._backoff.ended(time.monotonic() - ready_at)
        logger.error("%s: it %s; started again in %g s", self._name, how, delay_s)
        self._failure = f"it {how}"
        self._process = None
        self._show("waiting")
        return delay_s

    async def _ready(self, process: Process, port: int) -> tuple[float, str]:
        """When it was ready, and "", or how it ended before that."""
        deadline = time.monotonic() + self._patience.start_s
        while time.monotonic() < deadline:
            if await self._answers(port) and not process.ended.done():
                return time.monotonic(), ""
            await asyncio.wait((process.ended,), timeout=self._patience.look_s)
            if process.ended.done():
                return time.monotonic(), _told_early(process.ended.result())
        told = (
            f"did not answer on port {port} within {self._patience.start_s:g} s (it is told by GAAL_MICROSERVICE_PORT)"
        )
        return time.monotonic(), await self._killed(process, told)

    async def _end_of(self, process: Process, port: int) -> str:
        """Waits until it has ended, or is silent for too long and is killed."""
        answered_at = time.monotonic()
        while True:
            await asyncio.wait((process.ended,), timeout=self._patience.check_s)
            if process.ended.done():
                return process.ended.result().told()
            if await self._answers(port):
                answered_at = time.monotonic()
            elif time.monotonic() - answered_at >= self._patience.hang_s:
                return await self._killed(process, f"was silent for {self._patience.hang_s:g} s, and was killed")

    async def _answers(self, port: int) -> bool:
        return await answers(HOST, port, self._api, self._patience.answer_s)

    async def _killed(self, process: Process, how: str) -> str:
        process.kill()
        return (await asyncio.shield(process.ended)).told(how)

    def _show(self, state: State, port: int = 0) -> None:
        pid = self._process.pid if self._process is not None else 0
        self.status = Status(state, port, pid, self._n_restarts, time.time(), self._failure)
        self._changed()


def _told_early(end: End) -> str:
    return end.told(f"{end.how} before it was ready")


def free_port() -> int:
    """A port of this machine that nobody has. Who is faster may still take it: then the process is started again."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
