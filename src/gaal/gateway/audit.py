"""The audit log: who did what. No secret and no token is ever written into it."""

from __future__ import annotations

import getpass
import time
from typing import TYPE_CHECKING

from gaal.storage.records import AuditEntry

if TYPE_CHECKING:
    from gaal.storage.store import Store

SERVER = "server"
"""The actor of what the server does by itself."""


def operator() -> str:
    """The actor of a command: who has typed it, as the system knows them."""
    try:
        return f"operator:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return "operator"


def client_actor(client: str) -> str:
    return f"client:{client}"


def audited(store: Store, action: str, subject: str, detail: str = "", actor: str = "") -> None:
    """Writes down what a command has done, blocking. `actor` is the operator unless given. Raises StoreError."""
    store.audit.add(_entry(action, subject, detail, actor or operator()))


async def audit(store: Store, action: str, subject: str, detail: str = "", actor: str = SERVER) -> None:
    """Writes down what a server has done, on its event loop. Raises StoreError."""
    await store.write(store.audit.add, _entry(action, subject, detail, actor))


def _entry(action: str, subject: str, detail: str, actor: str) -> AuditEntry:
    return AuditEntry(time.time(), actor, action, subject, detail)
