"""The two testers of contracts under the names and with the arguments that Seldon Core gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gaal.cli.contract_trial import Wanted, read_contract, refused, show_warnings, try_contract
from gaal.cli.logs import configure_logs
from gaal.errors import GaalError, SettingsError, Violation

if TYPE_CHECKING:
    from gaal.contracts.asking import Server

Option = typer.Option
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

ContractFile = Annotated[str, typer.Argument(metavar="CONTRACT", help="The file contract.json.")]
Host = Annotated[str, typer.Argument(metavar="HOST", help="Where the server is.")]
Port = Annotated[int, typer.Argument(metavar="PORT", min=1, max=65535, help="Its port.")]
BatchSize = Annotated[int, Option("-b", "--batch-size", min=1, max=100_000, help="How many rows a request has.")]
NRequests = Annotated[int, Option("-n", "--n-requests", min=1, help="How many requests to send.")]
Grpc = Annotated[bool, Option("--grpc", help="Ask over gRPC. Otherwise over REST.")]
Tensor = Annotated[bool, Option("-t", "--tensor", help="Send a tensor. Otherwise an ndarray.")]
Prnt = Annotated[bool, Option("-p", "--prnt", help="Print every request and reply.")]
Seed = Annotated[int | None, Option("--seed", min=0, help="Draws the same requests again.")]
LogLevel = Annotated[str, Option("--log-level", metavar="DEBUG|INFO|WARNING|ERROR", help="From which level on to log.")]


def _test_microservice(
    contract: ContractFile,
    host: Host,
    port: Port,
    endpoint: Annotated[
        str, Option("--endpoint", metavar="predict|send-feedback|transform-input", help="What to ask.")
    ] = "predict",
    batch_size: BatchSize = 1,
    n_requests: NRequests = 1,
    grpc: Grpc = False,
    tensor: Tensor = False,
    prnt: Prnt = False,
    seed: Seed = None,
    log_level: LogLevel = "INFO",
) -> None:
    """Try a contract on the microservice of a single component, by its internal API."""
    from gaal.contracts.asking import ComponentServer

    wanted = Wanted(endpoint, n_requests, batch_size, tensor, prnt, seed)
    _try(contract, lambda: ComponentServer(_url(host, port), grpc=grpc), wanted, log_level)


def _test_api(
    contract: ContractFile,
    host: Host,
    port: Port,
    deployment: Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="The deployment's name.")] = "mymodel",
    namespace: Annotated[str, Option("--namespace", help="Its namespace.")] = "",
    endpoint: Annotated[str, Option("--endpoint", metavar="predict|send-feedback", help="What to ask.")] = "predict",
    batch_size: BatchSize = 1,
    n_requests: NRequests = 1,
    grpc: Grpc = False,
    tensor: Tensor = False,
    prnt: Prnt = False,
    seed: Seed = None,
    log_level: LogLevel = "INFO",
) -> None:
    """Try a contract on a deployment, by its external API."""
    from gaal.contracts.asking import DeploymentServer

    wanted = Wanted(endpoint, n_requests, batch_size, tensor, prnt, seed)

    def make_server() -> Server:
        return DeploymentServer(_url(host, port), grpc=grpc, deployment=deployment, namespace=namespace)

    _try(contract, make_server, wanted, log_level)


def _try(file: str, make_server: Callable[[], Server], wanted: Wanted, log_level: str) -> NoReturn:
    try:
        _configure_logs(log_level)
        contract = read_contract(file)
        show_warnings(file, contract)
        status = try_contract(file, contract, make_server(), wanted)
    except GaalError as error:
        status = refused(error)
    raise typer.Exit(status)


def _configure_logs(level: str) -> None:
    if level.upper() not in LOG_LEVELS:
        raise SettingsError([Violation("--log-level", f"must be one of {', '.join(LOG_LEVELS)}", level)])
    configure_logs(level)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def microservice_tester() -> None:
    """`seldon-core-microservice-tester` and `seldon-core-tester`."""
    _run(_test_microservice)


def api_tester() -> None:
    """`seldon-core-api-tester`."""
    _run(_test_api)


def _run(command: Callable[..., None]) -> None:
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.command()(command)
    app()
