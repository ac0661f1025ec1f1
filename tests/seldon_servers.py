"""A server of the Classifier API in the test's own process, over a store of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

import grpc.aio
import httpx
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from guarded import add_client, location
from serving import COMPONENTS, ONE_MODEL, SERVERS, Server

from gaal.cli.microservice_units import maker
from gaal.components.loading import ComponentLoader
from gaal.executor.deployment import RunningDeployment
from gaal.gateway.accounts import Accounts
from gaal.gateway.issuer import TokenIssuer
from gaal.gateway.microservice_book import MicroserviceBook
from gaal.gateway.registrations import RegisteredTypes
from gaal.gateway.strategies import Strategies
from gaal.graph.load import loads
from gaal.observability import prometheus
from gaal.observability.listener import ServerMetrics, UnitMetrics
from gaal.observability.series import Series
from gaal.protocols.descriptors import message_class
from gaal.settings import ServeSettings
from gaal.storage.changes import ChangeFeed
from gaal.storage.records import Registration
from gaal.storage.store import Store, open_store
from gaal.transport.access import Access
from gaal.transport.app import App
from gaal.transport.classifier_grpc import ClassifierService
from gaal.transport.classifier_rest import ClassifierApi
from gaal.transport.classifying import Classifying, finder
from gaal.transport.deployments import Deployments
from gaal.transport.errors import http_status
from gaal.transport.grpc_seldon import SeldonService
from gaal.transport.readiness import Readiness
from gaal.transport.rest import Cors

IRIS = """
class Model:
    '''Three classes with names; the first one's probability is the first feature.'''
    class_names = ["setosa", "versicolor", "virginica"]
    def predict(self, X, names=None, meta=None):
        first = float(X[0][0])
        return [[first, (1 - first) / 2, (1 - first) / 2]]
"""

PREDICT, CLASSIFY = "/io.seldon.api.rpc.Classifier/Predict", "/io.seldon.api.rpc.Seldon/Classify"


@dataclass(frozen=True)
class SeldonServer:
    """A server, and what may be said to its store. Clients: `add`, then `post`, `script` or `call` with their name."""

    server: Server
    store: Store
    issuer: TokenIssuer
    strategies: Strategies
    types: RegisteredTypes
    series: Series
    http: httpx.AsyncClient = field(repr=False)
    channel: grpc.aio.Channel = field(repr=False)
    tokens: dict[str, str] = field(default_factory=dict, repr=False)

    async def add(self, client: str = "test", scope: str = "all", **options: Any) -> str:
        """A token of a new client."""
        key = add_client(self.store, client, scope, **options)
        self.tokens[client] = (await self.issuer.issue(key)).text
        return self.tokens[client]

    async def set_strategy(self, client: str, document: Any) -> None:
        """Puts it in force, and returns when it is."""
        self.store.strategies.set(client, json.dumps(document))
        await self.strategies.refresh()

    async def register(self, registration: Registration) -> None:
        """Puts a client's own type in force, and returns when it is."""
        self.store.registrations.set(registration)
        await self.types.refresh()

    async def post(self, body: Any, client: str = "test", path: str = "/predict", **options: Any) -> httpx.Response:
        params = {"oauth_token": self.tokens[client]} if client in self.tokens else {}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post(path, content=content, params={**params, **options.pop("params", {})}, **options)

    async def script(self, path: str = "/js/predict", client: str = "test", **parameters: Any) -> httpx.Response:
        parameters = {"jsonpCallback": "j", "consumer_key": f"JS{client.upper()}", **parameters}
        return await self.http.get(
            path, params={name: value for name, value in parameters.items() if value is not None}
        )

    async def call(
        self,
        data: Any = None,
        client: str = "test",
        method: str = PREDICT,
        puid: str = "",
        timeout_s: float | None = None,
        **metadata: str,
    ) -> Any:
        """The reply to a gRPC call; `data` is a list of floats, or an Any. Raises AioRpcError."""
        request: Any = message_class("io.seldon.api.rpc.ClassificationRequest")()
        request.meta.puid = puid
        values = [0.5, 1.0] if data is None else data
        floats = message_class("io.seldon.api.rpc.DefaultCustomPredictRequest")
        request.data.CopyFrom(values) if not isinstance(values, list) else request.data.Pack(floats(values=values))
        given = [("oauth_token", self.tokens[client])] if client in self.tokens else []
        given += [(name.replace("_", "-"), value) for name, value in metadata.items()]
        reply = await self.raw(method)(request.SerializeToString(), metadata=given, timeout=timeout_s)
        return message_class("io.seldon.api.rpc.ClassificationReply").FromString(reply)

    def raw(self, method: str = PREDICT) -> Any:
        """A call from bytes to bytes."""
        channel: Any = self.channel
        return channel.unary_unary(method)

    def metrics(self) -> str:
        return prometheus.render(self.series).decode()


class Start(Protocol):
    """Serves a document with component code of the test's own; by default for those who have a token."""

    def __call__(
        self,
        code: str = IRIS,
        document: str = ONE_MODEL,
        by: str = "h2corn",
        anonymous: bool = False,
        **settings: Any,
    ) -> Awaitable[SeldonServer]: ...


@asynccontextmanager
async def starter(folder: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(
            code: str = IRIS, document: str = ONE_MODEL, by: str = "h2corn", anonymous: bool = False, **settings: Any
        ) -> SeldonServer:
            (folder / f"{COMPONENTS}.py").write_text(code)
            stack.callback(_forget_components, list(sys.path))
            return await _started(stack, folder, document, by, anonymous, ServeSettings(app_dir=folder, **settings))

        yield start


async def _started(
    stack: AsyncExitStack, folder: Path, document: str, by: str, anonymous: bool, settings: ServeSettings
) -> SeldonServer:
    series = Series()
    listener, metrics = UnitMetrics(series, code_of=lambda error: str(http_status(error))), ServerMetrics(series)
    deployments = Deployments(await _running(stack, document, settings, listener), metrics, settings.request_timeout_s)
    accounts, types, book = Accounts(), RegisteredTypes(), MicroserviceBook()
    strategies = Strategies(maker(book, listener, settings.max_message_bytes), finder(deployments), Random(1))
    stack.push_async_callback(strategies.close)
    store = await _attached(stack, folder, [accounts.attach, types.attach, book.attach, strategies.attach])
    classifying = Classifying(
        deployments, strategies, types, Access(accounts, deployments), metrics, anonymous=anonymous
    )
    app = App(
        deployments,
        methods={**SeldonService(deployments).methods(), **ClassifierService(classifying).methods()},
        render_metrics=lambda: prometheus.render(series),
        show_in_flight=metrics.in_flight.set,
        cors=Cors(),
        max_message_bytes=settings.max_message_bytes,
        readiness=Readiness(deployments),
        pages=ClassifierApi(classifying).endpoints(),
        access=None if anonymous else classifying.access,
    )
    server = Server(app, await stack.enter_async_context(SERVERS[by](app, settings)))
    http = await stack.enter_async_context(httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=20))
    channel = await stack.enter_async_context(server.channel())
    return SeldonServer(server, store, TokenIssuer(accounts, 6000.0, None), strategies, types, series, http, channel)


async def _running(
    stack: AsyncExitStack, document: str, settings: ServeSettings, listener: UnitMetrics
) -> Sequence[RunningDeployment]:
    loader = ComponentLoader(settings.app_dir, Random())
    running = [RunningDeployment(each, loader.make_node, listener, Random(1)) for each in loads(document, "the test's")]
    for each in running:
        stack.push_async_callback(each.close)
        await each.start()
    return running


async def _attached(
    stack: AsyncExitStack, folder: Path, attach: Sequence[Callable[[Store, ChangeFeed], Awaitable[None]]]
) -> Store:
    store = stack.enter_context(open_store(location(folder)))
    feed = ChangeFeed(store)
    await feed.start()
    stack.push_async_callback(feed.close)
    for each in attach:
        await each(store, feed)
    return store


def _forget_components(path: list[str]) -> None:
    sys.modules.pop(COMPONENTS, None)
    sys.path[:] = path


def row_type(client: str, *fields: str) -> Registration:
    """A client's own message `own.Row`, with these floats. Other clients may have another one of that name."""
    file = FileDescriptorProto(name="row.proto", package="own", syntax="proto3")
    message = file.message_type.add(name="Row")
    for number, name in enumerate(fields, 1):
        message.field.add(
            name=name, number=number, type=FieldDescriptorProto.TYPE_FLOAT, label=FieldDescriptorProto.LABEL_OPTIONAL
        )
    return Registration(client, FileDescriptorSet(file=[file]).SerializeToString(), "own.Row")


def algorithm(name: str, **config: Any) -> dict[str, Any]:
    """An algorithm; `host`, `port`, `url`, `name` and `deployment` are short for the keys of its config."""
    return {"name": name, "config": [{"name": KEYS[key], "value": value} for key, value in config.items()]}


KEYS = {
    "host": "io.seldon.rpc.microservice.host",
    "port": "io.seldon.rpc.microservice.port",
    "url": "io.seldon.algorithm.external.url",
    "deployment": "gaal.deployment",
}


def rpc(port: int, host: str = "127.0.0.1") -> dict[str, Any]:
    return algorithm("rpcPredictionServer", host=host, port=str(port))


def rest(port: int) -> dict[str, Any]:
    return algorithm("externalPredictionServer", url=f"http://127.0.0.1:{port}/predict")


def served(name: str) -> dict[str, Any]:
    return algorithm("deployment", deployment=name)


def variations(**algorithms: Any) -> dict[str, Any]:
    """One variation for each label, of the same weight, with an algorithm or a list of them."""
    return {
        "variations": [
            {"label": label, "ratio": 1, "config": {"algorithms": each if isinstance(each, list) else [each]}}
            for label, each in algorithms.items()
        ]
    }


async def until(holds: Callable[[], Awaitable[bool]], patience_s: float = 5.0) -> None:
    """Returns when something that no event tells of holds."""
    async with asyncio.timeout(patience_s):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
