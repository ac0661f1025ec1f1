"""`gaal microservices` and `gaal image`, as a user types them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import typer
from kept import Kept, keeping
from typer.testing import CliRunner, Result

from gaal.cli import image, microservices

APP = typer.Typer()
microservices.register(APP)
image.register(APP)


def run(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(APP, [*arguments, "--data-dir", str(data)])


async def ran(kept: Kept, *arguments: str) -> str:
    result = await asyncio.to_thread(run, kept.folder / "data", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


async def test_microservices_are_listed_their_logs_shown_and_removed(tmp_path: Path) -> None:
    async with keeping(tmp_path) as kept:
        script = kept.script("one", "print('hello')\nanswer('one')")
        kept.put("m", script)
        row = await kept.ready("m")
        listed = (await ran(kept, "microservices", "list")).splitlines()
        assert listed[0] == f"test/m  rest  {script}"
        assert listed[1].startswith("    0: ready for ")
        assert listed[1].endswith(f" s, port {row.port}, process {row.pid}")
        assert await ran(kept, "microservices", "list", "--client", "other") == ""
        [told] = json.loads(await ran(kept, "microservices", "list", "--json"))
        assert (told["name"], told["processes"][0]["state"]) == ("m", "ready")
        assert await ran(kept, "microservices", "logs", "test", "m") == "hello\n"
        assert await ran(kept, "microservices", "remove", "test", "m") == "removed test/m\n"
        await kept.shown("m", lambda rows: not rows)


@pytest.mark.parametrize("command", ["remove", "logs"])
def test_an_unknown_microservice_is_named_with_those_that_there_are(tmp_path: Path, command: str) -> None:
    result = run(tmp_path, "microservices", command, "test", "m")
    assert result.exit_code == 1
    assert result.stderr == "microservice test/m: there is no such microservice (there are: none)\n"


def test_images_are_added_listed_and_removed(tmp_path: Path) -> None:
    assert run(tmp_path, "image", "add", "owner/image:1", str(tmp_path)).exit_code == 0
    assert run(tmp_path, "image", "list").stdout == f"owner/image:1  {tmp_path}\n"
    assert run(tmp_path, "image", "remove", "owner/image:1").stdout == "removed owner/image:1\n"
    again = run(tmp_path, "image", "remove", "owner/image:1")
    assert (again.exit_code, again.stderr) == (
        1,
        'image "owner/image:1": there is no such image (there are: none)\n',
    )
    missing = run(tmp_path, "image", "add", "owner/image:1", "./no/such/folder")
    assert (missing.exit_code, missing.stderr) == (1, '"./no/such/folder": there is no such file or folder\n')
