"""Programs that some tests need and not every machine has: `scripts/install-test-tools` brings them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any, NoReturn

import pytest

NODE_FOLDER = Path(__file__).parent / "node"


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


async def run_script(name: str, *arguments: str, timeout_s: float = 60) -> Any:
    """What a script of tests/node prints, which is JSON."""
    script = str(NODE_FOLDER / name)
    process = await asyncio.create_subprocess_exec(
        node(), script, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
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


def _missing(what: str) -> NoReturn:
    reason = f"{what} is missing; scripts/install-test-tools installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
