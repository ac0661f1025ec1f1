"""`grpc.health.v1.Health/Check`: a microservice that answers is well. Its model is loaded before it listens."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import grpc

from gaal.protocols.descriptors import message_class

SERVICE = "grpc.health.v1.Health"
SERVING = 1


def add_health_to_server(server: grpc.Server, services: Collection[str]) -> None:
    """`services` are the names that are answered for; the empty one is the server itself."""
    request: Any = message_class("grpc.health.v1.HealthCheckRequest")
    reply: Any = message_class("grpc.health.v1.HealthCheckResponse")

    def check(asked: Any, context: grpc.ServicerContext) -> Any:
        if asked.service not in services:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no service is called {asked.service!r}")
        return reply(status=SERVING)

    handler = grpc.unary_unary_rpc_method_handler(
        check, request_deserializer=request.FromString, response_serializer=reply.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Check": handler}),))
