"""`seldon-cli client`: who may call."""

from __future__ import annotations

import argparse
import re
import time

from gaal.cli.seldon_cli.keys import DATABASE, json_of
from gaal.cli.seldon_cli.session import CommandFailed, Session, parser_of
from gaal.gateway.audit import audited
from gaal.gateway.keys import new_key, new_secret
from gaal.storage.records import Client, Key

ACTIONS = ("list", "setup", "processactions", "processevents", "zk_push", "zk_pull")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def parser() -> argparse.ArgumentParser:
    parser = parser_of("client", "Show the clients, or make one with its keys.", ACTIONS)
    parser.add_argument("--db-name", metavar="DB", help="Accepted. Gaal has one database for all clients.")
    parser.add_argument("--client-name", metavar="NAME", help="setup: the new client.")
    parser.add_argument("--input-date-string", metavar="YYYYMMDD", help="Accepted. For the jobs that Gaal has not.")
    parser.add_argument("--set-js-key", metavar="KEY", help="setup: the js key, which is drawn otherwise.")
    parser.add_argument("--set-all-key", metavar="KEY", help="setup: the key of scope all, likewise.")
    parser.add_argument("--set-all-secret", metavar="SECRET", help="setup: its secret, likewise.")
    return parser


def run(session: Session, given: argparse.Namespace) -> None:
    match given.action:
        case "list":
            _list(session)
        case "setup":
            _setup(session, given)
        case "zk_push" | "zk_pull":
            session.say("Gaal has no ZooKeeper: what its commands write is in force at once.")
        case _:
            raise CommandFailed(f"Gaal has no Spark jobs, so nothing for {given.action}")


def _list(session: Session) -> None:
    clients = session.store.clients.all()
    for each in clients:
        print(f"client[{each.name}]:\n    DB_JNDI_NAME: {DATABASE}")
    if not clients:
        print("No clients found!")


def _setup(session: Session, given: argparse.Namespace) -> None:
    name = given.client_name
    if not name:
        raise CommandFailed("Need --client-name to setup")
    if not NAME.fullmatch(name):
        raise CommandFailed(f'--client-name: has letters, digits, . _ and -, 63 at most (got "{name}")')
    if session.store.clients.get(name) is not None:
        session.say("Client already exists!")
        return
    now = time.time()
    keys = [
        Key(given.set_js_key or new_key(), name, "js", created_at=now),
        Key(given.set_all_key or new_key(), name, "all", given.set_all_secret or new_secret(), created_at=now),
    ]
    session.store.clients.add(Client(name, created_at=now), keys)
    audited(session.store, "client.add", name)
    session.say(f"Added client {name}, with these keys:")
    print(json_of(keys))
