"""A database that is locked, full, read-only, damaged or gone: what is raised, and that it goes on by itself after."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from databases import PostgresqlForTests

from gaal.errors import StoreError
from gaal.storage.backup import copy_database
from gaal.storage.location import locate
from gaal.storage.records import Client, Event, Image
from gaal.storage.store import Location, Store, open_store
from storage import children
from storage.conftest import KEY, add_client


@contextmanager
def refused(store: Store, rule: str) -> Iterator[None]:
    """What is inside raises StoreError with the place and the rule, and nothing of the statement."""
    with pytest.raises(StoreError) as caught:
        yield
    text = str(caught.value)
    assert text.startswith(f"store {store.location.place}: ")
    assert rule in text
    assert not any(word in text for word in ("INSERT", "SELECT", "sqlalche", KEY.secret))


def file_of(store: Store) -> Path:
    assert store.location.file is not None
    return store.location.file


# Locked.


def test_a_lock_that_another_holds_is_waited_for_and_then_an_error(sqlite_store: Store) -> None:
    add_client(sqlite_store)
    with closing(sqlite3.connect(file_of(sqlite_store), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with refused(sqlite_store, "another process has locked it for too long"):
            sqlite_store.images.put(Image("a", "b"))
        assert sqlite_store.clients.keys() == [KEY], "reading goes on"
        other.execute("COMMIT")
    sqlite_store.images.put(Image("a", "b"))


def test_a_lock_that_is_held_for_a_moment_is_no_error(sqlite_store: Store) -> None:
    with closing(sqlite3.connect(file_of(sqlite_store), isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        written = sqlite_store.database.writer.join(lambda: sqlite_store.images.put(Image("a", "b")))

        async def wait() -> None:
            task = asyncio.ensure_future(written)
            await asyncio.sleep(0.05)
            other.execute("COMMIT")
            await task

        asyncio.run(wait())
    assert sqlite_store.images.all() == [Image("a", "b")]


def test_a_lock_of_postgresql_is_waited_for_and_then_an_error(postgresql_location: Location) -> None:
    from gaal.storage.postgresql import WRITERS_LOCK

    with open_store(postgresql_location, busy_timeout_s=0.2) as store, open_store(postgresql_location) as other:
        with other.database.connected() as holder:
            holder.exec_driver_sql(f"SELECT pg_advisory_lock({WRITERS_LOCK})")
            with refused(store, "another process has locked it for too long"):
                store.images.put(Image("a", "b"))
            assert store.images.all() == []
            holder.exec_driver_sql(f"SELECT pg_advisory_unlock({WRITERS_LOCK})")
        store.images.put(Image("a", "b"))


# Full.


def test_a_full_database_is_an_error_for_writers_until_there_is_room(sqlite_store: Store) -> None:
    add_client(sqlite_store)

    def limit(n_pages_more: int) -> None:
        connection = sqlite_store.database.writer.connection()
        assert connection is not None
        n_pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {n_pages + n_pages_more}")

    sqlite_store.transact(limit, 2)
    with refused(sqlite_store, "there is no room left for it"):
        sqlite_store.events.add(Event("test", 1.0, "x" * 100_000))
    assert sqlite_store.clients.keys() == [KEY]
    assert sqlite_store.events.recent("test", 1) == []
    sqlite_store.transact(limit, 1000)
    sqlite_store.events.add(Event("test", 1.0, "x" * 100_000))


async def test_who_shares_a_commit_with_what_does_not_fit_is_not_told_a_lie(sqlite_store: Store) -> None:
    def limit() -> None:
        connection = sqlite_store.database.writer.connection()
        assert connection is not None
        n_pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {n_pages + 10}")

    await sqlite_store.write(limit)
    texts = ["x" * 100_000 if n == 5 else "small" for n in range(10)]
    outcomes = await asyncio.gather(
        *(sqlite_store.write(sqlite_store.events.add, Event(str(n), 1.0, text)) for n, text in enumerate(texts)),
        return_exceptions=True,
    )
    kept = [bool(sqlite_store.events.recent(str(n), 1)) for n in range(10)]
    assert kept == [outcome is None for outcome in outcomes]
    assert isinstance(outcomes[5], StoreError)


# Read-only.


def test_a_store_that_is_opened_read_only_is_read_and_not_written(sqlite_store: Store) -> None:
    add_client(sqlite_store)
    location = replace(sqlite_store.location, url=sqlite_store.location.url + "?mode=ro")
    with open_store(location) as reader:
        assert reader.clients.keys() == [KEY]
        with refused(reader, "it is read-only"):
            reader.images.put(Image("a", "b"))


WRITE_AS_NOBODY = """
if os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
from gaal.errors import StoreError
with open_store(location, busy_timeout_s=0.2) as store:
    print(len(store.clients.all()), flush=True)
    for line in sys.stdin:
        try:
            store.images.put(Image(line.strip(), "b"))
            print("written", flush=True)
        except StoreError as error:
            print(error, flush=True)
"""


@pytest.fixture
def folder_for_all() -> Iterator[Path]:
    """A folder that every user gets into. Nobody but the owner gets into pytest's."""
    with TemporaryDirectory(prefix="gaal-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


async def test_a_file_without_the_right_to_write_is_read_only_until_it_is_given(folder_for_all: Path) -> None:
    """As a user who is not root, whom no right is denied."""
    with open_store(locate(None, folder_for_all / "data", {})) as store:
        add_client(store)
        await _write_without_the_right(store)
        assert [each.name for each in store.images.all()] == ["second"]


async def _write_without_the_right(store: Store) -> None:
    file = file_of(store)
    store.location.data_dir.chmod(0o755)
    for each in store.location.data_dir.iterdir():
        each.chmod(0o444 if each == file else 0o666)
    other = await children.start(WRITE_AS_NOBODY, store.location)
    assert other.stdin is not None
    try:
        assert await children.line(other) == "1"
        other.stdin.write(b"first\n")
        assert await children.line(other) == f"store {file}: it is read-only"
        file.chmod(0o666)
        other.stdin.write(b"second\n")
        assert await children.line(other) == "written"
    finally:
        await children.output(other)


def test_a_database_that_is_opened_anew_after_trouble_has_lost_nothing(sqlite_store: Store) -> None:
    """Its log, which holds what was not brought into the file yet, is still its own."""
    add_client(sqlite_store)
    with open_store(sqlite_store.location) as other:
        sqlite_store.database.note(sqlite_store.database.opened(), sqlite3.OperationalError("trouble"))
        assert sqlite_store.clients.keys() == [KEY]
        sqlite_store.images.put(Image("a", "b"))
        assert other.images.all() == [Image("a", "b")]


# Damaged.


def test_a_damaged_file_is_an_error_until_a_backup_takes_its_place(sqlite_store: Store, tmp_path: Path) -> None:
    add_client(sqlite_store)
    location, file = sqlite_store.location, file_of(sqlite_store)
    copy_database(file, tmp_path / "backup")
    sqlite_store.close()
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(os.urandom(file.stat().st_size - 4096))
    with pytest.raises(StoreError, match="the file is damaged; see `gaal store check`, or put a backup in its place"):
        open_store(location)
    (tmp_path / "backup").replace(file)
    with open_store(location) as store:
        assert store.clients.keys() == [KEY]


def test_a_file_that_is_damaged_while_it_is_open_is_an_error_until_a_backup_takes_its_place(
    sqlite_store: Store, tmp_path: Path
) -> None:
    add_client(sqlite_store)
    file = file_of(sqlite_store)
    copy_database(file, tmp_path / "backup")
    sqlite_store.database.read(lambda connection: connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all())
    with closing(sqlite3.connect(file)) as other:
        # Pages that were read are kept in memory until somebody writes.
        other.execute("CREATE TABLE filling AS SELECT randomblob(100000) AS bytes")
        other.commit()
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with file.open("r+b") as opened:
        opened.write(os.urandom(file.stat().st_size))
    for _ in range(2):
        with refused(sqlite_store, "the file is damaged"):
            sqlite_store.clients.all()
        with refused(sqlite_store, "the file is damaged"):
            sqlite_store.clients.add(Client("second"))
    (tmp_path / "backup").replace(file)
    sqlite_store.clients.add(Client("second"))
    assert [each.name for each in sqlite_store.clients.all()] == ["second", "test"]


# Gone.


def test_a_file_that_vanishes_is_an_error_and_no_new_one_is_made(sqlite_store: Store, tmp_path: Path) -> None:
    add_client(sqlite_store)
    file = file_of(sqlite_store)
    file.rename(tmp_path / "aside")
    for _ in range(2):
        with refused(sqlite_store, "the file is gone (No such file or directory)"):
            sqlite_store.clients.all()
        with refused(sqlite_store, "the file is gone (No such file or directory)"):
            sqlite_store.images.put(Image("a", "b"))
    assert not file.exists()
    (tmp_path / "aside").rename(file)
    sqlite_store.images.put(Image("a", "b"))
    assert sqlite_store.clients.keys() == [KEY]


def test_a_file_that_a_backup_replaces_is_noticed_by_all_and_not_mixed_with_it(
    sqlite_store: Store, tmp_path: Path
) -> None:
    """The old file's log must not be written into the new file, whoever comes first."""
    add_client(sqlite_store)
    file = file_of(sqlite_store)
    copy_database(file, tmp_path / "backup")
    with open_store(sqlite_store.location) as second:
        for n in range(300):
            sqlite_store.images.put(Image(f"a{n}", "b" * 100))
        assert len(second.images.all()) == 300
        (tmp_path / "backup").replace(file)
        assert second.images.all() == []
        sqlite_store.images.put(Image("new", "b"))
        assert second.images.all() == sqlite_store.images.all() == [Image("new", "b")]
        assert second.clients.keys() == sqlite_store.clients.keys() == [KEY]
    with closing(sqlite3.connect(file)) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_store_made_anew_in_the_place_of_the_old_one_is_opened(sqlite_store: Store) -> None:
    add_client(sqlite_store)
    for each in sqlite_store.location.data_dir.glob("gaal.sqlite*"):
        each.unlink()
    open_store(sqlite_store.location).close()
    assert sqlite_store.clients.all() == []
    add_client(sqlite_store)


def test_postgresql_that_stops_is_an_error_and_all_goes_on_when_it_starts_again(
    postgresql: PostgresqlForTests, postgresql_location: Location
) -> None:
    with open_store(postgresql_location) as store:
        add_client(store)
        postgresql.stop()
        try:
            for _ in range(2):
                with refused(store, "it does not answer"):
                    store.clients.all()
                with refused(store, "it does not answer"):
                    store.images.put(Image("a", "b"))
            with pytest.raises(StoreError, match="it does not answer"):
                open_store(postgresql_location)
        finally:
            postgresql.start()
        store.images.put(Image("a", "b"))
        assert store.clients.keys() == [KEY]


def test_postgresql_that_was_started_again_unseen_costs_nobody_an_error(
    postgresql: PostgresqlForTests, postgresql_location: Location
) -> None:
    with open_store(postgresql_location) as store:
        add_client(store)
        postgresql.stop()
        postgresql.start()
        store.images.put(Image("a", "b"))
        assert store.clients.keys() == [KEY]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    location = Location(tmp_path / "file" / "data", f"sqlite:///{tmp_path}/file/data/gaal.sqlite")
    with pytest.raises(StoreError, match="it cannot be made"):
        open_store(location)


def test_without_a_driver_for_postgresql_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"store postgresql://db/x: PostgreSQL needs psycopg; pip install"):
        open_store(locate("postgresql://me:pw@db/x", tmp_path, {}))


def test_a_server_that_is_not_there_is_an_error_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"^store postgresql://127\.0\.0\.1:1/x: it does not answer$"):
        open_store(locate("postgresql://me:pw@127.0.0.1:1/x", tmp_path, {}))


def test_options_of_the_url_stay_in_force(postgresql_location: Location) -> None:
    url = postgresql_location.url + "&options=-c%20search_path%3Dpg_temp,public"
    with open_store(replace(postgresql_location, url=url)) as store:
        names = ("search_path", "synchronous_commit", "lock_timeout")
        found = store.database.read(lambda one: [one.exec_driver_sql(f"SHOW {name}").scalar() for name in names])
    assert found == ["pg_temp,public", "on", "5s"]
