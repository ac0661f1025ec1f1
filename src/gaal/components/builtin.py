"""The implementations that need no code: SIMPLE_MODEL, SIMPLE_ROUTER, RANDOM_ABTEST, AVERAGE_COMBINER.

Source: the built-in units of Seldon Core's engine. They answer on the loop, at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import numpy as np

from gaal.components.chain import chained
from gaal.errors import ComponentError, ComponentLoadError
from gaal.executor.context import Context
from gaal.executor.node import Node
from gaal.graph.deployment import PredictiveUnit
from gaal.messages import Array, Feedback, Kind, Message, Meta, ModelMetadata, Payload, Status
from gaal.routers.random_abtest import RandomABTest


class BuiltIn:
    """What all built-in units have in common: nothing to load, and a message passes through untouched."""

    immediate = True

    def __init__(self, unit: PredictiveUnit) -> None:
        self.unit = unit

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def predict(self, message: Message, context: Context, /) -> Message:
        return message

    async def transform_input(self, message: Message, context: Context, /) -> Message:
        return message

    async def transform_output(self, message: Message, context: Context, /) -> Message:
        return message

    async def route(self, message: Message, context: Context, /) -> int:
        raise ComponentError(self.unit.name, f"{self.unit.implementation} does not route")

    async def aggregate(self, messages: Sequence[Message], context: Context, /) -> Message:
        raise ComponentError(self.unit.name, f"{self.unit.implementation} does not aggregate")

    async def send_feedback(self, feedback: Feedback, context: Context, /) -> Message:
        return Message(encoding=feedback.encoding)

    async def metadata(self) -> ModelMetadata:
        return ModelMetadata(name=self.unit.implementation, versions=[""], platform="gaal")

    async def health(self, context: Context) -> Message:
        return Message(Payload(Kind.STR_DATA, "healthy"))

    async def reachable(self) -> None:
        pass

    def _meta(self, meta: Meta) -> Meta:
        return chained(meta, self.unit.name, self.unit.origin, None, None)


class SimpleModel(BuiltIn):
    """Answers every request with the same three classes: a stand-in to try a graph with."""

    async def predict(self, message: Message, context: Context, /) -> Message:
        payload = Payload(Kind.TENSOR, np.array([[0.1, 0.9, 0.5]]), ("class0", "class1", "class2"))
        return Message(payload, self._meta(message.meta), Status(), message.encoding)


class SimpleRouter(BuiltIn):
    """Always the first child."""

    async def route(self, message: Message, context: Context, /) -> int:
        return 0


class RandomABTestRouter(BuiltIn):
    """The first child for a share `ratioA` of the requests (0.5 unless given), the second for the rest."""

    def __init__(self, unit: PredictiveUnit, parameters: Mapping[str, Any], generator: Random) -> None:
        super().__init__(unit)
        self._choose = RandomABTest(float(parameters.get("ratioA", 0.5)), generator).choose

    async def route(self, message: Message, context: Context, /) -> int:
        return self._choose()


class AverageCombiner(BuiltIn):
    """The element-wise mean of the children's two-dimensional replies, in the form and under the names of the first."""

    async def aggregate(self, messages: Sequence[Message], context: Context, /) -> Message:
        first = messages[0]
        arrays = [self._matrix(message, position) for position, message in enumerate(messages)]
        for position, array in enumerate(arrays):
            if array.shape != arrays[0].shape:
                raise ComponentError(
                    self.unit.name, f"child {position} answered shape {array.shape}, the first one {arrays[0].shape}"
                )
        assert first.payload is not None
        payload = Payload(first.payload.kind, np.mean(arrays, axis=0), first.payload.names)
        return Message(payload, self._meta(first.meta), first.status, first.encoding)

    def _matrix(self, message: Message, position: int) -> Array:
        payload = message.payload
        if payload is None or not payload.kind.is_data:
            raise ComponentError(self.unit.name, f"child {position} answered no data that could be averaged")
        array = payload.array
        if array.ndim != 2 or array.dtype.kind not in "iuf":
            raise ComponentError(
                self.unit.name,
                f"child {position} must answer numbers in two dimensions, got {array.dtype} in {array.ndim}",
            )
        return array


def make_built_in(unit: PredictiveUnit, parameters: Mapping[str, Any], generator: Random) -> Node:
    """The node for `unit.implementation`. Raises ComponentLoadError for one that Gaal does not have."""
    makers: dict[str, Callable[[], Node]] = {
        "SIMPLE_MODEL": lambda: SimpleModel(unit),
        "SIMPLE_ROUTER": lambda: SimpleRouter(unit),
        "RANDOM_ABTEST": lambda: RandomABTestRouter(unit, parameters, generator),
        "AVERAGE_COMBINER": lambda: AverageCombiner(unit),
        "UNKNOWN_IMPLEMENTATION": lambda: BuiltIn(unit),
    }
    if unit.implementation not in makers:
        raise ComponentLoadError(
            unit.name, f"this version of Gaal does not run the implementation {unit.implementation}"
        )
    return makers[unit.implementation]()
