"""How far microservices are, by what keepers have told the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from gaal.storage.records import Microservice, MicroserviceProcess

GIVEN_UP_AFTER = 3
"""So many starts that failed are no accident. The keeper goes on trying."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Of one microservice: the ports where it is ready, and why it may never be, or ""."""

    ports: tuple[int, ...]
    n_wanted: int
    failure: str = ""

    @property
    def is_ready(self) -> bool:
        return len(self.ports) >= self.n_wanted


def progress_of(microservice: Microservice, processes: Iterable[MicroserviceProcess]) -> Progress:
    """How far it is on the machine where it is farthest. What was ready before it was written is an old version."""
    mine = [each for each in processes if (each.client, each.name) == (microservice.client, microservice.name)]
    machines = [list(each) for _, each in groupby(sorted(mine, key=_machine), _machine)]
    found = [_on_machine(microservice, each) for each in machines]
    return max(found, key=lambda each: len(each.ports), default=Progress((), microservice.n_replicas))


def _machine(process: MicroserviceProcess) -> str:
    return process.machine


def _on_machine(microservice: Microservice, processes: Sequence[MicroserviceProcess]) -> Progress:
    ready = (each for each in processes if each.state == "ready" and each.since >= microservice.created_at)
    hopeless = (each.failure for each in processes if _is_hopeless(microservice, each))
    return Progress(tuple(each.port for each in ready), microservice.n_replicas, next(hopeless, ""))


def _is_hopeless(microservice: Microservice, process: MicroserviceProcess) -> bool:
    """Whether it has failed for good, or again and again, or, of a successor, at all."""
    is_old = process.since < microservice.created_at
    if process.state == "ready":
        return is_old and bool(process.failure)
    return (
        not is_old and (process.state == "failed" or process.n_restarts >= GIVEN_UP_AFTER - 1) and bool(process.failure)
    )
