"""The interface of what stands at a predictive unit. The executor knows nothing else of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gaal.executor.context import Context
from gaal.messages import Feedback, Message, ModelMetadata

ALL_BRANCHES = -1
"""A route that sends the message to every child, and the entry in `meta.routing` of a unit that does not choose."""

NO_BRANCH = -2
"""A route that ends here: no child is called, and the unit's own combiner neither."""


class Node(Protocol):
    """What stands at a unit: a user's class, a built-in, a remote service.

    Every call may raise a GaalError that names the unit; anything else that comes out is a defect of the node.
    `immediate` says that no call ever waits for anything: such nodes are called one after the other where others
    would run in parallel.
    """

    immediate: bool

    async def start(self) -> None:
        """Load what is needed to answer. Raises ComponentLoadError; is called once, before any other call."""

    async def close(self) -> None:
        """Let go of everything. No call follows."""

    async def predict(self, message: Message, context: Context, /) -> Message: ...

    async def transform_input(self, message: Message, context: Context, /) -> Message: ...

    async def transform_output(self, message: Message, context: Context, /) -> Message: ...

    async def route(self, message: Message, context: Context, /) -> int:
        """The index of a child, ALL_BRANCHES or NO_BRANCH."""

    async def aggregate(self, messages: Sequence[Message], context: Context, /) -> Message: ...

    async def send_feedback(self, feedback: Feedback, context: Context, /) -> Message: ...

    async def metadata(self) -> ModelMetadata: ...

    async def health(self, context: Context) -> Message:
        """What the unit says of its health. Raises if it is not well."""

    async def reachable(self) -> None:
        """Returns when calls can get to the unit, at once if it is in this process. Raises Unavailable."""
