"""Deployments as the models of the protocols beside Seldon's: by the name of a model, and by its version.

A model is a deployment, and its name the deployment's. Where the deployment is known already, because it is alone, or
by the path below `/seldon/<namespace>/<deployment>`, or by the header `seldon`, the name of one of its units does as
well, since that is what clients of Seldon Core write; no name at all does too. The header `namespace` tells deployments
of one name apart.

The versions of a model are its predictors, by their label `version`, else by their own name; without one, a predictor
is chosen by traffic.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gaal.errors import GaalError, NotFound, PermissionDenied
from gaal.executor.context import Context
from gaal.executor.predictor import RunningPredictor
from gaal.gateway.caller import ANONYMOUS, Caller
from gaal.messages import Message, ModelMetadata
from gaal.transport.deployments import Deployments, Served
from gaal.transport.in_flight import within
from gaal.transport.readiness import READY_TIMEOUT_S, Readiness
from gaal.transport.repository import FixedModels, ModelRepository
from gaal.transport.rest import Endpoint

PLATFORM = "gaal"


@dataclass(slots=True)  # one is made for each request, and a frozen one takes three times as long
class Model:
    """What a request names. `name` is how it calls the model, `unit` the unit of that name, "" for the whole graph."""

    served: Served
    name: str
    unit: str = ""

    def predictors(self) -> Sequence[RunningPredictor]:
        return [each for each in self.served.running.predictors if not each.predictor.shadow]

    def versions(self) -> Sequence[str]:
        return [version_of(each) for each in self.predictors()]

    def predictor(self, version: str = "") -> RunningPredictor:
        """The one of this version, or the one whose turn it is. Raises NotFound."""
        if not version:
            return self.served.running.choose()
        for each in self.predictors():
            if version in (version_of(each), each.predictor.name):
                return each
        known = ", ".join(self.versions())
        raise NotFound(f"model {self.name} has no version {version}: there is {known}")

    def number_of(self, running: RunningPredictor) -> int:
        """The version as a number, for protocols that have no other: its own, or its place among all, from 1."""
        version = version_of(running)
        return int(version) if version.isdecimal() else self.predictors().index(running) + 1

    def named_version(self, version: str) -> str:
        """The version that a number or a name means; "" stays "". Raises NotFound."""
        by_number = {str(self.number_of(each)): version_of(each) for each in reversed(self.predictors())}
        return by_number.get(version, version)

    async def states(self, version: str, context: Context) -> dict[int, str]:
        """By the number of each version, or of one: why it cannot be called, "" where it can. Raises NotFound."""
        asked = [self.predictor(version)] if version else self.predictors()
        return {self.number_of(each): await self._reason(version_of(each), context) for each in asked}

    async def _reason(self, version: str, context: Context) -> str:
        try:
            await self.check_ready(version, context)
        except GaalError as error:
            return str(error)
        return ""

    async def metadata(self, version: str = "") -> ModelMetadata:
        """Raises NotFound, and ComponentError if a unit's own metadata is not valid."""
        predictor = self.predictor(version) if version else self.predictors()[0]
        if self.unit:
            said = await predictor.unit_metadata(self.unit)
            versions = [each for each in said.versions if each] or self.versions()
            return ModelMetadata(self.name, versions, said.platform or PLATFORM, said.inputs, said.outputs)
        graph = await predictor.metadata()
        platforms = {each.platform for each in graph.models.values()}
        platform = platforms.pop() if len(platforms) == 1 else ""
        return ModelMetadata(self.name, self.versions(), platform or PLATFORM, graph.inputs, graph.outputs)

    async def check_ready(self, version: str, context: Context) -> None:
        """Raises NotFound, and what a unit raises that cannot be called."""
        if self.unit:
            await self.served.running.unit_health(self.unit, context)
            return
        for each in [self.predictor(version)] if version else self.predictors():
            await each.check_ready(False, READY_TIMEOUT_S, context)


def version_of(running: RunningPredictor) -> str:
    return running.predictor.labels.get("version", running.predictor.name)


class Models:
    """All models that are served."""

    def __init__(
        self, deployments: Deployments, readiness: Readiness, repository: ModelRepository | None = None
    ) -> None:
        self._deployments = deployments
        self.repository = repository or FixedModels()
        self.readiness = readiness

    def seen_by(self, caller: Caller) -> Iterator[Model]:
        """Those that are there for this caller."""
        return (Model(each, each.name) for each in self._deployments.seen_by(caller))

    def repository_of(self, caller: Caller) -> ModelRepository:
        """Where this caller may load and unload models. Raises PermissionDenied."""
        if not caller.scope.allows_loading:
            raise PermissionDenied(f"scope: must allow loading models, is {caller.scope}", "SCOPE_NOT_ALLOWED")
        return self.repository

    def served_for(
        self,
        caller: Caller,
        name: str,
        headers: Mapping[bytes, bytes],
        known: Served | None = None,
        *,
        writes: bool = True,
    ) -> Model:
        """The model that a caller means; `known` is the deployment that the path says.

        Raises NotFound, and PermissionDenied if the caller may only read and `writes`.
        """
        deployments = self._deployments if caller is ANONYMOUS else self._deployments.seen_by(caller)
        model = _meant(deployments, name, headers, known)
        if caller is not ANONYMOUS:
            if not model.served.is_seen_by(caller):
                raise NotFound(f"there is no model {name}")
            model.served.check_allowed(caller, writes)
        return model

    def below(self, path: str) -> tuple[Served | None, str]:
        """The deployment of a path such as `/seldon/<namespace>/<deployment>/v2`, and the rest of it: `/v2`."""
        match path.split("/", 4):
            case ["", "seldon", namespace, name, rest] if found := self._find(namespace, name):
                return found, f"/{rest}"
        match path.split("/", 3):
            case ["", "seldon", name, rest] if found := self._find("", name):
                return found, f"/{rest}"
        return None, path

    def _find(self, namespace: str, name: str) -> Served | None:
        try:
            return self._deployments.find(namespace, name) if name else None
        except NotFound:
            return None


def _meant(deployments: Deployments, name: str, headers: Mapping[bytes, bytes], known: Served | None) -> Model:
    """Raises NotFound."""
    if known is None:
        told = headers.get(b"seldon")
        known = deployments.find(_namespace(headers), told.decode("latin-1")) if told else deployments.only
    return Model(deployments.find(_namespace(headers), name), name) if known is None else _within(known, name)


def _namespace(headers: Mapping[bytes, bytes]) -> str:
    return headers.get(b"namespace", b"").decode("latin-1")


def _within(served: Served, name: str) -> Model:
    own = served.name
    if name in ("", own):
        return Model(served, own)
    units = sorted({unit for each in served.running.predictors for unit in each.nodes})
    if name in units:
        return Model(served, name, name)
    known = ", ".join(units)
    raise NotFound(f"there is no model {name}: the deployment is {own}, its units are {known}")


def predict(
    served: Served, predictor: RunningPredictor, message: Message, context: Context, timeout_s: float | None
) -> Awaitable[Message]:
    """The predictor's reply, within the time that the deployment has. Raises GaalError."""
    work = served.running.predict(message, context, predictor)
    return work if timeout_s is None else within(timeout_s, work, context)


FindEndpoint = Callable[[str, Served | None], Endpoint | None]
"""What a protocol has at a path, given the deployment that the path stands below; None for a path of another's."""


N_REMEMBERED = 1024
"""Paths whose endpoints are kept."""


class ModelPaths:
    """The paths of several protocols, at the root and below the prefix of each deployment."""

    def __init__(self, models: Models, protocols: Sequence[FindEndpoint]) -> None:
        self._models = models
        self._protocols = protocols
        # An endpoint at the root knows a model by its name alone, so it stays the same whatever is served.
        self._at_root = lru_cache(maxsize=N_REMEMBERED)(lambda path: self._first(path, None))

    def find(self, path: str) -> Endpoint | None:
        if path.startswith("/seldon/"):
            known, path = self._models.below(path)
            return self._first(path, known)
        return self._at_root(path)

    def _first(self, path: str, known: Served | None) -> Endpoint | None:
        for find in self._protocols:
            if (endpoint := find(path, known)) is not None:
                return endpoint
        return None
