"""`gaal microservices`: what the server keeps running for its clients, and how it does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gaal.cli.image import opened
from gaal.cli.store import DatabaseUrl, DataDir
from gaal.cli.tables import AsJson
from gaal.errors import NotFound

if TYPE_CHECKING:
    from gaal.storage.records import Microservice, MicroserviceProcess
    from gaal.storage.store import Store

Client = Annotated[str, typer.Argument(metavar="CLIENT", help="Whose microservice.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Which one.")]
N_LINES = 100

microservices = typer.Typer(
    name="microservices", help="What the server keeps running for its clients.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    app.add_typer(microservices)


@microservices.command(name="list")
def list_microservices(
    client: Annotated[str | None, typer.Option("--client", metavar="CLIENT", help="Only this client's.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
) -> None:
    """Show each microservice and its processes."""
    with opened(data_dir, database) as store:
        rows = store.microservices.all() if client is None else store.microservices.of(client)
        processes = store.microservices.processes()
        found = [(row, [each for each in processes if _is_of(each, row)]) for row in rows]
    if as_json:
        print(json.dumps([{**asdict(row), "processes": [*map(asdict, mine)]} for row, mine in found]))
        return
    now = time.time()
    for row, mine in found:
        print(f"{row.client}/{row.name}  {row.api}  {row.target or row.pipeline}")
        for line in described(mine, now) or ["not running"]:
            print(f"    {line}")


@microservices.command()
def remove(client: Client, name: Name, data_dir: DataDir = None, database: DatabaseUrl = None) -> None:
    """End a microservice. The client's variations stay as they are."""
    from gaal.gateway.audit import audited

    with opened(data_dir, database) as store:
        if not store.microservices.remove(client, name):
            raise _unknown(store, client, name)
        audited(store, "microservice.remove", f"{client}/{name}")
        print(f"removed {client}/{name}")


@microservices.command()
def logs(
    client: Client,
    name: Name,
    replica: Annotated[int, typer.Option("--replica", min=0, metavar="N", help="Which replica.")] = 0,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, metavar="N", help="How many lines.")] = N_LINES,
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
) -> None:
    """Show the last of what a microservice has printed on this machine."""
    from gaal.microservices.log_files import last_lines, log_of

    with opened(data_dir, database) as store:
        log = log_of(store.location.data_dir, client, name, replica)
        found = last_lines(log, lines)
        if not found and not any(row.name == name for row in store.microservices.of(client)):
            raise _unknown(store, client, name)
        for line in found:
            print(line)


def _is_of(process: MicroserviceProcess, microservice: Microservice) -> bool:
    return (process.client, process.name) == (microservice.client, microservice.name)


def described(processes: Sequence[MicroserviceProcess], now: float) -> list[str]:
    """A line for each process, and why it failed below it."""
    return [line for each in processes for line in _lines(each, now)]


def _lines(process: MicroserviceProcess, now: float) -> Iterator[str]:
    since = f"for {max(0.0, now - process.since):.0f} s"
    where = f", port {process.port}, process {process.pid}" if process.state == "ready" else ""
    restarts = f", restarted {process.n_restarts} times" if process.n_restarts else ""
    yield f"{process.replica}: {process.state} {since}{where}{restarts}"
    for line in process.failure.splitlines():
        yield f"   {line}"


def _unknown(store: Store, client: str, name: str) -> NotFound:
    known = ", ".join(_name(row) for row in store.microservices.all()) or "none"
    return NotFound(f"microservice {client}/{name}: there is no such microservice (there are: {known})")


def _name(row: Microservice) -> str:
    return f"{row.client}/{row.name}"
