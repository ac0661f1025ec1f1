"""Nobody gets in without a token: the two servers of REST and gRPC for where clients must say who they are.

A token comes as `Authorization: Bearer …` or as `oauth_token`: over REST a field of the query or of a form, over gRPC
a key of the metadata. It is looked at before the body is kept, so that strangers cannot fill the memory. What is open
to everybody says so itself: endpoints and methods have `is_open`.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, suppress
from typing import Any

from gaal.errors import GaalError, PermissionDenied
from gaal.gateway.accounts import Accounts
from gaal.gateway.caller import Caller
from gaal.transport.bodies import MAX_DISCARDED, Disconnected, form_field, media_type_of, read_body
from gaal.transport.deployments import Deployments, Served
from gaal.transport.errors import error_trailers, grpc_code, grpc_text
from gaal.transport.grpc import Call, GrpcServer, Method, StreamingMethod, UnaryMethod, Wire
from gaal.transport.rest import Endpoint, Reply, Request, RestServer
from gaal.transport.types import Event, Receive, Send

READING = ("GET", "HEAD", "OPTIONS")
FIRST_EVENT_S = 1.0
FORM = b"application/x-www-form-urlencoded"


class Access:
    """Who may do what here."""

    def __init__(self, accounts: Accounts, deployments: Deployments) -> None:
        self.accounts = accounts
        self._deployments = deployments

    def known(self, token: bytes | None, *, writes: bool) -> Caller | None:
        """Who shows this token, if that is in memory and allows it. Where it is None, `caller` tells why, or who."""
        caller = self.accounts.known(token) if token else None
        if caller is None or not (caller.scope.allows_writing if writes else caller.scope.allows_reading):
            return None
        return caller

    async def caller(self, token: bytes | None, *, writes: bool) -> Caller:
        """Raises Unauthenticated, PermissionDenied, and StoreError if nobody can say."""
        caller = await self.accounts.caller_of_token(token.decode("latin-1") if token else None)
        if not (caller.scope.allows_writing if writes else caller.scope.allows_reading):
            what = "predictions and feedback" if writes else "reading"
            raise PermissionDenied(f"scope: must allow {what}, is {caller.scope}", "SCOPE_NOT_ALLOWED")
        return caller

    def check_seen(self, served: Served, request: Request, *, writes: bool) -> None:
        """Raises NotFound if the deployment is not there for the caller, and PermissionDenied."""
        if not served.is_seen_by(request.caller):
            raise self._deployments.seen_by(request.caller).nothing_at(request.scope["path"])
        served.check_allowed(request.caller, writes)


class GuardedRestServer(RestServer):
    """Answers those who have a token, as often as they may ask."""

    def __init__(self, access: Access, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._access = access

    async def _answer(self, endpoint: Endpoint, request: Request, receive: Receive) -> Reply:
        if endpoint.is_open:
            return await super()._answer(endpoint, request, receive)
        refuse = endpoint.refuse or self._refuse
        token = token_of_head(request.headers, request.query)
        if token is None and media_type_of(request.content_type) == FORM:
            try:
                body = await read_body(receive, self._max_bytes)
                token = form_field(body, "oauth_token")
            except GaalError as error:
                return refuse(error)
            receive = _again(body, receive)
        try:
            writes = request.method not in READING
            known = self._access.known(token, writes=writes)
            request.caller = known or await self._access.caller(token, writes=writes)
            served = endpoint.served
            if served is not None and not (served.clients is None and request.caller.scope.is_all):
                self._access.check_seen(served, request, writes=writes)
            forget_token(request.headers)
            with self._access.accounts.admitted(request.caller):
                return await super()._answer(endpoint, request, receive)
        except GaalError as error:
            await discard_body(receive, self._max_bytes)
            return refuse(error)


class GuardedGrpcServer(GrpcServer):
    """Answers calls of those who have a token, as often as they may call."""

    def __init__(self, access: Access, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._access = access

    async def _answer(self, method: UnaryMethod, call: Call, wire: Wire, receive: Receive) -> bytes:
        if method.is_open:
            return await super()._answer(method, call, wire, receive)
        is_in = False
        try:
            with await self._let_in(method, call):
                is_in = True
                return await super()._answer(method, call, wire, receive)
        except GaalError as error:
            if not is_in:
                call.trailers += error_trailers(error)
                await discard_body(receive, self._max_bytes)
            raise

    async def _stream(self, method: StreamingMethod, call: Call, wire: Wire, receive: Receive, send: Send) -> None:
        if method.is_open:
            return await super()._stream(method, call, wire, receive, send)
        try:
            with await self._let_in(method, call):
                await super()._stream(method, call, wire, receive, send)
        except GaalError as error:  # of being let in: the stream has told its own errors
            await _first_event(receive)
            await wire.end(send, grpc_code(error), grpc_text(error), [*call.trailers, *error_trailers(error)])

    async def _let_in(self, method: Method, call: Call) -> AbstractContextManager[None]:
        """Says in the call who calls. What it gives counts the call while it is under way. Both raise GaalError."""
        token, writes = token_of_metadata(call.headers), not method.reads
        call.caller = self._access.known(token, writes=writes) or await self._access.caller(token, writes=writes)
        forget_token(call.headers)
        return self._access.accounts.admitted(call.caller)


def token_of_head(headers: dict[bytes, bytes], query: bytes) -> bytes | None:
    """The token of an HTTP request, as far as it stands before the body."""
    bearer = bearer_token(headers)
    if bearer is None and b"oauth_token=" in query:
        return form_field(query, "oauth_token")
    return bearer


def token_of_metadata(headers: dict[bytes, bytes]) -> bytes | None:
    """The token of a gRPC call."""
    return headers.get(b"oauth_token") or bearer_token(headers)


def bearer_token(headers: dict[bytes, bytes]) -> bytes | None:
    """The token in `Authorization: Bearer …`; other ways to authenticate are somebody else's."""
    given = headers.get(b"authorization")
    if given is None:
        return None
    scheme, _, token = given.partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else None


def forget_token(headers: dict[bytes, bytes]) -> None:
    """Takes the token out of the headers: it is for this server alone, and headers go along to units elsewhere."""
    headers.pop(b"oauth_token", None)
    headers.pop(b"authorization", None)


async def discard_body(receive: Receive, max_bytes: int) -> None:
    """Takes a body that nobody wants: most clients read no answer before they have sent everything.

    Raises Disconnected if the client went away.
    """
    size, more = 0, True
    while more and size <= MAX_DISCARDED * max_bytes:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Disconnected
        size += len(event.get("body", b""))
        more = event.get("more_body", False)


async def _first_event(receive: Receive) -> None:
    """Waits a moment for what the client sends first: grpcio takes a refusal before that for a broken connection.

    Raises Disconnected if the client went away.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(FIRST_EVENT_S):
            if (await receive())["type"] == "http.disconnect":
                raise Disconnected


def _again(body: bytes, receive: Receive) -> Receive:
    """The events of a request whose body has been read already."""
    events: list[Event] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Event:
        return events.pop() if events else await receive()

    return receive_again
