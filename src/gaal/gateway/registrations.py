"""The protobufs that clients registered, as the store has them now."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from gaal.errors import GaalError
from gaal.protocols.own_types import NO_TYPES, OwnTypes

if TYPE_CHECKING:
    from gaal.storage.changes import ChangeFeed
    from gaal.storage.records import Registration
    from gaal.storage.store import Store

logger = logging.getLogger("gaal.gateway")


class RegisteredTypes:
    """The types of each client. All calls belong to the event loop; types are built on a thread of the store's."""

    def __init__(self) -> None:
        self.store: Store | None = None
        self._known: dict[str, tuple[Registration, OwnTypes]] = {}
        # Of two readings at once, the one that began first might be done last, and be out of date.
        self._reading = asyncio.Lock()

    async def attach(self, store: Store, feed: ChangeFeed) -> None:
        """From now on the store says what is registered. `feed` is started. Raises StoreError if none can be read."""
        self.store = store
        feed.subscribe(["registrations", "clients"], self.refresh)
        await self.refresh()

    def of(self, client: str) -> OwnTypes:
        """What the client registered; the default type alone for one that registered nothing, or is unknown."""
        found = self._known.get(client)
        return NO_TYPES if found is None else found[1]

    async def refresh(self) -> None:
        """Reads anew what is registered. What cannot be used is logged, and what was there before stays in force.

        Raises StoreError.
        """
        if self.store is not None:
            async with self._reading:
                self._known = await self.store.read(_built, self.store, self._known)


Known = dict[str, "tuple[Registration, OwnTypes]"]


def _built(store: Store, known: Known) -> Known:
    """What the store has, built where it is not known yet."""
    found: Known = {}
    for registration in store.registrations.all():
        client = registration.client
        before = known.get(client)
        if before is not None and before[0] == registration:
            found[client] = before
            continue
        try:
            types = OwnTypes(registration.files, registration.request_class, registration.reply_class)
            found[client] = registration, types
        except GaalError as error:
            logger.error('client "%s": its protobufs cannot be used: %s', client, error)
            if before is not None:
                found[client] = before
    return found
