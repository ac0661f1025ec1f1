"""`gaal check`: hold a server against a contract.json, or look a SeldonDeployment over before it is served.

What is wrong goes to stdout, mistyped options to stderr. The exit status is 0 where every rule is kept, 1 where one
is broken, and 2 where what was named or typed cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gaal.cli import check_report
from gaal.cli.contract_trial import (
    BROKEN,
    FINE,
    Wanted,
    read_contract,
    read_documents,
    refused,
    show_warnings,
    try_contract,
)
from gaal.errors import ComponentError, GaalError, SettingsError, Violation

if TYPE_CHECKING:
    from gaal.components.loading import ComponentLoader
    from gaal.contracts.asking import Server
    from gaal.graph.deployment import PredictiveUnit
    from gaal.graph.load import Checked
    from gaal.messages import ModelMetadata

Option = typer.Option


def check(
    target: Annotated[
        str, typer.Argument(metavar="FILE", help="A contract.json, or a SeldonDeployment file or a folder of them.")
    ],
    url: Annotated[
        str | None, typer.Argument(metavar="URL", help="The server to try a contract on, http://host:port.")
    ] = None,
    endpoint: Annotated[
        str, Option("--endpoint", metavar="predict|send-feedback|transform-input", help="What to ask of the server.")
    ] = "predict",
    n_requests: Annotated[int, Option("-n", "--n-requests", min=1, metavar="N", help="How many requests to send.")] = 1,
    batch_size: Annotated[
        int, Option("-b", "--batch-size", min=1, max=100_000, metavar="N", help="How many rows a request has.")
    ] = 1,
    tensor: Annotated[bool, Option("-t", "--tensor", help="Send a tensor. Otherwise an ndarray.")] = False,
    grpc: Annotated[bool, Option("--grpc", help="Ask over gRPC. Otherwise over REST.")] = False,
    internal: Annotated[
        bool, Option("--internal", help="The server is the microservice of a single component: use its internal API.")
    ] = False,
    deployment: Annotated[
        str, Option("--deployment", metavar="NAMESPACE/NAME", help="Which deployment, where there are several.")
    ] = "",
    token: Annotated[str, Option("--token", envvar="GAAL_TOKEN", help="The token to show to the server.")] = "",
    key: Annotated[str, Option("--key", envvar="GAAL_KEY", help="Fetch a token with this key.")] = "",
    secret: Annotated[str, Option("--secret", envvar="GAAL_SECRET", help="And this secret of it.")] = "",
    prnt: Annotated[bool, Option("-p", "--prnt", help="Print every request and reply.")] = False,
    seed: Annotated[int | None, Option("--seed", min=0, metavar="N", help="Draws the same requests again.")] = None,
    timeout: Annotated[float, Option("--timeout", metavar="SECONDS", help="How long a reply may take.")] = 60.0,
    strict: Annotated[bool, Option("--strict", help="End with status 1 on warnings too.")] = False,
    load: Annotated[
        bool, Option("--load", help="Load the components of a deployment, and ask them for their metadata.")
    ] = False,
    app_dir: Annotated[
        Path, Option("--app-dir", metavar="FOLDER", exists=True, file_okay=False, help="Where their modules are.")
    ] = Path("."),
    servers: Annotated[
        Path | None,
        Option(
            "--servers",
            envvar="GAAL_SERVERS",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Which component stands behind an implementation that Gaal has not itself, as for gaal serve.",
        ),
    ] = None,
) -> None:
    """Try a contract.json on a server, or look over a SeldonDeployment before it is served."""
    wanted = Wanted(endpoint, n_requests, batch_size, tensor, prnt, seed)
    try:
        if url is not None:
            status = _try(
                target, url, _Place(internal, grpc, deployment, timeout, (token, key, secret)), wanted, strict
            )
        else:
            found = _look_over(target, app_dir if load else None, servers)
            check_report.show_rows(target, found)
            status = BROKEN if any(strict or each.level == "error" for each in found) else FINE
    except GaalError as error:
        status = refused(error)
    raise typer.Exit(status)


def register(app: typer.Typer) -> None:
    app.command()(check)


# A contract on a server.


def _try(file: str, url: str, place: _Place, wanted: Wanted, strict: bool) -> int:
    """The exit status of a trial. Raises GaalError for what cannot be read, or cannot be done."""
    if Path(file).is_dir() or _is_deployment(file):
        raise SettingsError([Violation("URL", "only a contract is tried on a server; a deployment needs no URL")])
    contract = read_contract(file)
    show_warnings(file, contract)
    status = try_contract(file, contract, _server(url, place), wanted)
    return BROKEN if strict and contract.warnings else status


@dataclass(frozen=True, slots=True)
class _Place:
    """Where and how a server is asked. `login` is a token, or a key and its secret; "" for what is not given."""

    internal: bool
    grpc: bool
    deployment: str
    timeout_s: float
    login: tuple[str, str, str] = field(default=("", "", ""), repr=False)


def _server(url: str, place: _Place) -> Server:
    from gaal.contracts.asking import ComponentServer, DeploymentServer

    if place.internal and place.deployment:
        raise SettingsError([Violation("--deployment", "the internal API of a component has no deployments")])
    if place.internal:
        return ComponentServer(url, grpc=place.grpc, timeout_s=place.timeout_s)
    namespace, _, name = place.deployment.rpartition("/")
    token, key, secret = place.login
    return DeploymentServer(
        url,
        grpc=place.grpc,
        deployment=name,
        namespace=namespace,
        timeout_s=place.timeout_s,
        token=token,
        key=key,
        secret=secret,
    )


# A file, or a folder, by itself.


def _look_over(target: str, app_dir: Path | None, servers: Path | None) -> list[check_report.Row]:
    """What is odd in a contract, or in the documents of a file or folder. Raises GaalError for what is wrong.

    `app_dir` has the modules of the components if they are to be loaded, `servers` is the file of --servers.
    """
    if not Path(target).is_dir() and _is_contract(target):
        return check_report.rows("warning", read_contract(target).warnings)
    return _look_over_deployments(Path(target), app_dir, servers)


def _is_contract(file: str) -> bool:
    from gaal.contracts.read import looks_like_contract

    documents = read_documents(file)
    return len(documents) == 1 and looks_like_contract(documents[0])


def _is_deployment(file: str) -> bool:
    return any(isinstance(each, dict) and each.get("kind") == "SeldonDeployment" for each in read_documents(file))


def _look_over_deployments(path: Path, app_dir: Path | None, servers: Path | None) -> list[check_report.Row]:
    import asyncio

    from gaal.graph import lint, load
    from gaal.graph.servers import NONE, read_servers

    found: list[check_report.Row] = []
    in_force = NONE if servers is None else read_servers(servers)
    for each in load.check(path, in_force):
        metadata, failures = asyncio.run(_loaded(each, app_dir)) if app_dir is not None else ({}, [])
        odd = [*each.warnings, *_prefixed(each.prefix, lint.findings(each.document, metadata, in_force))]
        found += check_report.rows("error", _prefixed(each.prefix, failures))
        found += check_report.rows("warning", (one for one in odd if not one.rule.startswith(lint.REPLACED_WARNINGS)))
    return found


def _prefixed(prefix: str, violations: Iterable[Violation]) -> list[Violation]:
    return [replace(each, path=prefix + each.path) for each in violations]


async def _loaded(checked: Checked, app_dir: Path) -> tuple[dict[tuple[int, str], dict[str, Any]], list[Violation]]:
    """The metadata of every component that runs here, and which ones cannot be loaded."""
    from random import Random

    from gaal.components.loading import ComponentLoader
    from gaal.graph import lint, names

    loader = ComponentLoader(app_dir, Random())
    places = lint.unit_places(checked.document)
    found: dict[tuple[int, str], dict[str, Any]] = {}
    failures: list[Violation] = []
    for index, predictor in enumerate(checked.deployment.predictors):
        for unit in predictor.graph.walk():
            is_model = unit.implementation in names.SERVED_HERE
            if (unit.component is None and not is_model) or unit.endpoint is not None:
                continue
            try:
                metadata = await _metadata(loader, unit)
            except GaalError as error:
                why = error.what if isinstance(error, ComponentError) else str(error)
                failures.append(Violation(places[index, unit.name], lint.NOT_LOADED, why))
            else:
                found[index, unit.name] = {"inputs": list(metadata.inputs), "outputs": list(metadata.outputs)}
    return found, failures


async def _metadata(loader: ComponentLoader, unit: PredictiveUnit) -> ModelMetadata:
    """Of a component that is loaded in this process, wherever the document places it. Raises GaalError."""
    from gaal.graph.deployment import Placement

    node = loader.make_node(replace(unit, placement=Placement.AUTO), lambda method: lambda metrics: None)
    try:
        await node.start()
        return await node.metadata()
    finally:
        await node.close()
