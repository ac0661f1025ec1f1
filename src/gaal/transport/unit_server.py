"""Serves one unit over the internal gRPC API on a Unix socket: what a process of the placement `worker` does."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import h2corn

from gaal.executor.node import Node
from gaal.transport.grpc import GrpcServer
from gaal.transport.grpc_health import Health
from gaal.transport.grpc_microservice import InternalServices
from gaal.transport.in_flight import InFlight
from gaal.transport.server import silence_banner, until_started
from gaal.transport.types import Receive, Scope, Send

logger = logging.getLogger("gaal.server")

DRAIN_S = 4.0
"""What calls under way have after the stop; a little less than the parent gives the whole process."""

MAX_MESSAGE_BYTES = 2**32 - 1
"""What the framing of gRPC can tell. The limit for callers is the server's to keep."""

MAX_CONCURRENT_CALLS = 65_536
BACKLOG = 128


class UnitApp:
    """The ASGI app over one unit: the internal API, and the health of the process."""

    def __init__(self, node: Node, name: str) -> None:
        methods = InternalServices(node, name).methods()
        health = Health({path.split("/")[1] for path in methods})
        in_flight = InFlight(lambda n_requests: None)
        self._grpc = GrpcServer({**methods, **health.methods()}, in_flight, [], MAX_MESSAGE_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            await self._grpc(dict(scope["headers"]), scope, receive, send)
        except OSError:  # from `send`, when the client is gone
            return


async def serve_unit(app: UnitApp, path: Path, on_ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Serve at `path` until `stop` is set, and let the calls under way finish then."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(BACKLOG)
        server = h2corn.Server(cast(Any, app), _config(listener))
        silence_banner()
        serving = asyncio.create_task(server.serve())
        await until_started(server, serving)
        on_ready()
        await stop.wait()
        server.shutdown()
        try:
            await serving
        except RuntimeError as error:
            logger.warning("stopped with calls that did not end in time: %s", error)


def _config(listener: socket.socket) -> h2corn.Config:
    return h2corn.Config(
        bind=(f"fd://{listener.fileno()}",),
        grpc=True,
        http1=False,
        lifespan="off",
        access_log=False,
        runtime_threads=1,
        max_request_body_size=0,
        max_concurrent_streams=MAX_CONCURRENT_CALLS,
        timeout_keep_alive=0,
        timeout_graceful_shutdown=DRAIN_S,
    )
