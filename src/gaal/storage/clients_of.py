"""Whether the client that something belongs to is there."""

from __future__ import annotations

from sqlalchemy import Connection, select

from gaal.errors import NotFound
from gaal.storage.tables import clients


def known(connection: Connection, client: str) -> None:
    """Raises NotFound where there is no such client."""
    if connection.scalar(select(clients.c.name).where(clients.c.name == client)) is None:
        raise no_client(client)


def no_client(client: str) -> NotFound:
    return NotFound(f'client "{client}": there is no such client')
