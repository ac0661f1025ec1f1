"""The clients' own protobufs."""

from __future__ import annotations

from sqlalchemy import Connection, select

from gaal.storage import rows
from gaal.storage.clients_of import known
from gaal.storage.database import Database
from gaal.storage.records import Registration
from gaal.storage.tables import registrations

TOPIC = "registrations"


class Registrations:
    """At most one for a client."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, registration: Registration) -> None:
        """Raises NotFound where there is no such client."""

        def operation(connection: Connection) -> None:
            known(connection, registration.client)
            rows.put(connection, registrations, rows.values_of(registration))

        self._database.write(operation, TOPIC)

    def get(self, client: str) -> Registration | None:
        statement = select(registrations).where(registrations.c.client == client)
        return self._database.read(lambda connection: rows.one_of(connection, Registration, statement))

    def all(self) -> list[Registration]:
        statement = rows.ordered(registrations)
        return self._database.read(lambda connection: rows.all_of(connection, Registration, statement))

    def remove(self, client: str) -> bool:
        """Whether there was one."""
        return self._database.write(
            lambda connection: rows.clear(connection, [registrations], client=client) > 0, TOPIC
        )
