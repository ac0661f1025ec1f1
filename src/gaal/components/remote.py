"""From the endpoint of a unit to the node that calls it: over REST or over gRPC, in the protocol that stands there.

The clients for the two take a tenth and a quarter of a second to import, so each is imported where it is used.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gaal.components.remote_model import far_model
from gaal.errors import ComponentLoadError
from gaal.executor.node import Node
from gaal.graph.deployment import Endpoint, PredictiveUnit

if TYPE_CHECKING:
    import grpc


def remote_unit(unit: PredictiveUnit, endpoint: Endpoint, max_reply_bytes: int) -> Node:
    """The node of a unit that stands at `endpoint`, not yet started. Raises ComponentLoadError."""
    if endpoint.protocol == "classifier":
        make = _grpc_classifier if endpoint.type == "GRPC" else _rest_classifier
    else:
        make = _grpc_unit if endpoint.type == "GRPC" else _rest_unit
    return make(unit, endpoint, max_reply_bytes)


def _rest_unit(unit: PredictiveUnit, endpoint: Endpoint, max_reply_bytes: int) -> Node:
    return _rest_class(unit, endpoint.protocol)(
        unit.name,
        endpoint.service_host,
        endpoint.http_port,
        endpoint.timeout_s,
        max_reply_bytes=max_reply_bytes,
        tls=_rest_tls(unit, endpoint),
    )


def _rest_class(unit: PredictiveUnit, protocol: str) -> Callable[..., Node]:
    if protocol == "v2":
        from gaal.components.remote_open_inference_rest import OpenInferenceRestUnit

        return partial(OpenInferenceRestUnit, far_model(unit))
    if protocol == "tensorflow":
        from gaal.components.remote_tensorflow_rest import TensorFlowRestUnit

        return partial(TensorFlowRestUnit, far_model(unit))
    from gaal.components.remote_rest import RestUnit

    return RestUnit


def _grpc_unit(unit: PredictiveUnit, endpoint: Endpoint, max_reply_bytes: int) -> Node:
    from gaal.components.remote_addresses import bracketed

    return _grpc_class(unit, endpoint.protocol)(
        unit.name,
        f"{bracketed(endpoint.service_host)}:{endpoint.grpc_port}",
        endpoint.timeout_s,
        max_reply_bytes=max_reply_bytes,
        credentials=_grpc_credentials(unit, endpoint),
    )


def _grpc_class(unit: PredictiveUnit, protocol: str) -> Callable[..., Node]:
    if protocol == "v2":
        from gaal.components.remote_open_inference_grpc import OpenInferenceGrpcUnit

        return partial(OpenInferenceGrpcUnit, far_model(unit))
    if protocol == "tensorflow":
        from gaal.components.remote_tensorflow_grpc import TensorFlowGrpcUnit

        return partial(TensorFlowGrpcUnit, far_model(unit))
    from gaal.components.remote_grpc import GrpcUnit

    return GrpcUnit


def _rest_classifier(unit: PredictiveUnit, endpoint: Endpoint, max_reply_bytes: int) -> Node:
    from gaal.components.classifier_rest import TIMEOUT_S, ClassifierRestUnit
    from gaal.components.microservice_addresses import MicroserviceAddress

    return ClassifierRestUnit(
        unit.name,
        MicroserviceAddress(endpoint.service_host, endpoint.http_port),
        timeout_s=endpoint.timeout_s or TIMEOUT_S,
        max_reply_bytes=max_reply_bytes,
        tls=_rest_tls(unit, endpoint),
    )


def _grpc_classifier(unit: PredictiveUnit, endpoint: Endpoint, max_reply_bytes: int) -> Node:
    from gaal.components.classifier_grpc import TIMEOUT_S, ClassifierGrpcUnit
    from gaal.components.microservice_addresses import MicroserviceAddress

    return ClassifierGrpcUnit(
        unit.name,
        MicroserviceAddress(endpoint.service_host, endpoint.grpc_port),
        timeout_s=endpoint.timeout_s or TIMEOUT_S,
        max_reply_bytes=max_reply_bytes,
        credentials=_grpc_credentials(unit, endpoint),
    )


def _rest_tls(unit: PredictiveUnit, endpoint: Endpoint) -> ssl.SSLContext | None:
    return _tls_context(unit.name, endpoint) if endpoint.is_tls else None


def _grpc_credentials(unit: PredictiveUnit, endpoint: Endpoint) -> grpc.ChannelCredentials | None:
    import grpc

    if not endpoint.is_tls:
        return None
    _tls_context(unit.name, endpoint)  # gRPC itself says nothing of a file without certificates
    return grpc.ssl_channel_credentials(_authorities(unit.name, endpoint))


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
