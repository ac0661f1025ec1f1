"""The one ASGI app behind the one port: REST, gRPC and gRPC-Web, told apart by content type, then by path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from gaal.errors import GaalError, PermissionDenied, UnsupportedMedia
from gaal.executor.context import Context
from gaal.messages import Encoding
from gaal.transport import grpc_health
from gaal.transport.access import Access, GuardedGrpcServer, GuardedRestServer
from gaal.transport.deployments import Deployments
from gaal.transport.errors import error_body
from gaal.transport.grpc import GrpcServer, Method
from gaal.transport.grpc_health import Health
from gaal.transport.grpc_reflection import Reflection, TypesOf
from gaal.transport.in_flight import InFlight
from gaal.transport.readiness import Readiness
from gaal.transport.rest import Cors, DeploymentApi, Endpoint, Reply, Request, RestServer
from gaal.transport.types import Headers, Receive, Scope, Send

ANY = ()
READ = ("GET", "OPTIONS")

WEB_REQUEST_HEADERS = (
    b"grpc-timeout",
    b"namespace",
    b"oauth_token",
    b"seldon",
    b"seldon-puid",
    b"x-grpc-web",
    b"x-user-agent",
)
"""What a gRPC-Web client in a browser may send, beside what every client may."""


class App:
    """Serves deployments. `find_endpoint` knows the paths of the protocols beside Seldon's.

    `stop_being_ready` turns readiness off before a drain, so that balancers look elsewhere.
    """

    def __init__(
        self,
        deployments: Deployments,
        methods: Mapping[str, Method],
        render_metrics: Callable[[], bytes],
        show_in_flight: Callable[[float], None],
        cors: Cors,
        max_message_bytes: int,
        pages: Mapping[str, Endpoint],
        readiness: Readiness,
        find_endpoint: Callable[[str], Endpoint | None] = lambda path: None,
        access: Access | None = None,
        types_of: TypesOf | None = None,
    ) -> None:
        """Without `access` everybody may ask; with it, whoever has a token.

        `find_endpoint` finds what stands at paths that name a model. `types_of` says what message types a call is told
        of beside the server's own.
        """
        self._readiness = readiness
        self._find_endpoint = find_endpoint
        self._render_metrics = render_metrics
        self._deployments = deployments
        self.in_flight = InFlight(show_in_flight)
        rest_server = RestServer if access is None else partial(GuardedRestServer, access)
        grpc_server = GrpcServer if access is None else partial(GuardedGrpcServer, access)
        self._rest: RestServer = rest_server(self.in_flight, cors, max_message_bytes)
        services = {path.split("/")[1] for path in methods}
        reflection = Reflection({*services, grpc_health.SERVICE}, types_of)
        self.health = Health(reflection.services)
        methods = {**methods, **self.health.methods(), **reflection.methods()}
        self._grpc: GrpcServer = grpc_server(methods, self.in_flight, _web_headers(cors), max_message_bytes)
        self._fixed = {**_server_endpoints(self), **_grpc_endpoints(methods), **pages}
        self._refresh()
        deployments.on_change = self._refresh

    def stop_being_ready(self) -> None:
        self._readiness.stop()
        self.health.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            if headers.get(b"content-type", b"").startswith(b"application/grpc"):
                await self._grpc(headers, scope, receive, send)
                return
            path: str = scope["path"]
            endpoint = self._endpoints.get(path) or self._found(path)
            await self._rest(endpoint, headers, scope, receive, send)
        except OSError:
            # From `send`, when the client is gone: by then all that could be said of the request has been said.
            return

    def _refresh(self) -> None:
        """Make the table of paths for the deployments that are served now."""
        self._apis = {(each.namespace, each.name): DeploymentApi(each) for each in self._deployments}
        self._endpoints = {**self._fixed, **self._deployment_endpoints()}

    def _deployment_endpoints(self) -> dict[str, Endpoint]:
        endpoints: dict[str, Endpoint] = {}
        for (namespace, name), api in self._apis.items():
            own = api.endpoints()
            for prefix in self._prefixes(namespace, name):
                endpoints |= {f"{prefix}{path}": endpoint for path, endpoint in own.items()}
            if self._deployments.only is not None:
                endpoints |= own
        return endpoints

    def _prefixes(self, namespace: str, name: str) -> list[str]:
        """`/seldon/<namespace>/<deployment>`, and `/seldon/<deployment>` where that names one alone."""
        alone = [each for each, other in self._apis if other == name] == [namespace]
        return [f"/seldon/{namespace}/{name}", *([f"/seldon/{name}"] if alone else [])]

    def _found(self, path: str) -> Endpoint:
        """The endpoint of a path that names a unit or a model, or the one that says that there is none."""
        if (found := self._find_endpoint(path)) is not None:
            return found
        for (namespace, name), api in self._apis.items():
            for prefix in (*self._prefixes(namespace, name), *([""] if self._deployments.only is not None else [])):
                if path.startswith(f"{prefix}/api/") and (endpoint := api.unit_endpoint(path.removeprefix(prefix))):
                    return endpoint
        return Endpoint(ANY, lambda request: self._not_found(path, request))

    async def _not_found(self, path: str, request: Request) -> Reply:
        raise self._deployments.seen_by(request.caller).nothing_at(path)

    async def metrics(self, request: Request) -> Reply:
        """All that is counted, of all deployments: for those only who may see all of them."""
        if self._deployments.seen_by(request.caller) is not self._deployments:
            raise PermissionDenied("metrics: must be asked by a client that sees every deployment", "SCOPE_NOT_ALLOWED")
        return Reply(self._render_metrics(), content_type=b"text/plain; version=0.0.4; charset=utf-8")

    async def ready(self, request: Request) -> Reply:
        """200 while requests are taken and every unit can be called; else 503, with the unit that cannot."""
        try:
            await self._readiness.check(Context(request.puid, Encoding.JSON, request.headers))
        except GaalError as error:
            return Reply(error_body(error, 503), 503)
        return Reply(b"")

    async def live(self, request: Request) -> Reply:
        return Reply(b"")


def _server_endpoints(app: App) -> dict[str, Endpoint]:
    async def ping(request: Request) -> Reply:
        return Reply(b"pong", content_type=b"text/plain; charset=utf-8")

    return {
        "/ready": Endpoint(ANY, app.ready, is_open=True),
        "/live": Endpoint(ANY, app.live, is_open=True),
        "/ping": Endpoint(READ, ping, is_open=True),
        "/health/status": Endpoint(READ, app.ready, is_open=True),
        "/metrics": Endpoint(READ, app.metrics),
        "/prometheus": Endpoint(READ, app.metrics),
    }


def _grpc_endpoints(methods: Iterable[str]) -> dict[str, Endpoint]:
    """What a browser asks before it calls a method, and what a call gets that is none by its content type."""

    async def refuse(request: Request) -> Reply:
        named = request.content_type.decode("latin-1")
        raise UnsupportedMedia(f"Content-Type: must be application/grpc or application/grpc-web, got {named!r}")

    allowed = (b"access-control-allow-headers", b", ".join(WEB_REQUEST_HEADERS))
    return {path: Endpoint(("POST", "OPTIONS"), refuse, preflight=[allowed]) for path in methods}


def _web_headers(cors: Cors) -> Headers:
    return [
        (b"access-control-allow-origin", cors.allowed_origins.encode()),
        (b"access-control-expose-headers", b"grpc-status, grpc-message, seldon-puid"),
    ]
