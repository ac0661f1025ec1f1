"""From a document that keeps every rule to the frozen form that the rest of Gaal works with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gaal.graph import names, parameters, unit_code
from gaal.graph.annotations import (
    BATCH,
    GRPC_TIMEOUT,
    HANG_TIMEOUT,
    IDEMPOTENT,
    PLACEMENT,
    QUEUE,
    REPLICAS,
    REST_TIMEOUT,
    THREADS,
    TLS,
    TLS_CA,
    Annotations,
    of_document,
    of_predictor,
)
from gaal.graph.deployment import (
    Calls,
    Deployment,
    Endpoint,
    Method,
    Parameter,
    Placement,
    PredictiveUnit,
    Predictor,
    UnitType,
    Workers,
    identity,
)
from gaal.graph.far_sides import has_tls
from gaal.graph.schema import Document, Unit
from gaal.graph.schema import Predictor as WrittenPredictor
from gaal.graph.servers import NONE, CustomServer, Servers
from gaal.graph.unit_protocol import unit_protocol


def frozen(document: Document, warnings: Sequence[str], servers: Servers = NONE) -> Deployment:
    """The deployment of a document whose defaults are filled in and that breaks no rule.

    `servers` are those by configuration, that it may name as implementations.
    """
    spec, metadata = document.spec, document.metadata
    return Deployment(
        name=metadata.name,
        namespace=metadata.namespace,
        predictors=tuple(_predictor(document, index, servers) for index in range(len(spec.predictors))),
        protocol=spec.protocol,
        annotations={**metadata.annotations, **spec.annotations},
        rest_timeout_s=_timeout_s(document, REST_TIMEOUT),
        grpc_timeout_s=_timeout_s(document, GRPC_TIMEOUT),
        warnings=tuple(warnings),
    )


def _timeout_s(document: Document, key: str) -> float | None:
    annotation = of_document(document).get(key)
    milliseconds = int(annotation.value) if annotation else 0
    return milliseconds / 1000 if milliseconds else None


def _predictor(document: Document, index: int, servers: Servers) -> Predictor:
    predictor = document.spec.predictors[index]
    assert predictor.graph is not None  # rules.REQUIRED
    # A shadow without traffic gets a copy of every request, and a single predictor has all there are.
    several = sum(not each.shadow for each in document.spec.predictors) > 1
    traffic = (predictor.traffic or 0) if several and not predictor.shadow else predictor.traffic or 100
    return Predictor(
        name=predictor.name,
        graph=_unit(predictor.graph, _Around(document, predictor, of_predictor(document, index), servers)),
        traffic=traffic,
        shadow=predictor.shadow,
        annotations=predictor.annotations,
        labels=predictor.labels,
        env=unit_code.environment(predictor.svcOrchSpec.env),
    )


@dataclass(frozen=True, slots=True)
class _Around:
    """What a unit stands in."""

    document: Document
    predictor: WrittenPredictor
    annotations: Annotations
    servers: Servers


def _unit(unit: Unit, around: _Around) -> PredictiveUnit:
    predictor = around.predictor
    code = unit_code.find(unit, predictor, around.annotations)
    container = unit_code.container_of(unit, predictor)
    image = container.image if container else ""
    by_annotation = unit_code.annotated(unit, around.annotations) is not None
    placement = _placement(unit, around.annotations)
    is_remote = placement is Placement.REMOTE or not (by_annotation or (code and placement is not Placement.AUTO))
    endpoint = _endpoint(unit, around) if is_remote else None
    server = around.servers.get(unit.implementation) if endpoint is None and not by_annotation else None
    parameters = _parameters(unit, code, server)
    return PredictiveUnit(
        name=unit.name,
        type=UnitType(unit.type),
        implementation=names.UNKNOWN_IMPLEMENTATION if by_annotation else unit.implementation,
        methods=frozenset(Method(method) for method in unit.methods),
        children=tuple(_unit(child, around) for child in unit.children),
        parameters=parameters,
        component=_component(code, server),
        endpoint=endpoint,
        placement=server.placement if server and placement is Placement.AUTO else placement,
        workers=_workers(unit, around.annotations),
        image=image,
        env=unit_code.environment(container.env) if container else {},
        identity=identity(
            around.document.metadata.name, predictor.name, predictor.labels, unit.name, image, parameters
        ),
        model_uri=unit.modelUri,
        env_secret=unit.envSecretRefName,
        calls=_calls(unit, around.annotations),
        extra=server.extra if server else "",
    )


def _component(code: unit_code.Code | None, server: CustomServer | None) -> str | None:
    if code:
        return code.component
    return server.component if server else None


def _parameters(unit: Unit, code: unit_code.Code | None, server: CustomServer | None) -> tuple[Parameter, ...]:
    """Those of the container, as in Kubernetes, else those of the graph; what these do not say, the server's."""
    if code and code.parameters:
        return parameters.from_json(code.parameters)
    given = {each.name for each in unit.parameters}
    inherited = (each for each in (server.parameters if server else ()) if each.name not in given)
    return (*inherited, *(Parameter(each.name, each.value or "", each.type) for each in unit.parameters))


def _endpoint(unit: Unit, around: _Around) -> Endpoint | None:
    endpoint = unit.endpoint
    if not endpoint.service_host:
        return None
    tls, tls_ca = (around.annotations.get(key + unit.name) for key in (TLS, TLS_CA))
    return Endpoint(
        endpoint.service_host,
        endpoint.httpPort or 0,
        endpoint.grpcPort or 0,
        endpoint.type,
        timeout_s=_timeout_s(around.document, REST_TIMEOUT if endpoint.type == "REST" else GRPC_TIMEOUT),
        is_tls=(tls is not None and tls.value == "true") or has_tls(unit),
        tls_ca=tls_ca.value if tls_ca else "",
        protocol=unit_protocol(unit, around.document.spec.protocol, around.annotations),
    )


def _placement(unit: Unit, around: Annotations) -> Placement:
    annotation = around.get(PLACEMENT + unit.name)
    return Placement(annotation.value) if annotation else Placement.AUTO


def _calls(unit: Unit, around: Annotations) -> Calls:
    batch, threads, queue = (around.get(key + unit.name) for key in (BATCH, THREADS, QUEUE))
    default = Calls()
    max_batch_rows = default.max_batch_rows
    if batch is not None:
        max_batch_rows = 1 if batch.value == "off" else int(batch.value.removeprefix("max="))
    return Calls(
        max_batch_rows,
        n_threads=int(threads.value) if threads else default.n_threads,
        max_waiting=int(queue.value) if queue else default.max_waiting,
    )


def _workers(unit: Unit, around: Annotations) -> Workers:
    replicas, idempotent, hang = (around.get(key + unit.name) for key in (REPLICAS, IDEMPOTENT, HANG_TIMEOUT))
    default = Workers()
    hang_timeout_s = default.hang_timeout_s if hang is None else int(hang.value) / 1000 or None
    return Workers(
        n_replicas=int(replicas.value) if replicas else default.n_replicas,
        is_idempotent=idempotent is not None and idempotent.value == "true",
        hang_timeout_s=hang_timeout_s,
    )
