"""The change feed: who has subscribed to a topic hears of a change within 250 ms, from whichever process."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from databases import PostgresqlForTests

from gaal.storage.changes import ChangeFeed
from gaal.storage.records import Client, Image, Token
from gaal.storage.store import Location, Store, open_store
from storage import children
from storage.conftest import KEY, add_client

PATIENCE_S = 20
NOTICED_WITHIN_S = 0.25


class Heard:
    """Counts calls, and can be waited for. `at` is when the last one came, by the wall clock."""

    def __init__(self) -> None:
        self.n_calls = 0
        self.at = 0.0
        self._called = asyncio.Event()

    async def __call__(self) -> None:
        self.n_calls += 1
        self.at = time.time()
        self._called.set()

    async def wait(self) -> None:
        await asyncio.wait_for(self._called.wait(), PATIENCE_S)
        self._called.clear()


@asynccontextmanager
async def feed(store: Store, **topics: Heard) -> AsyncIterator[ChangeFeed]:
    changes = ChangeFeed(store)
    for topic, heard in topics.items():
        changes.subscribe([topic], heard)
    await changes.start()
    try:
        yield changes
    finally:
        await changes.close()


async def rounds(n: int = 4) -> None:
    """Long enough for the feed to look several times, so that silence means something."""
    await asyncio.sleep(n * 0.1)


WRITE_WHEN_TOLD = """
with open_store(location) as store:
    print("ready", flush=True)
    for line in sys.stdin:
        store.clients.add(Client(line.strip()))
        print(repr(time.time()), flush=True)
"""


async def test_another_process_is_noticed_within_250_ms(store: Store) -> None:
    clients, images = Heard(), Heard()
    other = await children.start(WRITE_WHEN_TOLD, store.location)
    assert other.stdin is not None
    assert await children.line(other) == "ready"
    delays = []
    async with feed(store, clients=clients, images=images):
        for n in range(6):
            await asyncio.sleep(0.017 * n)  # At different times between two looks.
            other.stdin.write(f"c{n}\n".encode())
            committed = float(await children.line(other))
            await clients.wait()
            delays.append(clients.at - committed)
    await children.output(other)
    assert images.n_calls == 0
    assert clients.n_calls == 6
    assert max(delays) < NOTICED_WITHIN_S, delays


async def test_a_change_of_ones_own_is_noticed_too(store: Store) -> None:
    clients = Heard()
    async with feed(store, clients=clients):
        await store.write(store.clients.add, Client("test"))
        await clients.wait()


async def test_an_added_token_is_no_news_and_a_revoked_one_is(store: Store) -> None:
    add_client(store)
    tokens, clients = Heard(), Heard()
    async with feed(store, tokens=tokens, clients=clients):
        await store.write(store.tokens.add, Token(b"t", KEY.key, "test", "all", 1.0, 2.0))
        await rounds()
        assert tokens.n_calls == 0
        await store.write(store.tokens.revoke, b"t")
        await tokens.wait()
    assert clients.n_calls == 0


async def test_one_who_subscribes_later_hears_of_later_changes(store: Store) -> None:
    images = Heard()
    async with feed(store) as changes:
        changes.subscribe(["images", "clients"], images)
        await store.write(store.images.put, Image("a", "b"))
        await images.wait()


async def test_many_changes_are_few_calls_and_never_two_at_a_time(sqlite_store: Store) -> None:
    under_way, n_calls, most = 0, 0, 0
    seen = asyncio.Event()

    async def slowly() -> None:
        nonlocal under_way, n_calls, most
        under_way, n_calls = under_way + 1, n_calls + 1
        most = max(most, under_way)
        await asyncio.sleep(0.15)
        if len(await sqlite_store.read(sqlite_store.clients.all)) == 300:
            seen.set()
        under_way -= 1

    changes = ChangeFeed(sqlite_store)
    changes.subscribe(["clients"], slowly)
    await changes.start()
    for n in range(300):
        await sqlite_store.write(sqlite_store.clients.add, Client(f"c{n}"))
    await asyncio.wait_for(seen.wait(), PATIENCE_S)
    await changes.close()
    assert most == 1
    assert n_calls < 20


async def test_a_callback_that_raises_is_logged_and_called_again(
    sqlite_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    clients = Heard()
    n_failures = 0

    async def fails_twice() -> None:
        nonlocal n_failures
        if n_failures < 2:
            n_failures += 1
            raise ValueError("not yet")
        await clients()

    other = Heard()
    async with feed(sqlite_store, clients=other) as changes:
        changes.subscribe(["clients"], fails_twice)
        await sqlite_store.write(sqlite_store.clients.add, Client("test"))
        await clients.wait()
        await other.wait()
    assert [each.levelname for each in caplog.records if "clients" in each.message] == ["ERROR", "ERROR"]


async def test_a_database_that_keeps_the_feed_waiting_does_not_hold_up_the_event_loop(
    postgresql_location: Location,
) -> None:
    clients = Heard()
    with open_store(postgresql_location) as store, store.database.connected() as holder:
        async with feed(store, clients=clients):
            holder.exec_driver_sql("BEGIN; LOCK TABLE topics IN ACCESS EXCLUSIVE MODE")
            longest, until = 0.0, time.perf_counter() + 0.5
            while (before := time.perf_counter()) < until:
                await asyncio.sleep(0.001)
                longest = max(longest, time.perf_counter() - before)
            holder.exec_driver_sql("COMMIT")
            await store.write(store.clients.add, Client("test"))
            await clients.wait()
    assert longest < 0.25


async def test_everybody_is_called_when_a_file_is_gone_and_back(
    sqlite_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gaal.storage")
    clients, images = Heard(), Heard()
    file = sqlite_store.location.file
    assert file is not None
    aside = file.with_name("aside")
    async with feed(sqlite_store, clients=clients, images=images):
        file.rename(aside)
        await rounds()
        aside.rename(file)
        await clients.wait()
        await images.wait()
    told = [each.message for each in caplog.records]
    assert told == [
        f"store {file}: the file is gone (No such file or directory); what is known of it stays in force",
        f"store {file}: it is back",
    ]


async def test_everybody_is_called_when_postgresql_stops_and_starts_again(
    postgresql: PostgresqlForTests, postgresql_location: Location
) -> None:
    clients = Heard()
    with open_store(postgresql_location) as store:
        async with feed(store, clients=clients):
            await asyncio.to_thread(postgresql.stop)
            await rounds()
            await asyncio.to_thread(postgresql.start)
            await clients.wait()
            await store.write(store.clients.add, Client("test"))
            await clients.wait()
