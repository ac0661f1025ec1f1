"""Looks at processes from outside, as a system administrator does. Linux only."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 30
UNIT_WORKER = b"gaal.cli.unit_worker"


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that tells nobody when it happens."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def unit_workers_below(pid: int) -> list[int]:
    """The processes of units that the process `pid`, or one below it, has started."""
    return [each for each in _below(pid) if UNIT_WORKER in _command(each)]


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def _below(pid: int) -> list[int]:
    children = _children()
    found: list[int] = []
    waiting = [pid]
    while waiting:
        own = children.get(waiting.pop(), [])
        found += own
        waiting += own
    return found


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        with suppress(OSError, ValueError):
            parent = int(Path(f"/proc/{int(name)}/stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    return children


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
