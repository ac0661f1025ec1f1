"""What answers each client's predictions, kept as the store says: variations, chosen by weight, of algorithms.

A change is built beside what is in force, put in its place between two requests, and what it replaces is closed when
the last call to it has ended. What cannot be built changes nothing. Clients whose strategy stays are left alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from gaal.errors import GaalError, StrategyMissing
from gaal.executor.deployment import RunningDeployment
from gaal.gateway import predict_algs
from gaal.gateway.predict_algs import Algorithm, PredictAlgs, RestServer, RpcServer, ServedDeployment

if TYPE_CHECKING:
    from gaal.storage.changes import ChangeFeed
    from gaal.storage.records import Strategy
    from gaal.storage.store import Store

logger = logging.getLogger("gaal.gateway")

DEFAULT_CLIENT = ""
"""Whose strategy is that of all clients that have none of their own."""

MakeDeployment: TypeAlias = Callable[[str, RpcServer | RestServer], RunningDeployment]
"""A deployment of one unit, the microservice of a client; not yet started. Raises ComponentLoadError."""

FindDeployment: TypeAlias = Callable[[str, ServedDeployment], RunningDeployment]
"""The deployment of this server that a client means. Raises NotFound, also if it is not there for this client."""

R = TypeVar("R")


Target: TypeAlias = Callable[[], RunningDeployment]
"""What an algorithm asks just now: a deployment of this server may be another one, or gone, at any time.

Raises NotFound.
"""


@dataclass(frozen=True, slots=True)
class RunningVariation:
    """A variation at work: what to ask, one after the other."""

    label: str
    algorithms: Sequence[Target]


class RunningStrategy:
    """A client's variations at work. `with strategy:` around a call keeps it from being closed under it."""

    def __init__(
        self, algs: PredictAlgs, running: Sequence[RunningVariation], own: Sequence[RunningDeployment], random: Random
    ) -> None:
        """`own` are those of the deployments that end with this strategy."""
        self._algs = algs
        self._bounds = algs.bounds
        self._running = running
        self._own = own
        self._random = random.random
        self._n_calls = 0
        self._idle = asyncio.Event()

    def choose(self, key: str = "") -> RunningVariation:
        """A variation by its share of the requests: always the same for the same key, by chance without one."""
        if len(self._running) == 1:
            return self._running[0]
        if key:
            return self._running[predict_algs.of_key(self._algs.variations, key)]
        return self._running[predict_algs.at(self._bounds, self._random())]

    def __enter__(self) -> None:
        self._n_calls += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._n_calls -= 1
        if not self._n_calls:
            self._idle.set()

    async def close(self) -> None:
        """Ends what is its own, as soon as no call is under way."""
        while self._n_calls:
            self._idle.clear()
            await self._idle.wait()
        await _close_all(self._own)


async def first_answer(
    variation: RunningVariation,
    ask: Callable[[Target], Awaitable[R]],
    is_answer: Callable[[R], bool],
) -> R:
    """The cascade: what the first of the algorithms says that has an answer, else what the last one says or raises."""
    *others, last = variation.algorithms
    for algorithm in others:
        with suppress(GaalError):
            said = await ask(algorithm)
            if is_answer(said):
                return said
    return await ask(last)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What stands for a client: the text that was read last, and the strategy in force, None where there is none."""

    text: str
    running: RunningStrategy | None


class Strategies:
    """The strategies of all clients. All calls belong to the event loop."""

    def __init__(self, make: MakeDeployment, find: FindDeployment, random: Random) -> None:
        self._make = make
        self._find = find
        self._random = random
        self._kept: dict[str, _Kept] = {}
        self._refreshing = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._store: Store | None = None

    async def attach(self, store: Store, feed: ChangeFeed) -> None:
        """From now on the store says what is in force; the feed is started. Raises StoreError if none can be read."""
        self._store = store
        feed.subscribe(["strategies", "clients"], self.refresh)
        await self.refresh()

    def of(self, client: str) -> RunningStrategy | None:
        """The client's own strategy, else the default one; None if there is neither.

        Raises StrategyMissing where there is one that could not be built.
        """
        kept = self._kept.get(client) or self._kept.get(DEFAULT_CLIENT)
        if kept is None:
            return None
        if kept.running is None:
            raise StrategyMissing(f"predict_algs: the strategy of client {client} cannot be used, see the server's log")
        return kept.running

    async def refresh(self) -> None:
        """Reads all strategies anew and puts those that changed in force. Raises StoreError."""
        if self._store is None:
            return
        async with self._refreshing:
            rows = await self._store.read(self._store.strategies.all)
            wanted: dict[str, Strategy] = {row.client: row for row in rows if row.committed}
            for client in self._kept.keys() - wanted.keys():
                self._retire(self._kept.pop(client).running)
            for client, row in wanted.items():
                await self._put_in_force(client, row.committed)

    async def close(self) -> None:
        """Ends everything, calls under way first."""
        async with self._refreshing:
            for client in list(self._kept):
                self._retire(self._kept.pop(client).running)
        await asyncio.gather(*self._closing)

    async def _put_in_force(self, client: str, text: str) -> None:
        kept = self._kept.get(client)
        if kept is not None and kept.text == text:
            return
        try:
            running = await self._built(client, text)
        except Exception as error:
            # Also a defect, which must not keep other clients' strategies from coming into force.
            stays = "there is none" if kept is None or kept.running is None else "the one before stays in force"
            defect = None if isinstance(error, GaalError) else error
            logger.error("predict_algs of %s cannot be used, %s: %s", _named(client), stays, error, exc_info=defect)
            self._kept[client] = _Kept(text, None if kept is None else kept.running)
            return
        self._kept[client] = _Kept(text, running)
        if kept is not None:
            self._retire(kept.running)

    async def _built(self, client: str, text: str) -> RunningStrategy:
        """Raises StrategyError, NotFound and ComponentLoadError; then nothing stays open."""
        algs = predict_algs.read(text, f"predict_algs of {_named(client)}")
        own: list[RunningDeployment] = []
        try:
            running = [
                RunningVariation(each.label, [await self._target(client, one, own) for one in each.algorithms])
                for each in algs.variations
            ]
        except BaseException:
            await _close_all(own)
            raise
        return RunningStrategy(algs, running, own, self._random)

    async def _target(self, client: str, algorithm: Algorithm, own: list[RunningDeployment]) -> Target:
        if isinstance(algorithm, ServedDeployment):
            self._find(client, algorithm)  # it must be there now
            return partial(self._find, client, algorithm)
        made = self._make(client, algorithm)
        await made.start()
        own.append(made)
        return lambda: made

    def _retire(self, running: RunningStrategy | None) -> None:
        if running is not None:
            task = asyncio.get_running_loop().create_task(running.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _named(client: str) -> str:
    return f"client {client}" if client else "all other clients"


async def _close_all(running: Sequence[RunningDeployment]) -> None:
    for each in running:
        try:
            await each.close()
        except Exception:
            logger.exception("a microservice could not be let go of")
