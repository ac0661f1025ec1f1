"""A server in the test's own process that asks for tokens, over a store of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

import httpx
from serving import COMPONENTS, ONE_MODEL, SERVERS, Server

from gaal.components.loading import ComponentLoader
from gaal.executor.deployment import RunningDeployment
from gaal.gateway.accounts import Accounts, Verifier
from gaal.gateway.issuer import TokenIssuer
from gaal.gateway.registrations import RegisteredTypes
from gaal.gateway.throttle import Throttle
from gaal.graph.load import loads
from gaal.observability import prometheus
from gaal.observability.listener import ServerMetrics, UnitMetrics
from gaal.observability.series import Series
from gaal.settings import ServeSettings
from gaal.storage.changes import ChangeFeed
from gaal.storage.records import NO_LIMITS, Client, Key, Limits
from gaal.storage.store import Location, Store, locate, open_store
from gaal.transport import openapi
from gaal.transport.access import Access
from gaal.transport.app import App
from gaal.transport.caller_types import CallerTypes
from gaal.transport.deployments import Deployments
from gaal.transport.grpc_seldon import SeldonService
from gaal.transport.readiness import Readiness
from gaal.transport.rest import Cors
from gaal.transport.token_endpoints import TokenEndpoints

ECHO = """
class Model:
    def predict(self, X, names=None, meta=None):
        return X
"""

PREDICTIONS = "/api/v1.0/predictions"
ROW = {"data": {"ndarray": [[1.0, 2.0]]}}
ALL_SECRET = "SECRET00000000000000"


def location(folder: Path) -> Location:
    return locate(None, folder / "data", {})


def add_client(
    store: Store, name: str = "test", scope: str = "all", limits: Limits = NO_LIMITS, suffix: str = ""
) -> Key:
    """A client with a key of this scope and a js key. Gives the key."""
    now = time.time()
    key = Key(f"ALL{name.upper()}{suffix}", name, scope, ALL_SECRET, created_at=now)
    js = Key(f"JS{name.upper()}{suffix}", name, "js", created_at=now)
    store.clients.add(Client(name, limits=limits, created_at=now), [key, js])
    return key


@dataclass(frozen=True)
class Guarded:
    """A server, and what it knows its clients by."""

    server: Server
    store: Store
    accounts: Accounts
    issuer: TokenIssuer
    registered: RegisteredTypes
    http: httpx.AsyncClient = field(repr=False)

    async def token(self, key: Key, scope: str | None = None) -> str:
        return (await self.issuer.issue(key, scope)).text

    async def predict(self, token: str | None, path: str = PREDICTIONS) -> httpx.Response:
        return await self.http.post(path, json=ROW, headers=bearer(token))


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


class Guard(Protocol):
    """Serves a document with component code of the test's own, for those who have a token."""

    def __call__(
        self,
        code: str = ECHO,
        document: str = ONE_MODEL,
        by: str = "h2corn",
        verifier: Verifier | None = None,
        throttle: Throttle | None = None,
        lifetime_s: float = 6000.0,
        **settings: Any,
    ) -> Awaitable[Guarded]: ...


@asynccontextmanager
async def guard_factory(folder: Path) -> AsyncIterator[Guard]:
    async with AsyncExitStack() as stack:

        async def guard(
            code: str = ECHO,
            document: str = ONE_MODEL,
            by: str = "h2corn",
            verifier: Verifier | None = None,
            throttle: Throttle | None = None,
            lifetime_s: float = 6000.0,
            **settings: Any,
        ) -> Guarded:
            (folder / f"{COMPONENTS}.py").write_text(code)
            stack.callback(_forget_components, list(sys.path))
            made = ServeSettings(app_dir=folder, **settings)
            store = stack.enter_context(open_store(location(folder)))
            feed = ChangeFeed(store)
            await feed.start()
            stack.push_async_callback(feed.close)
            accounts = Accounts(verifier=verifier)
            await accounts.attach(store, feed)
            issuer = TokenIssuer(accounts, lifetime_s, throttle)
            registered = RegisteredTypes()
            await registered.attach(store, feed)
            app = await guarded_app(stack, document, made, accounts, issuer, CallerTypes(registered, accounts))
            port = await stack.enter_async_context(SERVERS[by](app, made))
            server = Server(app, port)
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=server.url, trust_env=False))
            return Guarded(server, store, accounts, issuer, registered, http)

        yield guard


async def guarded_app(
    stack: AsyncExitStack,
    document: str,
    settings: ServeSettings,
    accounts: Accounts,
    issuer: TokenIssuer,
    types: CallerTypes | None = None,
) -> App:
    """The app over the document's deployments, which are loaded, and closed with the stack."""
    series = Series()
    loader = ComponentLoader(settings.app_dir, Random())
    listener = UnitMetrics(series, code_of=str)
    running = [RunningDeployment(each, loader.make_node, listener, Random()) for each in loads(document, "the test's")]
    for each in running:
        stack.push_async_callback(each.close)
        await each.start()
    metrics = ServerMetrics(series)
    deployments = Deployments(running, metrics)
    return App(
        deployments,
        methods=SeldonService(deployments).methods(),
        render_metrics=lambda: prometheus.render(series),
        show_in_flight=metrics.in_flight.set,
        cors=Cors(),
        max_message_bytes=settings.max_message_bytes,
        readiness=Readiness(deployments),
        pages={
            **openapi.pages(deployments, types.of_request if types else None),
            **TokenEndpoints(issuer).endpoints(),
        },
        access=Access(accounts, deployments),
        types_of=types.of_call if types else None,
    )


def _forget_components(path: list[str]) -> None:
    sys.modules.pop(COMPONENTS, None)
    sys.path[:] = path
