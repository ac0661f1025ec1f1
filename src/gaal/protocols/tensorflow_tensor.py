"""TensorFlow's TensorProto, in protobuf and in proto3 JSON ⇄ NumPy arrays.

| dtype                                 | array of                                 |
|---------------------------------------|------------------------------------------|
| DT_HALF, DT_FLOAT, DT_DOUBLE          | float16, float32, float64                |
| DT_BFLOAT16, DT_FLOAT8_…              | float32, which holds each of their values |
| DT_COMPLEX64, DT_COMPLEX128           | complex64, complex128                    |
| DT_INT8 … DT_UINT64, DT_BOOL          | the type of that name                    |
| DT_QINT8 … DT_QINT32, DT_INT2 … UINT4 | integers, without a scale                |
| DT_STRING                             | bytes objects (dtype object)             |

DT_RESOURCE and DT_VARIANT mean something in one TensorFlow process only, and are refused. Every error is a
MessageError that names the place, the rule and the value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate
from typing import Any

import numpy as np
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message

from gaal.errors import MessageError
from gaal.messages import Array
from gaal.protocols.base64_text import decode_base64
from gaal.protocols.descriptors import message_class, pool
from gaal.protocols.json_text import NON_FINITE, refusal

MAX_REPEATED_ELEMENTS = 2**24
"""How many elements one value may stand for: a message of a few bytes must not fill the memory."""

PLACE = "data.tftensor"


# Bit patterns without a NumPy type of their own


def _half(bits: Array) -> Array:
    return bits.view("<f2")


def _bfloat16(bits: Array) -> Array:
    """The upper half of a float32."""
    return (bits.astype("<u4") << 16).view("<f4")


def _float8(bits: Array, exponent_bits: int, bias: int, nans: Sequence[int], infinite: bool = False) -> Array:
    """`nans` are bit patterns; `infinite`: the highest exponent means infinity, and NaN with any mantissa bit set.

    Source: P. Micikevicius et al., "FP8 Formats for Deep Learning", 2022; the FNUZ formats: B. Noune et al., "8-bit
    Numerical Formats for Deep Neural Networks", 2022.
    """
    return _float8_values(exponent_bits, bias, tuple(nans), infinite)[bits]


@cache
def _float8_values(exponent_bits: int, bias: int, nans: tuple[int, ...], infinite: bool) -> Array:
    mantissa_bits = 7 - exponent_bits
    pattern = np.arange(256)
    sign = np.where(pattern & 0x80, -1.0, 1.0)
    exponent = (pattern & 0x7F) >> mantissa_bits
    fraction = (pattern & (2**mantissa_bits - 1)) / 2.0**mantissa_bits
    # Exponent 0 means subnormal: no hidden one, and the scale of exponent 1.
    values = sign * np.where(exponent == 0, fraction, 1 + fraction) * 2.0 ** (np.maximum(exponent, 1) - bias)
    if infinite:
        highest = exponent == 2**exponent_bits - 1
        values[highest] = np.where(fraction == 0, sign * np.inf, np.nan)[highest]
    values[list(nans)] = np.nan
    floats: Array = values.astype("<f4")
    return floats


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the elements of a DataType stand in a TensorProto.

    `stored` is the type of an element in `tensor_content`, `field` the one that holds the elements one by one.
    Where elements are stored as bit patterns, `floats` makes numbers of them.
    """

    stored: str
    field: str
    floats: Callable[[Array], Array] | None = None


_LAYOUTS = {
    "DT_FLOAT": _Layout("<f4", "float_val"),
    "DT_DOUBLE": _Layout("<f8", "double_val"),
    "DT_INT32": _Layout("<i4", "int_val"),
    "DT_UINT8": _Layout("<u1", "int_val"),
    "DT_INT16": _Layout("<i2", "int_val"),
    "DT_INT8": _Layout("<i1", "int_val"),
    "DT_STRING": _Layout("O", "string_val"),
    "DT_COMPLEX64": _Layout("<c8", "scomplex_val"),
    "DT_INT64": _Layout("<i8", "int64_val"),
    "DT_BOOL": _Layout("?", "bool_val"),
    "DT_QINT8": _Layout("<i1", "int_val"),
    "DT_QUINT8": _Layout("<u1", "int_val"),
    "DT_QINT32": _Layout("<i4", "int_val"),
    "DT_BFLOAT16": _Layout("<u2", "half_val", _bfloat16),
    "DT_QINT16": _Layout("<i2", "int_val"),
    "DT_QUINT16": _Layout("<u2", "int_val"),
    "DT_UINT16": _Layout("<u2", "int_val"),
    "DT_COMPLEX128": _Layout("<c16", "dcomplex_val"),
    "DT_HALF": _Layout("<u2", "half_val", _half),
    "DT_UINT32": _Layout("<u4", "uint32_val"),
    "DT_UINT64": _Layout("<u8", "uint64_val"),
    "DT_FLOAT8_E5M2": _Layout("<u1", "float8_val", partial(_float8, exponent_bits=5, bias=15, nans=(), infinite=True)),
    "DT_FLOAT8_E4M3FN": _Layout("<u1", "float8_val", partial(_float8, exponent_bits=4, bias=7, nans=(0x7F, 0xFF))),
    "DT_FLOAT8_E4M3FNUZ": _Layout("<u1", "float8_val", partial(_float8, exponent_bits=4, bias=8, nans=(0x80,))),
    "DT_FLOAT8_E4M3B11FNUZ": _Layout("<u1", "float8_val", partial(_float8, exponent_bits=4, bias=11, nans=(0x80,))),
    "DT_FLOAT8_E5M2FNUZ": _Layout("<u1", "float8_val", partial(_float8, exponent_bits=5, bias=16, nans=(0x80,))),
    "DT_INT4": _Layout("<i1", "int_val"),
    "DT_UINT4": _Layout("<u1", "int_val"),
    "DT_INT2": _Layout("<i1", "int_val"),
    "DT_UINT2": _Layout("<u1", "int_val"),
}

_DTYPES = {
    "f2": "DT_HALF",
    "f4": "DT_FLOAT",
    "f8": "DT_DOUBLE",
    "i1": "DT_INT8",
    "i2": "DT_INT16",
    "i4": "DT_INT32",
    "i8": "DT_INT64",
    "u1": "DT_UINT8",
    "u2": "DT_UINT16",
    "u4": "DT_UINT32",
    "u8": "DT_UINT64",
    "b1": "DT_BOOL",
    "c8": "DT_COMPLEX64",
    "c16": "DT_COMPLEX128",
}
"""The DataType of an array by the kind and size of its elements."""


# Reading


def array_of_tensor_proto(tensor: Any, place: str = PLACE) -> Array:
    """A writable array from a TensorProto of any pool.

    Where there are fewer values than elements, the last one stands for the rest, and zero where there is none.
    """
    layout = _layout(tensor.dtype, f"{place}.dtype")
    if tensor.tensor_shape.unknown_rank:
        raise refusal(f"{place}.tensor_shape", "the rank must be known", "unknown_rank: true")
    shape = _shape([dim.size for dim in tensor.tensor_shape.dim], f"{place}.tensor_shape")
    if tensor.tensor_content:
        return _from_content(tensor.tensor_content, shape, layout, f"{place}.tensor_content")
    return _from_values(getattr(tensor, layout.field), shape, layout, f"{place}.{layout.field}")


def array_of_tensor_object(tensor: Mapping[str, Any], place: str = PLACE) -> Array:
    """As `array_of_tensor_proto`, from the JSON form. Field names may be camelCase or snake_case."""
    layout = _layout(tensor.get("dtype", 0), f"{place}.dtype")
    shape = _shape_of_object(_get(tensor, "tensor_shape"), f"{place}.tensorShape")
    if content := _get(tensor, "tensor_content"):
        content_place = f"{place}.tensorContent"
        return _from_content(decode_base64(content, content_place), shape, layout, content_place)
    values_place = f"{place}.{_camel(layout.field)}"
    values = _values_of_object(_get(tensor, layout.field), layout, values_place)
    return _from_values(values, shape, layout, values_place)


def tensor_proto_of_object(tensor: Mapping[str, Any], place: str = PLACE) -> Message:
    """The TensorProto that a JSON form stands for, field by field."""
    proto = message_class("tensorflow.TensorProto")()
    try:
        ParseDict(dict(tensor), proto, ignore_unknown_fields=True, descriptor_pool=pool())
        return proto
    except (ParseError, TypeError, ValueError) as error:
        raise MessageError(f"{place}: {error}") from None


# Writing


def tensor_proto_of(array: Array) -> Any:
    """A TensorProto with `tensor_content`, or with `string_val` for strings.

    Raises MessageError for an array of anything but numbers, bools, str and bytes.
    """
    proto: Any = message_class("tensorflow.TensorProto")()
    if array.dtype in (np.longdouble, np.clongdouble):
        array = array.astype(np.float64 if array.dtype.kind == "f" else np.complex128)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if array.dtype.kind in "OSU":
        proto.dtype = _numbers()["DT_STRING"]
        proto.string_val.extend(map(_bytes, array.ravel().tolist()))
        return proto
    dtype = _DTYPES.get(array.dtype.str[1:])
    if dtype is None:
        raise refusal(PLACE, f"an array of {array.dtype} has no TensorFlow type", array.shape)
    proto.dtype = _numbers()[dtype]
    proto.tensor_content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return proto


def tensor_object_of(tensor: Array | Message) -> dict[str, Any]:
    """The JSON form of an array, or of a TensorProto as it is: camelCase, 64-bit integers as strings, base64."""
    proto = tensor_proto_of(tensor) if isinstance(tensor, np.ndarray) else tensor
    return MessageToDict(proto, descriptor_pool=pool())


# Parts


@cache
def _numbers() -> dict[str, int]:
    """The number of each DataType."""
    return {value.name: value.number for value in pool().FindEnumTypeByName("tensorflow.DataType").values}


@cache
def _names() -> dict[int, str]:
    return {number: name for name, number in _numbers().items()}


def _layout(dtype: Any, place: str) -> _Layout:
    """The layout of a DataType, given by name or number."""
    name = _names().get(dtype) if isinstance(dtype, int) else dtype
    layout = _LAYOUTS.get(name) if isinstance(name, str) else None
    if layout is None:
        raise refusal(place, "must be a type of numbers, bools or strings", name or dtype)
    return layout


def _shape(sizes: Sequence[int], place: str) -> Sequence[int]:
    if any(size < 0 for size in sizes):
        raise refusal(place, "every dimension must be known", list(sizes))
    return sizes


def _from_content(content: bytes, shape: Sequence[int], layout: _Layout, place: str) -> Array:
    n_elements = math.prod(shape)
    if layout.stored == "O":
        return _objects(_strings(content, n_elements, place)).reshape(shape)
    n_bytes = n_elements * np.dtype(layout.stored).itemsize
    if len(content) != n_bytes:
        raise refusal(place, f"must have the {n_bytes} bytes of shape {list(shape)}", f"{len(content)} bytes")
    return _numbers_of(np.frombuffer(content, layout.stored), layout).reshape(shape)


def _from_values(values: Any, shape: Sequence[int], layout: _Layout, place: str) -> Array:
    """`values` is a repeated field, a list, or bytes with an element each."""
    elements = _elements(values, layout, place)
    n_elements, n_values = math.prod(shape), len(elements)
    if n_values > n_elements:
        raise refusal(place, f"must have at most the {n_elements} elements of shape {list(shape)}", n_values)
    if n_values < n_elements:
        if n_elements - n_values > MAX_REPEATED_ELEMENTS:
            raise refusal(place, f"one value may stand for {MAX_REPEATED_ELEMENTS} elements at most", n_elements)
        last = elements[-1:] if n_values else _elements([b""] if layout.stored == "O" else [0], layout, place)
        elements = np.concatenate([elements, np.repeat(last, n_elements - n_values)])
    return elements.reshape(shape)


def _elements(values: Any, layout: _Layout, place: str) -> Array:
    if layout.stored == "O":
        return _objects(values)
    stored = np.dtype(layout.stored)
    if isinstance(values, bytes):
        return _numbers_of(np.frombuffer(values, stored), layout)
    try:
        if stored.kind != "c":
            return _numbers_of(np.fromiter(values, stored, len(values)), layout)
        parts = np.fromiter(values, f"<f{stored.itemsize // 2}", len(values))
    except (OverflowError, ValueError, TypeError) as error:
        raise refusal(place, f"must be values of {stored}: {error}", list(values)) from None
    if len(parts) % 2:
        raise refusal(place, "must be pairs of a real and an imaginary part", f"{len(parts)} values")
    return _numbers_of(parts.view(stored), layout)


def _numbers_of(elements: Array, layout: _Layout) -> Array:
    """A writable array in the byte order of this machine."""
    numbers = elements if layout.floats is None else layout.floats(elements)
    return numbers.astype(numbers.dtype.newbyteorder("="))


def _strings(content: bytes, n_strings: int, place: str) -> list[bytes]:
    """All lengths as varints, then all strings."""
    lengths: list[int] = []
    length = shift = start = 0
    while len(lengths) < n_strings and start < len(content):
        byte = content[start]
        start += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            lengths.append(length)
            length = shift = 0
    if len(lengths) < n_strings or start + sum(lengths) != len(content):
        raise refusal(place, f"must hold the lengths of {n_strings} strings, and the strings", f"{len(content)} bytes")
    ends = [start + end for end in accumulate(lengths)]
    return [content[end - length : end] for length, end in zip(lengths, ends, strict=True)]


def _objects(items: Sequence[bytes]) -> Array:
    array = np.empty(len(items), dtype=object)
    array[:] = list(items)
    return array


def _bytes(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, bytes):
        return item
    raise refusal(PLACE, "an array of objects must hold str or bytes alone", item)


# Parts of the JSON form


def _camel(field: str) -> str:
    """`float_val` → `floatVal`."""
    first, *rest = field.split("_")
    return first + "".join(map(str.capitalize, rest))


def _get(tensor: Mapping[str, Any], field: str) -> Any:
    value = tensor.get(_camel(field))
    return tensor.get(field) if value is None else value


def _shape_of_object(shape: Any, place: str) -> Sequence[int]:
    if shape is None:
        return ()
    if not isinstance(shape, dict):
        raise refusal(place, "must be a JSON object", shape)
    if _get(shape, "unknown_rank"):
        raise refusal(place, "the rank must be known", shape)
    dimensions = shape.get("dim") or ()
    try:
        return _shape([int(dim.get("size", 0)) for dim in dimensions], place)
    except (AttributeError, TypeError, ValueError):
        raise refusal(f"{place}.dim", 'must be an array of objects with an integer "size"', dimensions) from None


def _values_of_object(values: Any, layout: _Layout, place: str) -> Any:
    if layout.field == "float8_val":
        return decode_base64(values or "", place)
    if values is None:
        return ()
    if not isinstance(values, list):
        raise refusal(place, "must be an array", values)
    if layout.stored == "O":
        return [decode_base64(value, f"{place}[{i}]") for i, value in enumerate(values)]
    kind = np.dtype(layout.stored).kind
    if set(map(type, values)) <= _TAKEN_AS_THEY_ARE[kind]:
        return values
    return [_value_of_json(value, kind, f"{place}[{i}]") for i, value in enumerate(values)]


_TAKEN_AS_THEY_ARE: Mapping[str, set[type]] = {
    "f": {int, float},
    "c": {int, float},
    "i": {int},
    "u": {int},
    "b": {bool},
}


def _value_of_json(value: Any, kind: str, place: str) -> Any:
    """A number as proto3 JSON has it: integers also as strings or `1.0`, non-finite numbers by name."""
    if kind in "fc" and type(value) is str and value in NON_FINITE:
        return NON_FINITE[value]
    if type(value) in _TAKEN_AS_THEY_ARE[kind]:
        return value
    if kind in "iu" and type(value) is float and value.is_integer():
        return int(value)
    if kind in "iu" and type(value) is str and _INTEGER.fullmatch(value):
        return int(value)
    raise refusal(place, f"must be {_MUST_BE[kind]}", value)


_INTEGER = re.compile(r"-?[0-9]{1,20}")

_MUST_BE = {"f": "a number", "c": "a number", "i": "an integer", "u": "an integer", "b": "true or false"}
