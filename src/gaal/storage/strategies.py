"""Which algorithms answer a client's predictions."""

from __future__ import annotations

from sqlalchemy import Connection, select

from gaal.errors import NotFound
from gaal.storage import rows
from gaal.storage.clients_of import known
from gaal.storage.database import Database
from gaal.storage.records import Strategy
from gaal.storage.tables import strategies

TOPIC = "strategies"


class Strategies:
    """At most one for a client, a draft beside it. Client "" is the default for all who have none."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set_draft(self, client: str, json: str) -> None:
        """Keeps a draft; what is in force stays. Raises NotFound where there is no such client."""

        def operation(connection: Connection) -> None:
            before = _find(connection, client)
            _put(connection, Strategy(client, before.committed if before else "", json))

        self._database.write(operation, TOPIC)

    def commit(self, client: str) -> None:
        """Puts the draft in force. Raises NotFound where there is none."""

        def operation(connection: Connection) -> None:
            before = _find(connection, client)
            if before is None or not before.draft:
                raise NotFound(f'client "{client}": there is no draft of a strategy to commit')
            _put(connection, Strategy(client, before.draft))

        self._database.write(operation, TOPIC)

    def set(self, client: str, json: str) -> None:
        """Puts a strategy in force at once; a draft is gone. Raises NotFound where there is no such client."""
        self._database.write(lambda connection: _put(connection, Strategy(client, json)), TOPIC)

    def get(self, client: str) -> Strategy | None:
        return self._database.read(lambda connection: _find(connection, client))

    def all(self) -> list[Strategy]:
        return self._database.read(lambda connection: rows.all_of(connection, Strategy, rows.ordered(strategies)))

    def remove(self, client: str) -> bool:
        """Whether there was one."""
        return self._database.write(lambda connection: rows.clear(connection, [strategies], client=client) > 0, TOPIC)


def _find(connection: Connection, client: str) -> Strategy | None:
    return rows.one_of(connection, Strategy, select(strategies).where(strategies.c.client == client))


def _put(connection: Connection, strategy: Strategy) -> None:
    if strategy.client:
        known(connection, strategy.client)
    rows.put(connection, strategies, rows.values_of(strategy))
