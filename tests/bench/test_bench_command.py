"""`scripts/bench` and the options of its part `model-servers`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bench_modules import BENCH

SCRIPTS = BENCH.parent / "scripts"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with our scripts, its environment, and a Python that only says what it would run."""
    folder = tmp_path / "project"
    shutil.copytree(SCRIPTS, folder / "scripts")
    (folder / "bench").mkdir()
    for part in ("serving", "model_servers"):
        (folder / "bench" / f"{part}.py").touch()
    pyproject = folder / "pyproject.toml"
    pyproject.write_text("[project]\n")
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\n[ "$1" = -c ] || echo "runs $*"\n')
    python.chmod(0o755)
    sum_of_it = subprocess.run(["cksum"], input=pyproject.read_bytes(), capture_output=True, check=True).stdout
    for extras in ("xgboost", "all,test"):
        (folder / ".venv" / f"installed-{extras}").write_text(f"{folder.resolve()} {sum_of_it.decode()}")
    return folder


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(project / "scripts" / "bench"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_without_a_part_it_measures_what_a_request_costs(project: Path) -> None:
    assert run(project, "--rounds", "2").stdout == f"runs {project.resolve()}/bench/serving.py --rounds 2\n"


def test_a_part_is_a_file_of_the_folder(project: Path) -> None:
    ended = run(project, "model-servers", "--seconds", "1")

    assert ended.stdout == f"runs {project.resolve()}/bench/model_servers.py --seconds 1\n"


def test_a_part_that_is_not_there_is_refused(project: Path) -> None:
    ended = run(project, "gateway")

    assert ended.returncode == 1
    assert "there is no part gateway" in ended.stderr


def test_all_parts_that_the_script_names_are_there() -> None:
    named = [line.split()[1] for line in (SCRIPTS / "bench").read_text().splitlines() if line.startswith("#   ")]

    assert len(named) >= 4
    assert all((BENCH / f"{part.replace('-', '_')}.py").is_file() for part in named)


@pytest.mark.parametrize("connections", ["0", "33", "many"])
def test_a_load_that_grpc_cannot_share_out_is_refused(connections: str) -> None:
    command = [sys.executable, str(BENCH / "model_servers.py"), "--connections", connections]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert ended.returncode == 2
    assert "--connections" in ended.stderr
