"""A deployment at work: its predictors share the requests by weight, and its shadow gets copies."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from random import Random

from gaal.errors import GaalError, NotFound
from gaal.executor.context import Context
from gaal.executor.events import Listener
from gaal.executor.predictor import MakeNode, RunningPredictor
from gaal.graph.deployment import Deployment
from gaal.messages import NO_META, Feedback, GraphMetadata, Message, Meta, ModelMetadata

logger = logging.getLogger("gaal.executor")

MAX_SHADOW_CALLS = 64
"""Copies under way at a shadow. A slower one misses requests rather than pile them up."""

DRAIN_CHECK_S = 0.01


class RunningDeployment:
    """The external API of one deployment, free of any protocol: every reply has its puid and its routing."""

    def __init__(self, deployment: Deployment, make_node: MakeNode, listener: Listener, generator: Random) -> None:
        self.deployment = deployment
        self._listener = listener
        self._random = generator.random
        running = [RunningPredictor(deployment, each, make_node, listener) for each in deployment.predictors]
        self.predictors = tuple(running)
        self._active = [each for each in running if not each.predictor.shadow]
        self._shadows = [each for each in running if each.predictor.shadow]
        self._bounds = list(accumulate(each.predictor.traffic for each in self._active))
        self._copies: set[asyncio.Task[None]] = set()
        self._n_calls = 0
        self._recent: deque[Message] = deque(maxlen=0)

    async def start(self) -> None:
        """Load every unit. Raises ComponentLoadError."""
        for predictor in self.predictors:
            await predictor.start()

    async def close(self) -> None:
        for copy in self._copies:
            copy.cancel()
        for predictor in self.predictors:
            await predictor.close()

    async def drain(self, timeout_s: float) -> None:
        """Returns when no request is under way any more, or the time is up. Nobody may send new ones."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        # One that has been handed over to a task of its own begins at the next turn of the loop, or the one after.
        for _ in range(2):
            await asyncio.sleep(0)
        # Looking now and then costs less than a signal with every request.
        while self._n_calls and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_CHECK_S)

    def remember(self, n_requests: int) -> None:
        """Keep so many of the latest requests from now on, to warm up a successor with."""
        self._recent = deque(maxlen=n_requests)

    @property
    def recent(self) -> Sequence[Message]:
        return tuple(self._recent)

    async def warm_up(self, messages: Iterable[Message]) -> None:
        """Ask every predictor each of these, so that what is slow the first time is done. Raises GaalError."""
        for predictor in self.predictors:
            for message in messages:
                await predictor.predict(message.copy(), Context("warm-up", message.encoding))

    def choose(self) -> RunningPredictor:
        """The predictor for the next request, by the weights in `traffic`."""
        if len(self._active) == 1:
            return self._active[0]
        at = self._random() * self._bounds[-1]
        return next(each for each, bound in zip(self._active, self._bounds, strict=True) if at < bound)

    async def predict(self, message: Message, context: Context, predictor: RunningPredictor) -> Message:
        """The reply of `predictor`, which `choose` gave. Raises GaalError."""
        for shadow in self._shadows:
            self._copy_to(shadow, message, context)
        asked = message.meta.puid
        self._recent.append(message)
        self._n_calls += 1
        try:
            reply = await predictor.predict(message, context)
        finally:
            self._n_calls -= 1
        return _with_origin(reply, asked or context.puid, context)

    async def send_feedback(self, feedback: Feedback, context: Context) -> Message | None:
        """What the root unit says to the feedback; None where it takes none. Raises GaalError."""
        self._n_calls += 1
        try:
            reply = await self._predictor_of(feedback).send_feedback(feedback, context)
        finally:
            self._n_calls -= 1
        return None if reply is None else _with_origin(reply, reply.meta.puid or context.puid, context)

    async def metadata(self) -> GraphMetadata:
        """That of the first predictor, as the orchestrator of the first predictor would say it."""
        return await self._active[0].metadata()

    async def unit_metadata(self, name: str) -> ModelMetadata:
        return await self._with_unit(name).unit_metadata(name)

    async def unit_health(self, name: str, context: Context) -> Message:
        return await self._with_unit(name).unit_health(name, context)

    async def check_health(self, context: Context) -> None:
        """Ask every unit of every predictor that answers requests. Raises if one is not well."""
        for predictor in self._active:
            await predictor.check_health(context)

    async def check_ready(self, full: bool, timeout_s: float, context: Context) -> None:
        """As that of every predictor that answers requests, one after the other."""
        for predictor in self._active:
            await predictor.check_ready(full, timeout_s, context)

    def _with_unit(self, name: str) -> RunningPredictor:
        for predictor in self.predictors:
            if name in predictor.nodes:
                return predictor
        known = ", ".join(sorted({unit for predictor in self.predictors for unit in predictor.nodes}))
        raise NotFound(f'Failed to find model {name}: the units of deployment "{self.deployment.name}" are {known}')

    def _predictor_of(self, feedback: Feedback) -> RunningPredictor:
        """The predictor whose units the response went through; any by weight if it does not tell."""
        path = feedback.response.meta.request_path if feedback.response is not None else {}
        if path and len(self._active) > 1:
            matching = [each for each in self._active if _went_through(each, path)]
            if len(matching) == 1:
                return matching[0]
        return self.choose()

    def _copy_to(self, shadow: RunningPredictor, message: Message, context: Context) -> None:
        if len(self._copies) >= MAX_SHADOW_CALLS:
            self._listener.shadow_dropped(self.deployment, shadow.predictor)
            return
        copy = Context(context.puid, context.encoding, context.headers)
        task = asyncio.get_running_loop().create_task(self._shadow(shadow, message.copy(), copy))
        self._copies.add(task)
        task.add_done_callback(self._copies.discard)

    async def _shadow(self, shadow: RunningPredictor, message: Message, context: Context) -> None:
        try:
            await shadow.predict(message, context)
        except GaalError as error:
            self._listener.shadow_failed(self.deployment, shadow.predictor)
            logger.warning("shadow %s: request %s failed: %s", shadow.predictor.name, context.puid, error)


def _went_through(running: RunningPredictor, path: Mapping[str, str]) -> bool:
    units = {unit.name: unit for unit in running.predictor.graph.walk()}
    return all(name in units and units[name].origin == origin for name, origin in path.items())


def _with_origin(reply: Message, puid: str, context: Context) -> Message:
    """The reply with its puid and the routes it took: what the external API always tells."""
    meta = reply.meta
    if meta is NO_META:
        meta = Meta(puid, routing=context.routing)
    else:
        meta = Meta(puid, meta.tags, context.routing, meta.request_path, meta.metrics)
    return Message(reply.payload, meta, reply.status, reply.encoding)
