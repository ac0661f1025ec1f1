"""Commands of Seldon Server for what Gaal does not do: they say so, and end with status 1."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from gaal.cli.seldon_cli.session import CommandFailed, Session

WHY = {
    "model": "Gaal runs no Spark jobs: train a model in Python, and serve it (gaal serve, start-microservice)",
    "rec_alg": "Gaal serves predictions, not recommendations",
    "rec_exp": "Gaal serves predictions, not recommendations",
    "attr": "Gaal keeps no items, so no attributes of items",
    "import": "Gaal keeps no items, users or actions, so there is nothing to import them into",
}


def parser_for(command: str) -> Callable[[], argparse.ArgumentParser]:
    """A parser that takes whatever flags there were."""

    def parser() -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(f"seldon-cli {command}", description=f"{WHY[command]}.")
        parser.add_argument("flags", nargs=argparse.REMAINDER, help="Accepted, whatever they are.")
        return parser

    return parser


def run_for(command: str) -> Callable[[Session, argparse.Namespace], None]:
    def run(session: Session, given: argparse.Namespace) -> None:
        raise CommandFailed(f"{command}: {WHY[command]}")

    return run
