"""`seldon-cli rpc`: the protobufs of a client's own."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gaal.cli.seldon_cli.session import CommandFailed, Session, parser_of
from gaal.gateway.audit import audited


def parser() -> argparse.ArgumentParser:
    parser = parser_of("rpc", "Show, set or remove the protobufs of a client.", ("show", "set", "remove"))
    parser.add_argument("--client-name", required=True, metavar="NAME", help="Whose protobufs.")
    parser.add_argument("--proto", metavar="FILE", help="set: a .proto, whose imports lie beside it, or a folder.")
    parser.add_argument("--jar", metavar="FILE", help="set: a jar made by create-proto-jar.")
    parser.add_argument("--request-class", metavar="CLASS", help="set: the message that requests carry.")
    parser.add_argument("--reply-class", metavar="CLASS", help="set: the message that replies carry as custom.")
    return parser


def run(session: Session, given: argparse.Namespace) -> None:
    client = session.require_client(given.client_name)
    {"show": _show, "set": _set, "remove": _remove}[given.action](session, client, given)


def _show(session: Session, client: str, given: argparse.Namespace) -> None:
    found = session.store.registrations.get(client)
    if found is None:
        print(f"Unable to show rpc definition for client[{client}]")
        return
    shown = {"jarFilename": found.source, "requestClassName": found.request_class}
    if found.reply_class:
        shown["replyClassName"] = found.reply_class
    print(json.dumps(shown, indent=4, sort_keys=True))


def _set(session: Session, client: str, given: argparse.Namespace) -> None:
    from gaal.gateway.proto_sources import registration_of

    source = given.jar or given.proto
    if not source or (given.jar and given.proto):
        raise CommandFailed("Need either --proto or --jar to set")
    if not given.request_class:
        raise CommandFailed("Need --request-class to set")
    registration = registration_of(client, Path(source), given.request_class, given.reply_class or "")
    session.store.registrations.set(registration)
    audited(session.store, "proto.set", client, registration.request_class)
    session.say(f"updated zk node[{_node(client)}]")


def _remove(session: Session, client: str, given: argparse.Namespace) -> None:
    if not session.store.registrations.remove(client):
        raise CommandFailed(f"Unable to remove rpc definition for client[{client}]: there is none")
    audited(session.store, "proto.remove", client)
    session.say(f"removed zk node[{_node(client)}]")


def _node(client: str) -> str:
    """What Seldon Server called the place; scripts may look for it."""
    return f"/all_clients/{client}/rpc"
