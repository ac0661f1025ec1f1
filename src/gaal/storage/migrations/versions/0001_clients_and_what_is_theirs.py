"""Clients, their keys, tokens, protobufs, strategies, microservices and events; audit, topics and facts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "clients",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("rate_per_s", sa.Double()),
        sa.Column("burst", sa.Integer()),
        sa.Column("max_concurrent", sa.Integer()),
        sa.Column("created_at", sa.Double(), nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("client", sa.Text(), sa.ForeignKey("clients.name", ondelete="CASCADE"), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("referrers", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
    )
    op.create_index("keys_of_client", "keys", ["client"])
    op.create_table(
        "tokens",
        sa.Column("digest", sa.LargeBinary(), primary_key=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), sa.ForeignKey("clients.name", ondelete="CASCADE"), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
    )
    op.create_index("tokens_of_client", "tokens", ["client", "key"])
    op.create_index("tokens_by_expiry", "tokens", ["expires_at"])
    op.create_table(
        "registrations",
        sa.Column("client", sa.Text(), sa.ForeignKey("clients.name", ondelete="CASCADE"), primary_key=True),
        sa.Column("files", sa.LargeBinary(), nullable=False),
        sa.Column("request_class", sa.Text(), nullable=False),
        sa.Column("reply_class", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
    )
    op.create_table(
        "strategies",
        sa.Column("client", sa.Text(), primary_key=True),
        sa.Column("committed", sa.Text(), nullable=False),
        sa.Column("draft", sa.Text(), nullable=False),
    )
    op.create_table(
        "microservices",
        sa.Column("client", sa.Text(), sa.ForeignKey("clients.name", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("n_replicas", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
    )
    op.create_table(
        "processes",
        sa.Column("machine", sa.Text(), primary_key=True),
        sa.Column("client", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("replica", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("n_restarts", sa.Integer(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=False),
    )
    op.create_table(
        "images",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("target", sa.Text(), nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("id", number, primary_key=True),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("json", sa.Text(), nullable=False),
    )
    op.create_index("events_of_client", "events", ["client", "id"])
    op.create_table(
        "audit",
        sa.Column("id", number, primary_key=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
    )
    op.create_index("audit_by_time", "audit", ["at"])
    op.create_table(
        "topics",
        sa.Column("topic", sa.Text(), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "facts",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
    )
