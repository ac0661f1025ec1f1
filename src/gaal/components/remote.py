"""From the endpoint of a unit to the node that calls it: over REST or over gRPC, in the clear or by TLS.

The clients for the two take a tenth and a quarter of a second to import, so each is imported where it is used.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from gaal.errors import ComponentLoadError
from gaal.executor.node import Node
from gaal.graph.deployment import Endpoint

if TYPE_CHECKING:
    import grpc


def remote_unit(unit: str, endpoint: Endpoint, max_reply_bytes: int) -> Node:
    """The node of a unit that stands at `endpoint`, not yet started. Raises ComponentLoadError."""
    return _MAKERS[endpoint.protocol, endpoint.type](unit, endpoint, max_reply_bytes)


def _rest_unit(unit: str, endpoint: Endpoint, max_reply_bytes: int) -> Node:
    from gaal.components.remote_rest import RestUnit

    return RestUnit(
        unit,
        endpoint.service_host,
        endpoint.http_port,
        endpoint.timeout_s,
        max_reply_bytes=max_reply_bytes,
        tls=_tls_context(unit, endpoint) if endpoint.is_tls else None,
    )


def _grpc_unit(unit: str, endpoint: Endpoint, max_reply_bytes: int) -> Node:
    from gaal.components.remote_addresses import bracketed
    from gaal.components.remote_grpc import GrpcUnit

    return GrpcUnit(
        unit,
        f"{bracketed(endpoint.service_host)}:{endpoint.grpc_port}",
        endpoint.timeout_s,
        max_reply_bytes=max_reply_bytes,
        credentials=_grpc_credentials(unit, endpoint),
    )


def _rest_classifier(unit: str, endpoint: Endpoint, max_reply_bytes: int) -> Node:
    from gaal.components.classifier_rest import TIMEOUT_S, ClassifierRestUnit
    from gaal.components.microservice_addresses import MicroserviceAddress

    return ClassifierRestUnit(
        unit,
        MicroserviceAddress(endpoint.service_host, endpoint.http_port),
        timeout_s=endpoint.timeout_s or TIMEOUT_S,
        max_reply_bytes=max_reply_bytes,
        tls=_tls_context(unit, endpoint) if endpoint.is_tls else None,
    )


def _grpc_classifier(unit: str, endpoint: Endpoint, max_reply_bytes: int) -> Node:
    from gaal.components.classifier_grpc import TIMEOUT_S, ClassifierGrpcUnit
    from gaal.components.microservice_addresses import MicroserviceAddress

    return ClassifierGrpcUnit(
        unit,
        MicroserviceAddress(endpoint.service_host, endpoint.grpc_port),
        timeout_s=endpoint.timeout_s or TIMEOUT_S,
        max_reply_bytes=max_reply_bytes,
        credentials=_grpc_credentials(unit, endpoint),
    )


_MAKERS = {
    ("seldon", "REST"): _rest_unit,
    ("seldon", "GRPC"): _grpc_unit,
    ("classifier", "REST"): _rest_classifier,
    ("classifier", "GRPC"): _grpc_classifier,
}
"""By the protocol and the type of the endpoint."""


def _grpc_credentials(unit: str, endpoint: Endpoint) -> grpc.ChannelCredentials | None:
    import grpc

    if not endpoint.is_tls:
        return None
    _tls_context(unit, endpoint)  # gRPC itself says nothing of a file without certificates
    return grpc.ssl_channel_credentials(_authorities(unit, endpoint))


def _tls_context(unit: str, endpoint: Endpoint) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=endpoint.tls_ca or None)
    except OSError as error:  # SSLError is one
        raise _unusable(unit, endpoint, error) from None


def _authorities(unit: str, endpoint: Endpoint) -> bytes | None:
    """The PEM text of the authorities; None, for those that gRPC brings along, where the system has no such file."""
    path = endpoint.tls_ca or ssl.get_default_verify_paths().cafile
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        raise _unusable(unit, endpoint, error) from None


def _unusable(unit: str, endpoint: Endpoint, error: OSError) -> ComponentLoadError:
    return ComponentLoadError(unit, f"gaal.dev/tls-ca.{unit}: {endpoint.tls_ca}: {error.strerror or error}")
