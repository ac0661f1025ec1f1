"""The branch that a router's reply names, for routers that answer with a message."""

from __future__ import annotations

from typing import Any

from gaal.executor.node import ALL_BRANCHES
from gaal.messages import Kind, Message


def branch_of(reply: Message) -> int:
    """The first number of the reply's data, as an index; a payload of another kind means all branches.

    Source: how Seldon Core's orchestrator reads `{"data":{"ndarray":[1]}}`, `[[1]]` and tensors.
    Raises ValueError for data without a number.
    """
    payload = reply.payload
    if payload is None or not payload.kind.is_data:
        return ALL_BRANCHES
    value: Any = payload.value
    if payload.kind is not Kind.NDARRAY:
        value = payload.array.ravel()[:1].tolist()
    while isinstance(value, list) or hasattr(value, "tolist"):
        value = value.tolist() if hasattr(value, "tolist") else value
        if not isinstance(value, list):
            break
        if not value:
            raise ValueError("the reply must hold a number, got an empty array")
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise ValueError(f"the reply must hold a number, got {value!r}")
    return int(value)
