"""One of the processes of a unit, kept running: a new one takes the place of one that ended or hangs.

    starting ──ready──▶ serving ──ended, or killed because it hangs──▶ waiting ──0.1 s … 10 s──▶ starting

A process hangs if, for the unit's hang timeout, its event loop does not answer a health check, or its thread goes on
with a call that nobody waits for any more. The first is found out from here, the second by the process itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeAlias

import grpc
import grpc.aio

from gaal.backoff import Backoff
from gaal.components.remote_grpc import STANDARD_HEALTH, GrpcUnit
from gaal.components.worker_process import WorkerProcess
from gaal.errors import ComponentLoadError

logger = logging.getLogger("gaal.components")

CHECKS_A_TIMEOUT = 3
"""How often to look whether a process hangs, in the time that it may."""

END_NOTICED_S = 0.2
"""A connection breaks a moment before the end of the process is known."""

StartProcess: TypeAlias = Callable[[], Awaitable[WorkerProcess]]


class Serving:
    """A process that is ready, the way to call it, and how many calls it has not answered yet."""

    def __init__(self, unit: str, process: WorkerProcess) -> None:
        self.process = process
        self.node = GrpcUnit(unit, process.target, None, "json")
        self.n_outstanding = 0

    @property
    def is_alive(self) -> bool:
        return not self.process.how_it_ended.done()

    async def end(self) -> str | None:
        """How the process ended; None if it goes on."""
        await asyncio.wait((self.process.how_it_ended,), timeout=END_NOTICED_S)
        return self.process.how_it_ended.result() if self.process.how_it_ended.done() else None


class Replica:
    """A process of the unit `unit`, started by `start_process` as often as need be.

    `serving` is None while no process is ready; `trouble` then says why.
    """

    def __init__(self, unit: str, start_process: StartProcess, hang_timeout_s: float | None) -> None:
        self._unit = unit
        self._start_process = start_process
        self._hang_timeout_s = hang_timeout_s
        self._backoff = Backoff()
        self._keeping: asyncio.Task[None] | None = None
        self.serving: Serving | None = None
        self.trouble = "is starting"

    async def start(self) -> None:
        """Raises ComponentLoadError if the first process does not get ready."""
        serving = await self._served()
        self._keeping = asyncio.create_task(self._keep(serving))

    async def close(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait((self._keeping,))
        if self.serving is not None:
            serving, self.serving = self.serving, None
            await serving.node.close()
            await serving.process.stop()

    async def _served(self) -> Serving:
        process = await self._start_process()
        serving = self.serving = Serving(self._unit, process)
        await serving.node.start()
        return serving

    async def _keep(self, serving: Serving) -> None:
        while True:
            ready_at = monotonic()
            how = await self._end_of(serving.process)
            self.serving = None
            await serving.node.close()
            serving = await self._successor(how, monotonic() - ready_at)

    async def _end_of(self, process: WorkerProcess) -> str:
        """Waits until the process has ended, and ends it if it hangs."""
        checking = asyncio.create_task(self._check(process))
        try:
            return await asyncio.shield(process.how_it_ended)
        finally:
            checking.cancel()

    async def _successor(self, how: str, lived_s: float) -> Serving:
        while True:
            delay_s = self._backoff.ended(lived_s)
            self.trouble = how
            logger.error('unit "%s": its worker process %s, replaced in %g s', self._unit, how, delay_s)
            await asyncio.sleep(delay_s)
            try:
                return await self._served()
            except ComponentLoadError as error:
                how, lived_s = f"did not start again: {error.what}", 0.0

    async def _check(self, process: WorkerProcess) -> None:
        """Ask for its health for ever, on a connection that has no other calls. A process that is silent is killed."""
        timeout_s = self._hang_timeout_s
        if timeout_s is None:
            return
        async with grpc.aio.insecure_channel(process.target) as channel:
            check = channel.unary_unary(STANDARD_HEALTH, None, None)
            while True:
                await asyncio.sleep(timeout_s / CHECKS_A_TIMEOUT)
                try:
                    await check(b"", timeout=timeout_s)
                except grpc.aio.AioRpcError as error:
                    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                        process.kill(f"hung: it was silent for {timeout_s:g} s, and was killed")
