"""From what a component returned to a payload. Source: the reply table of the Seldon Core Python wrapper.

| returned                                | payload                                                       |
|-----------------------------------------|---------------------------------------------------------------|
| dict                                    | jsonData                                                      |
| str                                     | strData                                                       |
| bytes, bytearray                        | binData                                                       |
| google.protobuf.Any                     | customData                                                    |
| array or list, numeric                  | as the request: tensor, tftensor, ndarray; tensor for the rest |
| array or list of anything else          | ndarray                                                       |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from gaal.messages import Array, Kind, Payload, array_of


class NoPayload(TypeError):
    """A component returned something that no kind of payload can hold."""


_NUMERIC = frozenset("iufc")
_OF_TYPE: dict[type, Kind] = {
    dict: Kind.JSON_DATA,
    str: Kind.STR_DATA,
    bytes: Kind.BIN_DATA,
}


def payload_of(returned: Any, asked: Payload | None, class_names: Callable[[], Sequence[str]] | None) -> Payload:
    """The payload of a reply to a request with the payload `asked`.

    `class_names` names the columns of replies with more than one dimension. Raises NoPayload.
    """
    if isinstance(returned, np.ndarray):
        return _data(returned, asked, class_names)
    if isinstance(returned, list):
        return _data(array_of(returned), asked, class_names)
    kind = _OF_TYPE.get(type(returned)) or _kind_of_subclass(returned)
    return Payload(kind, bytes(returned) if kind is Kind.BIN_DATA else returned)


def _kind_of_subclass(returned: Any) -> Kind:
    for base, kind in _OF_TYPE.items():
        if isinstance(returned, base):
            return kind
    if isinstance(returned, bytearray):
        return Kind.BIN_DATA
    descriptor = getattr(returned, "DESCRIPTOR", None)
    if descriptor is not None and descriptor.full_name == "google.protobuf.Any":
        return Kind.CUSTOM_DATA
    raise NoPayload(f"Unknown data type returned as payload (must be list or np array):{returned!r}")


def _data(array: Array, asked: Payload | None, class_names: Callable[[], Sequence[str]] | None) -> Payload:
    kind = asked.kind if asked is not None and asked.kind.is_data else Kind.TENSOR
    if array.dtype.kind not in _NUMERIC:
        kind = Kind.NDARRAY
    if array.ndim <= 1:
        return Payload(kind, array.reshape(-1))  # the protocol has no arrays without a dimension
    names = class_names() if class_names is not None else default_names(array.shape[1])
    return Payload(kind, array, names)


@lru_cache(maxsize=256)
def default_names(n_columns: int) -> tuple[str, ...]:
    return tuple(f"t:{column}" for column in range(n_columns))
