"""A SeldonDeployment as Gaal keeps it: parsed, defaulted, validated and frozen. Knows nothing of running it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum


class UnitType(Enum):
    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    ROUTER = "ROUTER"
    COMBINER = "COMBINER"
    MODEL = "MODEL"
    TRANSFORMER = "TRANSFORMER"
    OUTPUT_TRANSFORMER = "OUTPUT_TRANSFORMER"


class Method(Enum):
    TRANSFORM_INPUT = "TRANSFORM_INPUT"
    TRANSFORM_OUTPUT = "TRANSFORM_OUTPUT"
    ROUTE = "ROUTE"
    AGGREGATE = "AGGREGATE"
    SEND_FEEDBACK = "SEND_FEEDBACK"


class Placement(Enum):
    """Where a unit's code runs. AUTO is the loop for async code and a thread of the unit's own for sync code."""

    AUTO = "auto"
    INLINE = "inline"
    THREAD = "thread"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A keyword argument of a component, as the document writes it: the value is text, the type says how to read it."""

    name: str
    value: str
    type: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a remote unit."""

    service_host: str
    http_port: int
    grpc_port: int
    type: str


@dataclass(frozen=True, slots=True)
class PredictiveUnit:
    """A node of the graph.

    `component` is the code that stands here, `pkg.mod:Class` or `Module`, or None where `implementation` or
    `endpoint` says it all. `image` is the container image that the document names ("" if none).
    """

    name: str
    type: UnitType
    implementation: str
    methods: frozenset[Method]
    children: tuple[PredictiveUnit, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    component: str | None = None
    endpoint: Endpoint | None = None
    placement: Placement = Placement.AUTO
    image: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    model_uri: str = ""

    @property
    def origin(self) -> str:
        """What answers here, as `meta.requestPath` tells it: the image, else the code, else the implementation."""
        return self.image or self.component or self.implementation

    def walk(self) -> Iterator[PredictiveUnit]:
        """This unit and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Predictor:
    """One graph of a deployment, and its share of the traffic in percent.

    `env` has the variables of svcOrchSpec, by which a document sets what holds for the predictor (SELDON_…).
    """

    name: str
    graph: PredictiveUnit
    traffic: int = 100
    shadow: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A SeldonDeployment: named predictors that answer under one name.

    `rest_timeout_s` and `grpc_timeout_s` come from the annotations seldon.io/rest-timeout and seldon.io/grpc-timeout;
    None is no limit. `warnings` has what is odd in the document, one text each.
    """

    name: str
    namespace: str
    predictors: tuple[Predictor, ...]
    protocol: str = "seldon"
    annotations: Mapping[str, str] = field(default_factory=dict)
    rest_timeout_s: float | None = None
    grpc_timeout_s: float | None = None
    warnings: Sequence[str] = ()


def single(
    name: str, component: str, parameters: Sequence[Parameter] = (), unit_type: UnitType = UnitType.MODEL
) -> Deployment:
    """A deployment of one unit, without a document. It, its predictor and its unit are all called `name`."""
    unit = PredictiveUnit(
        name=name,
        type=unit_type,
        implementation="UNKNOWN_IMPLEMENTATION",
        methods=frozenset(),
        parameters=tuple(parameters),
        component=component,
    )
    return Deployment(name, "default", (Predictor(name, unit, labels={"version": name}),))
