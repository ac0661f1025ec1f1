"""Stores for the tests: by SQLite and by PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import PostgresqlForTests, postgresql_server

from gaal.storage.location import Location, locate
from gaal.storage.records import Client, Key
from gaal.storage.store import Store, open_store

KEY = Key("ABCDEFGHIJ0123456789", "test", "all", secret="very secret", created_at=2.0)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlForTests]:
    with postgresql_server() as server:
        yield server


@pytest.fixture
def sqlite_location(tmp_path: Path) -> Location:
    return locate(None, tmp_path / "data", {})


@pytest.fixture
def postgresql_location(tmp_path: Path, postgresql: PostgresqlForTests) -> Location:
    return locate(postgresql.new_database(), tmp_path / "data", {})


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest) -> Location:
    """A new, empty place for a store, once by each kind of database."""
    found: Location = request.getfixturevalue(f"{request.param}_location")
    return found


@pytest.fixture
def store(location: Location) -> Iterator[Store]:
    with open_store(location) as opened:
        yield opened


@pytest.fixture
def sqlite_store(sqlite_location: Location) -> Iterator[Store]:
    with open_store(sqlite_location, busy_timeout_s=0.2) as opened:
        yield opened


def add_client(store: Store, name: str = "test") -> None:
    store.clients.add(Client(name, created_at=1.0), [KEY] if name == KEY.client else [])
