"""Runs `gaal serve` as a user does: as a command, in a process of its own, from a folder."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

SOURCES = Path(__file__).parent.parent / "src"
READY = "Gaal is serving on http://"
PATIENCE_S = 60


def environment() -> Mapping[str, str]:
    """The variables for a command that is to find Gaal's sources, and the `gaal` of this very Python, first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PYTHONPATH": str(SOURCES), "PATH": path, "GAAL_LOG_LEVEL": "warning", "no_proxy": "*"}


@asynccontextmanager
async def gaal_serve(arguments: Sequence[str], folder: Path) -> AsyncIterator[str]:
    """The address, `127.0.0.1:<port>`, of a server on a free port. Stops it on the way out."""
    command = [sys.executable, "-m", "gaal", "serve", *arguments, "--port", "0"]
    server = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment(), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    try:
        line = (await asyncio.wait_for(server.stdout.readline(), PATIENCE_S)).decode().strip()
        assert line.startswith(READY), f"{' '.join(command)} did not start, see stderr; it printed {line!r}"
        yield line.removeprefix(READY)
    finally:
        if server.returncode is None:
            server.terminate()
        await asyncio.wait_for(server.communicate(), PATIENCE_S)
    assert server.returncode == 0


async def run_python(script: str, *arguments: str, folder: Path) -> str:
    """The output of a Python script in `folder`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, *arguments, cwd=folder, env=environment(), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 0, f"{script} ended with status {process.returncode}"
    return output.decode()
