"""Loads a graph with all units that have code in one placement.

For the remote ones, each unit gets a microservice of its own on a free port, which runs in the test's process.
"""

from __future__ import annotations

import asyncio
import importlib
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import h2corn
import yaml
from running import MODULE, runner

from gaal.components import import_names
from gaal.components.wrapped_class import Surroundings, WrappedClass
from gaal.executor.deployment import RunningDeployment
from gaal.graph.deployment import Parameter, PredictiveUnit, UnitType
from gaal.graph.parameters import typed
from gaal.transport.grpc_microservice import InternalServices
from gaal.transport.microservice_apps import GrpcApp, RestApp
from gaal.transport.microservice_rest import InternalApi
from gaal.transport.server import silence_banner

PLACEMENTS = ("inline", "thread", "worker", "remote gRPC", "remote REST")

MAX_MESSAGE_BYTES = 1_000_000
IMAGE = "registry/image:1.2"


@asynccontextmanager
async def placed(
    folder: Path, placement: str, graph: str, code: str, annotations: Mapping[str, str] | None = None
) -> AsyncIterator[RunningDeployment]:
    async with AsyncExitStack() as stack:
        run = await stack.enter_async_context(runner(folder))
        if placement.startswith("remote"):
            (folder / f"{MODULE}.py").write_text(code)
            stack.callback(sys.path.remove, str(folder))
            sys.path.insert(0, str(folder))
            root = yaml.safe_load(graph)
            for unit in units_with_code(root):
                given = [Parameter(each["name"], each["value"], each["type"]) for each in unit.get("parameters", [])]
                service = microservice(placement, unit["name"], MODULE, unit["code"], typed(given))
                unit["endpoint"] = _endpoint(placement, await stack.enter_async_context(service))
            graph = yaml.safe_dump(root)
        images = {unit["name"]: IMAGE for unit in units_with_code(yaml.safe_load(graph))}
        yield await run(graph, code, placement.split()[0], annotations=annotations, images=images)


def units_with_code(unit: dict[str, Any]) -> list[dict[str, Any]]:
    below = [each for child in unit.get("children", []) for each in units_with_code(child)]
    return [unit, *below] if "code" in unit else below


@asynccontextmanager
async def microservice(
    placement: str, name: str, module: str, code: str, parameters: Mapping[str, Any]
) -> AsyncIterator[int]:
    """The port of a class that is served as a microservice does it, which knows nothing of the graph."""
    import_names.install()
    node = WrappedClass(
        PredictiveUnit(
            *(name, UnitType.MODEL, "UNKNOWN_IMPLEMENTATION", frozenset()), component=f"{module}:{code}", image=IMAGE
        ),
        getattr(importlib.import_module(module), code),
        parameters,
        lambda method: lambda metrics: None,
        Surroundings(unit_id=name, image=IMAGE),
    )
    await node.start()
    try:
        async with _served(_rest_app(node) if placement == "remote REST" else _grpc_app(node)) as port:
            yield port
    finally:
        await node.close()


def _rest_app(node: WrappedClass) -> RestApp:
    return RestApp(InternalApi(node, passes_through=False, timeout_s=None).endpoints(), MAX_MESSAGE_BYTES)


def _grpc_app(node: WrappedClass) -> GrpcApp:
    return GrpcApp(InternalServices(node, node.unit.name).methods(), MAX_MESSAGE_BYTES)


def _endpoint(placement: str, port: int) -> dict[str, Any]:
    is_rest = placement == "remote REST"
    return {"service_host": "127.0.0.1", "type": "REST" if is_rest else "GRPC", "service_port": port}


@asynccontextmanager
async def _served(app: Any) -> AsyncIterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = h2corn.Config(
            bind=(f"fd://{listener.fileno()}",), grpc=True, lifespan="off", access_log=False, runtime_threads=1
        )
        silence_banner()
        server = h2corn.Server(app, config)
        serving = asyncio.create_task(server.serve())
        await server.wait_started()
        try:
            yield listener.getsockname()[1]
        finally:
            server.shutdown()
            await serving
