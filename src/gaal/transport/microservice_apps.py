"""The three ASGI apps of a microservice, each for a port of its own: REST, gRPC, metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gaal.errors import NotFound, UnsupportedMedia
from gaal.transport import grpc_health
from gaal.transport.grpc import GrpcServer, Method
from gaal.transport.grpc_health import Health
from gaal.transport.grpc_reflection import Reflection
from gaal.transport.in_flight import InFlight
from gaal.transport.microservice_rest import ErrorHandler, refusing
from gaal.transport.rest import Cors, Endpoint, Handler, Reply, Request, RestServer
from gaal.transport.types import Receive, Scope, Send

ANY = ()
OWN_PACKAGE = "gaal."
"""Services below it are between Gaal and Gaal: reflection does not show them."""


class RestApp:
    """Endpoints by path. `count` is called with every request; `refuse` gives errors their form."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        max_message_bytes: int,
        handle_error: ErrorHandler = lambda error: None,
        count: Callable[[], None] = lambda: None,
    ) -> None:
        self._endpoints = endpoints
        self._count = count
        self.in_flight = InFlight(lambda n: None)
        self._rest = RestServer(self.in_flight, Cors(), max_message_bytes, refusing(handle_error))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self._count()
        endpoint = self._endpoints.get(scope["path"]) or Endpoint(ANY, _not_found(scope["path"]))
        try:
            await self._rest(endpoint, dict(scope["headers"]), scope, receive, send)
        except OSError:  # from `send`, when the client is gone
            return


class GrpcApp:
    """Methods by path, with health and reflection beside them."""

    def __init__(
        self, methods: Mapping[str, Method], max_message_bytes: int, count: Callable[[], None] = lambda: None
    ) -> None:
        self._count = count
        self.in_flight = InFlight(lambda n: None)
        services = {path.split("/")[1] for path in methods}
        shown = {service for service in services if not service.startswith(OWN_PACKAGE)}
        reflection = Reflection({*shown, grpc_health.SERVICE})
        self.health = Health(reflection.services)
        all_methods = {**methods, **self.health.methods(), **reflection.methods()}
        self._grpc = GrpcServer(all_methods, self.in_flight, [], max_message_bytes)
        self._rest = RestServer(self.in_flight, Cors(), max_message_bytes, refusing(lambda error: None))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self._count()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            if headers.get(b"content-type", b"").startswith(b"application/grpc"):
                await self._grpc(headers, scope, receive, send)
            else:
                await self._rest(Endpoint(ANY, _only_grpc), headers, scope, receive, send)
        except OSError:  # from `send`, when the client is gone
            return


def metrics_endpoints(path: str, render: Callable[[], bytes], content_type: str) -> dict[str, Endpoint]:
    """The endpoint that Prometheus scrapes, at `path`."""

    async def show(request: Request) -> Reply:
        return Reply(render(), content_type=content_type.encode())

    return {path: Endpoint(("GET", "HEAD", "OPTIONS"), show)}


def _not_found(path: str) -> Handler:
    async def refuse(request: Request) -> Reply:
        raise NotFound(f"there is nothing at {path}")

    return refuse


async def _only_grpc(request: Request) -> Reply:
    named = request.content_type.decode("latin-1")
    raise UnsupportedMedia(f"Content-Type: must be application/grpc at this port, got {named!r}")
