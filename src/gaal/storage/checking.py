"""Whether a store is in order: its file, its schema, and every secret in it. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from gaal.errors import StoreError
from gaal.storage import migrations
from gaal.storage.database import Database
from gaal.storage.location import Location, exists
from gaal.storage.preparing import check_key
from gaal.storage.sqlite import DAMAGED
from gaal.storage.store import BUSY_TIMEOUT_S, backend_of
from gaal.storage.tables import keys, metadata


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. `violations` has everything that is wrong."""

    schema: str
    counts: Mapping[str, int] = field(default_factory=dict)
    n_secrets: int = 0
    violations: tuple[str, ...] = ()


def check(location: Location) -> Report:
    """Looks a store over. Raises StoreError where it cannot be opened or read at all."""
    if not exists(location):
        raise StoreError(f"store {location.place}: there is none")
    database = Database(backend_of(location, BUSY_TIMEOUT_S), lambda connection: None)
    try:
        return database.read(lambda connection: _report(location, connection))
    except StoreError as error:
        if DAMAGED.rule not in str(error):
            raise
        return Report("", violations=(f"damaged: {error}",))
    finally:
        database.close()


def schema_of(location: Location) -> str | None:
    """The schema's version. None where there is no store yet, or an empty database. Raises StoreError."""
    if not exists(location):
        return None
    database = Database(backend_of(location, BUSY_TIMEOUT_S), lambda connection: None)
    try:
        return database.read(migrations.schema_version)
    finally:
        database.close()


def _report(location: Location, connection: Connection) -> Report:
    damages = _damages(connection)
    if damages:
        return Report("", violations=tuple(damages))
    version = migrations.schema_version(connection)
    if version != migrations.HEAD:
        return Report(version or "none", violations=(_other_schema(location, connection),))
    counts = {
        table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in metadata.sorted_tables
    }
    n_secrets, violations = _secrets(location, connection)
    return Report(version, counts, n_secrets, tuple(violations))


def _damages(connection: Connection) -> list[str]:
    """What SQLite finds wrong with the file. PostgreSQL has its own tools for that."""
    if connection.dialect.name != "sqlite":
        return []
    found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all() if found == ["ok"] else []
    return [f"damaged: {each}" for each in found if each != "ok"] + [
        f"damaged: a row of {row[0]} belongs to no row of {row[2]}" for row in orphans
    ]


def _other_schema(location: Location, connection: Connection) -> str:
    try:
        migrations.is_due(connection, location.place)
    except StoreError as error:
        return str(error)
    return f"the schema is older than {migrations.HEAD}; the next server migrates it, or `gaal store migrate`"


def _secrets(location: Location, connection: Connection) -> tuple[int, list[str]]:
    """How many secrets there are, and which do not open."""
    sealed = connection.execute(select(keys.c.key, keys.c.secret).where(keys.c.secret != b"")).all()
    try:
        secret_key = check_key(location, connection)
    except StoreError as error:
        return len(sealed), [str(error)]
    wrong = []
    for key, secret in sealed:
        try:
            secret_key.open(secret, key)
        except StoreError as error:
            wrong.append(str(error))
    return len(sealed), wrong
