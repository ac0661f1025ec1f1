"""From what a caller has at hand to a message: arrays, data frames, lists, text, bytes and JSON objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from gaal.client.replies import Reply
from gaal.errors import MessageError
from gaal.messages import NO_META, Array, Json, Kind, Message, Meta, Payload, array_of


@runtime_checkable
class DataFrame(Protocol):
    """A table of pandas, or of a library that has the same two names."""

    @property
    def columns(self) -> Any: ...

    def to_numpy(self) -> Array: ...


Data: TypeAlias = "Array | DataFrame | Sequence[Any] | str | bytes | Mapping[str, Any] | Message | Reply"
"""What can be sent.

| given                          | sent as                                                        |
|--------------------------------|----------------------------------------------------------------|
| array, list or tuple           | tensor if it holds numbers only, otherwise ndarray; or `kind`  |
| data frame                     | the same, with its columns as names                            |
| str                            | strData                                                        |
| bytes                          | binData                                                        |
| mapping                        | jsonData                                                       |
| Message, or the reply of a call | as it is                                                      |
"""

PayloadKind: TypeAlias = Literal["tensor", "ndarray", "tftensor", "jsonData"]

KINDS: tuple[PayloadKind, ...] = ("tensor", "ndarray", "tftensor", "jsonData")


def message_of(
    data: Data,
    names: Sequence[str] = (),
    kind: PayloadKind | None = None,
    tags: Mapping[str, Json] | None = None,
    puid: str = "",
) -> Message:
    """A request. Raises MessageError for what cannot be sent, or not as the kind that is asked for."""
    if isinstance(data, Reply):
        data = data.message
    if isinstance(data, Message):
        return Message(data.payload, _meta(data.meta, tags, puid), data.status, data.encoding)
    return Message(_payload(data, [str(name) for name in names], kind), _meta(NO_META, tags, puid))


def is_array(data: Data) -> bool:
    """Whether it has a kind to choose."""
    return isinstance(data, np.ndarray | list | tuple | DataFrame)


def _meta(meta: Meta, tags: Mapping[str, Json] | None, puid: str) -> Meta:
    if not tags and not puid:
        return meta
    return Meta(puid or meta.puid, {**meta.tags, **(tags or {})}, meta.routing, meta.request_path, meta.metrics)


def _payload(data: Any, names: list[str], kind: PayloadKind | None) -> Payload:
    if kind is not None and kind not in KINDS:
        raise MessageError(f"kind: must be one of {', '.join(KINDS)} (got {kind!r})")
    if kind == "jsonData":
        return Payload(Kind.JSON_DATA, data)
    if isinstance(data, DataFrame):
        return _array_payload(data.to_numpy(), names or [str(column) for column in data.columns], kind)
    if is_array(data):
        return _array_payload(data, names, kind)
    if names or kind:
        raise MessageError(f"data: only an array has names and a kind (got {type(data).__name__})")
    return _single_payload(data)


def _single_payload(data: Any) -> Payload:
    if isinstance(data, str):
        return Payload(Kind.STR_DATA, data)
    if isinstance(data, bytes | bytearray | memoryview):
        return Payload(Kind.BIN_DATA, bytes(data))
    if isinstance(data, Mapping):
        return Payload(Kind.JSON_DATA, dict(data))
    raise MessageError(
        f"data: must be an array, a data frame, a list, str, bytes, a mapping or a Message (got {type(data).__name__})"
    )


def _array_payload(data: Any, names: list[str], kind: PayloadKind | None) -> Payload:
    array = data if isinstance(data, np.ndarray) else array_of(data)
    is_numeric = array.dtype.kind in "iuf"
    if kind == "ndarray" or (kind is None and not is_numeric):
        # A list goes as it is: an array of it would have made text of the numbers in mixed rows.
        return Payload(Kind.NDARRAY, data if isinstance(data, np.ndarray) else list(data), names)
    if kind == "tftensor":
        return Payload(Kind.TFTENSOR, _tensorflow_array(array), names)
    if not is_numeric and array.dtype.kind != "b":
        raise MessageError(f"data: a tensor holds numbers only (got an array of {array.dtype})")
    return Payload(Kind.TENSOR, array, names)


def _tensorflow_array(array: Array) -> Array:
    """Text becomes bytes objects, the form that a tftensor has for it."""
    if array.dtype.kind != "U":
        return array
    encoded = np.empty(array.shape, dtype=object)
    encoded.ravel()[:] = [text.encode() for text in array.ravel().tolist()]
    return encoded
