"""Rows and columns in JSON, as TensorFlow Serving writes them and MLflow takes them over: → the payload of a message.

Rows are values without a name, or objects that all have the same names. Columns are values without a name, or one
object with the values of each name. `{"b64": text}` stands for bytes anywhere. Every error is a MessageError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gaal.messages import Array, Kind, Payload
from gaal.protocols.base64_text import decode_base64
from gaal.protocols.json_text import refusal
from gaal.protocols.named_tensors import payload_of_arrays


def with_bytes(fields: dict[str, Any], body: bytes) -> dict[str, Any]:
    """The fields of a parsed body, with bytes for each `{"b64": text}` in it."""
    return {key: _with_bytes(value, key) for key, value in fields.items()} if b'"b64"' in body else fields


def _with_bytes(value: Any, place: str) -> Any:
    """The value with bytes for each `{"b64": text}`."""
    if isinstance(value, list):
        return [_with_bytes(item, f"{place}[{at}]") for at, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"b64"}:
        return decode_base64(value["b64"], f"{place}.b64")
    return {key: _with_bytes(item, f"{place}.{key}") for key, item in value.items()}


def listed(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise refusal(place, "must be an array of at least one", value)
    return value


def payload_of_rows(rows: Any, place: str = "instances") -> Payload:
    if any(isinstance(row, dict) for row in listed(rows, place)):
        return payload_of_arrays(arrays_of_rows(rows, place))
    return _unnamed(rows)


def payload_of_columns(columns: Any, place: str = "inputs") -> Payload:
    if not isinstance(columns, dict):
        return _unnamed(listed(columns, place))
    if not columns:
        raise refusal(place, "must have at least one name", columns)
    return payload_of_arrays({name: array_of_values(values, f"{place}.{name}") for name, values in columns.items()})


def _unnamed(values: list[Any]) -> Payload:
    """As it came: what an array is made of, a component decides by looking at it."""
    return Payload(Kind.NDARRAY, _objects(values) if _has_bytes(values) else values)


def arrays_of_rows(rows: Sequence[Any], place: str) -> dict[str, Array]:
    names = list(rows[0]) if isinstance(rows[0], dict) else []
    for at, row in enumerate(rows):
        if not isinstance(row, dict) or row.keys() != set(names):
            raise refusal(f"{place}[{at}]", f"must have the names of the first one, {', '.join(names)}", row)
    if not names:
        raise refusal(f"{place}[0]", "must have at least one name", rows[0])
    return {name: array_of_values([row[name] for row in rows], f"{place}.{name}") for name in names}


def array_of_values(values: Any, place: str) -> Array:
    if _has_bytes(values):
        return _objects(values)
    try:
        return np.asarray(values)
    except (ValueError, OverflowError):
        raise refusal(place, "must be an even array of numbers of 64 bits, or of texts", values) from None


def _has_bytes(values: Any) -> bool:
    while isinstance(values, list) and values:
        values = values[0]
    return isinstance(values, bytes)


def _objects(values: Any) -> Array:
    """Without NumPy's own type for bytes, which drops zeros at the end."""
    return np.array(values, dtype=object)
