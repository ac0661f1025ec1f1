"""`gaal store`: copies, checks and migrates what a server keeps.

The exit status is 0 where all went well, 1 where something is wrong with the store, and 2 where it cannot be opened
or what was typed cannot be done.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gaal.cli.own_store import own_location
from gaal.errors import Conflict, GaalError

if TYPE_CHECKING:
    from gaal.storage.location import Location

FINE, BROKEN, REFUSED = 0, 1, 2

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="FOLDER", envvar="GAAL_DATA_DIR", help="The folder that the store is in."),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="GAAL_DATABASE",
        show_envvar=True,
        help="The database, where it is elsewhere.",
    ),
]

store = typer.Typer(
    name="store", help="Copy, check and migrate the store: clients, keys, tokens and the like.", no_args_is_help=True
)


@store.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write, which must not be there yet.")],
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
) -> None:
    """Copy the store as it is now, while servers go on, and the key of its secrets beside it."""

    def copy(location: Location) -> int:
        from gaal.storage.backup import back_up

        for written in back_up(location, file):
            typer.echo(f"wrote {written}")
        return FINE

    _end(copy, data_dir, database)


@store.command()
def check(data_dir: DataDir = None, database: DatabaseUrl = None) -> None:
    """Look the store over: the file, the schema, every secret, and how much there is of everything."""

    def look_over(location: Location) -> int:
        from gaal.storage.checking import check

        report = check(location)
        typer.echo(f"store {location.place}")
        typer.echo(f"schema {report.schema or 'unknown'}")
        for name, count in report.counts.items():
            typer.echo(f"{count:8d} {name}")
        if not report.violations:
            typer.echo(f"all is well; {report.n_secrets} secret(s) open")
        for violation in report.violations:
            typer.echo(f"WRONG {violation}")
        return BROKEN if report.violations else FINE

    _end(look_over, data_dir, database)


@store.command()
def migrate(data_dir: DataDir = None, database: DatabaseUrl = None) -> None:
    """Bring the store to this Gaal's schema, as a server does when it starts. Makes one where there is none."""

    def bring_up(location: Location) -> int:
        from gaal.storage.checking import schema_of
        from gaal.storage.migrations import HEAD
        from gaal.storage.store import open_store

        before = schema_of(location)
        open_store(location).close()
        how = "has the schema" if before == HEAD else f"was migrated from {before or 'nothing'} to"
        typer.echo(f"store {location.place} {how} {HEAD}")
        return FINE

    _end(bring_up, data_dir, database)


def register(app: typer.Typer) -> None:
    app.add_typer(store)


def _end(task: Callable[[Location], int], data_dir: Path | None, database: str | None) -> None:
    """Ends the command with the task's status, or with what it raised, on stderr."""
    try:
        status = task(own_location(data_dir, database))
    except GaalError as error:
        typer.echo(str(error), err=True)
        status = BROKEN if isinstance(error, Conflict) else REFUSED
    raise typer.Exit(status)
