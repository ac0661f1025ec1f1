"""Where the microservices of clients are just now, as the store says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gaal.storage.changes import ChangeFeed
    from gaal.storage.records import Microservice, MicroserviceProcess
    from gaal.storage.store import Store


class MicroserviceBook:
    """The addresses of the microservices that this machine runs. All calls belong to the event loop."""

    def __init__(self) -> None:
        self._store: Store | None = None
        self._addresses: dict[tuple[str, str], tuple[str, ...]] = {}

    async def attach(self, store: Store, feed: ChangeFeed) -> None:
        """From now on the store says where they are. The feed is started. Raises StoreError if nothing can be read."""
        self._store = store
        feed.subscribe(["microservices", "processes", "clients"], self.refresh)
        await self.refresh()

    def of(self, client: str, name: str) -> Sequence[str] | None:
        """The addresses `127.0.0.1:port` of the processes that are ready; None if the client has none of that name."""
        return self._addresses.get((client, name))

    async def refresh(self) -> None:
        """Raises StoreError."""
        if self._store is None:
            return
        known, processes = await self._store.read(_read, self._store)
        ready = sorted(
            ((each.client, each.name), f"127.0.0.1:{each.port}") for each in processes if each.state == "ready"
        )
        addresses = {key: tuple(at for _, at in found) for key, found in groupby(ready, key=lambda each: each[0])}
        self._addresses = {(each.client, each.name): addresses.get((each.client, each.name), ()) for each in known}


def _read(store: Store) -> tuple[list[Microservice], list[MicroserviceProcess]]:
    return store.microservices.all(), store.microservices.processes(store.machine)
