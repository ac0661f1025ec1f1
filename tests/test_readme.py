"""What the README shows is what happens: its blocks are run in their order, and its replies compared.

A `python` block is a file, named in its first line. An `sh` block is run: `gaal serve` starts a server, which the next
one replaces, on a free port instead of 8000; `curl` asks it. A `json` block is the reply to what ran last.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from gaal_command import gaal_serve, run_python
from replies import ANY, differences

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
NOT_RUN = ("scripts/", "pip ")
"""Commands that make an environment. The tests run in one already."""

COMMANDS = ("gaal", "curl", "python", *NOT_RUN)
WRITTEN_ADDRESS = "127.0.0.1:8000"


class Reader:
    """Somebody who follows the README in `folder`."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.address = ""
        self.output = ""

    def write(self, code: str) -> None:
        name = code.splitlines()[0].removeprefix("# ")
        (self.folder / name).write_text(code)

    async def run(self, block: str) -> None:
        command = block.replace("\\\n", " ").strip().replace(WRITTEN_ADDRESS, self.address)
        program, *arguments = shlex.split(command)
        match program:
            case "gaal" if arguments[0] == "serve":
                await self.stack.aclose()
                self.address = await self.stack.enter_async_context(gaal_serve(arguments[1:], self.folder))
            case "gaal":
                self.output = await run_python("-m", "gaal", *arguments, folder=self.folder)
            case "curl":
                self.output = await self.curl(arguments)
            case "python":
                self.output = await run_python(arguments[0], *arguments[1:], folder=self.folder)
            case _:
                assert command.startswith(NOT_RUN), f"the README runs {program}, and this test does not know how"

    async def curl(self, arguments: list[str]) -> str:
        """The few options of curl that the README uses, so that the tests need no curl."""
        headers: dict[str, str] = {}
        body = url = ""
        words = iter(arguments)
        for word in words:
            if word == "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            elif word == "-d":
                body = next(words)
            else:
                url = word
        if body.startswith("@"):
            body = (self.folder / body[1:]).read_text()
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            return (await client.post(url, content=body, headers=headers)).text

    def compare(self, promised: Any) -> None:
        if "meta" in promised:
            promised["meta"]["puid"] = ANY  # the page shows one; each reply has its own
        assert differences(json.loads(self.output), promised) == []


@pytest.mark.skipif(find_spec("xgboost") is None, reason="the extra xgboost is not installed")
async def test_every_block_does_what_the_readme_says(tmp_path: Path) -> None:
    await run_python("train.py", folder=PROJECT / "examples" / "iris")
    (tmp_path / "examples").symlink_to(PROJECT / "examples")
    (tmp_path / "model.json").symlink_to(PROJECT / "examples" / "iris" / "model.json")
    async with AsyncExitStack() as stack:
        reader = Reader(tmp_path, stack)
        for language, text in BLOCKS:
            if language == "python":
                reader.write(text)
            elif language == "sh":
                await reader.run(text)
            elif language == "json":
                reader.compare(json.loads(text))
            else:
                pytest.fail(f"a block of {language}: this test does not know what to do with it")
        assert reader.output


async def test_the_grpc_script_prints_the_branch(tmp_path: Path) -> None:
    [script] = [text for language, text in BLOCKS if language == "python" and "grpc" in text]
    (tmp_path / "ask.py").write_text(script)
    nested = PROJECT / "examples" / "nested"

    async with gaal_serve(["deployment.yaml"], nested) as address:
        assert await run_python("ask.py", address, folder=tmp_path) == "0\n"


@pytest.mark.parametrize("script", re.findall(r"^scripts/\w+", README, re.MULTILINE))
def test_the_scripts_of_the_readme_can_be_run(script: str) -> None:
    assert os.access(PROJECT / script, os.X_OK)
