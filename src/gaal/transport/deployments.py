"""The deployments that are served, and which one a request means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

from gaal.errors import NotFound, PermissionDenied
from gaal.executor.deployment import RunningDeployment
from gaal.gateway.caller import ANONYMOUS, Caller
from gaal.observability.labels import predictor_labels
from gaal.observability.listener import ServerMetrics, ServerObservers

CLIENTS = "gaal.dev/clients"
"""The annotation that names the clients whose deployment it is, separated by commas. Without it, it is everybody's."""


@dataclass(frozen=True, slots=True)
class Served:
    """A deployment, with the observers of its predictors by name; the first one's count what no predictor answers.

    `clients` are those that it is there for; None is all of them.
    """

    running: RunningDeployment
    observers: dict[str, ServerObservers]
    default_observers: ServerObservers
    rest_timeout_s: float | None
    grpc_timeout_s: float | None
    clients: frozenset[str] | None = None

    def is_seen_by(self, caller: Caller) -> bool:
        """Whether the deployment is there for this caller. On a server that asks nobody for a token, it always is."""
        if caller is ANONYMOUS:
            return True
        return (self.clients is None or caller.client in self.clients) and caller.scope.sees(self.namespace, self.name)

    def check_allowed(self, caller: Caller, writes: bool) -> None:
        """Raises PermissionDenied if the caller's scope is not for this."""
        if not caller.scope.allows_deployment(self.namespace, self.name, writes=writes):
            what = "predictions and feedback" if writes else "reading"
            text = f"scope: must allow {what} at {self.namespace}/{self.name}, is {caller.scope}"
            raise PermissionDenied(text, "SCOPE_NOT_ALLOWED")

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
        self.only = self._served[0] if len(self._served) == 1 else None

    def seen_by(self, caller: Caller) -> Deployments:
        """Those that are there for this caller. One of several does not become the one that needs no name by that."""
        seen = [each for each in self._served if each.is_seen_by(caller)]
        if len(seen) == len(self._served):
            return self
        view = copy(self)
        view._served = seen
        view.only = None
        return view

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served)

    def find(self, namespace: str, name: str) -> Served:
        """The deployment of this name; any namespace does where none is given. Raises NotFound."""
        if not name and self.only is not None:
            return self.only
        if namespace:
            named = [each for each in self._served if (each.namespace, each.name) == (namespace, name)]
        else:
            named = [each for each in self._served if each.name == name]
        if len(named) != 1:
            known = ", ".join(sorted(f"{each.namespace}/{each.name}" for each in self._served))
            asked = f"{namespace}/{name}" if namespace else name or "no name at all"
            raise NotFound(f"there is no deployment {asked}: those served are {known}")
        return named[0]

    def nothing_at(self, path: str) -> NotFound:
        """What is raised for a path where there is nothing."""
        names = ", ".join(f"/seldon/{each.namespace}/{each.name}" for each in self._served)
        return NotFound(f"there is nothing at {path}; the deployments served are at {names}")


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
        _clients(deployment.annotations),
    )


def _clients(annotations: Mapping[str, str]) -> frozenset[str] | None:
    named = annotations.get(CLIENTS)
    return None if named is None else frozenset(each.strip() for each in named.split(",") if each.strip())
