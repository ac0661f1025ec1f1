"""The deployments that are served, and which one a request means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gaal.errors import NotFound
from gaal.executor.deployment import RunningDeployment
from gaal.observability.labels import predictor_labels
from gaal.observability.listener import ServerMetrics, ServerObservers


@dataclass(frozen=True, slots=True)
class Served:
    """A deployment, with the observers of its predictors by name; the first one's count what no predictor answers."""

    running: RunningDeployment
    observers: dict[str, ServerObservers]
    default_observers: ServerObservers
    rest_timeout_s: float | None
    grpc_timeout_s: float | None

    @property
    def name(self) -> str:
        return self.running.deployment.name

    @property
    def namespace(self) -> str:
        return self.running.deployment.namespace


class Deployments:
    """All that are served. One alone also answers where no name is given."""

    def __init__(
        self, running: Sequence[RunningDeployment], metrics: ServerMetrics, timeout_s: float | None = None
    ) -> None:
        self._served = [_served(each, metrics, timeout_s) for each in running]
        self._by_name = {(each.namespace, each.name): each for each in self._served}
        self.only = self._served[0] if len(self._served) == 1 else None

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served)

    def find(self, namespace: str, name: str) -> Served:
        """The deployment of this name; any namespace does where none is given. Raises NotFound."""
        if not name and self.only is not None:
            return self.only
        if namespace:
            found = self._by_name.get((namespace, name))
        else:
            named = [each for each in self._served if each.name == name]
            found = named[0] if len(named) == 1 else None
        if found is None:
            known = ", ".join(sorted(f"{each.namespace}/{each.name}" for each in self._served))
            asked = f"{namespace}/{name}" if namespace else name or "no name at all"
            raise NotFound(f"there is no deployment {asked}: those served are {known}")
        return found


def _served(running: RunningDeployment, metrics: ServerMetrics, timeout_s: float | None) -> Served:
    deployment = running.deployment
    observers = {
        each.predictor.name: metrics.observers(*predictor_labels(deployment, each.predictor))
        for each in running.predictors
    }
    return Served(
        running,
        observers,
        next(iter(observers.values())),
        deployment.rest_timeout_s or timeout_s,
        deployment.grpc_timeout_s or timeout_s,
    )
