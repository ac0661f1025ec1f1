"""How many cores a process was given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gaal.components.model_servers.cores import n_cores


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may run on eight cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 8), ("400000 100000", 4), ("150000 100000", 2), ("1000 100000", 1), ("9900000 100000", 8), ("", 8)],
)
def test_the_quota_of_the_container_counts_where_it_is_less_than_the_affinity(
    quota: str, cores: int, tmp_path: Path
) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    assert n_cores(tmp_path / "cpu.max") == cores


@pytest.mark.usefixtures("eight")
def test_without_a_container_the_affinity_counts(tmp_path: Path) -> None:
    assert n_cores(tmp_path / "nothing") == 8
