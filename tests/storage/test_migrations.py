"""Migrations: from nothing, from older schemas, from several processes at once; and what they have to agree with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gaal.errors import StoreError
from gaal.storage import migrations, tables
from gaal.storage.migrations import HEAD
from gaal.storage.store import Location, Store, open_store
from storage import children
from storage.conftest import add_client


def test_the_migrations_make_the_tables_of_the_code(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def differences(connection: object) -> object:
        options = {"version_table": tables.VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)  # type: ignore[arg-type]
        return compare_metadata(context, tables.metadata)

    assert store.database.read(differences) == []


def test_the_newest_schema_is_the_last_migration() -> None:
    assert migrations.script_directory().get_current_head() == HEAD
    assert sorted(each.revision for each in migrations.script_directory().walk_revisions())[-1] == HEAD


OPEN = """
sys.stdin.readline()
with open_store(location) as store:
    print(store.machine, store.clients.all())
"""


async def test_processes_that_start_at_the_same_time_all_have_the_store(location: Location) -> None:
    processes = await asyncio.gather(*(children.start(OPEN, location) for _ in range(4)))
    printed = await asyncio.gather(*(_let_go(each) for each in processes))
    with open_store(location) as store:
        assert set(printed) == {f"{store.machine} []\n"}
    left = {file.name for file in location.data_dir.iterdir()}
    assert left <= {"gaal.sqlite", "machine", "secret.key"}


async def _let_go(process: asyncio.subprocess.Process) -> str:
    printed, _ = await asyncio.wait_for(process.communicate(b"\n"), children.PATIENCE_S)
    assert process.returncode == 0
    return printed.decode()


async def test_alembic_is_imported_only_when_a_migration_is_due(sqlite_location: Location) -> None:
    code = "open_store(location).close(); print('alembic' in sys.modules, 'cryptography' in sys.modules)"
    assert await children.output(await children.start(code, sqlite_location)) == "True False\n"
    assert await children.output(await children.start(code, sqlite_location)) == "False False\n"


def test_an_empty_database_is_migrated(sqlite_location: Location) -> None:
    assert sqlite_location.file is not None
    sqlite_location.data_dir.mkdir()
    sqlite_location.file.touch()
    with open_store(sqlite_location) as store:
        add_client(store)
        assert store.database.read(migrations.schema_version) == HEAD


def test_a_database_newer_than_the_code_is_refused_with_both_versions(location: Location) -> None:
    with open_store(location) as store:
        _set_version(store, "0999")
    with pytest.raises(StoreError, match=f"its schema is 0999, and this Gaal knows no later one than {HEAD}"):
        open_store(location)


def test_a_database_whose_migration_fails_stays_as_it_was(location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    real = migrations.upgrade

    def interrupted(connection: object) -> None:
        real(connection)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(migrations, "upgrade", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_store(location)
    monkeypatch.undo()
    with open_store(location) as store:
        assert store.clients.all() == []


async def test_a_server_without_a_store_imports_no_database_library(tmp_path: Path) -> None:
    code = "import gaal.storage.location, gaal.storage.records, gaal.storage; print('sqlalchemy' in sys.modules)"
    location = Location(tmp_path, "sqlite:////nowhere")
    prelude = children.PRELUDE.replace("from gaal.storage.store import open_store\n", "")
    process = await children.start(code, location, prelude=prelude)
    assert await children.output(process) == "False\n"


def _set_version(store: Store, version: str) -> None:
    statement = f"UPDATE {tables.VERSION_TABLE} SET version_num = '{version}'"
    store.database.write(lambda connection: connection.exec_driver_sql(statement).rowcount)
