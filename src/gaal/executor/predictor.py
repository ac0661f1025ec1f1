"""One predictor at work: its units, and its graph compiled over them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from gaal.errors import NotFound, Unavailable
from gaal.executor.compiler import FeedbackStep, Step, compile_graph
from gaal.executor.context import Context
from gaal.executor.events import Listener, RecordMetrics
from gaal.executor.metadata import graph_metadata
from gaal.executor.node import Node
from gaal.graph.deployment import Deployment, PredictiveUnit, Predictor
from gaal.messages import GraphMetadata, Message, ModelMetadata

MakeNode = Callable[[PredictiveUnit, Callable[[str], RecordMetrics]], Node]
"""Makes the node of a unit. The second argument gives the recorder for what its code reports of one of its methods."""


class RunningPredictor:
    """A predictor and its units. After `start`, `predict` and `send_feedback` are its compiled graph."""

    predict: Step
    send_feedback: FeedbackStep

    def __init__(self, deployment: Deployment, predictor: Predictor, make_node: MakeNode, listener: Listener) -> None:
        self.predictor = predictor
        self.nodes: Mapping[str, Node] = {
            unit.name: make_node(unit, partial(listener.unit_metrics, deployment, predictor, unit))
            for unit in predictor.graph.walk()
        }
        self._observer_of = lambda unit, method: listener.unit_calls(deployment, predictor, unit, method)

    async def start(self) -> None:
        """Load all units, at the same time, and compile. Raises the first ComponentLoadError by position."""
        outcomes = await asyncio.gather(*(node.start() for node in self.nodes.values()), return_exceptions=True)
        _raise_first(outcomes)
        graph = compile_graph(self.predictor.graph, self.nodes, self._observer_of)
        self.predict = graph.predict
        self.send_feedback = graph.send_feedback

    async def close(self) -> None:
        outcomes = await asyncio.gather(*(node.close() for node in self.nodes.values()), return_exceptions=True)
        _raise_first(outcomes)

    async def metadata(self) -> GraphMetadata:
        """Raises ComponentError if a unit's own metadata is not valid."""
        models = {name: await node.metadata() for name, node in sorted(self.nodes.items())}
        return graph_metadata(self.predictor.name, self.predictor.graph, models)

    async def unit_metadata(self, name: str) -> ModelMetadata:
        return await self._node(name).metadata()

    async def unit_health(self, name: str, context: Context) -> Message:
        return await self._node(name).health(context)

    async def check_health(self, context: Context) -> None:
        """Ask every unit. Raises what the first one that is not well raises."""
        for node in self.nodes.values():
            await node.health(context)

    async def check_ready(self, full: bool, timeout_s: float, context: Context) -> None:
        """Ask all units at once whether they can be called or, if `full`, whether they are well.

        Raises what the first one by position raises that is not, or Unavailable where that takes too long.
        """

        async def check(name: str, node: Node) -> None:
            try:
                async with asyncio.timeout(timeout_s):
                    await (node.health(context) if full else node.reachable())
            except TimeoutError:
                raise Unavailable(f'unit "{name}": not ready within {timeout_s:g} s') from None

        checks = [check(name, node) for name, node in self.nodes.items()]
        _raise_first(await asyncio.gather(*checks, return_exceptions=True))

    def _node(self, name: str) -> Node:
        node = self.nodes.get(name)
        if node is None:
            known = ", ".join(sorted(self.nodes))
            raise NotFound(f'Failed to find model {name}: the units of predictor "{self.predictor.name}" are {known}')
        return node


def _raise_first(outcomes: Sequence[object]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
