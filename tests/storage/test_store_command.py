"""`gaal store`: what it prints, and with which status it ends."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from gaal.cli import store as store_command
from gaal.storage import tables
from gaal.storage.checking import check
from gaal.storage.location import Location, locate
from gaal.storage.migrations import HEAD
from gaal.storage.store import Store, open_store
from storage import children
from storage.conftest import KEY, add_client


def gaal_store(location: Location, *arguments: object) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    store_command.register(app)
    own = {"GAAL_DATA_DIR": str(location.data_dir), "GAAL_DATABASE": ""}
    if location.file is None:
        own["GAAL_DATABASE"] = location.url
    return CliRunner().invoke(app, ["store", *map(str, arguments)], env=own)


WRITE = """
with open_store(location) as store:
    print("ready", flush=True)
    def write_two(n):
        for letter in "ab":
            store.images.put(Image(f"{letter}{n}", "x" * 500))

    for n in range(1_000_000):
        store.transact(write_two, n)
"""


async def test_a_backup_made_while_somebody_writes_is_whole_and_opens_elsewhere(
    sqlite_store: Store, tmp_path: Path
) -> None:
    add_client(sqlite_store)
    writer = await children.start(WRITE, sqlite_store.location)
    try:
        assert await children.line(writer) == "ready"
        result = gaal_store(sqlite_store.location, "backup", tmp_path / "copy")
        assert writer.returncode is None
    finally:
        writer.kill()
        await writer.wait()
    key = tmp_path / "copy.secret.key"
    assert (result.exit_code, result.stdout) == (0, f"wrote {tmp_path}/copy\nwrote {key}\n")
    assert [os.stat(each).st_mode & 0o777 for each in (tmp_path / "copy", key)] == [0o600, 0o600]
    elsewhere = locate(None, tmp_path / "elsewhere", {})
    elsewhere.data_dir.mkdir()
    shutil.copy(tmp_path / "copy", elsewhere.data_dir / "gaal.sqlite")
    shutil.copy(key, elsewhere.data_dir / "secret.key")
    with open_store(elsewhere) as copy:
        assert copy.clients.keys() == [KEY]
        names = {each.name for each in copy.images.all()}
    assert {f"b{name[1:]}" for name in names if name[0] == "a"} == {name for name in names if name[0] == "b"}
    assert check(elsewhere).violations == ()


def test_a_backup_replaces_nothing(sqlite_store: Store, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("precious")
    result = gaal_store(sqlite_store.location, "backup", tmp_path / "copy")
    assert (result.exit_code, result.stderr) == (1, f"{tmp_path}/copy is there already\n")
    assert (tmp_path / "copy").read_text() == "precious"


def test_a_backup_of_what_is_not_there_leaves_nothing(sqlite_location: Location, tmp_path: Path) -> None:
    result = gaal_store(sqlite_location, "backup", tmp_path / "copy")
    assert result.exit_code == 2
    assert f"store {sqlite_location.file}: the copy {tmp_path}/copy was not made" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_backup_of_postgresql_is_made_with_pg_dump(postgresql_location: Location, tmp_path: Path) -> None:
    result = gaal_store(postgresql_location, "backup", tmp_path / "copy")
    assert result.exit_code == 2
    assert "a PostgreSQL database is made with pg_dump" in result.stderr


def test_check_counts_everything_and_opens_every_secret(store: Store) -> None:
    add_client(store)
    result = gaal_store(store.location, "check")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:2] == [f"store {store.location.place}", f"schema {HEAD}"]
    assert lines[-1] == "all is well; 1 secret(s) open"
    counts = {name: int(count) for count, name in map(str.split, lines[2:-1])}
    assert set(counts) == set(tables.metadata.tables)
    assert {name for name, count in counts.items() if count} == {"clients", "keys", "topics", "facts"}


def test_check_names_a_secret_that_does_not_open(store: Store) -> None:
    add_client(store)
    statement = tables.keys.update().values(secret=b"\x01damaged")
    store.database.write(lambda connection: connection.execute(statement).rowcount)
    result = gaal_store(store.location, "check")
    assert result.exit_code == 1
    assert f"WRONG {store.location.data_dir}/secret.key: the secret of key ABCD… does not open" in result.stdout


def test_check_says_that_the_key_is_missing(store: Store) -> None:
    add_client(store)
    (store.location.data_dir / "secret.key").unlink()
    result = gaal_store(store.location, "check")
    assert result.exit_code == 1
    assert f"{store.location.data_dir}/secret.key is missing" in result.stdout


@pytest.mark.parametrize("where", ["the first page", "an index"])
def test_check_finds_damage(sqlite_location: Location, where: str) -> None:
    with open_store(sqlite_location) as store:
        add_client(store)
    file = sqlite_location.file
    assert file is not None
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'keys_of_client'").fetchone()
    with file.open("r+b") as opened:
        # At byte 8 of a leaf are the places of its cells.
        opened.seek(4096 * (found[0] - 1) + 8 if where == "an index" else 0)
        opened.write(b"\xff" * 100)
    result = gaal_store(sqlite_location, "check")
    assert result.exit_code == 1
    assert "WRONG damaged: " in result.stdout


def test_check_finds_no_store(sqlite_location: Location) -> None:
    result = gaal_store(sqlite_location, "check")
    assert (result.exit_code, result.stderr) == (2, f"store {sqlite_location.file}: there is none\n")


@pytest.mark.parametrize(("version", "rule"), [("0000", "the schema is older than"), ("9999", "knows no later one")])
def test_check_tells_of_another_schema_and_changes_nothing(store: Store, version: str, rule: str) -> None:
    set_version(store, version)
    result = gaal_store(store.location, "check")
    assert result.exit_code == 1
    assert f"schema {version}" in result.stdout
    assert rule in result.stdout


def test_migrate_makes_a_store_and_says_what_it_did(location: Location) -> None:
    first = gaal_store(location, "migrate")
    assert (first.exit_code, first.stdout) == (0, f"store {location.place} was migrated from nothing to {HEAD}\n")
    second = gaal_store(location, "migrate")
    assert (second.exit_code, second.stdout) == (0, f"store {location.place} has the schema {HEAD}\n")


def test_migrate_refuses_a_newer_schema(store: Store) -> None:
    set_version(store, "9999")
    result = gaal_store(store.location, "migrate")
    assert result.exit_code == 2
    assert "its schema is 9999" in result.stderr


def set_version(store: Store, version: str) -> None:
    statement = f"UPDATE {tables.VERSION_TABLE} SET version_num = '{version}'"
    store.database.write(lambda connection: connection.exec_driver_sql(statement).rowcount)
