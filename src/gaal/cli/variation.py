"""`gaal variation`: which algorithms answer a client's predictions.

A running server takes up what changes here at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from gaal.cli.own_store import complain, own_store, require_client
from gaal.cli.store import DatabaseUrl, DataDir
from gaal.cli.tables import AsJson, show_rows
from gaal.errors import GaalError, NotFound, SettingsError, StrategyError, Violation

if TYPE_CHECKING:
    from gaal.gateway.predict_algs import Algorithm
    from gaal.storage.store import Store

Client = Annotated[
    str,
    typer.Option("--client", metavar="NAME", help='Whose predictions; "" is everybody who has nothing of their own.'),
]
Variations = Annotated[
    list[str],
    typer.Argument(
        metavar="LABEL=TARGET:WEIGHT…",
        help="A TARGET is a deployment (name or namespace/name), or the address of a Classifier microservice "
        "(grpc://host:port or http://host:port/predict). Several, with commas between, are asked one after the other "
        "until one has predictions.",
    ),
]

variation = typer.Typer(name="variation", help="Which algorithms answer a client's predictions.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(variation)


@variation.command(name="set")
def set_variations(
    client: Client, variations: Variations, data_dir: DataDir = None, database: DatabaseUrl = None
) -> None:
    """Put variations in force, in the place of all that were."""
    from gaal.gateway import predict_algs
    from gaal.gateway.audit import audited
    from gaal.protocols import json_text

    with _complaining(), own_store(data_dir, database) as store:
        _require(store, client)
        text = json_text.dump({"variations": [_variation(each) for each in variations]}).decode()
        algs = predict_algs.read(text, "the variations")
        store.strategies.set(client, text)
        audited(store, "variation.set", client, " ".join(variations))
        for each in algs.variations:
            print(f"{each.label}  {each.share:.2%}")


@variation.command()
def show(client: Client, as_json: AsJson = False, data_dir: DataDir = None, database: DatabaseUrl = None) -> None:
    """Show the variations in force, with their shares of the requests."""
    with _complaining(), own_store(data_dir, database) as store:
        _require(store, client)
        strategy = store.strategies.get(client)
        if strategy is not None and strategy.draft:
            complain("there is also a draft, which is not committed")
        show_rows(_rows(strategy.committed if strategy else "", client), as_json, "There are no variations.")


@variation.command()
def remove(client: Client, data_dir: DataDir = None, database: DatabaseUrl = None) -> None:
    """Remove all variations. What answers then is the default, else the only deployment."""
    from gaal.gateway.audit import audited

    with _complaining(), own_store(data_dir, database) as store:
        _require(store, client)
        if not store.strategies.remove(client):
            raise NotFound(f'client "{client}": there are no variations')
        audited(store, "variation.remove", client)
        print(f"removed the variations of {client or 'everybody else'}")


def _require(store: Store, client: str) -> None:
    if client:
        require_client(store, client)


def _rows(committed: str, client: str) -> list[dict[str, Any]]:
    from gaal.gateway import predict_algs

    if not committed:
        return []
    algs = predict_algs.read(committed, f'predict_algs of client "{client}"')
    return [
        {"label": each.label, "share": round(each.share, 6), "algorithms": [_told(one) for one in each.algorithms]}
        for each in algs.variations
    ]


def _told(algorithm: Algorithm) -> str:
    """The algorithm as `set` takes it."""
    from gaal.gateway.predict_algs import RestServer, RpcServer

    match algorithm:
        case RpcServer(host, port):
            return f"grpc://{host}:{port}"
        case RestServer(url):
            return url
        case _:
            return algorithm.name


def _variation(text: str) -> dict[str, Any]:
    """The JSON of `LABEL=TARGET:WEIGHT`. Raises SettingsError."""
    label, _, rest = text.partition("=")
    targets, _, weight = rest.rpartition(":")
    if not label or not targets or not weight:
        raise SettingsError([Violation("VARIATION", "must be LABEL=TARGET:WEIGHT", text)])
    algorithms = [_algorithm(target) for target in targets.split(",")]
    return {"label": label, "ratio": weight, "config": {"algorithms": algorithms}}


def _algorithm(target: str) -> dict[str, Any]:
    from gaal.gateway import predict_algs

    if target.startswith("grpc://"):
        host, _, port = target.removeprefix("grpc://").rpartition(":")
        if not host:
            raise SettingsError([Violation("TARGET", "must be grpc://host:port", target)])
        name, config = predict_algs.RPC_SERVER, {predict_algs.RPC_HOST: host, predict_algs.RPC_PORT: port}
    elif target.startswith(("http://", "https://")):
        # Also because http://host:5000 without a weight would else be taken for one of 5000.
        if not urlsplit(target).path:
            raise SettingsError([Violation("TARGET", "must have a path, such as /predict", target)])
        host = urlsplit(target).hostname or target
        name, config = predict_algs.REST_SERVER, {predict_algs.REST_URL: target, predict_algs.REST_NAME: host}
    else:
        name, config = predict_algs.DEPLOYMENT, {predict_algs.DEPLOYMENT_NAME: target}
    return {"name": name, "config": [{"name": key, "value": value} for key, value in config.items()]}


@contextmanager
def _complaining() -> Iterator[None]:
    """What goes wrong inside is told on stderr. The status is 2 for what was typed, else 1."""
    try:
        yield
    except GaalError as error:
        complain(error)
        raise typer.Exit(2 if isinstance(error, SettingsError | StrategyError) else 1) from None
