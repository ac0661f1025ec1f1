"""Requests that a graph may take, made from what its metadata says of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

MAX_VALUES = 1024
"""A larger input is shown as a row of this many values."""


def prediction_examples(inputs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Example messages by a short name: first the one that fits the graph's metadata, if it has any."""
    described = next((each for each in inputs if each), None)
    if described is None:
        return _kinds((1, 4), ["a", "b", "c", "d"])
    kind = str(described.get("messagetype", "")) or "tensor"
    if kind in ("strData", "binData", "jsonData", "customData"):
        return {kind: _PLAIN[kind]}
    schema = described.get("schema")
    schema = schema if isinstance(schema, Mapping) else {}
    names = [str(each) for each in schema.get("names", ())]
    shape = _shape(schema.get("shape") or described.get("shape"), len(names))
    if kind not in ("tensor", "tftensor"):
        kind = "ndarray"
    kinds = _kinds(shape, names)
    return {kind: kinds.pop(kind), **kinds}


def feedback_example(prediction: Mapping[str, Any], routing: Mapping[str, int]) -> dict[str, Any]:
    return {"request": dict(prediction), "response": {"meta": {"routing": dict(routing)}}, "reward": 1.0}


_PLAIN: dict[str, dict[str, Any]] = {
    "strData": {"strData": "some text"},
    "binData": {"binData": "c29tZSBieXRlcw=="},
    "jsonData": {"jsonData": {"some": ["value", 1, None]}},
    "customData": {"customData": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "c29tZQ=="}},
}


def _kinds(shape: tuple[int, ...], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The same values in each kind of data, and a message of each other kind."""
    values = [round(0.1 * (index + 1), 1) for index in range(prod(shape))]
    named = {"names": list(names)} if names else {}
    tensor = {
        "dtype": "DT_DOUBLE",
        "tensorShape": {"dim": [{"size": str(size)} for size in shape]},
        "doubleVal": values,
    }
    return {
        "ndarray": {"data": {**named, "ndarray": _nested(values, shape)}},
        "tensor": {"data": {**named, "tensor": {"shape": list(shape), "values": values}}},
        "tftensor": {"data": {**named, "tftensor": tensor}},
        **_PLAIN,
    }


def _shape(described: Any, n_names: int) -> tuple[int, ...]:
    """A shape that fits: one for every size that is open, one row of as many values as there are names by default."""
    sizes = described if isinstance(described, Sequence) and not isinstance(described, str) else ()
    shape = tuple(size if isinstance(size, int) and size > 0 else 1 for size in sizes) or (1, n_names or 4)
    if len(shape) == 1:
        shape = (1, *shape)
    return shape if prod(shape) <= MAX_VALUES else (1, MAX_VALUES)


def _nested(values: Sequence[float], shape: tuple[int, ...]) -> list[Any]:
    if len(shape) == 1:
        return list(values)
    step = len(values) // shape[0]
    return [_nested(values[row * step : (row + 1) * step], shape[1:]) for row in range(shape[0])]
