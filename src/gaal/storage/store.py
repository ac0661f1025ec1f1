"""The store: everything that is kept, in one object."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar
from uuid import uuid4

from gaal.errors import StoreError
from gaal.storage import private_files
from gaal.storage.audit import Audit
from gaal.storage.backend import Backend
from gaal.storage.clients import Clients
from gaal.storage.database import Database
from gaal.storage.events import Events
from gaal.storage.images import Images
from gaal.storage.location import Location, exists, locate
from gaal.storage.microservices import Microservices
from gaal.storage.preparing import check_key, prepare
from gaal.storage.registrations import Registrations
from gaal.storage.secrets import SecretKey
from gaal.storage.sqlite import SqliteFile, make_private, new_file
from gaal.storage.strategies import Strategies
from gaal.storage.tokens import Tokens

__all__ = ["Location", "Store", "exists", "locate", "open_store"]

P = ParamSpec("P")
T = TypeVar("T")

BUSY_TIMEOUT_S = 5.0
"""How long to wait for others who write."""

N_READERS = 4
"""Threads of a store for `read`."""


class Store:
    """What is kept. Thread-safe; every method of its parts blocks, and returns when what it wrote is on disk.

    A part's methods raise StoreError where the database is locked, full, read-only, damaged or gone. The next call
    tries again. On the event loop use `write` and `read`.
    """

    def __init__(self, location: Location, database: Database, secret_key: SecretKey, machine: str) -> None:
        self.location = location
        self.database = database
        self.machine = machine
        """The id of the machine that the data directory is on."""
        self.clients = Clients(database, secret_key)
        self.tokens = Tokens(database)
        self.registrations = Registrations(database)
        self.strategies = Strategies(database)
        self.microservices = Microservices(database)
        self.images = Images(database)
        self.events = Events(database)
        self.audit = Audit(database)
        self._readers = ThreadPoolExecutor(N_READERS, thread_name_prefix="gaal-store-reader")

    async def write(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a writing method answers, when it is on disk. Others who wait are in the same commit.

        The method may be a function of yours that calls several methods of the store: all is written, or, if it
        raises, nothing. It runs on the writer's thread, so it must not wait for anything else.
        """
        return await self.database.writer.join(partial(method, *args, **kwargs))

    def transact(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `write`, and blocks."""
        return self.database.writer.run(partial(method, *args, **kwargs))

    async def read(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a reading method answers. It runs on a thread of the store's own."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, partial(method, *args, **kwargs))

    def close(self) -> None:
        """Writes what still waits to be written, and closes the database."""
        self.database.close()
        self._readers.shutdown()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_store(location: Location, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Store:
    """Opens the store, which is made where it is missing and migrated where it is older than this code.

    Several may do so at once. Raises StoreError: the database does not answer, it is newer than this code, or its
    secrets were encrypted with another key than the one here.
    """
    try:
        private_files.make_folder(location.data_dir)
        machine = private_files.read_or_make(location.data_dir / "machine", uuid4().hex)
        _make_file(location, busy_timeout_s)
    except OSError as error:
        raise StoreError(f"store {location.place}: it cannot be made ({error})") from None
    database = _database(location, backend_of(location, busy_timeout_s))
    try:
        with database.connected() as connection:
            secret_key = check_key(location, connection)
    except BaseException:
        database.close()
        raise
    return Store(location, database, secret_key, machine)


def _database(location: Location, backend: Backend) -> Database:
    return Database(backend, partial(prepare, location, backend.begin))


def backend_of(location: Location, busy_timeout_s: float) -> Backend:
    """How the database at this place is reached."""
    if location.file is not None:
        return SqliteFile(location.file, read_only=location.read_only, busy_timeout_s=busy_timeout_s)
    from gaal.storage.postgresql import PostgresqlServer

    return PostgresqlServer(location, busy_timeout_s=busy_timeout_s)


def _make_file(location: Location, busy_timeout_s: float) -> None:
    """Makes the SQLite file where it is missing. It is never seen without its tables."""
    file = location.file
    if file is None or location.read_only:
        return
    if file.exists():
        make_private(file)
        return
    draft = new_file(file)
    try:
        _make_ready(location, draft, busy_timeout_s)
        private_files.publish(draft, file)
    finally:
        draft.unlink(missing_ok=True)


def _make_ready(location: Location, file: Path, busy_timeout_s: float) -> None:
    database = _database(location, SqliteFile(file, read_only=False, busy_timeout_s=busy_timeout_s))
    try:
        database.opened()
    finally:
        database.close()
