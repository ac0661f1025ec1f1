"""Types commands as a reader of a page does: in a shell's words, with the installed names, one after another."""

from __future__ import annotations

import asyncio
import fcntl
import shlex
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gaal_command import PATIENCE_S, environment

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Typist:
    """Works in `folder` with the programs in `programs`. /seldon-data, which the page names, is `seldon_data`."""

    folder: Path
    programs: Path
    seldon_data: Path

    async def type(self, command: str, folder: Path | None = None) -> str:
        """What it prints. It must end with status 0."""
        words = shlex.split(command.replace("/seldon-data/", f"{self.seldon_data}/"))
        process = await asyncio.create_subprocess_exec(
            *(str(self.programs / words[0]), *words[1:]),
            cwd=folder or self.folder,
            env=environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        assert process.returncode == 0, f"{command}\nended with status {process.returncode}\n{out!r}\n{err.decode()}"
        return out.decode()


def install(folder: Path) -> None:
    """Puts the programs that pyproject.toml names, and `python`, into a folder."""
    scripts: dict[str, str] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
    folder.mkdir()
    _install(folder / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for name, target in scripts.items():
        module, _, function = target.partition(":")
        _install(folder / name, f"#!{sys.executable}\nfrom {module} import {function}\n{function}()\n")


def _install(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@contextmanager
def seldon_server_ports() -> Iterator[None]:
    """The ports 30015 and 30017 for this test alone: others that want them wait."""
    with (Path(tempfile.gettempdir()) / "gaal-tests-seldon-server-ports").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
