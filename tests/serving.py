"""Serves deployments in the test's own process, on a free port, by one ASGI server or another."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import grpc.aio
import h2corn
import h2corn._lib
import hypercorn.asyncio
import hypercorn.config

from gaal.cli.worker import running_app
from gaal.graph.load import loads
from gaal.observability.series import Series
from gaal.settings import ServeSettings
from gaal.transport.app import App
from gaal.transport.server import server_config
from gaal.transport.worker import WorkerContext

COMPONENTS = "model_code"
"""The module that a test's component code becomes: `gaal.dev/component.model: model_code:Model`."""

ONE_MODEL = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: one, namespace: here}
spec:
  annotations: {gaal.dev/component.model: "model_code:Model"}
  predictors:
  - name: main
    graph: {name: model, type: MODEL}
"""


@dataclass(frozen=True)
class Server:
    """An app that is served. `components` is the module of the test's component code."""

    app: App
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def components(self) -> ModuleType:
        return sys.modules[COMPONENTS]

    def channel(self, *options: tuple[str, Any]) -> grpc.aio.Channel:
        unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        return grpc.aio.insecure_channel(self.address, options=[*unlimited, *options])


class Serve(Protocol):
    """Loads documents with this component code and serves them until the test ends."""

    def __call__(
        self, code: str = "", document: str = ONE_MODEL, by: str = "h2corn", **settings: Any
    ) -> Awaitable[Server]: ...


@asynccontextmanager
async def server_factory(folder: Path) -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        async def serve(code: str = "", document: str = ONE_MODEL, by: str = "h2corn", **settings: Any) -> Server:
            (folder / f"{COMPONENTS}.py").write_text(code)
            stack.callback(_forget_components, list(sys.path))
            made = ServeSettings(app_dir=folder, **settings)
            deployments = loads(document, "the test's document")
            app = await stack.enter_async_context(running_app(deployments, made, Series()))
            port = await stack.enter_async_context(SERVERS[by](app, made))
            return Server(app, port)

        yield serve


def _forget_components(path: list[str]) -> None:
    sys.modules.pop(COMPONENTS, None)
    sys.path[:] = path


@asynccontextmanager
async def _by_h2corn(app: App, settings: ServeSettings) -> AsyncIterator[int]:
    vars(h2corn._lib)["emit_banner"] = lambda config, tls: None
    with new_listener() as listener:
        context = WorkerContext(settings, 0, (listener,), (), -1, -1)
        server = h2corn.Server(app, server_config(context))
        serving = asyncio.create_task(server.serve())
        await server.wait_started()
        try:
            yield listener.getsockname()[1]
        finally:
            app.stop_being_ready()
            server.shutdown()
            await serving


@asynccontextmanager
async def _by_hypercorn(app: App, settings: ServeSettings) -> AsyncIterator[int]:
    stop = asyncio.Event()
    with new_listener() as listener:
        config = hypercorn.config.Config()
        config.bind = [f"fd://{os.dup(listener.fileno())}"]
        config.graceful_timeout = 1
        config.errorlog = None
        serving = asyncio.create_task(hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait))  # type: ignore[arg-type]
        try:
            yield listener.getsockname()[1]
        finally:
            app.stop_being_ready()
            stop.set()
            await serving


def new_listener() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


SERVERS: dict[str, Callable[[App, ServeSettings], Any]] = {"h2corn": _by_h2corn, "hypercorn": _by_hypercorn}
