"""Several arrays, each under a name ⇄ the one payload of a message. The rule for every protocol that has names.

From arrays to a payload, which a component gets to see:

| arrays                                                      | the payload                                      |
|-------------------------------------------------------------|--------------------------------------------------|
| one                                                         | tensor, or ndarray if it holds no numbers        |
| several columns: of shape (n,) or (n, 1), with the same n   | the table, its columns named, tensor or ndarray  |
| several others                                              | tensors: a dict of arrays                        |

And from a payload to arrays: those of `tensors`, and of a jsonData that is an object of arrays, have their names; so
has what came with names and was passed on by the units as it is. All else is one array, which takes the name that the
caller asked for. A caller may also ask for columns by their names, and a table of numbers beside texts is its columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gaal.errors import MessageError
from gaal.messages import Array, Kind, Payload
from gaal.protocols.json_text import dump, refusal

_NUMBERS = "iufc"


class NamedSource(ABC):
    """A payload's `source` in a protocol that has names for its arrays."""

    @abstractmethod
    def arrays(self) -> dict[str, Array]:
        """Raises MessageError."""


@dataclass(frozen=True, slots=True)
class Named(NamedSource):
    """Arrays as they came, each under its name."""

    by_name: Mapping[str, Array]

    def arrays(self) -> dict[str, Array]:
        return dict(self.by_name)


def payload_of_arrays(arrays: Mapping[str, Array], columns: bool | None = None) -> Payload:
    """`columns` says whether the arrays are the columns of a table; None is to look. Raises MessageError.

    A single array is a column only if told so.
    """
    payload = _payload(arrays, columns)
    payload.source = Named(arrays)
    return payload


def _payload(arrays: Mapping[str, Array], columns: bool | None) -> Payload:
    if columns or (columns is None and len(arrays) > 1 and are_columns([array.shape for array in arrays.values()])):
        return _table(arrays)
    if len(arrays) == 1:
        [array] = arrays.values()
        return Payload(kind_of(array.dtype), array)
    return Payload(Kind.TENSORS, dict(arrays))


def are_columns(shapes: Sequence[Sequence[int]]) -> bool:
    """Whether arrays of these shapes fit side by side, one column each."""
    n_rows = shapes[0][0] if shapes and shapes[0] else -1
    return all(tuple(shape) in ((n_rows,), (n_rows, 1)) for shape in shapes)


def kind_of(dtype: np.dtype[Any]) -> Kind:
    return Kind.TENSOR if dtype.kind in _NUMBERS else Kind.NDARRAY


def _table(arrays: Mapping[str, Array]) -> Payload:
    """Numbers of several types become their common one; numbers beside anything else stay what they are."""
    if not are_columns([array.shape for array in arrays.values()]):
        shapes = {name: array.shape for name, array in arrays.items()}
        raise refusal("inputs", "columns must have the shape (n,) or (n, 1), with the same n", shapes)
    columns = [array.reshape(-1) for array in arrays.values()]
    alike = all(column.dtype.kind in _NUMBERS for column in columns) or len({each.dtype for each in columns}) == 1
    if alike:
        table: Array = np.column_stack(columns)
    else:
        table = np.empty((len(columns[0]), len(columns)), dtype=object)
        for at, column in enumerate(columns):
            table[:, at] = column.tolist()  # NumPy's own scalars would be no JSON, and no strings either
    return Payload(kind_of(table.dtype), table, tuple(arrays))


def arrays_of_payload(payload: Payload | None, asked: Sequence[str], default: str) -> dict[str, Array]:
    """The arrays of a payload, those that are `asked` for alone if any are. `default` names what has no name.

    Raises MessageError for a name that is not there.
    """
    return {} if payload is None else asked_arrays(payload, named_arrays(payload), asked, default)


def asked_arrays(
    payload: Payload, named: dict[str, Array] | None, asked: Sequence[str], default: str
) -> dict[str, Array]:
    """As `arrays_of_payload`, for who has the `named_arrays` of the payload already."""
    if named is not None:
        return {name: _asked(named, name, at) for at, name in enumerate(asked)} if asked else named
    if payload.kind.is_data and asked and set(asked) <= set(payload.names) and payload.array.ndim == 2:
        at = {name: column for column, name in enumerate(payload.names)}
        return {name: payload.array[:, at[name]] for name in asked}
    if len(asked) > 1:
        known = ", ".join(payload.names) if payload.kind.is_data else ""
        has = f"the reply is one array with the columns {known}" if known else "the reply is one array"
        raise refusal("outputs", f"must name one output or columns: {has}", list(asked))
    return {asked[0] if asked else default: _single(payload)}


def named_arrays(payload: Payload) -> dict[str, Array] | None:
    """The arrays that have names of their own; None where there are none such."""
    source, kind = payload.source, payload.kind
    if source is not None and isinstance(source, NamedSource):
        return source.arrays()
    if kind is Kind.TENSOR:
        return None
    if kind is Kind.TENSORS:
        return dict(payload.value)
    if kind is Kind.NDARRAY:
        return _columns_of_their_own_types(payload.array, payload.names)
    if kind is not Kind.JSON_DATA or not isinstance(payload.value, dict) or not payload.value:
        return None
    arrays = {str(name): _as_array(value) for name, value in payload.value.items()}
    found = {name: array for name, array in arrays.items() if array is not None}
    return found if len(found) == len(arrays) else None


def _columns_of_their_own_types(table: Array, names: Sequence[str]) -> dict[str, Array] | None:
    """The columns of a table that holds numbers beside texts, which no single array of a protocol could."""
    if table.dtype.kind != "O" or table.ndim != 2 or len(names) != table.shape[1] or not table.size:
        return None
    columns = {name: _as_array(table[:, at].tolist()) for at, name in enumerate(names)}
    found = {name: column for name, column in columns.items() if column is not None}
    is_mixed = len({column.dtype.kind == "U" for column in found.values()}) > 1
    return found if is_mixed and len(found) == len(names) else None


def _as_array(value: Any) -> Array | None:
    if isinstance(value, np.ndarray):
        return value
    if not isinstance(value, list) or not value:
        return None
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):  # ragged, or beyond 64 bits
        return None
    return array if array.dtype.kind in "biufcU" and not _is_mixed(array, value) else None


def _is_mixed(array: Array, value: Any) -> bool:
    """Whether NumPy made strings of what were not all strings."""
    while isinstance(value, list) and array.ndim > 1:
        value = [item for row in value for item in row]
        array = array.reshape(-1)
    return array.dtype.kind == "U" and not all(isinstance(item, str) for item in value)


def _asked(named: Mapping[str, Array], name: str, at: int) -> Array:
    if name not in named:
        raise MessageError(f"outputs[{at}].name: must be one of {', '.join(named)} (got {name!r})")
    return named[name]


def _single(payload: Payload) -> Array:
    if payload.kind.is_data:
        return payload.array
    return _texts(payload)


def _texts(payload: Payload) -> Array:
    """A text, bytes or a JSON value as an array of one element."""
    if payload.kind is Kind.CUSTOM_DATA:
        raise MessageError("customData has no form in this protocol")
    array = np.empty(1, dtype=object)
    array[0] = dump(payload.value).decode() if payload.kind is Kind.JSON_DATA else payload.value
    return array
