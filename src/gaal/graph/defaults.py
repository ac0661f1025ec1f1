"""What a document means where it says nothing. docs/graph-document.md lists the defaults."""

from __future__ import annotations

from collections.abc import Collection

from gaal.graph import names
from gaal.graph.deployment import UnitType
from gaal.graph.far_sides import far_side
from gaal.graph.schema import Document, Endpoint, Predictor, Unit

NAMESPACE = "default"
HTTP_PORT = 9000
GRPC_PORT = 9500


def filled(document: Document, servers: Collection[str] = ()) -> Document:
    """The document with its defaults written out. The one given stays as it is. `servers` are by configuration."""
    spec = document.spec
    metadata = document.metadata.model_copy(update={"namespace": document.metadata.namespace or NAMESPACE})
    transport = spec.transport or "rest"
    written_out = {
        "protocol": spec.protocol or "seldon",
        "transport": transport,
        "serverType": spec.serverType or "rpc",
        "predictors": [_predictor(predictor, transport, servers) for predictor in spec.predictors],
    }
    return document.model_copy(update={"metadata": metadata, "spec": spec.model_copy(update=written_out)})


def _predictor(predictor: Predictor, transport: str, servers: Collection[str]) -> Predictor:
    labels = {"version": predictor.name, **predictor.labels}
    graph = predictor.graph and _unit(predictor.graph, transport, servers)
    return predictor.model_copy(update={"labels": labels, "graph": graph})


def _unit(unit: Unit, transport: str, servers: Collection[str]) -> Unit:
    return unit.model_copy(
        update={
            "type": _type(unit, servers),
            "implementation": unit.implementation or names.UNKNOWN_IMPLEMENTATION,
            "endpoint": _endpoint(_asked(unit, transport), transport),
            "children": [_unit(child, transport, servers) for child in unit.children],
        }
    )


def _type(unit: Unit, servers: Collection[str]) -> str:
    decided = names.type_of(unit.implementation, servers)
    if decided:
        return decided.value
    if not unit.type and not unit.methods and unit.implementation in ("", names.UNKNOWN_IMPLEMENTATION):
        return UnitType.MODEL.value
    return unit.type or UnitType.UNKNOWN_TYPE.value


def _asked(unit: Unit, transport: str) -> Endpoint:
    """The endpoint as it is written, else the one that parameters name."""
    asked = far_side(unit, transport)
    if asked is None:
        return unit.endpoint
    ports = {"httpPort": asked.port} if asked.type == "REST" else {"grpcPort": asked.port}
    return unit.endpoint.model_copy(update={"service_host": asked.host, "type": asked.type, **ports})


def _endpoint(endpoint: Endpoint, transport: str) -> Endpoint:
    """The ports of a remote unit. Without a host the unit runs here and needs none."""
    if not endpoint.service_host:
        return endpoint
    kind = endpoint.type or transport.upper()
    http_port = endpoint.httpPort or (endpoint.service_port if kind == "REST" else None)
    grpc_port = endpoint.grpcPort or (endpoint.service_port if kind == "GRPC" else None)
    return endpoint.model_copy(
        update={
            "type": kind,
            "httpPort": HTTP_PORT if http_port is None else http_port,
            "grpcPort": GRPC_PORT if grpc_port is None else grpc_port,
        }
    )
