"""Brings a database to the schema of this code. Alembic is imported only when a migration is due.

The files in `versions/` are numbered in order, so that a database newer than the code shows by its number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from gaal.errors import StoreError
from gaal.storage.tables import VERSION_TABLE

HEAD = "0001"
"""The newest schema that this code knows."""


def schema_version(connection: Connection) -> str | None:
    """The schema that a database has. None is an empty database."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    version: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return version


def is_due(connection: Connection, place: str) -> bool:
    """Whether a database has to be migrated. Raises StoreError where it is newer than the code."""
    version = schema_version(connection)
    if version is not None and version > HEAD:
        raise StoreError(
            f"store {place}: its schema is {version}, and this Gaal knows no later one than {HEAD}; use a newer Gaal"
        )
    return version != HEAD


def upgrade(connection: Connection) -> None:
    """Migrates to the newest schema, in the transaction that the caller has begun."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext

    scripts = script_directory()

    def steps(revision: Any, context: Any) -> Any:
        return scripts._upgrade_revs("head", revision)

    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE)
        environment.run_migrations()


def script_directory() -> Any:
    """Alembic's view of the files in `versions/`."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(Path(__file__).parent))
