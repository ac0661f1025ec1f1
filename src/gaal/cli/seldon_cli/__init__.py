"""`seldon-cli`: the commands of Seldon Server, over Gaal's store. One module a command."""

from gaal.cli.seldon_cli.command import main

__all__ = ["main"]
