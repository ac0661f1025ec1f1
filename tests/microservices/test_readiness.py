"""How far microservices are, by the rows of their processes."""

from __future__ import annotations

from typing import Any

import pytest

from gaal.microservices.readiness import Progress, progress_of
from gaal.storage.records import Microservice, MicroserviceProcess

ROW = Microservice("test", "m", "/x", "rpc", n_replicas=2, created_at=100.0)


def process(replica: int = 0, machine: str = "here", since: float = 101.0, **fields: Any) -> MicroserviceProcess:
    return MicroserviceProcess(machine, "test", "m", replica, **{"state": "ready", "port": 1, "since": since, **fields})


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        ([], Progress((), 2)),
        ([process()], Progress((1,), 2)),
        ([process(0), process(1)], Progress((1, 1), 2)),
        ([process(0), process(0, "there")], Progress((1,), 2)),
        ([process(0), process(0, "there"), process(1, "there")], Progress((1, 1), 2)),
        ([process(0, since=99), process(1)], Progress((1,), 2)),
        ([process(0, since=99, failure="its successor: no")], Progress((), 2, "its successor: no")),
        ([process(state="waiting", failure="it ended", n_restarts=1)], Progress((), 2)),
        ([process(state="waiting", failure="it ended", n_restarts=2)], Progress((), 2, "it ended")),
        ([process(state="failed", failure="no folder")], Progress((), 2, "no folder")),
        ([process(state="failed", failure="an old one", since=99)], Progress((), 2)),
    ],
)
def test_what_counts_is_what_is_ready_since_it_was_written(
    processes: list[MicroserviceProcess], expected: Progress
) -> None:
    assert progress_of(ROW, processes) == expected


def test_others_do_not_count() -> None:
    other = MicroserviceProcess("here", "other", "m", 0, "ready", since=101)
    assert progress_of(ROW, [other]) == Progress((), 2)
    assert not progress_of(ROW, [other]).is_ready
