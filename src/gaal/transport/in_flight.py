"""The requests under way, and what may end them early: a deadline, or a client that hung up.

ASGI tells of a hang-up only to those who ask, and to ask for every request costs a task each. So nobody asks for
requests that are answered at once: every 50 ms those that have been here for a whole interval get a watcher.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from gaal.errors import DeadlineExceeded
from gaal.executor.context import Context
from gaal.transport.connections import Connections, Peer
from gaal.transport.types import Receive, Scope, Send

INTERVAL_S = 0.05

HUNG_UP = 499
"""The status, beside the standard ones, that servers note for a client that did not wait for the reply."""

T = TypeVar("T")


class InFlight:
    """Register a request with `enter`, take it out with `leave`; in between its task may be cancelled.

    `show` is told every 50 ms how many there are, as long as there are any.
    """

    def __init__(self, show: Callable[[float], None]) -> None:
        self._show = show
        self._requests: dict[asyncio.Task[Any], tuple[Receive, Peer | None]] = {}
        self._older: set[asyncio.Task[Any]] = set()
        self._watchers: dict[asyncio.Task[Any], asyncio.Task[None]] = {}
        self._connections = Connections()
        self._keys: dict[asyncio.Task[Any], int] = {}
        self._hung_up: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._requests)

    def enter(self, receive: Receive, peer: Peer | None = None) -> asyncio.Task[Any]:
        """Begin to watch the running task, whose request has been read to its end.

        `peer` is the client's address if it came by HTTP/1.1, where the connection has no other request.
        """
        task = asyncio.current_task()
        assert task is not None
        self._requests[task] = receive, peer
        if self._timer is None:
            self._timer = task.get_loop().call_later(INTERVAL_S, self._look)
        return task

    def leave(self, task: asyncio.Task[Any]) -> bool:
        """Stop watching. True if the client hung up, so that there is nobody to answer."""
        del self._requests[task]
        if task not in self._older:
            return False
        self._older.discard(task)
        watcher = self._watchers.pop(task, None)
        if watcher is not None:
            watcher.cancel()
        key = self._keys.pop(task, None)
        if key is not None:
            self._connections.forget(key)
        hung_up = task in self._hung_up
        self._hung_up.discard(task)
        return hung_up

    def _look(self) -> None:
        self._show(len(self._requests))
        for task, (receive, peer) in self._requests.items():
            if task in self._older and task not in self._watchers:
                self._watchers[task] = task.get_loop().create_task(self._watch(task, receive))
                key = None if peer is None else self._connections.watch(peer)
                if key is not None:
                    self._keys[task] = key
        if self._keys:
            closed = set(self._connections.closed())
            for task in [task for task, key in self._keys.items() if key in closed]:
                self._hang_up(task)
        self._older.update(self._requests)
        self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._look) if self._requests else None

    async def _watch(self, task: asyncio.Task[Any], receive: Receive) -> None:
        event = await receive()
        while event["type"] != "http.disconnect":
            event = await receive()
        self._hang_up(task)

    def _hang_up(self, task: asyncio.Task[Any]) -> None:
        if task not in self._hung_up:
            self._hung_up.add(task)
            task.cancel()


def http1_peer(scope: Scope) -> Peer | None:
    """The client's address, if its connection has no other request than this one. Not so by HTTP/2."""
    client: Peer | None = None if scope["http_version"] == "2" else scope.get("client")
    return client


async def dismiss(send: Send) -> None:
    """The end of a request that nobody waits for any more. A server that does not know it expects some reply."""
    with suppress(OSError):
        await send({"type": "http.response.start", "status": HUNG_UP, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def within(timeout_s: float, work: Coroutine[Any, Any, T], context: Context) -> T:
    """The result of `work`, or DeadlineExceeded with the units that were still at it."""
    try:
        async with asyncio.timeout(timeout_s):
            return await work
    except TimeoutError:
        units = ", ".join(f'"{unit}"' for unit in context.interrupted)
        at = f"unit {units}: " if units else ""
        raise DeadlineExceeded(f"{at}no reply within {timeout_s:g} s") from None


@asynccontextmanager
async def deadline(timeout_s: float | None) -> AsyncIterator[None]:
    """Ends what is inside after `timeout_s`, with DeadlineExceeded; None is no limit."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise DeadlineExceeded(f"the call did not end within {timeout_s:g} s") from None
