"""The SeldonDeployment as it is written: every field that the custom resource has, under the resource's own name.

What is not written has an empty value. Names such as types and protocols are plain texts here; `validate` knows which
are right. What Kubernetes defines (pods, metadata, autoscaling metrics) is open-ended: only what Gaal uses is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from gaal.errors import Violation
from gaal.graph import rules
from gaal.graph.places import known_names, place, shown

Open = dict[str, Any]
"""A mapping that belongs to Kubernetes or to another program."""


class Written(BaseModel):
    """A mapping of which every field is known. Others are kept aside, to be warned of."""

    model_config = ConfigDict(strict=True, extra="allow", defer_build=True)


class OpenWritten(BaseModel):
    """A mapping of which only the fields that Gaal uses are known."""

    model_config = ConfigDict(strict=True, extra="ignore", defer_build=True)


class Metadata(OpenWritten):
    name: str = ""
    namespace: str = ""
    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}


class EnvVar(OpenWritten):
    name: str = ""
    value: str | None = None


class Container(OpenWritten):
    name: str = ""
    image: str = ""
    command: list[str] = []
    args: list[str] = []
    env: list[EnvVar] = []


class PodSpec(OpenWritten):
    containers: list[Container] = []


class HpaSpec(Written):
    minReplicas: int = 1
    maxReplicas: int = 1
    metrics: list[Open] = []
    metricsv2: list[Open] = []


class KedaSpec(Written):
    pollingInterval: int = 0
    cooldownPeriod: int = 0
    minReplicaCount: int = 0
    maxReplicaCount: int = 0
    idleReplicaCount: int = 0
    advanced: Open = {}
    triggers: list[Open] = []
    fallback: Open = {}


class PdbSpec(Written):
    minAvailable: Any = None
    maxUnavailable: Any = None


class ComponentSpec(Written):
    metadata: Metadata = Metadata.model_construct()
    spec: PodSpec = PodSpec.model_construct()
    hpaSpec: HpaSpec | None = None
    kedaSpec: KedaSpec | None = None
    pdbSpec: PdbSpec | None = None
    replicas: int | None = None


class Endpoint(Written):
    service_host: str = ""
    service_port: int | None = None
    type: str = ""
    httpPort: int | None = None
    grpcPort: int | None = None


class Parameter(Written):
    name: str = ""
    value: str | None = None
    type: str = ""


class Logger(Written):
    url: str = ""
    mode: str = ""


class Unit(Written):
    name: str = ""
    children: list[Unit] = []
    type: str = ""
    implementation: str = ""
    methods: list[str] = []
    endpoint: Endpoint = Endpoint.model_construct()
    parameters: list[Parameter] = []
    modelUri: str = ""
    serviceAccountName: str = ""
    envSecretRefName: str = ""
    storageInitializerImage: str = ""
    logger: Logger | None = None


class SvcOrchSpec(Written):
    resources: Open = {}
    env: list[EnvVar] = []
    replicas: int | None = None


class Explainer(Written):
    type: str = ""
    modelUri: str = ""
    serviceAccountName: str = ""
    containerSpec: Open = {}
    config: dict[str, str] = {}
    endpoint: Endpoint = Endpoint.model_construct()
    envSecretRefName: str = ""
    storageInitializerImage: str = ""
    replicas: int | None = None
    initParameters: str = ""


class Ssl(Written):
    certSecretName: str = ""


class Predictor(Written):
    name: str = ""
    graph: Unit | None = None
    componentSpecs: list[ComponentSpec] = []
    replicas: int | None = None
    annotations: dict[str, str] = {}
    engineResources: Open = {}
    labels: dict[str, str] = {}
    svcOrchSpec: SvcOrchSpec = SvcOrchSpec.model_construct()
    traffic: int | None = None
    explainer: Explainer | None = None
    shadow: bool = False
    ssl: Ssl | None = None
    progressDeadlineSeconds: int | None = None


class Spec(Written):
    name: str = ""
    predictors: list[Predictor] = []
    oauth_key: str = ""
    oauth_secret: str = ""
    annotations: dict[str, str] = {}
    protocol: str = ""
    transport: str = ""
    replicas: int | None = None
    serverType: str = ""


class Status(Written):
    state: str = ""
    description: str = ""
    deploymentStatus: Open = {}
    serviceStatus: Open = {}
    replicas: int = 0
    address: Open = {}
    conditions: list[Open] = []


class Document(Written):
    """A whole SeldonDeployment."""

    apiVersion: str = ""
    kind: str = ""
    metadata: Metadata = Metadata.model_construct()
    spec: Spec = Spec.model_construct()
    status: Status | None = None


def read(data: Mapping[str, Any], path: str = "") -> tuple[Document, list[Violation]]:
    """The document in plain data, and the values in it that are of a wrong type.

    Such values are left out of the document, so that all the rest of it can be checked in the same go.
    """
    try:
        return Document.model_validate(data), []
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
    violations = [
        Violation(place(path, *each["loc"]), _RULES.get(each["type"], rules.WRONG_TYPE), shown(each["input"]))
        for each in wrong
    ]
    kept = _copy(data)
    for each in wrong:
        _leave_out(kept, each["loc"], empty="" if each["type"] == "string_type" else {})
    return Document.model_validate(kept), violations


_RULES = {
    "string_type": rules.NEEDS_TEXT,
    "int_type": rules.NEEDS_INTEGER,
    "bool_type": rules.NEEDS_BOOLEAN,
    "list_type": rules.NEEDS_LIST,
    "dict_type": rules.NEEDS_MAPPING,
    "model_type": rules.NEEDS_MAPPING,
}


def _copy(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _copy(value) for key, value in data.items()}
    return [_copy(value) for value in data] if isinstance(data, list) else data


def _leave_out(data: Any, location: Sequence[int | str], empty: Any) -> None:
    """Remove what stands at `location`. An item of a list becomes empty, so that the others keep their places."""
    *parents, last = location
    for step in parents:
        data = data[step]
    if isinstance(data, list):
        data[int(last)] = empty
    else:
        data.pop(last, None)


def unknown_fields(model: BaseModel, path: str) -> Iterator[Violation]:
    """The fields that are written and that the resource does not have; Kubernetes drops them."""
    for name, value in model.model_extra.items() if model.model_extra else ():
        rule = rules.UNKNOWN_FIELD + known_names(name, type(model).model_fields)
        yield Violation(place(path, name), rule, shown(value))
    for name in type(model).model_fields:
        value = getattr(model, name)
        for step, item in enumerate(value) if isinstance(value, list) else [("", value)]:
            if isinstance(item, BaseModel):
                yield from unknown_fields(item, place(path, name, *([step] if step != "" else [])))
