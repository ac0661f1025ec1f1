"""What the two kinds of Classifier microservices have in common: they predict, and that is all they do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NoReturn

from gaal.errors import ComponentError
from gaal.executor.context import Context
from gaal.messages import Feedback, Kind, Message, ModelMetadata, Payload


class ClassifierUnit(ABC):
    """A microservice of Seldon Server at a unit of a graph. It takes no feedback, and has no metadata or health."""

    immediate = False

    def __init__(self, unit: str) -> None:
        self._unit = unit

    async def transform_input(self, message: Message, context: Context, /) -> Message:
        self._refuse("transform_input")

    async def transform_output(self, message: Message, context: Context, /) -> Message:
        self._refuse("transform_output")

    async def route(self, message: Message, context: Context, /) -> int:
        self._refuse("route")

    async def aggregate(self, messages: Sequence[Message], context: Context, /) -> Message:
        self._refuse("aggregate")

    async def send_feedback(self, feedback: Feedback, context: Context, /) -> Message:
        """There is nobody to tell it to."""
        return Message(encoding=context.encoding)

    async def metadata(self) -> ModelMetadata:
        return ModelMetadata(name=self._unit)

    async def health(self, context: Context) -> Message:
        await self.reachable()
        return Message(Payload(Kind.STR_DATA, "healthy"), encoding=context.encoding)

    @abstractmethod
    async def reachable(self) -> None:
        """Returns when there is a connection to the microservice. Raises Unavailable."""

    def _refuse(self, method: str) -> NoReturn:
        raise ComponentError(self._unit, f"{method}: a Classifier microservice can only predict")
