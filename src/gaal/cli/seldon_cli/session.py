"""What every command of `seldon-cli` works with."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gaal.cli.own_store import own_store
from gaal.cli.seldon_cli.conf import Conf

if TYPE_CHECKING:
    from gaal.storage.store import Store


class CommandFailed(Exception):
    """The command cannot do what it was asked for; the text says why. Ends with status 1."""


@dataclass
class Session:
    """`quiet` leaves only the result on stdout. The store is opened when it is first needed."""

    conf: Conf
    quiet: bool = False
    stack: ExitStack = field(default_factory=ExitStack)
    _store: Store | None = None

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = self.stack.enter_context(own_store())
            self.say(f"connecting to {self._store.location.place} [SUCCEEDED]")
        return self._store

    def say(self, text: str) -> None:
        """Something beside the result."""
        if not self.quiet:
            print(text, flush=True)

    def require_client(self, name: str | None) -> str:
        """The name, of a client that there is. Raises CommandFailed."""
        if not name:
            raise CommandFailed("Need --client-name")
        if self.store.clients.get(name) is None:
            known = ", ".join(sorted(each.name for each in self.store.clients.all())) or "none"
            made = f"seldon-cli client --action setup --db-name ClientDB --client-name {name}"
            raise CommandFailed(f'There is no client "{name}" (there are: {known}). To make it: {made}')
        return name


def parser_of(command: str, about: str, actions: Sequence[str], *, required: bool = False) -> ArgumentParser:
    """The flags of a command. Without `required`, the first action is the default."""
    parser = ArgumentParser(f"seldon-cli {command}", description=about, allow_abbrev=False)
    parser.add_argument(
        "--action",
        choices=actions,
        required=required,
        default=None if required else actions[0],
        help=f"One of {', '.join(actions)}." + ("" if required else f" Default: {actions[0]}."),
    )
    return parser
