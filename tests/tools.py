"""Programs that some tests need and not every machine has: `scripts/test` brings them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any, NoReturn

import pytest

NODE_FOLDER = Path(__file__).parent / "node"
CLIENTS = Path(__file__).parent.parent / ".venv" / "clients"


def node() -> str:
    """The path of Node. Skips the test where Node or its packages are missing; in CI it fails."""
    found = shutil.which("node")
    if found is None:
        _missing("node")
    if not (NODE_FOLDER / "node_modules").is_dir():
        _missing("the npm packages of tests/node")
    return found


def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    _missing("chromium")


def client_python(client: str) -> str:
    """The Python of the environment that has this client and what it needs, nothing of Gaal."""
    found = CLIENTS / client / "bin" / "python"
    if not (CLIENTS / client / "installed").is_file():
        _missing(f"the client {client}", "scripts/test")
    return str(found)


async def run_script(name: str, *arguments: str, timeout_s: float = 60) -> Any:
    """What a script of tests/node prints, which is JSON."""
    return await run_program(node(), str(NODE_FOLDER / name), *arguments, timeout_s=timeout_s)


async def run_program(*command: str, timeout_s: float = 60) -> Any:
    """What a program prints, which is JSON."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(timeout_s):
            printed, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, errors.decode()
    return json.loads(printed)


def _missing(what: str, brought_by: str = "scripts/install-test-tools") -> NoReturn:
    reason = f"{what} is missing; {brought_by} installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
