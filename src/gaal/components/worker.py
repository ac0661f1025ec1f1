"""A unit in processes of its own: the placement `worker`.

The calls go over the internal gRPC API, each to the process that has the fewest to answer. A call whose process ends
under it fails with Unavailable, which says how; if the unit is declared idempotent, another process gets it, once.
While no process is ready, calls fail at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import TypeVar

import grpc.aio

from gaal.components.model_uri import ModelStore
from gaal.components.remote_grpc import GrpcUnit
from gaal.components.worker_folder import SocketFolder, base_folder
from gaal.components.worker_orders import Orders
from gaal.components.worker_process import WorkerProcess
from gaal.components.worker_replica import Replica, Serving
from gaal.errors import DeadlineExceeded, QueueFull, Unavailable
from gaal.executor.context import Context
from gaal.executor.events import RecordMetrics
from gaal.graph.deployment import PredictiveUnit
from gaal.messages import Feedback, Message, ModelMetadata

T = TypeVar("T")


class WorkerUnit:
    """The node of a unit that runs in processes of its own.

    `app_dir` is where its code is, `environment` what its processes have of this one's variables.
    """

    immediate = False

    def __init__(
        self,
        unit: PredictiveUnit,
        app_dir: Path,
        environment: Mapping[str, str],
        recorder: Callable[[str], RecordMetrics],
        models: ModelStore,
    ) -> None:
        self._models = models
        self._unit = unit
        self._app_dir = app_dir.resolve()
        self._environment = environment_of(unit, environment)
        self._recorder = cache(recorder)
        self._folder: SocketFolder | None = None
        self._turns = count()
        workers = unit.workers
        self._n_attempts = 2 if workers.is_idempotent else 1
        self._replicas = [
            Replica(unit.name, self._start_process, workers.hang_timeout_s) for _ in range(workers.n_replicas)
        ]

    async def start(self) -> None:
        """Start all processes and wait until they are ready. Raises ComponentLoadError if one of them is not."""
        self._folder = SocketFolder(base_folder())
        outcomes = await asyncio.gather(*(each.start() for each in self._replicas), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in self._replicas))
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    async def predict(self, message: Message, context: Context, /) -> Message:
        return await self._call(lambda node: node.predict(message, context))

    async def transform_input(self, message: Message, context: Context, /) -> Message:
        return await self._call(lambda node: node.transform_input(message, context))

    async def transform_output(self, message: Message, context: Context, /) -> Message:
        return await self._call(lambda node: node.transform_output(message, context))

    async def route(self, message: Message, context: Context, /) -> int:
        return await self._call(lambda node: node.route(message, context))

    async def aggregate(self, messages: Sequence[Message], context: Context, /) -> Message:
        return await self._call(lambda node: node.aggregate(messages, context))

    async def send_feedback(self, feedback: Feedback, context: Context, /) -> Message:
        return await self._call(lambda node: node.send_feedback(feedback, context))

    async def metadata(self) -> ModelMetadata:
        return await self._call(lambda node: node.metadata())

    async def health(self, context: Context) -> Message:
        """What one of the processes says. Raises if none is ready, or the unit is not well."""
        return await self._call(lambda node: node.health(context))

    async def reachable(self) -> None:
        """Returns when one of the processes is ready. Raises Unavailable."""
        await self._call(lambda node: node.reachable())

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that are ready."""
        return [each.serving.process.pid for each in self._replicas if each.serving is not None]

    @property
    def trouble(self) -> str:
        """What keeps the processes that are not ready from it."""
        return "; ".join(each.trouble for each in self._replicas if each.serving is None)

    # Calls.

    async def _call(self, ask: Callable[[GrpcUnit], Awaitable[T]]) -> T:
        for remaining in reversed(range(self._n_attempts)):
            serving = self._least_busy()
            serving.n_outstanding += 1
            try:
                return await ask(serving.node)
            except (Unavailable, asyncio.CancelledError, grpc.aio.UsageError) as error:
                if isinstance(error, DeadlineExceeded | QueueFull) or _is_cancelled():
                    raise
                how = await serving.end()
                if how is None and isinstance(error, Unavailable):
                    raise
                if not remaining:
                    raise self._unavailable(f"its worker process {how or 'is being stopped'}") from None
            finally:
                serving.n_outstanding -= 1
        raise AssertionError("a call is attempted at least once")

    def _least_busy(self) -> Serving:
        """The process with the fewest calls to answer; those that have the same number take turns."""
        ready = [each.serving for each in self._replicas if each.serving is not None and each.serving.is_alive]
        if not ready:
            raise self._unavailable(f"no worker process is ready: the last one {self.trouble}")
        turn = next(self._turns) % len(ready)
        return min((*ready[turn:], *ready[:turn]), key=lambda serving: serving.n_outstanding)

    def _unavailable(self, what: str) -> Unavailable:
        return Unavailable(f'unit "{self._unit.name}": {what}')

    # Processes.

    async def _start_process(self) -> WorkerProcess:
        assert self._folder is not None
        orders = Orders(
            self._unit,
            self._app_dir,
            self._folder.new_path(),
            os.getpid(),
            logging.getLogger().getEffectiveLevel(),
            self._unit.workers.hang_timeout_s,
            self._models,
        )
        return await WorkerProcess.start(orders, self._environment, self._recorder)


def _is_cancelled() -> bool:
    """Whether it is the caller who gave up. gRPC also cancels calls whose connection is closed from this side.

    A call that comes a moment later is a UsageError.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def environment_of(unit: PredictiveUnit, inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables of a unit's process: those of its container win, and say who it is where they do not.

    Gaal itself must be found there too, so a PYTHONPATH of the container stands before the inherited one.
    """
    variables = {**inherited, **unit.identity, **unit.env}
    paths = [each["PYTHONPATH"] for each in (unit.env, inherited) if each.get("PYTHONPATH")]
    if paths:
        variables["PYTHONPATH"] = os.pathsep.join(paths)
    return variables
