"""Rows and records: a column of a table has the name of the field of the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Dialect, Executable, Row, Select, Table, and_, insert, select, update
from sqlalchemy.sql.compiler import SQLCompiler

from gaal.storage.writer import driver_of

R = TypeVar("R")


def values_of(record: Any) -> dict[str, Any]:
    """The fields of a record by name, as they are."""
    return {each.name: getattr(record, each.name) for each in fields(record)}


def record_of(kind: type[R], row: Row[Any]) -> R:
    return kind(**row._mapping)


def all_of(connection: Connection, kind: type[R], statement: Select[Any]) -> list[R]:
    return [record_of(kind, row) for row in connection.execute(statement)]


def one_of(connection: Connection, kind: type[R], statement: Select[Any]) -> R | None:
    row = connection.execute(statement).first()
    return None if row is None else record_of(kind, row)


def ordered(table: Table) -> Select[Any]:
    """All rows, by primary key."""
    return select(table).order_by(*table.primary_key.columns)


def put(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    """Writes a row in the place of the one with the same primary key. Writers take turns, so nobody comes between."""
    names = [column.name for column in table.primary_key.columns]
    same = and_(*(table.c[name] == values[name] for name in names))
    changed = connection.execute(update(table).where(same).values(values)).rowcount
    if not changed:
        connection.execute(insert(table).values(values))


def clear(connection: Connection, tables: Sequence[Table], **where: Any) -> int:
    """Removes the rows of each table that have these values, and says how many there were."""
    return sum(
        connection.execute(table.delete().where(*(table.c[name] == value for name, value in where.items()))).rowcount
        for table in tables
    )


class Prepared:
    """A statement that is run for every record of a log, at a third of its cost by way of SQLAlchemy.

    Its parameters have the names of the record's fields.
    """

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, list[str], bool]] = {}

    def run(self, connection: Connection, record: Any) -> int:
        """How many rows it wrote."""
        text, names, by_place = self._for(connection.dialect)
        values = [getattr(record, name) for name in names]
        rowcount: int = (
            driver_of(connection).execute(text, values if by_place else dict(zip(names, values, strict=True))).rowcount
        )
        return rowcount

    def _for(self, dialect: Dialect) -> tuple[str, list[str], bool]:
        """Text, names of the parameters, and whether these go by their place."""
        if dialect.name not in self._compiled:
            compiled = cast(SQLCompiler, self._statement.compile(dialect=dialect))  # type: ignore[attr-defined]
            names = compiled.positiontup if compiled.positional else list(compiled.params)
            self._compiled[dialect.name] = (str(compiled), list(names or ()), compiled.positional)
        return self._compiled[dialect.name]
