"""The tables. `migrations/` makes them; a test holds both against each other.

A column has the name of the record's field that it keeps. Times are seconds since 1970, UTC.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

VERSION_TABLE = "schema_version"

metadata = MetaData()


def _client() -> ForeignKey:
    return ForeignKey("clients.name", ondelete="CASCADE")


# SQLite numbers rows by itself only where the column is an INTEGER.
_Number = BigInteger().with_variant(Integer, "sqlite")

clients = Table(
    "clients",
    metadata,
    Column("name", Text, primary_key=True),
    Column("disabled", Boolean, nullable=False),
    Column("rate_per_s", Double),
    Column("burst", Integer),
    Column("max_concurrent", Integer),
    Column("created_at", Double, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("key", Text, primary_key=True),
    Column("client", Text, _client(), nullable=False),
    Column("scope", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("referrers", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Index("keys_of_client", "client"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("key", Text, nullable=False),
    Column("client", Text, _client(), nullable=False),
    Column("scope", Text, nullable=False),
    Column("issued_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("active", Boolean, nullable=False),
    Index("tokens_of_client", "client", "key"),
    Index("tokens_by_expiry", "expires_at"),
)

registrations = Table(
    "registrations",
    metadata,
    Column("client", Text, _client(), primary_key=True),
    Column("files", LargeBinary, nullable=False),
    Column("request_class", Text, nullable=False),
    Column("reply_class", Text, nullable=False),
    Column("source", Text, nullable=False),
)

# No foreign key: the strategy of client "" is that of all clients without one of their own.
strategies = Table(
    "strategies",
    metadata,
    Column("client", Text, primary_key=True),
    Column("committed", Text, nullable=False),
    Column("draft", Text, nullable=False),
)

microservices = Table(
    "microservices",
    metadata,
    Column("client", Text, _client(), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("target", Text, nullable=False),
    Column("api", Text, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("n_replicas", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
)

# No foreign key: a process may outlive what it is of, by the moment that stopping it takes.
processes = Table(
    "processes",
    metadata,
    Column("machine", Text, primary_key=True),
    Column("client", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("replica", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("n_restarts", Integer, nullable=False),
    Column("since", Double, nullable=False),
    Column("failure", Text, nullable=False),
)

images = Table(
    "images",
    metadata,
    Column("name", Text, primary_key=True),
    Column("target", Text, nullable=False),
)

# No foreign key: on an anonymous server the client is "".
events = Table(
    "events",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("client", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("json", Text, nullable=False),
    Index("events_of_client", "client", "id"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index("audit_by_time", "at"),
)

topics = Table(
    "topics",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
)

facts = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

DESCRIPTIONS = {
    "clients": "who may call, and the limits of each",
    "keys": "the clients' keys with their scopes; secrets are encrypted",
    "tokens": "tokens that were given out, as SHA-256 digests, with their expiry",
    "registrations": "the clients' own protobufs, compiled",
    "strategies": "which algorithms answer a client's predictions",
    "microservices": "what the server should keep running for clients",
    "processes": "what runs of it, by machine",
    "images": "names of container images, and what stands for them where there are no containers",
    "events": "what clients reported at `/events`",
    "audit": "who did what, and when",
    "topics": "a number for each kind of thing that grows with every change, for the change feed",
    "facts": "the fingerprint of the key that encrypts the secrets",
}
"""What each table keeps, for docs/storage.md and `gaal store check`."""
