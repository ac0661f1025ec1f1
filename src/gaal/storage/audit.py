"""Who did what."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from gaal.storage import rows
from gaal.storage.database import Database
from gaal.storage.records import AuditEntry
from gaal.storage.tables import audit


class Audit:
    """A log that is only added to: no topic changes with it, and no entry leaves with its client."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entry: AuditEntry) -> None:
        values = rows.values_of(entry)

        def operation(connection: Connection) -> None:
            connection.execute(insert(audit), values)

        self._database.write(operation)

    def entries(
        self, limit: int = 100, actor: str | None = None, subject: str | None = None, since: float | None = None
    ) -> list[AuditEntry]:
        """The last ones by this actor, on this subject, from this time on; newest first."""
        columns = [column for column in audit.columns if column is not audit.c.id]
        statement = select(*columns).order_by(audit.c.id.desc()).limit(limit)
        if actor is not None:
            statement = statement.where(audit.c.actor == actor)
        if subject is not None:
            statement = statement.where(audit.c.subject == subject)
        if since is not None:
            statement = statement.where(audit.c.at >= since)
        return self._database.read(lambda connection: rows.all_of(connection, AuditEntry, statement))
