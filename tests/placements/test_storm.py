"""One unit in each placement, under load, while the processes of one are killed at random: nothing is lost.

It goes on for 6 seconds; with `--long`, for 20.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from contextlib import AsyncExitStack, suppress
from itertools import count
from pathlib import Path
from random import Random

import httpx
import pytest
from placing import microservice
from serving import COMPONENTS, Serve, Server
from worker_processes import unit_workers_below

SHORT_S, LONG_S = 6.0, 20.0
N_CLIENTS = 16
PATIENCE_S = 20

CODE = """
class Add:
    def __init__(self, n): self.n = n
    def transform_input(self, X, names): return X + self.n
    def predict(self, X, names): return X + self.n
"""
DOCUMENT = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: storm}
spec:
  annotations:
    gaal.dev/component.inline: "model_code:Add"
    gaal.dev/component.thread: "model_code:Add"
    gaal.dev/component.worker: "model_code:Add"
    gaal.dev/placement.inline: inline
    gaal.dev/placement.thread: thread
    gaal.dev/placement.worker: worker
    gaal.dev/placement.remote: remote
    gaal.dev/replicas.worker: "4"
    gaal.dev/hang-timeout.worker: "500"
  predictors:
  - name: main
    graph:
      {name: inline, type: TRANSFORMER, parameters: [{name: n, type: INT, value: "1"}], children: [
        {name: thread, type: TRANSFORMER, parameters: [{name: n, type: INT, value: "10"}], children: [
          {name: worker, type: TRANSFORMER, parameters: [{name: n, type: INT, value: "100"}], children: [
            {name: remote, type: MODEL,
             endpoint: {service_host: 127.0.0.1, type: GRPC, service_port: PORT}}]}]}]}
"""
ALL_TOGETHER = 1111


@pytest.fixture
def storm_s(request: pytest.FixtureRequest) -> float:
    return LONG_S if request.config.getoption("--long") else SHORT_S


async def test_every_answer_is_right_or_a_clear_error_and_none_is_lost(
    serve: Serve, tmp_path: Path, storm_s: float
) -> None:
    async with AsyncExitStack() as stack:
        (tmp_path / f"{COMPONENTS}.py").write_text(CODE)
        stack.callback(sys.path.remove, str(tmp_path))
        sys.path.insert(0, str(tmp_path))
        port = await stack.enter_async_context(microservice("remote gRPC", "remote", COMPONENTS, "Add", {"n": 1000}))
        server = await serve(CODE, DOCUMENT.replace("PORT", str(port)))
        over = asyncio.Event()
        numbers = count()
        clients = [asyncio.create_task(ask_on_and_on(server, numbers, over)) for _ in range(N_CLIENTS)]
        await kill_at_random(storm_s)
        over.set()
        outcomes = sum(await asyncio.gather(*clients), Counter[str]())
    assert set(outcomes) == {"right", "unavailable"}
    assert outcomes.total() == next(numbers)
    assert outcomes["right"] > outcomes["unavailable"] / 10


async def kill_at_random(seconds: float) -> None:
    """Every half second or so one process ends, or stands still."""
    generator = Random(7)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                await asyncio.sleep(generator.uniform(0.2, 0.8))
                pids = unit_workers_below(os.getpid())
                if pids:
                    how = generator.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP])
                    with suppress(ProcessLookupError):
                        os.kill(generator.choice(pids), how)


async def ask_on_and_on(server: Server, numbers: count[int], over: asyncio.Event) -> Counter[str]:
    """What became of the requests of one client: each has a number of its own, and so has the right answer."""
    outcomes: Counter[str] = Counter()
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S, trust_env=False) as client:
        while not over.is_set():
            number = next(numbers)
            body = {"data": {"ndarray": [[number]]}}
            reply = await client.post("/api/v1.0/predictions", json=body)
            outcomes[outcome(number, reply)] += 1
    return outcomes


def outcome(number: int, reply: httpx.Response) -> str:
    told = reply.json()
    if reply.status_code == 200 and told["data"]["ndarray"] == [[number + ALL_TOGETHER]]:
        return "right"
    status = told.get("status", {})
    if reply.status_code == 503 and status["reason"] == "UNAVAILABLE" and 'unit "worker": ' in status["info"]:
        return "unavailable"
    return f"{reply.status_code} {reply.text}"
