"""The one writer of a process: what waits at the same time is committed together, in one transaction.

A commit that is synced to disk costs the same for one row and for a hundred. So whoever writes hands in an
operation and waits; a thread takes all that wait, runs each in a savepoint of its own, commits, and only then
tells each one how it went. While it commits, the next ones gather.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from gaal.errors import StoreError

T = TypeVar("T")

MOST_AT_ONCE = 512
"""Operations in a transaction: a bound on how long other processes wait for theirs."""


class Target(Protocol):
    """Where the writer writes to."""

    def begin(self) -> Connection:
        """A connection on which a transaction that writes has begun."""

    def commit(self, connection: Connection, topics: frozenset[str]) -> None:
        """Brings the transaction to disk, with the change of these topics."""

    def abandon(self, error: BaseException) -> None:
        """Forgets the connection, on which this happened."""

    def is_of_database(self, error: BaseException) -> bool:
        """Whether it is the database's, and not what an operation has to say."""

    def domain_error(self, error: BaseException) -> BaseException:
        """The error to raise for it: StoreError for one of the database's."""


@dataclass(slots=True)
class _Job:
    operation: Callable[[], Any]
    future: Future[Any] | asyncio.Future[Any]


@dataclass(slots=True)
class _Outcome:
    value: Any = None
    error: BaseException | None = None


class Writer:
    """Runs operations that write. The thread begins with the first of them."""

    def __init__(self, target: Target, name: str) -> None:
        self._target = target
        self._name = name
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._connection: Connection | None = None
        self._topics: set[str] = set()

    def connection(self) -> Connection | None:
        """The connection of the transaction under way, for a caller who is an operation in it."""
        if self._connection is not None and threading.current_thread() is self._thread:
            return self._connection
        return None

    def changed(self, topics: Sequence[str]) -> None:
        """Called by an operation: these topics change with the transaction under way."""
        self._topics.update(topics)

    def run(self, operation: Callable[[], T]) -> T:
        """What the operation answers, after it is on disk. Blocks."""
        future: Future[T] = Future()
        self._hand_in(_Job(operation, future))
        return future.result()

    async def join(self, operation: Callable[[], T]) -> T:
        """As `run`, from the event loop. One who is cancelled while waiting may have written or not."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._hand_in(_Job(operation, future))
        return await future

    def close(self) -> None:
        """Writes what was handed in, and ends the thread."""
        with self._lock:
            self._closed = True
            thread = self._thread
            self._queue.put(None)
        if thread is not None:
            thread.join()

    def _hand_in(self, job: _Job) -> None:
        # Under the lock, so that nothing is handed in behind the last word.
        with self._lock:
            if self._closed:
                raise StoreError("the store was closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._queue.put(job)

    def _work(self) -> None:
        while jobs := self._take():
            _tell(jobs, self._transact(jobs))

    def _take(self) -> list[_Job]:
        """All that wait, at least one. Empty when the writer is closed."""
        jobs: list[_Job] = []
        job = self._queue.get()
        try:
            while job is not None:
                if not job.future.cancelled():
                    jobs.append(job)
                if len(jobs) >= MOST_AT_ONCE:
                    return jobs
                job = self._queue.get() if not jobs else self._queue.get_nowait()
        except Empty:
            return jobs
        # The last word was read: leave it for the next round, if there are jobs before it.
        if jobs:
            self._queue.put(None)
        return jobs

    def _transact(self, jobs: Sequence[_Job]) -> list[_Outcome]:
        """How each of the jobs went, after those that succeeded are on disk."""
        topics: set[str] = set()
        try:
            self._connection = connection = self._target.begin()
            outcomes = [self._attempt(connection, job.operation, topics) for job in jobs]
            self._target.commit(connection, frozenset(topics))
            troubles = [each.error for each in outcomes if each.error and self._target.is_of_database(each.error)]
        except Exception as error:
            outcomes = [_Outcome(error=error) for _ in jobs]
            troubles = [error]
        finally:
            self._connection = None
        if troubles:
            self._target.abandon(troubles[0])
        return [_Outcome(each.value, each.error and self._target.domain_error(each.error)) for each in outcomes]

    def _attempt(self, connection: Connection, operation: Callable[[], Any], topics: set[str]) -> _Outcome:
        """Runs one operation so that it fails alone. Raises where the whole transaction is lost."""
        execute = driver_of(connection).execute
        self._topics = set()
        execute("SAVEPOINT one")
        try:
            value = operation()
        except BaseException as error:
            self._roll_back(execute, error)
            return _Outcome(error=error)
        execute("RELEASE SAVEPOINT one")
        topics |= self._topics
        return _Outcome(value)

    def _roll_back(self, execute: Callable[[str], Any], error: BaseException) -> None:
        """Undoes what an operation did before its error. Raises where the whole transaction is lost."""
        try:
            execute("ROLLBACK TO SAVEPOINT one")
        except Exception as failure:
            # SQLite gives up the transaction by itself when its disk is full. The operation's error says why.
            raise (error if self._target.is_of_database(error) else failure) from None


def driver_of(connection: Connection) -> Any:
    """The driver's own connection. Both drivers have `execute`, at a tenth of the cost of a statement's way here."""
    return connection.connection.driver_connection


def _tell(jobs: Sequence[_Job], outcomes: Sequence[_Outcome]) -> None:
    """Hands out the outcomes, with one call for each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], _Outcome]]] = {}
    for job, outcome in zip(jobs, outcomes, strict=True):
        if isinstance(job.future, asyncio.Future):
            by_loop.setdefault(job.future.get_loop(), []).append((job.future, outcome))
        else:
            _resolve(job.future, outcome)
    for loop, waiting in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve_all, waiting)
        except RuntimeError:  # The loop was closed: nobody waits any more.
            continue


def _resolve_all(waiting: Sequence[tuple[asyncio.Future[Any], _Outcome]]) -> None:
    for future, outcome in waiting:
        if not future.done():
            _resolve(future, outcome)


def _resolve(future: Future[Any] | asyncio.Future[Any], outcome: _Outcome) -> None:
    if outcome.error is not None:
        future.set_exception(outcome.error)
    else:
        future.set_result(outcome.value)
