"""Asks by either client in the same words: the blocking one on a thread of its own, so that the server can answer."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from gaal.client import AsyncClient, Client

CLIENTS: tuple[type[Client | AsyncClient], ...] = (Client, AsyncClient)


async def ask(client: Client | AsyncClient, method: str, *arguments: Any, **options: Any) -> Any:
    """`await ask(client, "predict", [[1]])`, whichever client it is."""
    bound = getattr(client, method)
    if isinstance(client, AsyncClient):
        return await bound(*arguments, **options)
    return await asyncio.to_thread(bound, *arguments, **options)


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
