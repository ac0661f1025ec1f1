"""A SeldonDeployment as Gaal keeps it: parsed, defaulted, validated and frozen. Knows nothing of running it."""

from __future__ import annotations

import json
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
    """Where a unit's code runs. AUTO is the loop for async code and a thread of the unit's own for sync code.

    WORKER is a process of the unit's own, REMOTE the unit's endpoint.
    """

    AUTO = "auto"
    INLINE = "inline"
    THREAD = "thread"
    WORKER = "worker"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A keyword argument of a component, as the document writes it: the value is text, the type says how to read it."""

    name: str
    value: str
    type: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a remote unit, and how it is called.

    `type` is REST or GRPC, `timeout_s` for each call (None is no limit). With `is_tls` the unit must have a
    certificate for its host, signed by one of the authorities in the PEM file `tls_ca`; "" is those of the system.
    `protocol` is what it speaks: "seldon", the internal API of Seldon Core, "classifier", that of Seldon Server,
    "v2" or "tensorflow".
    """

    service_host: str
    http_port: int
    grpc_port: int
    type: str
    timeout_s: float | None = None
    is_tls: bool = False
    tls_ca: str = ""
    protocol: str = "seldon"


@dataclass(frozen=True, slots=True)
class Workers:
    """The processes of a unit that is placed in WORKER.

    `is_idempotent` says that a call may be made twice. `hang_timeout_s` is how long a process may stand still, or
    go on with a call that nobody waits for any more, before it is replaced; None is for ever.
    """

    n_replicas: int = 1
    is_idempotent: bool = False
    hang_timeout_s: float | None = 30.0


@dataclass(frozen=True, slots=True)
class Calls:
    """How a unit whose code runs on threads takes its calls.

    `max_batch_rows` is how many rows may be joined to one call, 1 for none; None leaves it to the component whether
    there is joining at all. `n_threads` is how many calls run at once, `max_waiting` how many may wait for that.
    """

    max_batch_rows: int | None = None
    n_threads: int = 1
    max_waiting: int = 4096


@dataclass(frozen=True, slots=True)
class PredictiveUnit:
    """A node of the graph.

    `component` is the code that stands here, `pkg.mod:Class` or `Module`, or None where `implementation` or
    `endpoint` says it all. `image` is the container image that the document names ("" if none), `env` what the
    document sets in the container, `identity` what a cluster adds to that: who this unit is (PREDICTIVE_UNIT_ID, …).
    `env_secret` names the secret with the variables for fetching the model at `model_uri`. `extra` is what pip
    installs for the component, "" where nothing says so.
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
    workers: Workers = Workers()
    image: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    identity: Mapping[str, str] = field(default_factory=dict)
    model_uri: str = ""
    env_secret: str = ""
    calls: Calls = Calls()
    extra: str = ""

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
    name: str,
    component: str | None,
    parameters: Sequence[Parameter] = (),
    unit_type: UnitType = UnitType.MODEL,
    implementation: str = "UNKNOWN_IMPLEMENTATION",
    model_uri: str = "",
) -> Deployment:
    """A deployment of one unit, without a document. It, its predictor and its unit are all called `name`."""
    labels = {"version": name}
    unit = PredictiveUnit(
        name=name,
        type=unit_type,
        implementation=implementation,
        methods=frozenset(),
        parameters=tuple(parameters),
        component=component,
        model_uri=model_uri,
        identity=identity(name, name, labels, name, "", parameters),
    )
    return Deployment(name, "default", (Predictor(name, unit, labels=labels),))


def identity(
    deployment: str, predictor: str, labels: Mapping[str, str], unit: str, image: str, parameters: Sequence[Parameter]
) -> dict[str, str]:
    """The variables by which a unit's process knows who it is. Source: Seldon Core's operator, createContainerService.

    Those that name ports are missing: nobody is told a port who has none.
    """
    written = [{"name": each.name, "value": each.value, "type": each.type} for each in parameters]
    return {
        "PREDICTIVE_UNIT_ID": unit,
        "PREDICTIVE_UNIT_IMAGE": image,
        "PREDICTIVE_UNIT_PARAMETERS": json.dumps(written),
        "PREDICTOR_ID": predictor,
        "PREDICTOR_LABELS": json.dumps(dict(labels)),
        "SELDON_DEPLOYMENT_ID": deployment,
        "SELDON_EXECUTOR_ENABLED": "true",
    }
