"""A unit at a server of models elsewhere, whatever protocol that speaks: all that it is asked for is a prediction.

The server knows nothing of a graph, so the tags and the request path go around it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from gaal.components.chain import chained
from gaal.errors import ComponentError
from gaal.executor.context import Context
from gaal.graph.deployment import PredictiveUnit
from gaal.graph.parameters import typed
from gaal.messages import Feedback, Kind, Message, Payload


@dataclass(frozen=True, slots=True)
class FarModel:
    """The model of a unit, by the unit's parameters.

    These are model_name, model_version, signature_name, model_input and model_output. Without the first, the model has
    the name of the unit; "" is for what the server decides.
    """

    unit: str
    origin: str
    name: str
    version: str = ""
    signature: str = ""
    input_name: str = ""
    output_name: str = ""


def far_model(unit: PredictiveUnit) -> FarModel:
    given = {name: str(value) for name, value in typed(unit.parameters).items()}
    return FarModel(
        unit.name,
        unit.origin,
        given.get("model_name", unit.name),
        given.get("model_version", ""),
        given.get("signature_name", ""),
        given.get("model_input", ""),
        given.get("model_output", ""),
    )


class ModelUnit(ABC):
    """The calls of such a unit. A transformer's are predictions too, and feedback stays here."""

    immediate = False
    model: FarModel

    @abstractmethod
    async def _predicted(self, message: Message, context: Context) -> Message:
        """What the server says, with tags of its own. Raises GaalError."""

    async def predict(self, message: Message, context: Context, /) -> Message:
        reply = await self._predicted(message, context)
        meta = chained(message.meta, self.model.unit, self.model.origin, reply.meta.tags, None)
        return Message(reply.payload, meta, None, context.encoding)

    async def transform_input(self, message: Message, context: Context, /) -> Message:
        return await self.predict(message, context)

    async def transform_output(self, message: Message, context: Context, /) -> Message:
        return await self.predict(message, context)

    async def route(self, message: Message, context: Context, /) -> int:
        raise self._no_such_call("route")

    async def aggregate(self, messages: Sequence[Message], context: Context, /) -> Message:
        raise self._no_such_call("combine")

    async def send_feedback(self, feedback: Feedback, context: Context, /) -> Message:
        return Message(encoding=context.encoding)

    def _no_such_call(self, what: str) -> ComponentError:
        return ComponentError(self.model.unit, f"{what}: a server of models has no such call")


def well(context: Context) -> Message:
    """What is said of the health of a model that is ready."""
    return Message(Payload(Kind.STR_DATA, "healthy"), encoding=context.encoding)
