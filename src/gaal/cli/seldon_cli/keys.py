"""`seldon-cli keys`: the keys of clients, one line of JSON."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace

from gaal.cli.seldon_cli.session import CommandFailed, Session, parser_of
from gaal.gateway.audit import audited
from gaal.storage.records import Key

DATABASE = "ClientDB"
"""Seldon Server had a database for each client. Here is one for all, and this is its name in outputs."""

SCOPES = ("js", "all")


def parser() -> argparse.ArgumentParser:
    parser = parser_of("keys", "Show or change the keys of clients.", ("list", "update"))
    parser.add_argument("--client-name", metavar="NAME", help="Whose keys. Without it, everybody's.")
    parser.add_argument("--scope", choices=SCOPES, help="Only keys of this scope.")
    parser.add_argument("--key", help="update: the new key.")
    parser.add_argument("--secret", help="update: the new secret. A js key has none.")
    return parser


def run(session: Session, given: argparse.Namespace) -> None:
    if given.action == "update":
        _update(session, given)
    if given.client_name:
        session.require_client(given.client_name)
    print(json_of(found(session, given.client_name, given.scope)))


def found(session: Session, client: str | None, scope: str | None) -> list[Key]:
    """The keys that are in force, of a client and of a scope if these are given."""
    keys = sorted(session.store.clients.keys(client), key=lambda key: (key.client, key.created_at, key.scope))
    return [key for key in keys if key.active and (scope is None or scope in key.scope.split())]


def json_of(keys: list[Key]) -> str:
    shown = [
        {"db": DATABASE, "client": key.client, "key": key.key, "secret": key.secret, "scope": key.scope} for key in keys
    ]
    return json.dumps(shown)


def _update(session: Session, given: argparse.Namespace) -> None:
    if not given.client_name or not given.key:
        raise CommandFailed("Need --client-name and --key to update")
    scope = given.scope or ("all" if given.secret else None)
    if scope is None:
        raise CommandFailed("Need --scope to update, or --secret for a key of scope all")
    if scope == "all" and not given.secret:
        raise CommandFailed("Need --secret to update a key of scope all")
    client = session.require_client(given.client_name)
    secret = given.secret if scope == "all" else ""
    old = [key for key in found(session, client, scope) if key.scope == scope]
    if len(old) > 1:
        raise CommandFailed(f'Client "{client}" has {len(old)} keys of scope {scope}: gaal keys rotate replaces one')
    if old and old[0].key == given.key:
        # The secret alone changes: what tokens the old one got, ends as well.
        session.store.transact(_change_secret, session, replace(old[0], secret=secret))
    elif old:
        session.store.clients.replace_key(old[0].key, replace(old[0], key=given.key, secret=secret))
    else:
        session.store.clients.add_key(Key(given.key, client, scope, secret, created_at=time.time()))
    audited(session.store, "key.update", client, f"scope {scope}")


def _change_secret(session: Session, key: Key) -> None:
    session.store.clients.update_key(key)
    session.store.tokens.revoke_all(key.client, key.key)
