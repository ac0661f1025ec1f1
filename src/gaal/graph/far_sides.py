"""The server that parameters of a unit name: TENSORFLOW_SERVER asks one that stands at its rest_endpoint.

Source of the names: the proxy that Seldon Core has in front of TensorFlow Serving.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gaal.graph.schema import Unit

NAMED_BY = {"TENSORFLOW_SERVER": {"rest_endpoint": "REST", "grpc_endpoint": "GRPC"}}
"""The parameters by which an implementation is told where its server stands, and how each is called."""

_PORTS = {"http": 80, "https": 443, "grpc": None, "grpcs": None}
_SCHEMES = {"REST": ("http", "https"), "GRPC": ("grpc", "grpcs")}
_ADDRESS = re.compile(r"(?:([a-z]+)://)?(?:\[([0-9A-Fa-f:.%]+)\]|([^\s/:@?#\[\]]+))(?::([0-9]{1,5}))?/?")


@dataclass(frozen=True, slots=True)
class FarSide:
    """Where a server stands, and whether it is called over REST or GRPC."""

    host: str
    port: int
    type: str
    is_tls: bool


def far_side(unit: Unit, transport: str) -> FarSide | None:
    """The server of a unit. Of two that are named, the type of its endpoint chooses, else the transport.

    None where no parameter names one, where that is no address, and where the endpoint has a host of its own.
    """
    if unit.endpoint.service_host:
        return None
    wanted = (unit.endpoint.type or transport).upper()
    found = [each for name, value in named(unit).items() if (each := address(unit.implementation, name, value))]
    return next((each for each in found if each.type == wanted), found[0] if found else None)


def has_tls(unit: Unit) -> bool:
    """Whether the server at the unit's endpoint, which came from its parameters, is called over TLS."""
    endpoint = unit.endpoint
    at = (endpoint.service_host, endpoint.httpPort if endpoint.type == "REST" else endpoint.grpcPort, endpoint.type)
    found = (address(unit.implementation, name, value) for name, value in named(unit).items())
    return any(each.is_tls and (each.host, each.port, each.type) == at for each in found if each)


def named(unit: Unit) -> dict[str, str]:
    """The parameters of a unit that say where its server stands."""
    known = NAMED_BY.get(unit.implementation, {})
    return {each.name: each.value for each in unit.parameters if each.name in known and each.value}


def without_login(value: str) -> str:
    """What somebody wrote for an address, without user and password."""
    return re.sub(r"(?<=//).*@|^[^/]*@", "…@", value)


def address(implementation: str, name: str, value: str) -> FarSide | None:
    """What a parameter says; None if that is no address.

    REST may be called at http://host, https://host or host:port, GRPC at host:port, grpc://host:port or
    grpcs://host:port.
    """
    kind = NAMED_BY[implementation][name]
    match = _ADDRESS.fullmatch(value)
    if match is None or (match[1] and match[1] not in _SCHEMES[kind]):
        return None
    port = int(match[4]) if match[4] else _PORTS.get(match[1] or "")
    if port is None or not 1 <= port <= 65535:
        return None
    return FarSide(match[2] or match[3], port, kind, match[1] in ("https", "grpcs"))
