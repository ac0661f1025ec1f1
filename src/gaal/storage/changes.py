"""Tells a running process what others have written, a moment after they did.

Every writing method raises the version of its topic in its own transaction. A thread looks at the versions every
100 ms, cheaply: SQLite says in a few µs whether anybody has committed at all.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from gaal.backoff import Backoff
from gaal.errors import StoreError
from gaal.storage.database import Opened, close
from gaal.storage.store import Store

logger = logging.getLogger("gaal.storage")

_VERSIONS = text("SELECT topic, version FROM topics")

Callback = Callable[[], Awaitable[None]]


@dataclass(slots=True, eq=False)
class _Subscription:
    """A callback that is called once for all changes since it was last called, and never twice at a time."""

    topics: frozenset[str]
    callback: Callback
    due: asyncio.Event = field(default_factory=asyncio.Event)
    backoff: Backoff = field(default_factory=Backoff)

    async def serve(self) -> None:
        while True:
            await self.due.wait()
            self.due.clear()
            try:
                await self.callback()
                self.backoff = Backoff()
            except Exception:
                logger.exception("what should follow a change of %s failed; once more soon", ", ".join(self.topics))
                await asyncio.sleep(self.backoff.ended(0.0))
                self.due.set()


class ChangeFeed:
    """Calls back on the event loop when something of a topic has changed, within 250 ms.

    After a database was gone and is back, or was replaced, every callback is called. One that raises is logged and
    called again, at growing distances, until it succeeds: what it did not take in would be missed for ever.
    """

    def __init__(self, store: Store, interval_s: float = 0.1) -> None:
        self._store = store
        self._interval_s = interval_s
        self._subscriptions: list[_Subscription] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._watch: _Watch | None = None

    def subscribe(self, topics: Iterable[str], callback: Callback) -> None:
        """`callback` is called when one of the topics has changed since `start`. Subscribe before or after it."""
        subscription = _Subscription(frozenset(topics), callback)
        self._subscriptions.append(subscription)
        if self._watch is not None:
            self._tasks.append(asyncio.create_task(subscription.serve()))

    async def start(self) -> None:
        """From when this returns on, no change is missed: read what is there afterwards."""
        loop = asyncio.get_running_loop()

        def tell(changed: frozenset[str] | None) -> None:
            loop.call_soon_threadsafe(self._tell, changed)

        self._watch = _Watch(self._store, self._interval_s, tell)
        self._tasks = [asyncio.create_task(each.serve()) for each in self._subscriptions]
        await asyncio.to_thread(self._watch.start)

    async def close(self) -> None:
        """Stops watching, and cancels callbacks under way."""
        if self._watch is not None:
            await asyncio.to_thread(self._watch.close)
            self._watch = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def _tell(self, changed: frozenset[str] | None) -> None:
        for each in self._subscriptions:
            if changed is None or each.topics & changed:
                each.due.set()


class _Watch:
    """The thread that looks. It tells the topics that have changed; None is everything."""

    def __init__(self, store: Store, interval_s: float, tell: Callable[[frozenset[str] | None], None]) -> None:
        self._database = store.database
        self._interval_s = interval_s
        self._tell = tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gaal-store-changes", daemon=True)
        self._found: tuple[Opened, Connection] | None = None
        self._mark: object = None
        self._versions: Mapping[str, int] | None = None
        self._lost = False

    def start(self) -> None:
        self._look()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._disconnect()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self._look()
            except Exception:
                logger.exception("looking for changes of the store failed")

    def _look(self) -> None:
        """Tells what has changed since the last look."""
        try:
            connection = self._connected()
            mark = self._database.backend.change_mark(connection)
            if mark is not None and mark == self._mark:
                return
            versions = {row.topic: row.version for row in connection.execute(_VERSIONS)}
        except Exception as error:
            self._lose(error)
            return
        before, self._mark, self._versions = self._versions, mark, versions
        if self._lost:
            logger.info("store %s: it is back", self._database.backend.place)
            self._lost = False
            self._tell(None)
        elif before is not None and before != versions:
            self._tell(frozenset(topic for topic, version in versions.items() if before.get(topic) != version))

    def _connected(self) -> Connection:
        """A connection of the feed's own: SQLite counts the commits of others by connection."""
        opened = self._database.opened()
        if self._found is not None and self._found[0] is opened:
            return self._found[1]
        # Another database than before, though nobody saw it gone: everything may be different.
        self._lost = self._lost or self._found is not None
        self._disconnect()
        self._found = (opened, opened.engine.connect())
        return self._found[1]

    def _lose(self, error: Exception) -> None:
        if not self._lost:
            told = self._database.domain_error(error)
            logger.warning("%s; what is known of it stays in force", told, exc_info=not isinstance(told, StoreError))
        self._lost = True
        self._mark = self._versions = None
        if self._found is not None:
            self._database.note(self._found[0], error)
        self._disconnect()

    def _disconnect(self) -> None:
        if self._found is not None:
            connection = self._found[1]
            self._found = None
            close(connection)
