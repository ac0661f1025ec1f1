"""`gaal serve`: the settings from the command line and the environment, then the supervisor.

This process only supervises. What a model needs is imported in the workers, by `gaal.cli.worker`.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gaal.cli.logs import configure_logs
from gaal.errors import SettingsError, Violation
from gaal.settings import (
    SELDON_SERVER_GRPC_PORT,
    SELDON_SERVER_REST_PORT,
    SETTINGS,
    SWITCH,
    ServeSettings,
    Setting,
    read_settings,
)

if TYPE_CHECKING:
    from gaal.transport.supervisor import Listener


def serve(**options: Any) -> None:
    """Serve models and inference graphs over REST and gRPC, all on one port.

    A TARGET is a SeldonDeployment file or a folder of them, a model file or a folder of them, or a class: `Module`
    (whose class has the module's name), `pkg.mod:Class`. With --seldon-server-ports there may be none: clients'
    microservices are served then.
    """
    from gaal.transport import supervisor

    try:
        settings = read_settings(options, os.environ)
        if not settings.targets and not settings.demands_store:
            raise SettingsError([Violation("TARGET", "at least one must be given, or --seldon-server-ports")])
        configure_logs(settings.log_level)
        status = supervisor.run(settings, "gaal.cli.worker:work", listeners(settings))
    except SettingsError as error:
        print(error, file=sys.stderr)
        status = 2
    raise typer.Exit(status)


def listeners(settings: ServeSettings) -> list[Listener]:
    """The ports to listen on. All of them answer everything; those of Seldon Server are where its clients look."""
    from gaal.transport.supervisor import Listener

    found = [Listener("", settings.port, "--port")]
    if settings.seldon_server_ports:
        found += [
            Listener("Seldon Server's REST", SELDON_SERVER_REST_PORT, "--seldon-server-ports"),
            Listener("Seldon Server's gRPC", SELDON_SERVER_GRPC_PORT, "--seldon-server-ports"),
        ]
    return found


def register(app: typer.Typer) -> None:
    """Add the command, with one option for each setting in the table."""
    vars(serve)["__signature__"] = inspect.Signature(list(_parameters()))
    serve.__annotations__ = {each.name: each.annotation for each in _parameters()}
    app.command()(serve)


def _parameters() -> Iterator[inspect.Parameter]:
    for name, setting in SETTINGS.items():
        annotation: Any = Annotated[list[str] | None, typer.Argument(metavar="TARGET", help=setting.help)]
        if setting.option and setting.kind is SWITCH:
            flags = f"{setting.option}/--no-{setting.option.removeprefix('--')}"
            annotation = Annotated[bool | None, typer.Option(flags, help=_help(setting), show_default=False)]
        elif setting.option:
            annotation = Annotated[
                str | None,
                typer.Option(
                    setting.option, metavar=setting.kind.name.upper(), help=_help(setting), show_default=False
                ),
            ]
        yield inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=annotation)


def _help(setting: Setting) -> str:
    default = "" if setting.default is None else f" Default: {setting.default}."
    return f"{setting.help}{default} [{setting.environment}]"
