"""`scripts/environment`, by which all scripts make their Python environment, without a network and without pip."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"
EXTRAS = "xgboost,seldon,demo"
"""What `scripts/demo` asks for."""

TOOLS = ("sh", "dirname", "cksum", "cat", "env")


class Project:
    """A project with our scripts, on a machine that has hardly any programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.programs = folder / "bin"
        self.programs.mkdir()
        shutil.copytree(SCRIPTS, self.folder / "scripts")
        self.pyproject = self.folder / "pyproject.toml"
        self.pyproject.write_text("[project]\n")
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self.programs / tool).symlink_to(found)

    def program(self, path: Path, script: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def demo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.folder / "scripts" / "demo"), *arguments]
        variables = {"PATH": str(self.programs)}
        # From a folder that has nothing to do with it.
        return subprocess.run(command, cwd=os.sep, env=variables, capture_output=True, text=True, timeout=60)

    def installed(self) -> None:
        """An environment that works, as a run before has left it."""
        self.program(self.folder / ".venv" / "bin" / "python", '[ "$1" = -c ] || echo "runs $*"')
        stamp = subprocess.run(["cksum"], input=self.pyproject.read_bytes(), capture_output=True, check=True)
        text = f"{self.folder.resolve()} {stamp.stdout.decode()}"
        (self.folder / ".venv" / f"installed-{EXTRAS}").write_text(text)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_without_a_python_that_is_new_enough_it_says_so(project: Project) -> None:
    project.program(project.programs / "python3", "echo Python 3.9; exit 1")

    ended = project.demo()

    assert ended.returncode == 1
    assert "Gaal needs Python 3.11 or later" in ended.stderr


def test_without_pip_it_says_so(project: Project) -> None:
    # It can do everything but import pip.
    project.program(project.programs / "python3.12", 'case "$*" in *"import pip"*) exit 1;; esac')

    ended = project.demo()

    assert ended.returncode == 1
    assert "pip 22.3 or later is missing" in ended.stderr


def test_an_environment_that_is_there_is_used_as_it_is(project: Project) -> None:
    project.installed()

    ended = project.demo("--once")

    assert ended.returncode == 0
    assert ended.stdout == f"runs {project.folder.resolve()}/examples/iris/demo.py --once\n"
    assert ended.stderr == ""


def test_a_changed_project_file_is_installed_anew(project: Project) -> None:
    project.installed()
    project.pyproject.write_text("[project]\ndependencies = []\n")
    project.program(project.programs / "python3.11", 'case "$*" in *install*) echo "installs $*";; esac')

    first, second = project.demo(), project.demo()

    assert f"installs -m pip --python {project.folder.resolve()}/.venv/bin/python" in first.stdout
    assert f"--editable {project.folder.resolve()}[{EXTRAS}]" in first.stdout
    assert "installs" not in second.stdout


def test_a_failed_installation_is_tried_again_the_next_time(project: Project) -> None:
    project.installed()
    project.pyproject.write_text("[project]\ndependencies = []\n")
    project.program(project.programs / "python3", 'case "$*" in *install*) exit 1;; esac')

    first, second = project.demo(), project.demo()

    assert first.returncode == second.returncode == 1
    assert "the installation failed" in second.stderr
