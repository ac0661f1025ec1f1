"""`gaal keys`: the keys of clients. A running server takes up what changes here at once.

Exit status as that of `gaal client`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from gaal.cli.client import Database, DataDir, Referrers, SetKey, SetSecret, complaining, key_row
from gaal.cli.own_store import own_store, require_client
from gaal.cli.tables import AsJson, show_rows
from gaal.errors import NotFound

if TYPE_CHECKING:
    from gaal.storage.records import Key
    from gaal.storage.store import Store

Option = typer.Option
T = TypeVar("T")

TheKey = Annotated[str, typer.Argument(metavar="KEY", help="The key, not its secret.")]

app = typer.Typer(name="keys", help="The keys of clients.", no_args_is_help=True)


def register(main: typer.Typer) -> None:
    main.add_typer(app)


@app.command("list")
def list_all(
    client: Annotated[str | None, typer.Argument(metavar="[CLIENT]", help="Of this client; else of all.")] = None,
    secrets: Annotated[bool, Option("--secrets", help="Show the secrets too.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """List keys with what they grant."""
    with complaining(), own_store(data_dir, database) as store:
        if client is not None:
            require_client(store, client)
        rows = [key_row(each, secrets=secrets) for each in store.clients.keys(client)]
        show_rows(rows, as_json, "There are no keys.")


@app.command()
def add(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="Whose key it is.")],
    scope: Annotated[
        str, Option("--scope", metavar="SCOPE", help="What it grants: all, js, readonly, deployment:<ns>/<name>.")
    ] = "all",
    key: SetKey = "",
    secret: SetSecret = "",
    referrer: Referrers = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Give a client one more key, and show it."""
    from gaal.gateway.enrolment import made_key

    def write(store: Store) -> Key:
        require_client(store, client)
        made = made_key(client, scope, key=key, secret=secret, referrers=referrer or ())
        store.clients.add_key(made)
        _note(store, "key.add", made, f"client {client}, scope {made.scope}")
        return made

    made = _changed(write, data_dir, database)
    show_rows([key_row(made, secrets=True)], as_json, "")


@app.command()
def rotate(
    key: TheKey,
    new_key: Annotated[bool, Option("--new-key", help="Make a new key too, not only a new secret.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Give a key a new secret, show it, and revoke all its tokens: the old secret is worth nothing from now on."""
    from gaal.gateway.enrolment import rotated

    def write(store: Store) -> tuple[Key, int]:
        old = _found(store, key)
        made = rotated(old, with_new_key=new_key)
        n_revoked = store.tokens.revoke_all(old.client, old.key)
        store.clients.replace_key(old.key, made)
        _note(store, "key.rotate", old, f"{n_revoked} tokens revoked; key now {made.key}")
        return made, n_revoked

    made, n_revoked = _changed(write, data_dir, database)
    if as_json:
        print(json.dumps({**key_row(made, secrets=True), "revoked_tokens": n_revoked}))
    else:
        show_rows([key_row(made, secrets=True)], False, "")
        what = "key and secret are" if new_key and made.secret else "key is" if new_key else "secret is"
        print(f"The {what} new. {n_revoked} token(s) of the old one were revoked.")


@app.command()
def revoke(key: TheKey, data_dir: DataDir = None, database: Database = None) -> None:
    """Remove a key and revoke all its tokens."""

    def write(store: Store) -> int:
        old = _found(store, key)
        n_revoked = store.tokens.revoke_all(old.client, old.key)
        store.clients.remove_key(key)
        _note(store, "key.revoke", old, f"client {old.client}, {n_revoked} tokens revoked")
        return n_revoked

    n_revoked = _changed(write, data_dir, database)
    print(f"The key is gone. {n_revoked} token(s) of it were revoked.")


def _changed(write: Callable[[Store], T], data_dir: Path | None, database: str | None) -> T:
    """What the change answers, after it is written in one transaction."""
    with complaining(), own_store(data_dir, database) as store:
        return store.transact(write, store)


def _found(store: Store, key: str) -> Key:
    found = store.clients.find_key(key)
    if found is None:
        # What was typed may be a secret.
        raise NotFound("KEY: there is no such key; gaal keys list shows those that there are")
    return found


def _note(store: Store, action: str, key: Key, detail: str) -> None:
    from gaal.gateway.audit import audited

    audited(store, action, f"key:{key.key}", detail)
