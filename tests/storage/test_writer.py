"""Writers who wait at the same time share a commit, and fail each for itself."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gaal.errors import Conflict, StoreError
from gaal.storage.records import Client, Token
from gaal.storage.store import Store
from storage.conftest import KEY, add_client


def token(number: int) -> Token:
    return Token(b"%d" % number, KEY.key, "test", "all", 1.0, 2.0)


def n_commits(store: Store) -> int:
    """How often a topic was raised, which is at most once in a commit."""
    found: int = store.database.read(
        lambda connection: connection.exec_driver_sql("SELECT version FROM topics WHERE topic = 'clients'").scalar_one()
    )
    return found


async def test_what_waits_at_the_same_time_is_committed_together(store: Store) -> None:
    add_client(store)
    before = n_commits(store)
    await asyncio.gather(*(store.write(store.clients.add, Client(f"c{n}")) for n in range(200)))
    assert len(store.clients.all()) == 201
    assert n_commits(store) - before < 20


async def test_one_that_fails_fails_alone(store: Store) -> None:
    add_client(store)
    names = [f"c{n}" if n % 10 else "test" for n in range(100)]
    outcomes = await asyncio.gather(
        *(store.write(store.clients.add, Client(name)) for name in names), return_exceptions=True
    )
    assert [isinstance(each, Conflict) for each in outcomes] == [name == "test" for name in names]
    assert {each.name for each in store.clients.all()} == set(names)


async def test_what_was_answered_can_be_read_by_others_at_once(store: Store) -> None:
    add_client(store)

    async def write_and_read(number: int) -> bool:
        await store.write(store.tokens.add, token(number))
        return await store.read(store.tokens.find, token(number).digest) == token(number)

    assert all(await asyncio.gather(*(write_and_read(n) for n in range(50))))


def test_threads_that_block_join_the_same_commits(store: Store) -> None:
    add_client(store)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: store.tokens.add(token(n)), range(80)))
    assert store.tokens.revoke_all("test") == 80


async def test_an_operation_may_answer_and_take_names(store: Store) -> None:
    add_client(store)
    await store.write(store.tokens.add, token=token(1))
    assert await store.write(store.tokens.revoke_all, client="test", key=None) == 1
    assert await store.read(store.clients.get, name="test") == Client("test", created_at=1.0)


async def test_one_who_stops_waiting_disturbs_nobody(store: Store) -> None:
    add_client(store)
    waiting = [asyncio.create_task(store.write(store.tokens.add, token(n))) for n in range(20)]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [each for each in outcomes[1::2] if each is not None] == []
    assert all(store.tokens.find(token(n).digest) for n in range(1, 20, 2))


async def test_the_event_loop_goes_on_while_the_disk_is_slow(sqlite_store: Store) -> None:
    go_on = threading.Event()
    slow = asyncio.create_task(sqlite_store.write(go_on.wait, 10))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not slow.done()
    go_on.set()
    assert await slow is True


async def test_what_waits_is_written_before_the_store_closes(store: Store) -> None:
    add_client(store)
    waiting = [asyncio.create_task(store.write(store.tokens.add, token(n))) for n in range(30)]
    await asyncio.sleep(0)
    await asyncio.to_thread(store.close)
    await asyncio.gather(*waiting)


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(StoreError, match="the store was closed"):
        store.clients.add(Client("test"))
    with pytest.raises(StoreError, match="it was closed"):
        store.clients.all()


def test_sqlite_brings_every_commit_to_disk(sqlite_store: Store) -> None:
    def pragmas() -> list[object]:
        connection = sqlite_store.database.writer.connection()
        assert connection is not None
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert sqlite_store.transact(pragmas) == ["wal", 2, 1, 200]


def test_a_store_is_private(sqlite_store: Store) -> None:
    folder = sqlite_store.location.data_dir
    sqlite_store.clients.add(Client("test"))
    assert os.stat(folder).st_mode & 0o777 == 0o700
    modes = {file.name: os.stat(file).st_mode & 0o777 for file in folder.iterdir()}
    assert set(modes.values()) == {0o600}
    assert set(modes) == {"gaal.sqlite", "gaal.sqlite-shm", "gaal.sqlite-wal", "machine", "secret.key"}
