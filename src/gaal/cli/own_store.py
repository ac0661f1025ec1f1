"""The store that a command writes to: the same one that a server of the same user and environment has."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gaal.errors import NotFound
from gaal.settings import read_settings

if TYPE_CHECKING:
    from gaal.storage.location import Location
    from gaal.storage.store import Store


def own_location(data_dir: Path | str | None = None, database: str | None = None) -> Location:
    """Where it is, by options, GAAL_DATA_DIR and GAAL_DATABASE. Raises SettingsError."""
    from gaal.storage.location import locate

    settings = read_settings({"data_dir": data_dir, "database": database}, os.environ)
    return locate(settings.database, settings.data_dir, os.environ)


@contextmanager
def own_store(data_dir: Path | str | None = None, database: str | None = None) -> Iterator[Store]:
    """The store, made where there is none. Raises SettingsError or StoreError."""
    from gaal.storage.store import open_store

    with open_store(own_location(data_dir, database)) as store:
        yield store


def require_client(store: Store, name: str) -> None:
    """Raises NotFound, with the clients that there are, and how to make one."""
    if store.clients.get(name) is None:
        known = ", ".join(sorted(each.name for each in store.clients.all())) or "none"
        raise NotFound(
            f'client "{name}": there is no such client (there are: {known}); gaal client add {name} makes it'
        )


def complain(text: object) -> None:
    print(text, file=sys.stderr)
