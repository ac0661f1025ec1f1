"""`seldon-cli db`: the databases of Seldon Server. Gaal keeps what it is told, and needs none of them."""

from __future__ import annotations

import argparse

from gaal.cli.seldon_cli import kept
from gaal.cli.seldon_cli.session import CommandFailed, Session, parser_of

DEFAULT_NAME = "ClientDB"
NOT_NEEDED = "Gaal needs no such database: its own is told by GAAL_DATABASE or --database."


def parser() -> argparse.ArgumentParser:
    parser = parser_of("db", "Show or keep the databases of Seldon Server.", ("show", "list", "setup", "commit"))
    parser.add_argument("--db-name", metavar="DB", help="The database.")
    parser.add_argument("--db-user", metavar="USER", help="setup: its user.")
    parser.add_argument("--db-password", metavar="PASSWORD", help="setup: the user's password. It is never shown.")
    parser.add_argument("--db-jdbc", metavar="URL", help="setup: where it is.")
    return parser


def run(session: Session, given: argparse.Namespace) -> None:
    data_dir = session.store.location.data_dir
    databases = kept.read(data_dir, "db")
    match given.action:
        case "setup":
            if not given.db_name:
                raise CommandFailed("Need --db-name to setup")
            told = {"user": given.db_user, "password": given.db_password, "jdbc": given.db_jdbc}
            kept.write(data_dir, "db", {**databases, given.db_name: told})
            session.say(NOT_NEEDED)
        case "commit":
            session.say(NOT_NEEDED)
        case "list":
            print("\n".join(sorted(databases) or [DEFAULT_NAME]))
        case _:
            for name, told in sorted(databases.items()):
                print(f"{name}:\n    user: {told['user']}\n    jdbc: {told['jdbc']}")
            session.say(NOT_NEEDED)
