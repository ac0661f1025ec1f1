"""Where the store is. Imports no database library, so that a server can look for a store at no cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gaal.errors import SettingsError, Violation

FILE_NAME = "gaal.sqlite"
POSTGRESQL = "postgresql+psycopg://"
SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Location:
    """A database, and the folder with what is never in it: the key of its secrets, and the machine's id."""

    data_dir: Path
    url: str = field(repr=False)
    """As SQLAlchemy takes it: `sqlite:////…`, perhaps with `?mode=ro`, or `postgresql+psycopg://…`."""
    secret_key: str = field(default="", repr=False)
    """The key that secrets are encrypted with, in base64, where it is not in the data directory."""

    @property
    def file(self) -> Path | None:
        """The SQLite file. None with PostgreSQL."""
        if not self.url.startswith(SQLITE):
            return None
        return Path(unquote(self.url.removeprefix(SQLITE).partition("?")[0]))

    @property
    def read_only(self) -> bool:
        return self.file is not None and self.url.endswith("?mode=ro")

    @property
    def place(self) -> str:
        """The name for people, without user and password."""
        if self.file is not None:
            return str(self.file)
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"postgresql://{parts.hostname or ''}{port}{parts.path}"


def locate(database: str | None, data_dir: Path | None, environment: Mapping[str, str]) -> Location:
    """Where the store is by the settings `database` and `data_dir`; without them, in the user's data folder.

    `database` is a URL, `postgresql://…` or `sqlite:///…`. The key of secrets may come from GAAL_SECRET_KEY.
    Raises SettingsError for other URLs.
    """
    folder = (data_dir or _default_data_dir(environment)).absolute()
    secret_key = environment.get("GAAL_SECRET_KEY", "").strip()
    if database is None:
        return Location(folder, sqlite_url(folder / FILE_NAME), secret_key)
    return Location(folder, _checked_url(database), secret_key)


def exists(location: Location) -> bool:
    """Whether a database is there. PostgreSQL is taken to be: whoever names it wants it."""
    return location.file is None or location.file.is_file()


def sqlite_url(file: Path) -> str:
    # "?" and "%" mean something in a URL.
    return SQLITE + str(file.absolute()).replace("%", "%25").replace("?", "%3F")


def _default_data_dir(environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_DATA_HOME") or Path(environment.get("HOME") or Path.home()) / ".local" / "share"
    return Path(home) / "gaal"


def _checked_url(database: str) -> str:
    if match := re.match(r"postgres(ql)?(\+psycopg)?://", database):
        return POSTGRESQL + database[match.end() :]
    path, _, query = database.removeprefix(SQLITE).partition("?")
    if database.startswith(SQLITE) and path and path != ":memory:" and query in ("", "mode=ro"):
        return sqlite_url(Path(unquote(path))) + (f"?{query}" if query else "")
    scheme = database.partition(":")[0]
    rule = "must be postgresql://user:password@host/name or sqlite:///file"
    raise SettingsError([Violation("--database", rule, f"{scheme}:…")])
