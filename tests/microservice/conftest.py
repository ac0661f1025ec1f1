"""Serves one of the classes in wrapped_models.py, or code of the test's own, in this process, on three free ports."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc.aio
import h2corn
import httpx
import pytest

from gaal.cli.microservice_settings import read_microservice_settings
from gaal.cli.microservice_worker import Apps, running
from gaal.components.wrapped_class import WrappedClass
from gaal.observability.series import Series
from gaal.transport.server import server_config, silence_banner
from gaal.transport.worker import WorkerContext

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Microservice:
    """One that is served. `node` is what stands behind all three ports."""

    apps: Apps
    node: WrappedClass
    rest: httpx.AsyncClient
    metrics: httpx.AsyncClient
    grpc_port: int

    def channel(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(f"127.0.0.1:{self.grpc_port}")

    async def post(self, path: str, text: str) -> httpx.Response:
        return await self.rest.post(path, content=text, headers={"content-type": "application/json"})


class Start(Protocol):
    """Serves `wrapped_models.<name>`, or the class `Model` of `code`, in this environment, until the test ends."""

    def __call__(
        self, name: str = "Model", code: str = "", environment: Mapping[str, str] | None = None, **options: Any
    ) -> Awaitable[Microservice]: ...


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def started(
            name: str = "Model", code: str = "", environment: Mapping[str, str] | None = None, **options: Any
        ) -> Microservice:
            module = "wrapped_models"
            if code:
                module = "microservice_code"
                (tmp_path / f"{module}.py").write_text(code)
            stack.callback(_forget, module, list(sys.path))
            given = {"app_dir": str(tmp_path if code else HERE), "annotations_file": str(tmp_path / "annotations")}
            settings = read_microservice_settings({"target": f"{module}.{name}", **given, **options}, environment or {})
            apps, node = await stack.enter_async_context(running(settings, Series()))
            ports = [
                await stack.enter_async_context(_served(app, settings.serving))
                for app in (apps.rest, apps.grpc, apps.metrics)
            ]
            rest, metrics = [
                await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False))
                for port in (ports[0], ports[2])
            ]
            return Microservice(apps, node, rest, metrics, ports[1])

        yield started


def _forget(module: str, path: list[str]) -> None:
    sys.modules.pop(module, None)
    sys.path[:] = path


@asynccontextmanager
async def _served(app: Any, settings: Any) -> AsyncIterator[int]:
    silence_banner()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = h2corn.Server(app, server_config(WorkerContext(settings, 0, (listener,), (), -1, -1)))
        serving = asyncio.create_task(server.serve())
        await server.wait_started()
        try:
            yield listener.getsockname()[1]
        finally:
            server.shutdown()
            await serving
