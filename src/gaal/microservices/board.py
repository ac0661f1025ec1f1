"""Tells the store how the processes of this machine do. A store that cannot be written is told as soon as it can."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from gaal.errors import GaalError
from gaal.storage.records import MicroserviceProcess
from gaal.storage.store import Store

logger = logging.getLogger("gaal.microservices")

RETRY_S = 1.0
Key: TypeAlias = tuple[str, str, int]
"""Client, name and number of the replica."""


class Board:
    """Shows what it is given last, in the order of the changes; of quick ones, only the last."""

    def __init__(self, store: Store, machine: str) -> None:
        self._store = store
        self._machine = machine
        self._wanted: dict[Key, MicroserviceProcess] = {}
        self._shown: dict[Key, MicroserviceProcess] = {}
        self._changed = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins with nothing shown: what a keeper before this one has shown has ended with it."""
        self._writing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Nothing is shown any more."""
        if self._writing is None:
            return
        self._writing.cancel()
        await asyncio.wait((self._writing,))
        try:
            await self._store.write(self._store.microservices.remove_processes, self._machine)
        except GaalError as error:
            logger.warning("the processes of microservices stay in the store: %s", error)

    def show(self, processes: Mapping[Key, MicroserviceProcess]) -> None:
        """These and no others."""
        self._wanted = dict(processes)
        self._changed.set()

    async def _write(self) -> None:
        await self._persistently(self._forget_all)
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._persistently(self._catch_up)

    async def _forget_all(self) -> None:
        await self._store.write(self._store.microservices.remove_processes, self._machine)

    async def _catch_up(self) -> None:
        for key in [key for key in self._shown if key not in self._wanted]:
            await self._store.write(self._store.microservices.remove_process, self._machine, *key)
            del self._shown[key]
        for key, process in list(self._wanted.items()):
            if self._shown.get(key) != process:
                await self._store.write(self._store.microservices.put_process, process)
                self._shown[key] = process

    async def _persistently(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await step()
            except GaalError as error:
                logger.warning("how microservices do is not in the store yet: %s", error)
                await asyncio.sleep(RETRY_S)
