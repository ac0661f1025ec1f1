"""What a unit costs in each placement: µs a call of a stub, by one caller after the other and by 32 at once.

Calls go straight into the graph, without a server in front. `bare gRPC` is what the client itself takes: an empty
call to the same server over the same kind of socket, with nothing of Gaal on either side. Every round measures all
placements, one after the other; the median of the rounds is shown.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any, TypeAlias

import grpc.aio
import uvloop

from gaal.components.loading import ComponentLoader
from gaal.executor.context import Context
from gaal.executor.deployment import RunningDeployment
from gaal.executor.events import Silence
from gaal.graph.load import loads
from gaal.messages import Encoding
from gaal.protocols import seldon_json, seldon_proto

HERE = Path(__file__).parent
BODY = b'{"data":{"ndarray":[[5.1,3.5,1.4,0.2]]}}'
N_AT_ONCE = 32
PATIENCE_S = 20

DOCUMENT = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {{name: bench}}
spec:
  annotations: {{gaal.dev/component.stub: "Stub:Stub", gaal.dev/placement.stub: {placement}}}
  predictors:
  - name: main
    graph: {{name: stub, type: MODEL, {endpoint}}}
"""

Call: TypeAlias = Callable[[], Awaitable[Any]]


async def main(n_calls: int, n_rounds: int) -> None:
    async with AsyncExitStack() as stack:
        calls: dict[str, Call] = {"bare gRPC": await stack.enter_async_context(bare())}
        rest, rpc = stack.enter_context(microservice())
        placements = {
            "inline": ("inline", ""),
            "thread": ("thread", ""),
            "worker": ("worker", ""),
            "remote gRPC": ("remote", f"endpoint: {{service_host: 127.0.0.1, service_port: {rpc}, type: GRPC}}"),
            "remote REST": ("remote", f"endpoint: {{service_host: 127.0.0.1, service_port: {rest}, type: REST}}"),
        }
        for name, (placement, endpoint) in placements.items():
            running = await stack.enter_async_context(deployed(DOCUMENT.format(placement=placement, endpoint=endpoint)))
            calls[name] = predicting(running, Encoding.JSON)
            if placement == "worker":
                calls["worker, protobuf"] = predicting(running, Encoding.PROTO)
        rounds = [{name: await measured(call, n_calls) for name, call in calls.items()} for _ in range(n_rounds)]
    print(f"{'':18}{'one at a time':>16}{f'{N_AT_ONCE} at once':>16}   (µs a call)")
    for name in calls:
        alone, together = (statistics.median(each[name][column] for each in rounds) for column in (0, 1))
        print(f"{name:18}{alone:16.0f}{together:16.0f}")


def predicting(running: RunningDeployment, encoding: Encoding) -> Call:
    body = BODY if encoding is Encoding.JSON else seldon_proto.encode_message(seldon_json.decode_message(BODY))
    decode = seldon_json.decode_message if encoding is Encoding.JSON else seldon_proto.decode_message
    predictor = running.choose()
    return lambda: running.predict(decode(body), Context("puid", encoding), predictor)


async def measured(call: Call, n_calls: int) -> tuple[float, float]:
    """µs a call: the median of one caller's, and the mean of 32 callers' together."""
    for _ in range(n_calls // 10):
        await call()
    seconds = []
    for _ in range(n_calls):
        started = perf_counter()
        await call()
        seconds.append(perf_counter() - started)

    async def caller() -> None:
        for _ in range(n_calls // N_AT_ONCE):
            await call()

    started = perf_counter()
    await asyncio.gather(*(caller() for _ in range(N_AT_ONCE)))
    together = (perf_counter() - started) / (n_calls // N_AT_ONCE * N_AT_ONCE)
    return statistics.median(seconds) * 1e6, together * 1e6


@asynccontextmanager
async def deployed(document: str) -> AsyncIterator[RunningDeployment]:
    [deployment] = loads(document, "the benchmark's document")
    running = RunningDeployment(deployment, ComponentLoader(HERE, Random(1)).make_node, Silence(), Random(1))
    try:
        await running.start()
        yield running
    finally:
        await running.close()


@asynccontextmanager
async def bare() -> AsyncIterator[Call]:
    """An empty call of grpcio to a server that gives back what it gets."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        with started([sys.executable, str(HERE / "grpc_echo.py"), path]):
            async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
                call = channel.unary_unary("/bench.Echo/Call")
                await call(BODY, wait_for_ready=True, timeout=PATIENCE_S)
                yield lambda: call(BODY)


@contextmanager
def microservice() -> Iterator[tuple[int, int]]:
    """The REST and the gRPC port of the stub as a microservice."""
    rest, rpc, metrics = free_ports(3)
    ports = ["--http-port", str(rest), "--grpc-port", str(rpc), "--metrics-port", str(metrics)]
    with started([sys.executable, "-m", "gaal", "microservice", "Stub", *ports, "--log-level", "WARNING"]):
        for port in (rest, rpc):
            wait_for(port)
        yield rest, rpc


@contextmanager
def started(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=HERE, env={**os.environ}, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def free_ports(n_ports: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n_ports)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(port: int) -> None:
    deadline = perf_counter() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if perf_counter() > deadline:
                raise


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    uvloop.run(main(options.calls, options.rounds))
