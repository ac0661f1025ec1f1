"""Tokens that were given out."""

from __future__ import annotations

from sqlalchemy import Boolean, Connection, Double, LargeBinary, Text, bindparam, delete, insert, select, update

from gaal.errors import NotFound
from gaal.storage import rows
from gaal.storage.database import Database
from gaal.storage.records import Token
from gaal.storage.tables import keys, tokens

TOPIC = "tokens"

# Written for a key that is in force only: one may be revoked while a token is on its way here.
_ADD = rows.Prepared(
    insert(tokens).from_select(
        ["digest", "key", "client", "scope", "issued_at", "expires_at", "active"],
        select(
            bindparam("digest", type_=LargeBinary),
            keys.c.key,
            keys.c.client,
            bindparam("scope", type_=Text),
            bindparam("issued_at", type_=Double),
            bindparam("expires_at", type_=Double),
            bindparam("active", type_=Boolean),
        ).where(keys.c.key == bindparam("key"), keys.c.client == bindparam("client"), keys.c.active),
    )
)
_FIND = select(tokens).where(tokens.c.digest == bindparam("digest"))


class Tokens:
    """The topic changes when a token is revoked, not when one is added."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, token: Token) -> None:
        """Raises NotFound where the client has no such key in force."""

        def operation(connection: Connection) -> None:
            if not _ADD.run(connection, token):
                raise NotFound(f'client "{token.client}": the key of the token is not there, or not active')

        self._database.write(operation)

    def find(self, digest: bytes) -> Token | None:
        row = self._database.read(lambda connection: connection.execute(_FIND, {"digest": digest}).first())
        return None if row is None else rows.record_of(Token, row)

    def revoke(self, digest: bytes) -> bool:
        """Whether there was such a token in force."""
        statement = update(tokens).where(tokens.c.digest == digest, tokens.c.active).values(active=False)
        return self._database.write(lambda connection: connection.execute(statement).rowcount > 0, TOPIC)

    def revoke_all(self, client: str, key: str | None = None) -> int:
        """Revokes the tokens of a client, or those that one key got, and says how many were in force."""
        statement = update(tokens).where(tokens.c.client == client, tokens.c.active).values(active=False)
        if key is not None:
            statement = statement.where(tokens.c.key == key)
        return self._database.write(lambda connection: connection.execute(statement).rowcount, TOPIC)

    def revoked(self, now: float) -> list[bytes]:
        """The digests of the tokens that were revoked and would not have expired by `now`."""
        statement = select(tokens.c.digest).where(tokens.c.active.is_(False), tokens.c.expires_at > now)
        return list(self._database.read(lambda connection: connection.execute(statement).scalars().all()))

    def remove_expired(self, now: float) -> int:
        """Removes the tokens that have expired by `now`, and says how many there were."""
        statement = delete(tokens).where(tokens.c.expires_at <= now)
        return self._database.write(lambda connection: connection.execute(statement).rowcount)
