"""`gaal client`: who may call the server. A running server takes up what changes here at once.

The exit status is 0, 1 where the store or what is in it says no, and 2 where what was typed cannot be done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gaal.cli.own_store import complain, own_store, require_client
from gaal.cli.tables import AsJson, show_rows, utc
from gaal.errors import GaalError, SettingsError

if TYPE_CHECKING:
    from gaal.storage.records import Client, Key
    from gaal.storage.store import Store

Option = typer.Option

Name = Annotated[str, typer.Argument(metavar="NAME", help="The client.")]
DataDir = Annotated[
    Path | None, Option("--data-dir", metavar="FOLDER", help="Where the server keeps its data, else GAAL_DATA_DIR.")
]
Database = Annotated[str | None, Option("--database", metavar="URL", help="The database, else GAAL_DATABASE.")]
Rate = Annotated[float | None, Option("--rate", metavar="N", help="So many requests a second in the long run.")]
Burst = Annotated[int | None, Option("--burst", metavar="N", help="So many at once; else one second's worth.")]
MaxConcurrent = Annotated[int | None, Option("--max-concurrent", metavar="N", help="So many under way at a time.")]
SetKey = Annotated[str, Option("--key", metavar="KEY", help="Take this key instead of a new one.")]
SetSecret = Annotated[str, Option("--secret", metavar="SECRET", help="And this secret.", show_default=False)]
Referrers = Annotated[
    list[str] | None, Option("--referrer", metavar="HOST", help="Take the js key from pages of this host only; repeat.")
]

app = typer.Typer(name="client", help="Who may call the server.", no_args_is_help=True)


def register(main: typer.Typer) -> None:
    main.add_typer(app)


@app.command()
def add(
    name: Name,
    scope: Annotated[
        str, Option("--scope", metavar="SCOPE", help="What its key grants: all, readonly, deployment:<ns>/<name>.")
    ] = "all",
    rate: Rate = None,
    burst: Burst = None,
    max_concurrent: MaxConcurrent = None,
    key: SetKey = "",
    secret: SetSecret = "",
    js_key: Annotated[str, Option("--js-key", metavar="KEY", help="Take this js key instead of a new one.")] = "",
    referrer: Referrers = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Make a client, with a key and secret for programs and a js key for web pages, and show them."""
    from gaal.gateway.audit import audited
    from gaal.gateway.enrolment import enrolled
    from gaal.storage.records import Limits

    with complaining():
        limits = Limits(rate, burst, max_concurrent)
        client, keys = enrolled(name, scope, limits, key=key, secret=secret, js_key=js_key, referrers=referrer or ())
        with own_store(data_dir, database) as store:

            def write() -> None:
                store.clients.add(client, keys)
                audited(store, "client.add", name, f"keys {', '.join(each.key for each in keys)}")

            store.transact(write)
        show_rows([key_row(each, secrets=True) for each in keys], as_json, "")


@app.command("list")
def list_all(as_json: AsJson = False, data_dir: DataDir = None, database: Database = None) -> None:
    """List the clients with their limits."""
    with complaining(), own_store(data_dir, database) as store:
        keys = store.clients.keys()
        rows = [_row(each, sum(key.client == each.name for key in keys)) for each in store.clients.all()]
        show_rows(rows, as_json, "There are no clients; gaal client add NAME makes one.")


@app.command()
def remove(name: Name, data_dir: DataDir = None, database: Database = None) -> None:
    """Remove a client and all that is its own: keys, tokens, protobufs, microservices, variations."""

    def write(store: Store) -> None:
        store.clients.remove(name)

    _change(name, "client.remove", write, data_dir, database)


@app.command()
def disable(name: Name, data_dir: DataDir = None, database: Database = None) -> None:
    """Let a client in no more, until it is enabled again. Its keys and tokens stay."""
    _update(name, "client.disable", lambda client: replace(client, disabled=True), data_dir, database)


@app.command()
def enable(name: Name, data_dir: DataDir = None, database: Database = None) -> None:
    """Let a client in again."""
    _update(name, "client.enable", lambda client: replace(client, disabled=False), data_dir, database)


@app.command()
def limit(
    name: Name,
    rate: Rate = None,
    burst: Burst = None,
    max_concurrent: MaxConcurrent = None,
    none: Annotated[bool, Option("--none", help="Take all limits away.")] = False,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Set how much a client may ask. These limits replace those that it has."""
    from gaal.errors import Violation
    from gaal.gateway.enrolment import limited
    from gaal.storage.records import Limits

    limits = Limits(rate, burst, max_concurrent)
    with complaining():
        if none == (limits != Limits()):
            rule = "either --none or at least one of them must be given"
            raise SettingsError([Violation("--rate, --burst, --max-concurrent", rule)])
    _update(name, "client.limit", lambda client: limited(client, limits), data_dir, database, shown=str(limits))


@contextmanager
def complaining() -> Iterator[None]:
    """Errors go to stderr; the exit status is 1, or 2 for what was mistyped."""
    try:
        yield
    except GaalError as error:
        complain(error)
        raise typer.Exit(2 if isinstance(error, SettingsError) else 1) from None


def key_row(key: Key, *, secrets: bool) -> dict[str, Any]:
    """What is shown of a key; its secret only where that is wanted."""
    row: dict[str, Any] = {"client": key.client, "key": key.key}
    if secrets:
        row["secret"] = key.secret
    return {**row, "scope": key.scope, "active": key.active, "referrers": list(key.referrers)}


def _row(client: Client, n_keys: int) -> dict[str, Any]:
    return {
        "client": client.name,
        "disabled": client.disabled,
        "keys": n_keys,
        "rate_per_s": client.limits.rate_per_s,
        "burst": client.limits.burst,
        "max_concurrent": client.limits.max_concurrent,
        "since": utc(client.created_at),
    }


def _update(
    name: str,
    action: str,
    change: Callable[[Client], Client],
    data_dir: Path | None,
    database: str | None,
    shown: str = "",
) -> None:
    def write(store: Store) -> None:
        client = store.clients.get(name)
        assert client is not None  # _change has looked
        store.clients.update(change(client))

    _change(name, action, write, data_dir, database, shown)


def _change(
    name: str,
    action: str,
    write: Callable[[Store], None],
    data_dir: Path | None,
    database: str | None,
    shown: str = "",
) -> None:
    """Changes a client that is there, and notes it, in one transaction."""
    from gaal.gateway.audit import audited

    def change(store: Store) -> None:
        require_client(store, name)
        write(store)
        audited(store, action, name, shown)

    with complaining(), own_store(data_dir, database) as store:
        store.transact(change, store)
