"""Components that want their features by name: those whose method is annotated so, `predict(self, X: dict[str, …])`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_origin, get_type_hints

import numpy as np

from gaal.messages import Message
from gaal.protocols.named_tensors import NamedSource

UNNAMED = "input-0"
"""The name of an array that came without one."""


def takes_dict(function: Callable[..., Any]) -> bool:
    """Whether the first argument is annotated as a dict or a Mapping. False where the annotation cannot be read."""
    try:
        first = next(iter(inspect.signature(function).parameters), None)
        hint = get_type_hints(function).get(first or "")
    except (TypeError, ValueError, NameError, AttributeError):
        return False
    wanted = get_origin(hint) or hint
    return wanted in (dict, Mapping)


def by_name(features: Any, message: Message) -> Any:
    """Arrays by name: as they came, or the columns of a table. What is no array stays as it is."""
    payload = message.payload
    if not isinstance(features, np.ndarray) or payload is None:
        return features
    if isinstance(payload.source, NamedSource):
        return payload.source.arrays()
    if features.ndim == 2 and len(payload.names) == features.shape[1] and len(payload.names) > 0:
        return {name: features[:, column] for column, name in enumerate(payload.names)}
    return {UNNAMED: features}
