"""A microservice as the keeper runs it: the version in force, and one that is to take its place.

A new version starts beside the old one. When all its replicas are ready they are the ones that are shown, and after a
while, in which calls that have begun are answered, the old ones end. One that was never ready is replaced at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from gaal.microservices.process import Process
from gaal.microservices.replica import Patience, Replica
from gaal.storage.records import Microservice, MicroserviceProcess, Registration


@dataclass(frozen=True, slots=True)
class Version:
    """What is to run. Two that are equal need no change.

    `target` is the microservice's, or its image's. `own` are the client's protobufs, where it matters to the target.
    """

    microservice: Microservice
    target: str
    own: Registration | None = None


Start = Callable[[Version, int, int], Awaitable[Process]]
"""Starts a process of a version: its replica's number, and the port."""


class Generation:
    """All the replicas of one version, begun together."""

    def __init__(self, version: Version, start: Start, changed: Callable[[], None], patience: Patience) -> None:
        self.version = version
        self.was_ready = False
        row = version.microservice
        self._changed = changed
        self.replicas = [
            Replica(_name(version, number), row.api, _starter(version, number, start), self._told, patience)
            for number in range(row.n_replicas)
        ]

    @property
    def failure(self) -> str:
        return next((each.status.failure for each in self.replicas if each.status.failure), "")

    def processes(self, machine: str) -> Iterator[MicroserviceProcess]:
        row = self.version.microservice
        for number, each in enumerate(self.replicas):
            told = each.status
            yield MicroserviceProcess(
                *(machine, row.client, row.name, number, told.state),
                *(told.port, told.pid, told.n_restarts, told.since, told.failure),
            )

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in self.replicas))

    def _told(self) -> None:
        self.was_ready = self.was_ready or all(each.status.state == "ready" for each in self.replicas)
        self._changed()


def _name(version: Version, number: int) -> str:
    return f"microservice {version.microservice.client}/{version.microservice.name}.{number}"


def _starter(version: Version, number: int, start: Start) -> Callable[[int], Awaitable[Process]]:
    return lambda port: start(version, number, port)


class Service:
    """One microservice, from the moment it is wanted. `changed` is called when `processes` would tell something new."""

    def __init__(self, version: Version, start: Start, changed: Callable[[], None], patience: Patience) -> None:
        self._start = start
        self._changed = changed
        self._patience = patience
        self._incoming: Generation | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._current = self._generation(version)

    def become(self, version: Version) -> None:
        """Run this version from now on."""
        if version == (self._incoming or self._current).version:
            return
        if self._incoming is not None:
            self._end(self._incoming)
            self._incoming = None
        if version == self._current.version:
            return
        if self._current.was_ready:
            self._incoming = self._generation(version)
        else:
            self._end(self._current)
            self._current = self._generation(version)
        self._changed()

    def processes(self, machine: str) -> list[MicroserviceProcess]:
        """The processes of the version in force. Why its successor is not ready stands beside the first."""
        shown = list(self._current.processes(machine))
        if self._incoming is not None and self._incoming.failure:
            shown[0] = replace(shown[0], failure=f"its successor: {self._incoming.failure}")
        return shown

    async def close(self) -> None:
        """End all that runs, now."""
        for each in (self._current, self._incoming):
            if each is not None:
                self._end(each)
        self._closing.set()
        await asyncio.gather(*self._ending)

    def _generation(self, version: Version) -> Generation:
        return Generation(version, self._start, self._told, self._patience)

    def _told(self) -> None:
        if self._incoming is not None and self._incoming.was_ready:
            old, self._current, self._incoming = self._current, self._incoming, None
            self._end(old, self._patience.handover_s)
        self._changed()

    def _end(self, generation: Generation, after_s: float = 0.0) -> None:
        ending = asyncio.create_task(self._ended(generation, after_s))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _ended(self, generation: Generation, after_s: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), after_s)
        await generation.close()
