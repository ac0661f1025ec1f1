"""`gaal proto`: the protobufs that clients registered. A running server takes up what changes here at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gaal.cli.own_store import complain, own_store, require_client
from gaal.errors import GaalError, NotFound, SettingsError

if TYPE_CHECKING:
    from gaal.storage.records import Registration
    from gaal.storage.store import Store

Option = typer.Option

ClientOption = Annotated[str, Option("--client", metavar="NAME", help="The client whose protobufs they are.")]
DataDir = Annotated[
    Path | None, Option("--data-dir", metavar="FOLDER", help="Where the server keeps its data, else GAAL_DATA_DIR.")
]
Database = Annotated[str | None, Option("--database", metavar="URL", help="The database, else GAAL_DATABASE.")]

app = typer.Typer(name="proto", help="The protobufs that clients registered.", no_args_is_help=True)


def register(main: typer.Typer) -> None:
    main.add_typer(app)


@app.command()
def add(
    client: ClientOption,
    proto: Annotated[
        Path,
        Option("--proto", metavar="FILE|FOLDER", help="A .proto, a folder of them, a FileDescriptorSet, or a jar."),
    ],
    request_class: Annotated[
        str,
        Option(
            "--request-class",
            metavar="CLASS",
            help="The message that requests bring, by its full name or that of its Java class. May be left out where "
            "there is just one message.",
        ),
    ] = "",
    reply_class: Annotated[
        str, Option("--reply-class", metavar="CLASS", help="The message that replies bring in custom, if any.")
    ] = "",
    include: Annotated[
        list[Path] | None,
        Option("--include", metavar="FOLDER", help="Where imports are looked for too. May be repeated."),
    ] = None,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Register protobufs for a client, in place of those that it has."""
    from gaal.gateway.proto_sources import registration_of

    with _complaining():
        registration = registration_of(client, proto, request_class, reply_class, include or ())
        with own_store(data_dir, database) as store:
            require_client(store, client)
            store.transact(_save, store, registration)
    _show(registration)


@app.command()
def show(client: ClientOption, data_dir: DataDir = None, database: Database = None) -> None:
    """Show what a client registered, with the fields of its messages, as JSON."""
    from gaal.protocols.own_types import OwnTypes
    from gaal.protocols.proto_schema import schema_of

    with _complaining():
        found = _registered(client, data_dir, database)
        types = OwnTypes(found.files, found.request_class, found.reply_class)
        shown = {**_summary(found), "request": schema_of(types, found.request_class)}
        if found.reply_class:
            shown["reply"] = schema_of(types, found.reply_class)
        typer.echo(json.dumps(shown, indent=2))


@app.command("list")
def list_all(data_dir: DataDir = None, database: Database = None) -> None:
    """List the clients that registered protobufs, one a line, with their classes."""
    with _complaining(), own_store(data_dir, database) as store:
        for each in store.registrations.all():
            typer.echo("  ".join(filter(None, (each.client, each.request_class, each.reply_class))))


@app.command()
def remove(client: ClientOption, data_dir: DataDir = None, database: Database = None) -> None:
    """Remove what a client registered. From then on it sends lists of numbers."""
    with _complaining(), own_store(data_dir, database) as store:
        require_client(store, client)
        store.transact(_remove, store, client)


@app.command()
def stub(
    client: ClientOption,
    out: Annotated[Path, Option("--out", metavar="FOLDER", help="Where to write; it is made if need be.")],
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Write Python classes of what a client registered: *_pb2.py, and *_pb2.pyi with their types."""
    from gaal.gateway.proto_stubs import write_stubs

    with _complaining():
        for path in write_stubs(_registered(client, data_dir, database), out):
            typer.echo(path)


@contextmanager
def _complaining() -> Iterator[None]:
    """Errors go to stderr; the exit status is 1, or 2 for what was mistyped."""
    try:
        yield
    except GaalError as error:
        complain(error)
        raise typer.Exit(2 if isinstance(error, SettingsError) else 1) from None


def _save(store: Store, registration: Registration) -> None:
    from gaal.gateway.audit import audited

    store.registrations.set(registration)
    audited(store, "proto.set", registration.client, f"{registration.request_class} from {registration.source}")


def _remove(store: Store, client: str) -> None:
    from gaal.gateway.audit import audited

    if not store.registrations.remove(client):
        raise _nothing_of(client)
    audited(store, "proto.remove", client)


def _registered(client: str, data_dir: Path | None, database: str | None) -> Registration:
    with own_store(data_dir, database) as store:
        return _found(store, client)


def _found(store: Store, client: str) -> Registration:
    require_client(store, client)
    found = store.registrations.get(client)
    if found is None:
        raise _nothing_of(client)
    return found


def _nothing_of(client: str) -> NotFound:
    return NotFound(f'client "{client}": has registered no protobufs; gaal proto add --client {client} does')


def _summary(found: Registration) -> dict[str, Any]:
    return {
        "client": found.client,
        "request_class": found.request_class,
        "reply_class": found.reply_class or None,
        "source": found.source,
    }


def _show(registration: Registration) -> None:
    reply = f", replies bring {registration.reply_class}" if registration.reply_class else ""
    typer.echo(f"{registration.client}: requests bring {registration.request_class}{reply}")
