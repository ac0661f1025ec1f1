"""What clients reported."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, select

from gaal.storage import rows
from gaal.storage.database import Database
from gaal.storage.records import Event
from gaal.storage.tables import events

_ADD = rows.Prepared(insert(events).values({name: bindparam(name) for name in ("client", "at", "json")}))


class Events:
    """A log: no topic changes with it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, event: Event) -> None:
        self._database.write(lambda connection: _ADD.run(connection, event))

    def recent(self, client: str, limit: int) -> list[Event]:
        """The last ones that this client reported, newest first."""
        statement = select(events.c.client, events.c.at, events.c.json).where(events.c.client == client)
        newest = statement.order_by(events.c.id.desc()).limit(limit)
        return self._database.read(lambda connection: rows.all_of(connection, Event, newest))
