"""Clients and their keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Table, insert, select, update

from gaal.errors import Conflict, NotFound
from gaal.storage import rows, tables
from gaal.storage.clients_of import known, no_client
from gaal.storage.database import Database
from gaal.storage.records import Client, Key, Limits
from gaal.storage.secrets import SecretKey
from gaal.storage.tables import clients, keys, tokens

TOPIC = "clients"

_ITS_OWN = (
    tables.events,
    tables.processes,
    tables.microservices,
    tables.strategies,
    tables.registrations,
    tokens,
    keys,
)
"""Where rows of a client are."""


class Clients:
    """Who may call, and with which keys."""

    def __init__(self, database: Database, secret_key: SecretKey) -> None:
        self._database = database
        self._secret_key = secret_key

    def add(self, client: Client, keys: Sequence[Key] = ()) -> None:
        """Adds a client with its keys. Raises Conflict where the client or a key is there already."""

        def operation(connection: Connection) -> None:
            _insert(connection, clients, _client_values(client), f'client "{client.name}" is there already')
            for key in keys:
                self._insert_key(connection, key)

        self._database.write(operation, TOPIC)

    def get(self, name: str) -> Client | None:
        statement = select(clients).where(clients.c.name == name)
        found = self._database.read(lambda connection: connection.execute(statement).first())
        return None if found is None else _client(found)

    def all(self) -> list[Client]:
        found = self._database.read(lambda connection: connection.execute(rows.ordered(clients)).all())
        return [_client(row) for row in found]

    def update(self, client: Client) -> None:
        """Raises NotFound where there is no client of this name."""

        def operation(connection: Connection) -> None:
            statement = update(clients).where(clients.c.name == client.name).values(_client_values(client))
            if not connection.execute(statement).rowcount:
                raise no_client(client.name)

        self._database.write(operation, TOPIC)

    def remove(self, name: str) -> None:
        """Removes a client and everything that is its own. Raises NotFound."""

        def operation(connection: Connection) -> None:
            rows.clear(connection, _ITS_OWN, client=name)
            if not rows.clear(connection, [clients], name=name):
                raise no_client(name)

        topics = ("tokens", "registrations", "strategies", "microservices", "processes")
        self._database.write(operation, TOPIC, *topics)

    def keys(self, client: str | None = None) -> list[Key]:
        """The keys of a client, or of all, in the order they were made."""
        statement = select(keys).order_by(keys.c.client, keys.c.created_at, keys.c.key)
        if client is not None:
            statement = statement.where(keys.c.client == client)
        found = self._database.read(lambda connection: connection.execute(statement).all())
        return [self._key(row) for row in found]

    def find_key(self, key: str) -> Key | None:
        statement = select(keys).where(keys.c.key == key)
        found = self._database.read(lambda connection: connection.execute(statement).first())
        return None if found is None else self._key(found)

    def add_key(self, key: Key) -> None:
        """Raises Conflict where the key is there already, NotFound where its client is not."""
        self._database.write(lambda connection: self._insert_key(connection, key), TOPIC)

    def update_key(self, key: Key) -> None:
        """Raises NotFound where its client has no such key."""

        def operation(connection: Connection) -> None:
            same = (keys.c.key == key.key) & (keys.c.client == key.client)
            if not connection.execute(update(keys).where(same).values(self._key_values(key))).rowcount:
                raise _no_key(key.key)

        self._database.write(operation, TOPIC)

    def remove_key(self, key: str) -> None:
        """Removes a key and revokes the tokens that it got. Raises NotFound."""
        self._database.write(lambda connection: _drop_key(connection, key), TOPIC, "tokens")

    def replace_key(self, old: str, new: Key) -> None:
        """Puts a new key in the place of an old one, whose tokens are revoked. Raises NotFound and Conflict."""

        def operation(connection: Connection) -> None:
            _drop_key(connection, old)
            self._insert_key(connection, new)

        self._database.write(operation, TOPIC, "tokens")

    def _insert_key(self, connection: Connection, key: Key) -> None:
        known(connection, key.client)
        _insert(connection, keys, self._key_values(key), f"key {key.key} is there already")

    def _key_values(self, key: Key) -> dict[str, Any]:
        sealed = self._secret_key.seal(key.secret, key.key) if key.secret else b""
        return rows.values_of(key) | {"secret": sealed, "referrers": orjson.dumps(key.referrers).decode()}

    def _key(self, row: Row[Any]) -> Key:
        values = dict(row._mapping)
        values["secret"] = self._secret_key.open(values["secret"], values["key"]) if values["secret"] else ""
        values["referrers"] = tuple(orjson.loads(values["referrers"]))
        return Key(**values)


def _client_values(client: Client) -> dict[str, Any]:
    values = rows.values_of(client)
    return values | rows.values_of(values.pop("limits"))


def _client(row: Row[Any]) -> Client:
    values = dict(row._mapping)
    limits = Limits(values.pop("rate_per_s"), values.pop("burst"), values.pop("max_concurrent"))
    return replace(Client(**values), limits=limits)


def _insert(connection: Connection, table: Table, values: dict[str, Any], taken: str) -> None:
    # Looked up first, as writers take turns: to PostgreSQL a refused row is the end of the transaction.
    (column,) = table.primary_key.columns
    if connection.execute(select(column).where(column == values[column.name])).first() is not None:
        raise Conflict(taken)
    connection.execute(insert(table).values(values))


def _drop_key(connection: Connection, key: str) -> None:
    connection.execute(update(tokens).where(tokens.c.key == key).values(active=False))
    if not rows.clear(connection, [keys], key=key):
        raise _no_key(key)


def _no_key(key: str) -> NotFound:
    return NotFound(f"key {key}: there is no such key")
