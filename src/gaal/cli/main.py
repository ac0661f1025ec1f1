"""The command `gaal`."""

from __future__ import annotations

from typing import Annotated

import typer

from gaal import __version__
from gaal.cli import (
    audit,
    check,
    client,
    image,
    keys,
    microservice,
    microservices,
    predict,
    proto,
    serve,
    store,
    variation,
)

app = typer.Typer(
    name="gaal",
    help="An open prediction server: models and inference graphs over REST and gRPC.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
serve.register(app)
microservice.register(app)
predict.register(app)
check.register(app)
client.register(app)
keys.register(app)
proto.register(app)
variation.register(app)
microservices.register(app)
image.register(app)
store.register(app)
audit.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gaal {__version__}")
        raise typer.Exit


@app.callback()
def _gaal(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """An open prediction server: models and inference graphs over REST and gRPC."""


def main() -> None:
    app()
