"""The deployments that are served now, and which one a request means. The set may change while requests come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields

from gaal.errors import NotFound, PermissionDenied
from gaal.executor.deployment import RunningDeployment
from gaal.gateway.caller import ANONYMOUS, Caller
from gaal.observability.labels import predictor_labels
from gaal.observability.listener import ServerMetrics, ServerObservers

CLIENTS = "gaal.dev/clients"
"""The annotation that names the clients whose deployment it is, separated by commas. Without it, it is everybody's."""


@dataclass(slots=True)
class Served:
    """A deployment, with the observers of its predictors by name; the first one's count what no predictor answers.

    `clients` are those that it is there for; None is all of them. Another one of the same name may take its place
    between any two requests: whoever keeps this reads `running` anew for each, and does not wait for anything before
    using it.
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
    """All that are served. One alone also answers where no name is given.

    `on_change` is called whenever one has come or gone.
    """

    def __init__(
        self, running: Sequence[RunningDeployment], metrics: ServerMetrics, timeout_s: float | None = None
    ) -> None:
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._served: list[Served] = []
        self.on_change: Callable[[], None] = lambda: None
        self._take([_served(each, metrics, timeout_s) for each in running])

    def _take(self, served: list[Served]) -> None:
        self._served = served
        self.only = served[0] if len(served) == 1 else None
        self._has_owners = any(each.clients is not None for each in served)
        self.on_change()

    def put(self, running: RunningDeployment) -> RunningDeployment | None:
        """Serve a deployment from the next request on. Gives the one of its name whose place it takes, if any."""
        new = _served(running, self._metrics, self._timeout_s)
        known = next((each for each in self if (each.namespace, each.name) == (new.namespace, new.name)), None)
        if known is None:
            self._take([*self._served, new])
            return None
        replaced = known.running
        for field in fields(Served):
            setattr(known, field.name, getattr(new, field.name))
        self._has_owners = any(each.clients is not None for each in self._served)
        return replaced

    def remove(self, namespace: str, name: str) -> RunningDeployment:
        """Serve it no more. Gives what was served. Raises NotFound."""
        found = self.find(namespace, name)
        self._take([each for each in self._served if each is not found])
        return found.running

    def seen_by(self, caller: Caller) -> Deployments:
        """Those that are there for this caller. One of several does not become the one that needs no name by that."""
        if not self._has_owners and caller.scope.sees_all:
            return self
        seen = [each for each in self._served if each.is_seen_by(caller)]
        if len(seen) == len(self._served):
            return self
        view = copy(self)
        view._served = seen
        view.only = None
        return view

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served)

    def serving(self, running: RunningDeployment) -> Served | None:
        """What serves this very deployment; None if nothing does."""
        return next((each for each in self._served if each.running is running), None)

    def find(self, namespace: str, name: str) -> Served:
        """The deployment of this name; any namespace does where none is given. Raises NotFound."""
        if not name and self.only is not None:
            return self.only
        if namespace:
            named = [each for each in self._served if (each.namespace, each.name) == (namespace, name)]
        else:
            named = [each for each in self._served if each.name == name]
        if len(named) != 1:
            known = ", ".join(sorted(f"{each.namespace}/{each.name}" for each in self._served)) or "none"
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
