"""From the endpoint of a unit to the node that calls it: over REST or over gRPC, in the clear or by TLS.

The clients for the two take a tenth and a quarter of a second to import, so each is imported where it is used.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from gaal.errors import ComponentLoadError
from gaal.executor.node import Node
from gaal.graph.deployment import Endpoint


def remote_unit(unit: str, endpoint: Endpoint, max_reply_bytes: int) -> Node:
    """The node of a unit that stands at `endpoint`, not yet started. Raises ComponentLoadError."""
    make = _grpc_unit if endpoint.type == "GRPC" else _rest_unit
    return make(unit, endpoint, max_reply_bytes)


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
    import grpc

    from gaal.components.remote_grpc import GrpcUnit

    credentials = None
    if endpoint.is_tls:
        _tls_context(unit, endpoint)  # gRPC itself says nothing of a file without certificates
        credentials = grpc.ssl_channel_credentials(_authorities(unit, endpoint))
    host = f"[{endpoint.service_host}]" if ":" in endpoint.service_host else endpoint.service_host
    target = f"{host}:{endpoint.grpc_port}"
    return GrpcUnit(unit, target, endpoint.timeout_s, max_reply_bytes=max_reply_bytes, credentials=credentials)


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
