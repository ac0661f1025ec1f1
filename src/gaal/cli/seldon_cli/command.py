"""The command `seldon-cli`: global flags, then a command and its flags.

Results go to stdout, everything else that is said too unless `--quiet`, errors to stderr. The exit status is 0; 1 if
the command failed; 2 if its flags are wrong.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gaal import __version__
from gaal.cli.seldon_cli import api, client, conf, db, elsewhere, keys, memcached, predict_alg, rpc
from gaal.cli.seldon_cli.session import CommandFailed, Session
from gaal.errors import GaalError


@dataclass(frozen=True, slots=True)
class Command:
    """`takes_anything` is one whose flags are not looked at."""

    parser: Callable[[], argparse.ArgumentParser]
    run: Callable[[Session, argparse.Namespace], None]
    takes_anything: bool = False


COMMANDS: Mapping[str, Command] = {
    "client": Command(client.parser, client.run),
    "keys": Command(keys.parser, keys.run),
    "rpc": Command(rpc.parser, rpc.run),
    "predict_alg": Command(predict_alg.parser, predict_alg.run),
    "api": Command(api.parser, api.run),
    "db": Command(db.parser, db.run),
    "memcached": Command(memcached.parser, memcached.run),
    **{name: Command(elsewhere.parser_for(name), elsewhere.run_for(name), True) for name in elsewhere.WHY},
}


def main(arguments: Sequence[str] | None = None) -> None:
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Gives the exit status."""
    try:
        return _run(parser().parse_args(arguments))
    except (CommandFailed, GaalError) as error:
        print(error, file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "seldon-cli", description="The commands of Seldon Server, for Gaal.", allow_abbrev=False
    )
    parser.add_argument("--version", action="store_true", help="Show the version and stop.")
    parser.add_argument("--debug", action="store_true", help="Log what happens to stderr.")
    parser.add_argument("--zk-hosts", metavar="HOST:PORT,…", help="Accepted. Gaal has no ZooKeeper.")
    parser.add_argument("--setup-config", action="store_true", help="Make ~/.seldon/seldon.conf if there is none.")
    parser.add_argument("--print-default-config", action="store_true", help="Show what that would hold.")
    parser.add_argument("-q", "--quiet", action="store_true", help="Print nothing but the result.")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help=f"One of {', '.join(COMMANDS)}.")
    parser.add_argument("flags", nargs=argparse.REMAINDER, metavar="FLAGS", help="Those of the command.")
    return parser


def _run(given: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.DEBUG if given.debug else logging.WARNING)
    if given.version:
        print(f"seldon-cli {__version__}")
    elif given.print_default_config:
        print(conf.default_text())
    elif given.setup_config:
        path, is_new = conf.write_default(os.environ)
        print(f"Writing data to file[{path}]" if is_new else f"{path} is there already")
    elif given.command is None:
        raise CommandFailed("Need command")
    elif given.command not in COMMANDS:
        raise CommandFailed(f"Invalid command[{given.command}]: must be one of {', '.join(COMMANDS)}")
    else:
        _run_command(given)
    return 0


def _run_command(given: argparse.Namespace) -> None:
    command = COMMANDS[given.command]
    flags = argparse.Namespace() if command.takes_anything else command.parser().parse_args(given.flags)
    session = Session(conf.read(os.environ), given.quiet)
    with session.stack:
        command.run(session, flags)


if __name__ == "__main__":
    main()
