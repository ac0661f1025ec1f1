"""What docs/client.md shows is what happens: its blocks are run in their order, and what they print is compared."""

from __future__ import annotations

import asyncio
import doctest
import json
import re
import shlex
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from gaal_command import environment, gaal_serve
from replies import differences

from gaal import Client
from gaal.client import errors
from gaal.client.grpc_calls import _CODES

PAGE = (Path(__file__).parent.parent.parent / "docs" / "client.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
WRITTEN_ADDRESS = "127.0.0.1:8000"
PATIENCE_S = 60


class Reader:
    """Somebody who follows the page in `folder`, at one prompt of Python."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.address = ""
        self.printed = ""
        self.names: dict[str, object] = {}

    def write(self, code: str) -> None:
        (self.folder / code.splitlines()[0].removeprefix("# ")).write_text(code)

    async def run(self, block: str) -> None:
        program, command, *arguments = shlex.split(block.replace(WRITTEN_ADDRESS, self.address))
        assert program == "gaal"
        if command == "serve":
            self.address = await self.stack.enter_async_context(gaal_serve(arguments, self.folder))
        else:
            self.printed = await self._ended(command, *arguments)

    async def _ended(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gaal", *arguments, env=environment(), stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        assert process.returncode == 0
        return printed.decode()

    def type_in(self, block: str) -> str:
        """What the prompt says otherwise than the page does."""
        session = doctest.DocTestParser().get_doctest(
            block.replace(WRITTEN_ADDRESS, self.address), self.names, "docs/client.md", None, 0
        )
        told: list[str] = []
        doctest.DocTestRunner().run(session, out=told.append, clear_globs=False)
        self.names = session.globs
        return "".join(told)


async def test_every_block_does_what_the_page_says(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        reader = Reader(tmp_path, stack)
        for language, text in BLOCKS:
            match language:
                case "python":
                    reader.write(text)
                case "sh":
                    await reader.run(text)
                case "pycon":
                    assert await asyncio.to_thread(reader.type_in, text) == ""
                case "json":
                    assert differences(json.loads(reader.printed), json.loads(text)) == []
                case _:
                    pytest.fail(f"a block of {language}: this test does not know what to do with it")
        client = reader.names["client"]
        assert isinstance(client, Client)
        client.close()
        assert reader.printed


def test_the_table_of_errors_has_every_class_and_every_grpc_code() -> None:
    table = PAGE[PAGE.index("| class | HTTP") : PAGE.index("All of them are")]
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|[^|]*\|$", table, re.MULTILINE)
    codes = {(code.strip(), name) for name, cell in rows for code in cell.split(",") if code.strip()}
    classes = {name for name, cls in vars(errors).items() if isinstance(cls, type) and cls is not errors.CallFailed}

    assert {name for name, _ in rows} == classes - {"GaalError"}
    assert codes == {(code, cls.__name__) for code, cls in _CODES.values()}
