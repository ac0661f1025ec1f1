"""A database that is opened when needed, written by one writer, and opened anew when it comes back after trouble."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gaal.errors import StoreError
from gaal.storage.backend import Backend, Trouble
from gaal.storage.writer import Writer, driver_of

T = TypeVar("T")

_BUMP = text(
    "INSERT INTO topics (topic, version) VALUES (:topic, 1) "
    "ON CONFLICT (topic) DO UPDATE SET version = topics.version + 1"
)


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A database as it was found at one time."""

    engine: Engine
    identity: Hashable


class Database:
    """Thread-safe. `prepare` is called with a connection whenever the database was opened: it migrates and checks."""

    def __init__(self, backend: Backend, prepare: Callable[[Connection], None]) -> None:
        self.backend = backend
        self._prepare = prepare
        self._lock = threading.Lock()
        self._opened: Opened | None = None
        self._closed = False
        self._writing: tuple[Opened, Connection] | None = None
        self.writer = Writer(self, "gaal-store-writer")

    # Reading and writing.

    def read(self, operation: Callable[[Connection], T]) -> T:
        """What the operation answers. Raises StoreError where the database does not."""
        writing = self.writer.connection()
        if writing is not None:
            return operation(writing)
        with self.connected() as connection:
            return operation(connection)

    def write(self, operation: Callable[[Connection], T], *topics: str) -> T:
        """What the operation answers, after it is on disk. It changes the topics, unless it answers False or 0.

        Called by an operation that the writer runs already, it is a part of that one. Raises StoreError where the
        database does not answer, and what the operation raises.
        """

        def step() -> T:
            connection = self.writer.connection()
            assert connection is not None
            answer = operation(connection)
            if answer is None or answer:
                self.writer.changed(topics)
            return answer

        return step() if self.writer.connection() is not None else self.writer.run(step)

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection, in which every statement stands for itself. Errors of the database become StoreError."""
        opened = self.opened()
        try:
            with opened.engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            self.note(opened, error)
            raise self.store_error(error) from None

    def close(self) -> None:
        self.writer.close()
        self._stop_writing()
        with self._lock:
            self._closed = True
            self._forget()

    # Opening.

    def opened(self) -> Opened:
        """The database as it is now, opened anew where it was replaced. Raises StoreError."""
        try:
            identity = self.backend.identity()
        except OSError as error:
            raise self._out_of_reach(error) from None
        opened = self._opened
        if opened is not None and opened.identity == identity:
            return opened
        with self._lock:
            return self._open(identity)

    def _open(self, identity: Hashable) -> Opened:
        if self._closed:
            raise StoreError(f"store {self.backend.place}: it was closed")
        if self._opened is not None and self._opened.identity == identity:
            return self._opened
        self._forget()
        try:
            engine = self._prepared()
        except OSError as error:
            raise self._out_of_reach(error) from None
        except Exception as error:
            raise self.domain_error(error) from None
        self._opened = Opened(engine, identity)
        return self._opened

    def _prepared(self) -> Engine:
        engine = self.backend.open()
        try:
            with engine.connect() as connection:
                self._prepare(connection)
        except BaseException:
            self.backend.close(engine)
            raise
        return engine

    def _forget(self) -> None:
        if self._opened is not None:
            self.backend.close(self._opened.engine)
            self._opened = None

    # What the writer asks for.

    def begin(self) -> Connection:
        try:
            connection = self._writing_connection()
            driver_of(connection).execute(self.backend.begin)
        except Exception as error:
            if isinstance(error, StoreError) or not self._trouble(error).reopen:
                raise
            # The connection may have been cut since the last time. A second one tells whether it was only that.
            self.abandon(error)
            connection = self._writing_connection()
            driver_of(connection).execute(self.backend.begin)
        return connection

    def commit(self, connection: Connection, topics: frozenset[str]) -> None:
        for topic in sorted(topics):
            connection.execute(_BUMP, {"topic": topic})
        driver_of(connection).execute("COMMIT")

    def abandon(self, error: BaseException) -> None:
        """Closes the writer's connection, which rolls back, and opens the database anew where that may help."""
        opened = self._stop_writing()
        if opened is not None:
            self.note(opened, error)

    def domain_error(self, error: BaseException) -> BaseException:
        if isinstance(error, StoreError):
            # One for each who waited: an error gathers the places that it was raised at.
            return StoreError(str(error))
        return self.store_error(error) if self.is_of_database(error) else error

    def _writing_connection(self) -> Connection:
        opened = self.opened()
        if self._writing is not None and self._writing[0] is opened:
            return self._writing[1]
        self._stop_writing()
        self._writing = (opened, opened.engine.connect())
        return self._writing[1]

    def _stop_writing(self) -> Opened | None:
        """Closes the writer's connection, and says of what it was."""
        if self._writing is None:
            return None
        opened, connection = self._writing
        self._writing = None
        close(connection)
        return opened

    # Trouble.

    def store_error(self, error: BaseException) -> StoreError:
        """Place and rule, and nothing of the statement or its values."""
        return StoreError(f"store {self.backend.place}: {self._trouble(error).rule}")

    def _trouble(self, error: BaseException) -> Trouble:
        if isinstance(error, DBAPIError):
            return self.backend.trouble(error.orig or error)
        if isinstance(error, SQLAlchemyError):
            return Trouble("it has no connection free", reopen=False)
        return self.backend.trouble(error)

    def is_of_database(self, error: BaseException) -> bool:
        return isinstance(error, SQLAlchemyError) or type(error).__module__.partition(".")[0] in ("sqlite3", "psycopg")

    def note(self, opened: Opened, error: BaseException) -> None:
        """Closes a database that is in trouble, so that the next who asks opens it anew."""
        if not self.is_of_database(error) or not self._trouble(error).reopen:
            return
        with self._lock:
            if self._opened is opened:
                self._forget()

    def _out_of_reach(self, error: OSError) -> StoreError:
        what = "the file is gone" if isinstance(error, FileNotFoundError) else "the file cannot be reached"
        return StoreError(f"store {self.backend.place}: {what} ({error.strerror})")


def close(connection: Connection) -> None:
    """Closes a connection for good: it does not go back to the others that wait to be used."""
    connection.invalidate()
    connection.close()
