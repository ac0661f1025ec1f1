"""`seldon-cli memcached`: the cache of Seldon Server. Gaal keeps what it is told, and needs none."""

from __future__ import annotations

import argparse
import json

from gaal.cli.seldon_cli import kept
from gaal.cli.seldon_cli.session import Session

NOT_NEEDED = "Gaal needs no memcached."


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "seldon-cli memcached", description="Show or keep the settings of memcached.", allow_abbrev=False
    )
    parser.add_argument("--action", choices=("setup", "commit"), help="Without it, what is kept is shown.")
    parser.add_argument("--numClients", metavar="N", help="setup: how many connections.")
    parser.add_argument("--servers", metavar="HOST:PORT,…", help="setup: where it is.")
    return parser


def run(session: Session, given: argparse.Namespace) -> None:
    data_dir = session.store.location.data_dir
    told = kept.read(data_dir, "memcached")
    if given.action == "setup":
        changed = {"numClients": given.numClients, "servers": given.servers}
        kept.write(data_dir, "memcached", {**told, **{key: value for key, value in changed.items() if value}})
    elif given.action is None:
        print(json.dumps(told, indent=4, sort_keys=True))
    session.say(NOT_NEEDED)
