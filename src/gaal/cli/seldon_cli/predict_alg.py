"""`seldon-cli predict_alg`: which algorithms and variations answer a client's predictions."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gaal.cli.seldon_cli.conf import DEFAULT_PREDICTORS
from gaal.cli.seldon_cli.session import CommandFailed, Session, parser_of
from gaal.gateway import predict_algs
from gaal.gateway.audit import audited

INDENT = "    "


def parser() -> argparse.ArgumentParser:
    actions = ("list", "show", "create", "commit")
    parser = parser_of("predict_alg", "Show or change what answers a client's predictions.", actions, required=True)
    parser.add_argument("--client-name", metavar="NAME", help="Whose predictions. list needs none.")
    parser.add_argument("--predictor-name", metavar="NAME", help="Accepted, without effect, as it always was.")
    parser.add_argument("--config", metavar="x=y", action="append", help="Accepted, without effect, as it always was.")
    parser.add_argument("-f", "--json-file", metavar="FILE|-", help="create: predict_algs, as JSON; - is stdin.")
    return parser


def run(session: Session, given: argparse.Namespace) -> None:
    if given.action == "list":
        print("Default predictors:")
        for name in DEFAULT_PREDICTORS:
            print(f"{INDENT}{name}")
        return
    client = session.require_client(given.client_name)
    {"show": _show, "create": _create, "commit": _commit}[given.action](session, client, given)


def _show(session: Session, client: str, given: argparse.Namespace) -> None:
    strategy = session.store.strategies.get(client)
    if strategy is None or not (strategy.committed or strategy.draft):
        raise CommandFailed(f'Client "{client}" has no prediction algorithms')
    if strategy.committed:
        print("\n".join(tree(json.loads(strategy.committed))))
    if strategy.draft:
        print("not committed yet:")
        print("\n".join(f"{INDENT}{line}" for line in tree(json.loads(strategy.draft))))


def tree(document: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Both forms of `predict_algs`, as lines that are indented by what they belong to."""
    if "variations" in document:
        yield f"{indent}variations:"
        for each in document["variations"]:
            yield f"{indent}{INDENT}{each['label']}: {each['ratio']}"
            yield from tree(each["config"], indent + 2 * INDENT)
        return
    yield f"{indent}algorithms:"
    for each in document["algorithms"]:
        yield f"{indent}{INDENT}{each['name']}"
        for pair in each.get("config", ()):
            yield f"{indent}{2 * INDENT}{pair['name']}: {pair['value']}"


def _create(session: Session, client: str, given: argparse.Namespace) -> None:
    if not given.json_file:
        raise CommandFailed("Need -f to create")
    text = _read(given.json_file)
    predict_algs.read(text, "stdin" if given.json_file == "-" else given.json_file)
    session.store.strategies.set_draft(client, json.dumps(json.loads(text)))
    session.say(f"Added prediction algs for {client}")


def _commit(session: Session, client: str, given: argparse.Namespace) -> None:
    strategy = session.store.strategies.get(client)
    if strategy is None or not (strategy.committed or strategy.draft):
        raise CommandFailed(f'Client "{client}" has nothing to commit: predict_alg --action create comes first')
    if strategy.draft:  # to commit again changes nothing
        session.store.strategies.commit(client)
        audited(session.store, "predict_alg.commit", client)
    session.say(f"updated zk node[/all_clients/{client}/predict_algs]")


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"-f {file}: {getattr(error, 'strerror', None) or error}") from None
