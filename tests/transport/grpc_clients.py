"""Short forms of grpcio's client calls."""

from __future__ import annotations

from typing import Any

import grpc.aio

from gaal.protocols.descriptors import message_class

Metadata = tuple[tuple[str, str], ...]


def method(channel: grpc.aio.Channel, path: str, request: str, reply: str) -> Any:
    """A unary method, by the full names of its messages."""
    return channel.unary_unary(path, message_class(request).SerializeToString, message_class(reply).FromString)


def seldon_method(channel: grpc.aio.Channel, name: str, request: str, reply: str = "SeldonMessage") -> Any:
    full = [each if "." in each else f"seldon.protos.{each}" for each in (request, reply)]
    return method(channel, f"/seldon.protos.Seldon/{name}", *full)


async def predict(
    channel: grpc.aio.Channel,
    compression: grpc.Compression | None = None,
    timeout_s: float | None = None,
    metadata: Metadata = (),
    **fields: Any,
) -> Any:
    """A prediction with a message made of these fields. Raises AioRpcError."""
    message = message_class("seldon.protos.SeldonMessage")(**fields)
    call = seldon_method(channel, "Predict", "SeldonMessage")
    return await call(message, timeout=timeout_s, metadata=metadata, compression=compression)
