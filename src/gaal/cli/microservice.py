"""`gaal microservice`, installed also as `seldon-core-microservice`: one class behind the internal prediction API."""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from gaal.cli.logs import configure_logs
from gaal.cli.microservice_settings import MICROSERVICE_SETTINGS, MicroserviceSettings, read_microservice_settings
from gaal.errors import GaalError, SettingsError, Violation
from gaal.settings import SWITCH, Setting

logger = logging.getLogger("gaal")

UNUSED = ("persistence", "tracing")
"""Settings that promise what is not there: to turn one on deserves a warning."""


def microservice(**options: Any) -> None:
    """Serve one class over the internal prediction API: REST, gRPC and metrics, each on a port of its own.

    TARGET is `Module` (whose class has the module's name), `pkg.mod.Class` or `pkg.mod:Class`. What is not given on
    the command line comes from the environment variables that Seldon Core sets.
    """
    try:
        settings = read_microservice_settings(options, os.environ)
        _check_parameters(settings)
        configure_logs(settings.log_level)
        for name in UNUSED:
            if getattr(settings, name):
                setting = MICROSERVICE_SETTINGS[name]
                logger.error("%s: %s", setting.option, setting.help)
        with _pidfile(settings.pidfile):
            status = run(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        status = 2
    raise typer.Exit(status)


def run(settings: MicroserviceSettings) -> int:
    """Serves until SIGTERM or SIGINT and gives the exit status. Raises SettingsError if a port cannot be bound."""
    from gaal.transport import supervisor
    from gaal.transport.supervisor import Listener
    from gaal.transport.worker import WorkerContext

    listeners = [Listener("REST", settings.http_port, "--http-port")]
    if settings.serves_grpc:
        listeners.append(Listener("gRPC", settings.grpc_port, "--grpc-port"))
    listeners.append(Listener("metrics", settings.metrics_port, "--metrics-port", settings.metrics_path))
    with tempfile.TemporaryFile() as lock:

        def work(context: WorkerContext) -> Any:
            # By name: the supervisor, which runs here too, need not import what a model needs.
            worker = importlib.import_module("gaal.cli.microservice_worker")
            return worker.work(context, settings, lock.fileno())

        return supervisor.run(settings.serving, work, listeners)


def _check_parameters(settings: MicroserviceSettings) -> None:
    """Raises SettingsError for parameters that no worker could read."""
    from gaal.graph.parameters import from_json, typed

    try:
        typed(from_json(settings.parameters))
    except GaalError as error:
        raise SettingsError([Violation("--parameters", str(error))]) from None


@contextmanager
def _pidfile(path: Path | None) -> Iterator[None]:
    """The file with this process's id, as long as it runs."""
    if path is None:
        yield
        return
    try:
        path.write_text(f"{os.getpid()}\n")
    except OSError as error:
        rule = f"must be a file that can be written ({error.strerror or error})"
        raise SettingsError([Violation("--pidfile", rule, str(path))]) from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


class MicroserviceCommand(TyperCommand):
    """The original's switches may come with a value, `--tracing 1`, or without one, `--tracing`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_values(args))


def with_values(args: Sequence[str]) -> list[str]:
    """The arguments with a 1 after every switch that has no value."""
    switches = {each.option for each in MICROSERVICE_SETTINGS.values() if each.kind is SWITCH}
    filled: list[str] = []
    for each, after in zip(args, [*args[1:], "--"], strict=True):
        filled.append(each)
        if each in switches and not _is_switch_value(after):
            filled.append("1")
    return filled


def _is_switch_value(text: str) -> bool:
    try:
        SWITCH.parse(text)
    except ValueError:
        return False
    return True


def register(app: typer.Typer) -> None:
    """Add the command, with one option for each setting that has one."""
    parameters = list(_parameters())
    vars(microservice)["__signature__"] = inspect.Signature(parameters)
    microservice.__annotations__ = {each.name: each.annotation for each in parameters}
    app.command(cls=MicroserviceCommand)(microservice)


def _parameters() -> Iterator[inspect.Parameter]:
    for name, setting in MICROSERVICE_SETTINGS.items():
        if name == "target":
            argument = typer.Argument(metavar="TARGET", help=setting.help, show_default=False)
            yield _parameter(name, Annotated[str | None, argument])
        elif setting.option:
            option = typer.Option(
                setting.option, metavar=setting.kind.name.upper(), help=_help(setting), show_default=False
            )
            yield _parameter(name, Annotated[str | None, option])


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=annotation)


def _help(setting: Setting) -> str:
    default = "" if setting.default is None else f" Default: {setting.default}."
    return f"{setting.help}{default} [{setting.environment}]"


def main() -> None:
    """The command `seldon-core-microservice`."""
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    register(app)
    app()
