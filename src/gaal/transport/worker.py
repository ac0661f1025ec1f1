"""The worker's side of its talk with the supervisor.

    worker → supervisor   `loaded`, `ready`, `alive`, `failed <text>`, a line each (the text as JSON)
    supervisor → worker   one byte, once the port is open; after that nothing, until the end of the file says
                          that the supervisor is gone

A worker is told to stop by SIGTERM. Imports nothing heavy: the supervisor loads this module too.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import socket
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from gaal.errors import GaalError, GraphError, SettingsError
from gaal.settings import ServeSettings

LOADED, READY, ALIVE, FAILED = b"loaded", b"ready", b"alive", b"failed"
GO = b"g"

MAX_FAILURE_CHARACTERS = 16_000
"""JSON escapes may make it six times longer; together still less than a pipe holds, so telling never blocks."""


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What a worker gets from the supervisor.

    `sockets` are bound and shared by all workers, and listen once all workers have loaded; `by_listener` has the
    same ones by the name of their listener. `series_files` and `slot` are for `Series(series_files, slot)`: this
    worker's counts, and those of all others to read. `limits_file` is for `SharedLimits(limits_file, slot, n_slots)`:
    what clients with limits ask of all workers together; -1 is none.
    """

    settings: ServeSettings
    slot: int
    sockets: tuple[socket.socket, ...]
    series_files: tuple[int, ...]
    reports: int
    orders: int
    by_listener: Mapping[str, tuple[socket.socket, ...]] = field(default_factory=dict)
    limits_file: int = -1

    @property
    def n_slots(self) -> int:
        """How many workers there may be at once: a reload has two generations."""
        return 2 * self.settings.workers

    async def port_opened(self) -> None:
        """Tells that everything is loaded, and waits until all the other workers are as far and the port is open."""
        self.report(LOADED)
        loop = asyncio.get_running_loop()
        ordered: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self.orders, ordered.set_result, None)
        try:
            await ordered
        finally:
            loop.remove_reader(self.orders)
        if os.read(self.orders, 1) != GO:
            leave()

    def ready(self) -> None:
        """Tells that requests are answered from now on, and ends this process when the supervisor's ends."""
        self.report(READY)
        asyncio.get_running_loop().add_reader(self.orders, leave)

    async def stay_alive(self) -> None:
        """Tells again and again that the event loop still turns, three times in the time that it may take."""
        while True:
            self.report(ALIVE)
            await asyncio.sleep(self.settings.worker_timeout_s / 3)

    def fail(self, text: str) -> None:
        """Tells why this worker is about to end."""
        self.report(FAILED + b" " + json.dumps(text[-MAX_FAILURE_CHARACTERS:]).encode())

    def report(self, line: bytes) -> None:
        try:
            os.write(self.reports, line + b"\n")
        except BrokenPipeError:
            leave()


WorkerMain: TypeAlias = Callable[[WorkerContext], Awaitable[None] | None]
"""What a worker does from its first to its last moment: load, `gaal.transport.server.serve`, close."""


def leave() -> None:
    """Ends this process now: the supervisor is gone, and nobody would tell it to stop any more."""
    os._exit(1)


def run_worker(worker: WorkerMain | str, context: WorkerContext) -> int:
    """Runs a worker and gives its exit status: 2 for a document or setting that is wrong, 1 for other failures."""
    try:
        outcome = find_main(worker)(context)
        if inspect.isawaitable(outcome):
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(_awaited(outcome))
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except GaalError as error:
        context.fail(str(error))
        return 2 if isinstance(error, (GraphError, SettingsError)) else 1
    except BaseException:
        context.fail(traceback.format_exc().rstrip())
        return 1
    return 0


def find_main(worker: WorkerMain | str) -> WorkerMain:
    """`module:function` as the function. The supervisor names it by text, so that it need not import it."""
    if not isinstance(worker, str):
        return worker
    module, _, function = worker.partition(":")
    found: WorkerMain = getattr(importlib.import_module(module), function)
    return found


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed, else the standard one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _awaited(outcome: Awaitable[None]) -> None:
    await outcome
