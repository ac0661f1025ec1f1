"""The datatypes of V2, and the two forms of a tensor's elements ⇄ arrays.

| datatype                              | array of                                                        |
|---------------------------------------|-----------------------------------------------------------------|
| BOOL, UINT8 … UINT64, INT8 … INT64    | the type of that name                                           |
| FP16, FP32, FP64                      | float16, float32, float64                                       |
| BF16                                  | float32, which holds each of its values                         |
| BYTES                                 | bytes objects (dtype object)                                    |

Raw elements are little-endian and in row-major order; an element of BYTES is preceded by its length in four bytes.
Elements in JSON may stand flat or nested. Arrays made here belong to who gets them, and may be written into. Every
error is a MessageError that names the place, the rule and the value.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from gaal.messages import Array
from gaal.protocols.json_text import NON_FINITE, refusal

Raw: TypeAlias = bytes | memoryview

BYTES, BF16 = "BYTES", "BF16"

_DTYPES = {
    "BOOL": "?",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    BF16: "<u2",
    BYTES: "O",
}
"""How the elements are stored."""

DATATYPES = tuple(_DTYPES)
_OF_DTYPE = {
    np.dtype(order + dtype.removeprefix("<")): name
    for name, dtype in _DTYPES.items()
    if name not in (BF16, BYTES)
    for order in "<>"
}
_STORED = {name: np.dtype(dtype) for name, dtype in _DTYPES.items()}
_NATIVE = {**{name: dtype.newbyteorder("=") for name, dtype in _STORED.items()}, BF16: np.dtype(np.float32)}
_LENGTH = struct.Struct("<I")

_SMALL = 4096
"""Bytes. The elements of a smaller array are copied sooner than viewed."""


def check_datatype(datatype: Any, place: str) -> str:
    """`place` is that of the tensor."""
    if not isinstance(datatype, str) or datatype not in _DTYPES:
        raise refusal(f"{place}.datatype", f"must be one of {', '.join(DATATYPES)}", datatype)
    return datatype


def datatype_of(array: Array) -> str:
    """Raises MessageError for an array of anything but numbers, bools, str and bytes."""
    datatype = _OF_DTYPE.get(array.dtype)
    if datatype is not None:
        return datatype
    if array.dtype.kind in "OSU":
        return BYTES
    if array.dtype.kind == "f":  # longer than a double
        return "FP64"
    raise refusal("outputs", f"an array of {array.dtype} has no datatype in the protocol", array.shape)


def numpy_dtype(datatype: str) -> np.dtype[Any]:
    """The type of the arrays that are made of a datatype."""
    return _NATIVE[datatype]


# Raw elements


def array_of_raw(datatype: str, shape: Sequence[int], raw: Raw, place: str) -> Array:
    """One copy, so that a component may write into its array."""
    if datatype == BYTES:
        return _objects(_split(raw, math.prod(shape), place)).reshape(shape)
    stored = _STORED[datatype]
    n_bytes = math.prod(shape) * stored.itemsize
    if len(raw) != n_bytes:
        raise refusal(place, f"must have the {n_bytes} bytes of {datatype} in shape {list(shape)}", f"{len(raw)} bytes")
    elements = np.ndarray(shape, stored, raw)
    return _of_bfloat16(elements) if datatype == BF16 else elements.astype(_NATIVE[datatype])


def raw_of_array(array: Array, datatype: str) -> Raw:
    """Without a copy where the array is large, and already as it must be."""
    if datatype == BYTES:
        return b"".join(_with_length(item) for item in array.reshape(-1).tolist())
    stored = _bfloat16(array) if datatype == BF16 else array.astype(_STORED[datatype], copy=False)
    if stored.nbytes < _SMALL:
        return stored.tobytes()
    return np.ascontiguousarray(stored).reshape(-1).view(np.uint8).data


def _split(raw: Raw, n_strings: int, place: str) -> list[bytes]:
    view = memoryview(raw)
    strings: list[bytes] = []
    at, end = 0, len(view)
    while at + 4 <= end:
        (length,) = _LENGTH.unpack_from(view, at)
        at += 4 + length
        if at > end:
            raise refusal(place, f"string {len(strings)} must end within the {end} bytes", f"{length} bytes for it")
        strings.append(bytes(view[at - length : at]))
    if at != end or len(strings) != n_strings:
        raise refusal(place, f"must hold {n_strings} strings, each behind its length", f"{len(strings)} in {end} bytes")
    return strings


def _with_length(item: Any) -> bytes:
    data = bytes_of(item)
    return _LENGTH.pack(len(data)) + data


def bytes_of(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, bytes):
        return item
    if isinstance(item, (bool, int, float)):  # of a table of several types
        return str(item).encode()
    raise refusal("outputs", "an array of objects must hold str, bytes or numbers", item)


def _of_bfloat16(bits: Array) -> Array:
    """The upper half of a float32."""
    return (bits.astype("<u4") << 16).view("<f4")


def _bfloat16(array: Array) -> Array:
    """Rounded to the nearest, ties to even; a NaN stays one."""
    bits = np.ascontiguousarray(array, dtype="<f4").view("<u4")
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    quiet: Array = np.where(np.isnan(array), np.uint16(0x7FC0), rounded).astype("<u2")
    return quiet


# Elements in JSON, and in the typed fields of protobuf


def array_of_values(datatype: str, shape: Sequence[int], values: Any, place: str) -> Array:
    """From a list, flat or nested."""
    if not isinstance(values, list):
        raise refusal(place, "must be an array", values)
    if datatype == BYTES:
        array = _objects([_element(item, place) for item in _flat(values)])
    else:
        array = _numbers(datatype, values, place)
    return shaped(array, shape, place)


def shaped(array: Array, shape: Sequence[int], place: str) -> Array:
    n_elements = math.prod(shape)
    if array.size != n_elements:
        raise refusal(place, f"must have the {n_elements} elements of shape {list(shape)}", f"{array.size}")
    return array.reshape(shape)


def _numbers(datatype: str, values: list[Any], place: str) -> Array:
    dtype = numpy_dtype(datatype)
    try:
        array = np.asarray(values)
        if array.dtype == dtype:
            return array
        if array.dtype.kind == "U":
            array = np.asarray([NON_FINITE.get(item, item) for item in _flat(values)])
        elif array.dtype.kind == "f" and dtype.kind in "iu" and dtype.itemsize == 8:
            array = _long_integers(values, array, dtype)
    except (ValueError, OverflowError):  # ragged, or beyond 64 bits
        raise refusal(place, f"must be {_MUST_BE[dtype.kind]} in an even array", values) from None
    if array.size == 0:
        return array.astype(dtype)
    if array.dtype.kind not in _TAKEN[dtype.kind]:
        raise refusal(place, f"must be {_MUST_BE[dtype.kind]} for {datatype}", values)
    return array.astype(dtype) if dtype.kind == "f" else _whole(array, dtype, datatype, place)


_TAKEN = {"f": "iuf", "i": "iuf", "u": "iuf", "b": "biu"}
_MUST_BE = {"f": "numbers", "i": "integers", "u": "integers", "b": "true or false"}


def _long_integers(values: list[Any], array: Array, dtype: np.dtype[Any]) -> Array:
    """Where integers on both sides of 2^63 made doubles of all: without a loss. Raises OverflowError."""
    flat = _flat(values)
    return np.array(flat, dtype) if all(type(item) is int for item in flat) else array


def _whole(array: Array, dtype: np.dtype[Any], datatype: str, place: str) -> Array:
    """Integers or bools, without a change of value."""
    with np.errstate(invalid="ignore"):
        cast = array.astype(dtype)
    if not np.array_equal(cast, array):
        wrong = array.reshape(-1)[(cast != array).reshape(-1)][0].item()
        raise refusal(place, f"must be {_MUST_BE[dtype.kind]} that {datatype} can hold", wrong)
    return cast


def values_of_array(array: Array, datatype: str) -> Any:
    """The elements, flat, as something that prints as JSON: an array of numbers, or a list of text.

    Raises UnicodeDecodeError for bytes that are no text.
    """
    if datatype == BYTES:
        return [bytes_of(item).decode() for item in array.reshape(-1).tolist()]
    dtype = array.dtype
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        array = array.astype(np.float32 if dtype.itemsize == 2 else np.float64)
    elif not dtype.isnative:
        array = array.astype(dtype.newbyteorder("="))
    return array.ravel()


def _flat(values: Iterable[Any]) -> list[Any]:
    flat: list[Any] = []
    waiting = [iter(values)]
    while waiting:
        for item in waiting[-1]:
            if isinstance(item, list):
                waiting.append(iter(item))
                break
            flat.append(item)
        else:
            waiting.pop()
    return flat


def _element(item: Any, place: str) -> bytes:
    if not isinstance(item, (str, bytes)):
        raise refusal(place, "must be strings for BYTES", item)
    return bytes_of(item)


def _objects(items: Sequence[Any]) -> Array:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array
