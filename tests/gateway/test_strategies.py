"""What answers a client's predictions follows the store, between two requests and never within one."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any

import pytest
from seldon_servers import rpc, served, until, variations

from gaal.components.classifier_unit import ClassifierUnit
from gaal.errors import ComponentLoadError, NotFound, StrategyMissing, Unavailable
from gaal.executor.context import Context
from gaal.executor.deployment import RunningDeployment
from gaal.executor.events import Silence
from gaal.gateway.predict_algs import RestServer, RpcServer, ServedDeployment
from gaal.gateway.strategies import RunningVariation, Strategies, first_answer
from gaal.graph.deployment import single
from gaal.messages import Message
from gaal.storage.changes import ChangeFeed
from gaal.storage.records import Client
from gaal.storage.store import Store

UNUSABLE_PORT = 666


class Unit(ClassifierUnit):
    """A microservice that can tell whether it was closed."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.is_open = False

    async def start(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    async def predict(self, message: Message, context: Context, /) -> Message:
        return message

    async def reachable(self) -> None:
        """It is in this process."""


class Units:
    """Makes deployments over units of their own, and finds one called `served`."""

    def __init__(self) -> None:
        self.made: list[tuple[str, int, Unit]] = []
        self.served = self._deployment("served", Unit("served"))

    def make(self, client: str, server: RpcServer | RestServer) -> RunningDeployment:
        assert isinstance(server, RpcServer)
        if server.port == UNUSABLE_PORT:
            raise ComponentLoadError(server.name, "no such thing")
        unit = Unit(server.name)
        self.made.append((client, server.port, unit))
        return self._deployment(server.name, unit)

    def find(self, client: str, which: ServedDeployment) -> RunningDeployment:
        if which.name != "served":
            raise NotFound(f"there is no deployment {which.name}")
        return self.served

    def open(self) -> list[tuple[str, int]]:
        return [(client, port) for client, port, unit in self.made if unit.is_open]

    def _deployment(self, name: str, unit: Any) -> RunningDeployment:
        return RunningDeployment(single(name, ""), lambda *_: unit, Silence(), Random(1))


@pytest.fixture
def units() -> Units:
    return Units()


@pytest.fixture
async def strategies(store: Store, units: Units) -> AsyncIterator[Strategies]:
    for name in ("a", "b"):
        store.clients.add(Client(name))
    feed = ChangeFeed(store)
    await feed.start()
    found = Strategies(units.make, units.find, Random(3))
    await found.attach(store, feed)
    yield found
    await found.close()
    await feed.close()
    assert units.open() == []


Put = Callable[[str, Any], Awaitable[None]]


@pytest.fixture
def put(store: Store, strategies: Strategies) -> Put:
    async def put(client: str, document: Any) -> None:
        store.strategies.set(client, json.dumps(document))
        await strategies.refresh()

    return put


def labels(strategies: Strategies, client: str = "a") -> set[str]:
    strategy = strategies.of(client)
    assert strategy is not None
    return {strategy.choose().label for _ in range(50)}


async def test_without_a_strategy_there_is_none(strategies: Strategies) -> None:
    assert strategies.of("a") is None


async def test_a_change_in_the_store_is_noticed(strategies: Strategies, store: Store) -> None:
    store.strategies.set("a", json.dumps(variations(x=rpc(1), y=served("served"))))

    async def is_there() -> bool:
        return strategies.of("a") is not None

    await until(is_there)
    assert labels(strategies) == {"x", "y"}


async def test_a_draft_is_not_in_force_until_it_is_committed(strategies: Strategies, store: Store) -> None:
    store.strategies.set_draft("a", json.dumps(variations(x=rpc(1))))
    await strategies.refresh()
    assert strategies.of("a") is None
    store.strategies.commit("a")
    await strategies.refresh()
    assert labels(strategies) == {"x"}


async def test_clients_that_have_none_get_the_default_one(strategies: Strategies, put: Put) -> None:
    await put("", {"algorithms": [rpc(1)]})
    await put("b", variations(own=rpc(2)))
    assert labels(strategies, "a") == {"default"}
    assert labels(strategies, "b") == {"own"}


async def test_a_change_leaves_other_clients_alone_and_closes_what_it_replaces(
    strategies: Strategies, put: Put, units: Units
) -> None:
    await put("a", variations(x=rpc(1)))
    await put("b", variations(x=rpc(2)))
    kept = strategies.of("b")
    await put("a", variations(y=rpc(3)))
    assert strategies.of("b") is kept
    assert labels(strategies) == {"y"}

    async def is_closed() -> bool:
        return units.open() == [("b", 2), ("a", 3)]

    await until(is_closed)


async def test_what_is_replaced_is_closed_when_the_last_call_to_it_has_ended(
    strategies: Strategies, put: Put, units: Units
) -> None:
    await put("a", variations(x=rpc(1)))
    old = strategies.of("a")
    assert old is not None
    with old:
        with old:
            await put("a", variations(x=rpc(2)))
        for _ in range(3):
            await asyncio.sleep(0)
        assert ("a", 1) in units.open()

    async def is_closed() -> bool:
        return units.open() == [("a", 2)]

    await until(is_closed)


async def test_a_strategy_that_is_removed_is_closed(
    strategies: Strategies, put: Put, units: Units, store: Store
) -> None:
    await put("a", variations(x=rpc(1)))
    store.strategies.remove("a")
    await strategies.refresh()
    assert strategies.of("a") is None

    async def is_closed() -> bool:
        return units.open() == []

    await until(is_closed)


@pytest.mark.parametrize(
    ("unusable", "why"),
    [
        ({"variations": []}, "variations: must be a list that is not empty"),
        (variations(x=rpc(1), y=served("nothing")), "there is no deployment nothing"),
        (variations(x=rpc(1), y=rpc(UNUSABLE_PORT)), "no such thing"),
    ],
)
async def test_what_cannot_be_built_changes_nothing_and_is_logged(
    strategies: Strategies, put: Put, units: Units, unusable: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    await put("a", variations(good=rpc(7)))
    with caplog.at_level(logging.ERROR):
        await put("a", unusable)
        await strategies.refresh()
    assert labels(strategies) == {"good"}
    assert units.open() == [("a", 7)]
    [record] = caplog.records
    assert "client a" in record.getMessage()
    assert why in record.getMessage()
    assert "the one before stays in force" in record.getMessage()

    await put("a", variations(better=rpc(8)))
    assert labels(strategies) == {"better"}


async def test_a_client_whose_only_strategy_cannot_be_built_has_none_and_not_another(
    strategies: Strategies, put: Put
) -> None:
    await put("", {"algorithms": [rpc(1)]})
    await put("a", {"algorithms": []})
    with pytest.raises(StrategyMissing, match="client a"):
        strategies.of("a")


async def test_variations_share_by_weight_and_keys_stick(strategies: Strategies, put: Put) -> None:
    await put("a", variations(x=rpc(1), y=rpc(2)))
    strategy = strategies.of("a")
    assert strategy is not None
    counts = Counter(strategy.choose().label for _ in range(1000))
    assert abs(counts["x"] - 500) < 100
    for key in ("ann", "bob", "é"):
        assert len({strategy.choose(key).label for _ in range(5)}) == 1


def cascade(*outcomes: Any) -> Any:
    """What comes of a cascade whose algorithms say or raise these, "" for no predictions; and who was asked."""
    asked: list[int] = []
    algorithms: Any = list(range(len(outcomes)))

    async def ask(algorithm: Any) -> str:
        asked.append(algorithm)
        outcome = outcomes[algorithm]
        if isinstance(outcome, Exception):
            raise outcome
        return str(outcome)

    return first_answer(RunningVariation("x", algorithms), ask, bool), asked


@pytest.mark.parametrize(
    ("outcomes", "said", "n_asked"),
    [
        (("a", "b"), "a", 1),
        (("", "b"), "b", 2),
        ((Unavailable("gone"), "b", "c"), "b", 2),
        ((Unavailable("gone"), ""), "", 2),
        (("", ""), "", 2),
    ],
)
async def test_the_first_of_the_algorithms_with_predictions_answers(outcomes: Any, said: str, n_asked: int) -> None:
    answer, asked = cascade(*outcomes)
    assert await answer == said
    assert len(asked) == n_asked


async def test_where_all_fail_the_last_error_counts() -> None:
    answer, _ = cascade(Unavailable("first"), Unavailable("last"))
    with pytest.raises(Unavailable, match="last"):
        await answer
