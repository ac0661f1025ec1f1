"""PostgreSQL, by psycopg 3. Writers take turns by an advisory lock, so that they may do what SQLite's may."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, make_url

from gaal.errors import StoreError
from gaal.storage.backend import Trouble
from gaal.storage.location import Location

WRITERS_LOCK = 0x6761616C
"""The number of the advisory lock: "gaal"."""

_CONNECTION: Mapping[str, Any] = {
    "connect_timeout": 5,
    # A network that was cut shows after 10 s, not after the quarter of an hour that TCP tries.
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}

_TROUBLES = {
    "25006": Trouble("it is read-only"),
    "3D000": Trouble("there is no such database"),
    "40P01": Trouble("another transaction stands in the way", reopen=False),
    "53100": Trouble("there is no room left for it", reopen=False),
    "55P03": Trouble("another process has locked it for too long", reopen=False),
    "57014": Trouble("it took too long", reopen=False),
    "58P01": Trouble("files of it are gone; put a backup in its place"),
    "XX001": Trouble("it is damaged; put a backup in its place"),
    "XX002": Trouble("it is damaged; put a backup in its place"),
}

_CLASSES = {
    "28": Trouble("it does not accept this user and password"),
    "42": Trouble("this user may not do it, or a table is missing"),
    "53": Trouble("it has no more connections, memory or room", reopen=False),
    "57": Trouble("it is stopping or starting"),
    "58": Trouble("its disk does not read or write"),
}


class PostgresqlServer:
    """A database of a PostgreSQL server."""

    begin = f"BEGIN; SELECT pg_advisory_xact_lock({WRITERS_LOCK})"

    def __init__(self, location: Location, *, busy_timeout_s: float) -> None:
        self.place = location.place
        self._url = location.url
        self._lock_timeout_ms = max(1, round(busy_timeout_s * 1000))

    def identity(self) -> Hashable:
        return None

    def open(self) -> Engine:
        url = make_url(self._url)
        ours = f"-c lock_timeout={self._lock_timeout_ms} -c synchronous_commit=on"
        try:
            return create_engine(
                url,
                connect_args={**_CONNECTION, "options": f"{url.query.get('options', '')} {ours}"},
                pool_pre_ping=True,
                pool_reset_on_return=None,
                isolation_level="AUTOCOMMIT",
            )
        except ImportError:
            raise StoreError(f"store {self.place}: PostgreSQL needs psycopg; pip install 'gaal[postgres]'") from None

    def close(self, engine: Engine) -> None:
        engine.dispose()

    def change_mark(self, connection: Connection) -> object:
        return None

    def trouble(self, error: BaseException) -> Trouble:
        state = getattr(error, "sqlstate", None)
        if state is None:
            return Trouble("it does not answer")
        return _TROUBLES.get(state) or _CLASSES.get(state[:2]) or Trouble(f"the database says: {state}")
