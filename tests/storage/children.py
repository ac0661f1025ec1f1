"""Other processes that use a store."""

from __future__ import annotations

import asyncio
import sys

from gaal_command import environment

from gaal.storage.location import Location

PATIENCE_S = 60

PRELUDE = """
import os, sys, time
from pathlib import Path
from gaal.storage.location import Location
from gaal.storage.records import *
from gaal.storage.store import open_store
location = Location(Path(sys.argv[1]), sys.argv[2])
"""


async def start(
    code: str, location: Location, *arguments: object, prelude: str = PRELUDE
) -> asyncio.subprocess.Process:
    """A Python process that runs the code, which finds `location` and what makes a store of it."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        prelude + code,
        str(location.data_dir),
        location.url,
        *map(str, arguments),
        env=environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def output(process: asyncio.subprocess.Process) -> str:
    """What it prints until it ends well, told nothing more."""
    assert process.stdin is not None
    process.stdin.close()
    printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 0
    return printed.decode()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).decode().strip()
