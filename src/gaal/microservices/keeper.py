"""Runs the microservices that the store wants, on this machine, and tells the store how they do.

There is one keeper a machine: each worker of the server has one, and that works which has the lock of the data
directory. Its processes end with it, and then another takes over and starts them anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from gaal.errors import GaalError
from gaal.microservices import lock
from gaal.microservices.board import Board
from gaal.microservices.commands import Commands, environment_of, is_class
from gaal.microservices.log_files import log_of
from gaal.microservices.process import Process
from gaal.microservices.replica import Patience
from gaal.microservices.service import Service, Version
from gaal.storage.changes import ChangeFeed
from gaal.storage.records import Microservice, Registration
from gaal.storage.store import Store

logger = logging.getLogger("gaal.microservices")

RETRY_S = 1.0
TOPICS = ("microservices", "images", "registrations")


class Keeper:
    """Subscribes to the change feed when it is made; `start` it then. `inherited` are the variables for processes."""

    def __init__(
        self,
        store: Store,
        changes: ChangeFeed,
        data_dir: Path,
        app_dir: Path,
        *,
        inherited: Mapping[str, str] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._store = store
        self._data_dir = data_dir
        self._app_dir = app_dir
        self._inherited = dict(os.environ if inherited is None else inherited)
        self._patience = patience or Patience()
        self._board = Board(store, store.machine)
        self._services: dict[tuple[str, str], Service] = {}
        self._commands = self._commands_with({})
        self._ending: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._lock = -1
        changes.subscribe(TOPICS, self._look_again)

    @property
    def is_at_work(self) -> bool:
        """Whether this is the one of its machine."""
        return self._lock >= 0

    async def start(self) -> None:
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """End all processes, and let another take over."""
        if self._keeping is None:
            return
        self._keeping.cancel()
        await asyncio.wait((self._keeping,))
        await asyncio.gather(*(each.close() for each in self._services.values()), *self._ending)
        if self.is_at_work:
            await self._board.close()
            os.close(self._lock)
            self._lock = -1

    async def _look_again(self) -> None:
        self._changed.set()

    async def _keep(self) -> None:
        self._lock = await lock.take(self._data_dir)
        await self._board.start()
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._follow()
            except Exception as error:
                logger.error(
                    "the microservices go on as they are: %s", error, exc_info=not isinstance(error, GaalError)
                )
                await asyncio.sleep(RETRY_S)
                self._changed.set()

    async def _follow(self) -> None:
        """Run what the store wants now, and nothing else."""
        rows = await self._store.read(self._store.microservices.all)
        images = await self._store.read(self._store.images.all)
        registrations = await self._store.read(self._store.registrations.all)
        self._commands = self._commands_with({image.name: image.target for image in images})
        own = {each.client: each for each in registrations}
        wanted = {(row.client, row.name): self._version(row, own.get(row.client)) for row in rows}
        for key in [key for key in self._services if key not in wanted]:
            ending = asyncio.create_task(self._services.pop(key).close())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        for key, version in wanted.items():
            if key in self._services:
                self._services[key].become(version)
            else:
                self._services[key] = Service(version, self._start, self._show, self._patience)
        self._show()

    def _version(self, row: Microservice, own: Registration | None) -> Version:
        target = self._commands.target_of(row)
        return Version(row, target, own if is_class(target) else None)

    def _commands_with(self, images: Mapping[str, str]) -> Commands:
        return Commands(images, self._app_dir, self._data_dir / "types")

    async def _start(self, version: Version, number: int, port: int) -> Process:
        row = version.microservice
        command = await asyncio.to_thread(self._commands.command_of, row, port, version.own)
        environment = environment_of(port, self._inherited)
        log = log_of(self._data_dir, row.client, row.name, number)
        return await Process.start(command, environment, log, self._lock, self._patience.stop_s)

    def _show(self) -> None:
        rows = [row for each in self._services.values() for row in each.processes(self._store.machine)]
        self._board.show({(row.client, row.name, row.replica): row for row in rows})
