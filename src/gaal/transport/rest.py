"""The external prediction API over REST.

Every request takes the same way: read the body, call the endpoint, answer, observe. An endpoint is a function from
a request to a reply; what it raises becomes the Status form with the right HTTP status.
"""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import orjson

from gaal.errors import ComponentAnswered, GaalError, MethodNotAllowed, RemoteReply
from gaal.executor.context import Context
from gaal.executor.puid import new_puid
from gaal.gateway.caller import ANONYMOUS
from gaal.messages import Encoding
from gaal.observability.listener import ServerObservers
from gaal.protocols import seldon_json
from gaal.transport.bodies import Disconnected, decode_json_body, decode_message, decompressed, read_body
from gaal.transport.deployments import Served
from gaal.transport.errors import described, error_body, error_headers, http_status
from gaal.transport.in_flight import InFlight, dismiss, http1_peer, within
from gaal.transport.types import Headers, Receive, Scope, Send

GZIP_MIN_BYTES = 1400
"""Replies below fit into one packet anyway."""


class Request:
    """A request whose body has been read. `headers` has the last of each name, in lower case."""

    __slots__ = ("body", "caller", "headers", "observers", "puid", "query", "scope")

    def __init__(self, headers: dict[bytes, bytes], scope: Scope, puid: str) -> None:
        self.headers = headers
        self.scope = scope
        self.caller = ANONYMOUS
        self.query: bytes = scope["query_string"]
        self.puid = puid
        self.body = b""
        self.observers: ServerObservers | None = None

    @property
    def content_type(self) -> bytes:
        return self.headers.get(b"content-type", b"")

    @property
    def method(self) -> str:
        method: str = self.scope["method"]
        return method

    @property
    def peer(self) -> str:
        """The address that the connection comes from, "" if the server does not know."""
        client = self.scope.get("client")
        return str(client[0]) if client else ""


class Reply(NamedTuple):
    body: bytes
    status: int = 200
    content_type: bytes = b"application/json"
    headers: Sequence[tuple[bytes, bytes]] = ()
    """Beside those that every reply has."""


Handler = Callable[[Request], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Cors:
    """What other origins may do. Values of two response headers, sent with every reply."""

    allowed_origins: str = "*"
    allowed_headers: str = "Accept, Accept-Encoding, Authorization, Content-Length, Content-Type, X-CSRF-Token"


class Endpoint:
    """What stands at a path: the HTTP methods it takes, none for any, and what it does.

    `served` is the deployment whose metrics count it under the name `service`; None for what is not counted.
    `preflight` are further headers of the reply to OPTIONS. `is_open`: it needs no token, or asks for one itself.
    `refuse` gives errors the form of a protocol beside Seldon Core's, also those that a component or a remote unit put
    in a form of its own. A request may name its observers itself.
    """

    __slots__ = ("handle", "headers", "is_open", "methods", "preflight", "refuse", "served", "service")

    def __init__(
        self,
        methods: tuple[str, ...],
        handle: Handler,
        service: str = "",
        served: Served | None = None,
        preflight: Sequence[tuple[bytes, bytes]] = (),
        is_open: bool = False,
        refuse: Callable[[GaalError], Reply] | None = None,
    ) -> None:
        self.is_open = is_open
        self.refuse = refuse
        self.preflight = preflight
        self.methods = methods
        self.handle = handle
        self.service = service
        self.served = served
        allowed = ",".join(sorted(methods)).encode()
        self.headers: Headers = [(b"access-control-allow-methods", allowed)] if allowed else []


class RestServer:
    """Takes HTTP requests to endpoints and replies back. `refuse` gives an error its form."""

    def __init__(
        self,
        in_flight: InFlight,
        cors: Cors,
        max_message_bytes: int,
        refuse: Callable[[GaalError], Reply] | None = None,
    ) -> None:
        self._in_flight = in_flight
        self._refuse = refuse or error_reply
        self._max_bytes = max_message_bytes
        self._headers: Headers = [
            (b"x-content-type-options", b"nosniff"),
            (b"access-control-allow-origin", cors.allowed_origins.encode()),
            (b"access-control-allow-headers", cors.allowed_headers.encode()),
        ]

    async def __call__(
        self, endpoint: Endpoint, headers: dict[bytes, bytes], scope: Scope, receive: Receive, send: Send
    ) -> None:
        started = perf_counter()
        given = headers.get(b"seldon-puid")
        request = Request(headers, scope, given.decode("latin-1") if given else new_puid())
        method: str = scope["method"]
        try:
            if endpoint.methods and method not in endpoint.methods:
                reply = _wrong_method(scope["path"], method, endpoint, endpoint.refuse or self._refuse)
            elif endpoint.methods and method == "OPTIONS":
                reply = Reply(b"", headers=endpoint.preflight)
            else:
                reply = await self._answer(endpoint, request, receive)
        except Disconnected:
            await dismiss(send)
            return
        await self._send(send, endpoint, request, reply)
        _observe(endpoint, request, method, reply.status, perf_counter() - started)

    async def _answer(self, endpoint: Endpoint, request: Request, receive: Receive) -> Reply:
        """The endpoint's reply, or the one that says what went wrong. Raises Disconnected if nobody waits for it."""
        refuse = endpoint.refuse or self._refuse
        try:
            body = await read_body(receive, self._max_bytes)
            encoding = request.headers.get(b"content-encoding")
            request.body = body if encoding is None else decompressed(body, encoding, self._max_bytes)
        except GaalError as error:
            return refuse(error)
        task = self._in_flight.enter(receive, http1_peer(request.scope))
        try:
            return await endpoint.handle(request)
        except (ComponentAnswered, RemoteReply) as answer:
            return _as_it_is(answer) if endpoint.refuse is None else endpoint.refuse(answer)
        except Exception as error:
            return refuse(described(error))
        finally:
            if self._in_flight.leave(task):
                raise Disconnected

    async def _send(self, send: Send, endpoint: Endpoint, request: Request, reply: Reply) -> None:
        body = reply.body
        headers = [
            *self._headers,
            *endpoint.headers,
            *reply.headers,
            (b"seldon-puid", request.puid.encode("latin-1")),
            (b"content-type", reply.content_type),
        ]
        if len(body) >= GZIP_MIN_BYTES:
            headers.append((b"vary", b"accept-encoding"))
            if takes_gzip(request.headers.get(b"accept-encoding", b"")):
                body = gzip.compress(body, compresslevel=1)
                headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _as_it_is(answer: ComponentAnswered | RemoteReply) -> Reply:
    if isinstance(answer, ComponentAnswered):
        return Reply(seldon_json.encode_message(answer.reply), answer.http_status)
    content_type = answer.content_type.encode("latin-1", "replace") or b"text/plain"
    return Reply(answer.body, answer.http_status, content_type)


def takes_gzip(accepted: bytes) -> bool:
    """Whether an Accept-Encoding names gzip, and not to refuse it with a weight of 0."""
    for each in accepted.lower().replace(b" ", b"").split(b","):
        name, _, weight = each.partition(b";q=")
        if name == b"gzip":
            return not weight or weight.strip(b"0.") != b""
    return False


def error_reply(error: GaalError) -> Reply:
    status = http_status(error)
    return Reply(error_body(error, status), status, headers=error_headers(error))


def json_reply(value: Any) -> Reply:
    return Reply(orjson.dumps(value))


def _wrong_method(path: str, method: str, endpoint: Endpoint, refuse: Callable[[GaalError], Reply]) -> Reply:
    allowed = ", ".join(endpoint.methods)
    error = MethodNotAllowed(f"{path}: must be asked with {allowed}, got {method}", endpoint.methods)
    return refuse(error)._replace(headers=[(b"allow", allowed.encode())])


def _observe(endpoint: Endpoint, request: Request, method: str, status: int, seconds: float) -> None:
    observers = request.observers
    if observers is None and endpoint.served is not None:
        observers = endpoint.served.default_observers
    if observers is not None:
        observers[endpoint.service, _VERBS.get(method, "other"), "200" if status == 200 else str(status)](seconds)


_VERBS = {"GET": "get", "POST": "post", "OPTIONS": "options"}


class DeploymentApi:
    """The endpoints of one deployment."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def endpoints(self) -> dict[str, Endpoint]:
        """By path, as they stand at the root or below the deployment's prefix."""
        predictions = Endpoint(("POST", "OPTIONS"), self.predict, "predictions", self._served)
        feedback = Endpoint(("POST", "OPTIONS"), self.send_feedback, "feedback", self._served)
        status = Endpoint(("GET", "OPTIONS"), self.health, "status", self._served)
        metadata = Endpoint(("GET", "OPTIONS"), self.metadata, "metadata", self._served)
        paths: dict[str, Endpoint] = {}
        for version in ("v0.1", "v1.0"):
            paths |= {
                f"/api/{version}/predictions": predictions,
                f"/api/{version}/feedback": feedback,
                f"/api/{version}/status": status,
                f"/api/{version}/health/status": status,
                f"/api/{version}/metadata": metadata,
            }
        return paths

    def unit_endpoint(self, path: str) -> Endpoint | None:
        """The endpoint at `/api/<version>/status/<unit>` or `…/metadata/<unit>`; of any unit, there or not."""
        match path.split("/"):
            case ["", "api", "v0.1" | "v1.0", "status", unit]:
                return Endpoint(
                    ("GET", "OPTIONS"), lambda request: self.unit_health(unit, request), "status", self._served
                )
            case ["", "api", "v0.1" | "v1.0", "metadata", unit]:
                return Endpoint(("GET", "OPTIONS"), lambda request: self.unit_metadata(unit), "metadata", self._served)
            case _:
                return None

    async def predict(self, request: Request) -> Reply:
        message = decode_message(request.body, request.content_type, request.query)
        context = Context(request.puid, Encoding.JSON, request.headers)
        served = self._served
        predictor = served.running.choose()
        request.observers = served.observers[predictor.predictor.name]
        work = served.running.predict(message, context, predictor)
        timeout_s = served.rest_timeout_s
        reply = await work if timeout_s is None else await within(timeout_s, work, context)
        return Reply(seldon_json.encode_message(reply))

    async def send_feedback(self, request: Request) -> Reply:
        text = decode_json_body(request.body, request.content_type, request.query)
        feedback = seldon_json.decode_feedback(text)
        context = Context(request.puid, Encoding.JSON, request.headers)
        work = self._served.running.send_feedback(feedback, context)
        timeout_s = self._served.rest_timeout_s
        reply = await work if timeout_s is None else await within(timeout_s, work, context)
        # Where the root unit takes no feedback, what came in goes back: so does the original.
        return Reply(text if reply is None else seldon_json.encode_message(reply))

    async def metadata(self, request: Request) -> Reply:
        return json_reply(seldon_json.graph_metadata_object(await self._served.running.metadata()))

    async def unit_metadata(self, unit: str) -> Reply:
        return json_reply(seldon_json.model_metadata_object(await self._served.running.unit_metadata(unit)))

    async def unit_health(self, unit: str, request: Request) -> Reply:
        context = Context(request.puid, Encoding.JSON, request.headers)
        return Reply(seldon_json.encode_message(await self._served.running.unit_health(unit, context)))

    async def health(self, request: Request) -> Reply:
        await self._served.running.check_health(Context(request.puid, Encoding.JSON, request.headers))
        return Reply(b"")
