"""What SQLite and PostgreSQL do differently."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, Engine


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a database could not do what it should. `reopen` says that a new connection may see better."""

    rule: str
    reopen: bool = True


class Backend(Protocol):
    """One kind of database, at one place."""

    place: str
    """The name for people."""
    begin: str
    """Begins a transaction that no other writer can come between, here or in other processes."""

    def identity(self) -> Hashable:
        """Changes when another database has taken this one's place. Raises OSError where there is none."""

    def open(self) -> Engine:
        """An engine in which every statement outside of a transaction stands for itself."""

    def close(self, engine: Engine) -> None:
        """Ends what `open` began."""

    def change_mark(self, connection: Connection) -> object:
        """A cheap value that changes with every commit of others. None says nothing: look."""

    def trouble(self, error: BaseException) -> Trouble:
        """What an error of the database's driver means."""
