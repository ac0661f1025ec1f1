"""`gaal audit`: who did what."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from gaal.cli.client import Database, DataDir, complaining
from gaal.cli.own_store import own_store
from gaal.cli.tables import AsJson, show_rows, utc

Option = typer.Option


def audit(
    limit: Annotated[int, Option("-n", "--limit", min=1, metavar="N", help="Show so many, the last ones.")] = 100,
    actor: Annotated[
        str | None,
        Option("--actor", metavar="ACTOR", help="What this one did: operator:<user>, client:<name>, server."),
    ] = None,
    subject: Annotated[
        str | None, Option("--subject", metavar="SUBJECT", help="What was done to this one: a client, or key:<key>.")
    ] = None,
    hours: Annotated[float | None, Option("--hours", min=0.0, metavar="N", help="What was done since then.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Show who did what to clients, keys, tokens and what else the store keeps."""
    since = None if hours is None else time.time() - hours * 3600
    with complaining(), own_store(data_dir, database) as store:
        rows = [
            {
                "at": utc(each.at),
                "actor": each.actor,
                "action": each.action,
                "subject": each.subject,
                "detail": each.detail,
            }
            for each in store.audit.entries(limit, actor, subject, since)
        ]
        show_rows(rows, as_json, "Nothing was done.")


def register(main: typer.Typer) -> None:
    main.command()(audit)
