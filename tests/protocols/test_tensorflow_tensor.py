from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from gaal.errors import MessageError
from gaal.messages import Array
from gaal.protocols.descriptors import message_class
from gaal.protocols.tensorflow_tensor import (
    MAX_REPEATED_ELEMENTS,
    array_of_tensor_object,
    array_of_tensor_proto,
    tensor_object_of,
    tensor_proto_of,
    tensor_proto_of_object,
)

from .strategies import tensorflow_arrays


def tensor_proto(dtype: str, shape: list[int], **fields: Any) -> Any:
    proto: Any = message_class("tensorflow.TensorProto")(dtype=dtype, **fields)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def assert_same_array(left: Array, right: Array) -> None:
    assert left.dtype == right.dtype
    assert left.shape == right.shape
    np.testing.assert_array_equal(left, right)


@given(tensorflow_arrays)
def test_arrays_of_every_type_survive_in_protobuf_and_in_json(array: Array) -> None:
    native = array.astype(array.dtype.newbyteorder("="))
    assert_same_array(array_of_tensor_proto(tensor_proto_of(array)), native)
    assert_same_array(array_of_tensor_object(tensor_object_of(array)), native)


def test_strings_survive_as_bytes() -> None:
    expected = np.array([[b"a", b"\xff"], [b"", "ä".encode()]], dtype=object)
    assert_same_array(array_of_tensor_proto(tensor_proto_of(expected)), expected)
    assert_same_array(array_of_tensor_object(tensor_object_of(expected)), expected)
    for array in (np.array(["a", "ä"]), np.array(["a", "ä"], dtype=object)):
        assert array_of_tensor_proto(tensor_proto_of(array)).tolist() == [b"a", "ä".encode()]


def test_arrays_that_are_not_contiguous_survive() -> None:
    array = np.arange(6).reshape(2, 3).T[::2]
    assert_same_array(array_of_tensor_proto(tensor_proto_of(array)), array)


def test_arrays_may_be_written_to() -> None:
    array = array_of_tensor_proto(tensor_proto_of(np.zeros(3)))
    array[0] = 1
    assert array.tolist() == [1, 0, 0]


# The values 1 and 2 in every type: bit patterns from the definitions of the formats.
ONE_AND_TWO: list[tuple[str, str, Any, str, str]] = [
    ("DT_FLOAT", "float_val", [1, 2], "0000803f00000040", "f4"),
    ("DT_DOUBLE", "double_val", [1, 2], "000000000000f03f0000000000000040", "f8"),
    ("DT_HALF", "half_val", [0x3C00, 0x4000], "003c0040", "f2"),
    ("DT_BFLOAT16", "half_val", [0x3F80, 0x4000], "803f0040", "f4"),
    ("DT_FLOAT8_E5M2", "float8_val", b"\x3c\x40", "3c40", "f4"),
    ("DT_FLOAT8_E4M3FN", "float8_val", b"\x38\x40", "3840", "f4"),
    ("DT_FLOAT8_E4M3FNUZ", "float8_val", b"\x40\x48", "4048", "f4"),
    ("DT_FLOAT8_E4M3B11FNUZ", "float8_val", b"\x58\x60", "5860", "f4"),
    ("DT_FLOAT8_E5M2FNUZ", "float8_val", b"\x40\x44", "4044", "f4"),
    ("DT_INT8", "int_val", [1, 2], "0102", "i1"),
    ("DT_UINT8", "int_val", [1, 2], "0102", "u1"),
    ("DT_INT16", "int_val", [1, 2], "01000200", "i2"),
    ("DT_UINT16", "int_val", [1, 2], "01000200", "u2"),
    ("DT_INT32", "int_val", [1, 2], "0100000002000000", "i4"),
    ("DT_UINT32", "uint32_val", [1, 2], "0100000002000000", "u4"),
    ("DT_INT64", "int64_val", [1, 2], "01000000000000000200000000000000", "i8"),
    ("DT_UINT64", "uint64_val", [1, 2], "01000000000000000200000000000000", "u8"),
    ("DT_QINT8", "int_val", [1, 2], "0102", "i1"),
    ("DT_QUINT8", "int_val", [1, 2], "0102", "u1"),
    ("DT_QINT16", "int_val", [1, 2], "01000200", "i2"),
    ("DT_QUINT16", "int_val", [1, 2], "01000200", "u2"),
    ("DT_QINT32", "int_val", [1, 2], "0100000002000000", "i4"),
    ("DT_INT4", "int_val", [1, 2], "0102", "i1"),
    ("DT_UINT4", "int_val", [1, 2], "0102", "u1"),
    ("DT_INT2", "int_val", [1, -2], "01fe", "i1"),
    ("DT_UINT2", "int_val", [1, 2], "0102", "u1"),
    ("DT_COMPLEX64", "scomplex_val", [1, 0, 2, 0], "0000803f000000000000004000000000", "c8"),
    ("DT_COMPLEX128", "dcomplex_val", [1, 0, 2, 0], "000000000000f03f" + "00" * 15 + "40" + "00" * 8, "c16"),
]


@pytest.mark.parametrize(("dtype", "field", "values", "content", "expected"), ONE_AND_TWO)
def test_values_and_content_are_read_in_every_type(
    dtype: str, field: str, values: Any, content: str, expected: str
) -> None:
    array = np.array([1, -2 if dtype == "DT_INT2" else 2], expected)
    for proto in (
        tensor_proto(dtype, [2], **{field: values}),
        tensor_proto(dtype, [2], tensor_content=bytes.fromhex(content)),
    ):
        assert_same_array(array_of_tensor_proto(proto), array)
        assert_same_array(array_of_tensor_object(tensor_object_of(proto)), array)


@pytest.mark.parametrize(
    ("dtype", "bits", "values"),
    [
        ("DT_FLOAT8_E5M2", b"\x7c\xfc\x7d\x01\x7b\x80", [np.inf, -np.inf, np.nan, 2.0**-16, 57344, -0.0]),
        ("DT_FLOAT8_E4M3FN", b"\x7f\xff\x7e\x01", [np.nan, np.nan, 448, 2.0**-9]),
        ("DT_FLOAT8_E4M3FNUZ", b"\x80\x7f\x01", [np.nan, 240, 2.0**-10]),
        ("DT_FLOAT8_E4M3B11FNUZ", b"\x80\x7f\x01", [np.nan, 30, 2.0**-13]),
        ("DT_FLOAT8_E5M2FNUZ", b"\x80\x7f\x01", [np.nan, 57344, 2.0**-17]),
    ],
)
def test_the_ends_of_the_8_bit_floats(dtype: str, bits: bytes, values: list[float]) -> None:
    proto = tensor_proto(dtype, [len(bits)], tensor_content=bits)
    np.testing.assert_array_equal(array_of_tensor_proto(proto), values)


def test_bools_and_strings_are_read_from_values_and_content() -> None:
    assert array_of_tensor_proto(tensor_proto("DT_BOOL", [2], bool_val=[True, False])).tolist() == [True, False]
    assert array_of_tensor_proto(tensor_proto("DT_BOOL", [2], tensor_content=b"\1\0")).tolist() == [True, False]
    assert array_of_tensor_proto(tensor_proto("DT_STRING", [2], string_val=[b"a", b"bc"])).tolist() == [b"a", b"bc"]
    content = b"\x01\x80\x01" + b"a" + b"b" * 128  # two lengths, one of them two bytes long
    strings = array_of_tensor_proto(tensor_proto("DT_STRING", [2], tensor_content=content))
    assert strings.tolist() == [b"a", b"b" * 128]


def test_the_last_value_stands_for_the_rest_and_zero_for_none() -> None:
    assert array_of_tensor_proto(tensor_proto("DT_INT32", [2, 2], int_val=[1, 2])).tolist() == [[1, 2], [2, 2]]
    assert array_of_tensor_proto(tensor_proto("DT_INT32", [2])).tolist() == [0, 0]
    assert array_of_tensor_proto(tensor_proto("DT_STRING", [2], string_val=[b"a"])).tolist() == [b"a", b"a"]
    assert array_of_tensor_proto(tensor_proto("DT_STRING", [1])).tolist() == [b""]
    assert array_of_tensor_proto(tensor_proto("DT_COMPLEX64", [2], scomplex_val=[1, 2])).tolist() == [1 + 2j] * 2
    assert array_of_tensor_proto(tensor_proto("DT_HALF", [2])).tolist() == [0, 0]


def test_scalars_and_empty_tensors_have_their_shapes() -> None:
    assert array_of_tensor_proto(tensor_proto("DT_FLOAT", [], float_val=[1.5])).shape == ()
    assert array_of_tensor_proto(tensor_proto("DT_FLOAT", [0, 3])).shape == (0, 3)
    assert array_of_tensor_proto(tensor_proto("DT_STRING", [0])).shape == (0,)


@pytest.mark.parametrize(
    ("proto", "text"),
    [
        (tensor_proto("DT_INVALID", [1]), "data.tftensor.dtype: must be a type of numbers"),
        (tensor_proto("DT_RESOURCE", [1]), "data.tftensor.dtype: .*DT_RESOURCE"),
        (tensor_proto("DT_VARIANT", [1]), "data.tftensor.dtype: .*DT_VARIANT"),
        (tensor_proto("DT_FLOAT_REF", [1]), "data.tftensor.dtype: .*DT_FLOAT_REF"),
        (tensor_proto("DT_FLOAT", [2, -1], float_val=[1]), r"every dimension must be known \(got \[2, -1\]\)"),
        (tensor_proto("DT_FLOAT", [2], float_val=[1, 2, 3]), r"float_val: must have at most the 2 .* \(got 3\)"),
        (tensor_proto("DT_FLOAT", [2], tensor_content=b"1234"), "tensor_content: must have the 8 bytes of shape"),
        (tensor_proto("DT_FLOAT", [2], tensor_content=b"12345"), "tensor_content: must have the 8 bytes of shape"),
        (tensor_proto("DT_STRING", [2], tensor_content=b"\x01\x05ab"), "lengths of 2 strings"),
        (tensor_proto("DT_STRING", [2**40], tensor_content=b"\x01"), "lengths of 1099511627776 strings"),
        (tensor_proto("DT_UINT8", [1], int_val=[300]), "int_val: must be values of uint8"),
        (tensor_proto("DT_COMPLEX64", [1], scomplex_val=[1]), "scomplex_val: must be pairs"),
        (tensor_proto("DT_FLOAT", [2**40], float_val=[1]), f"at most .*|stand for {MAX_REPEATED_ELEMENTS}"),
    ],
)
def test_what_a_tensor_cannot_be_is_refused(proto: Any, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        array_of_tensor_proto(proto)


def test_an_unknown_rank_is_refused() -> None:
    proto = tensor_proto("DT_FLOAT", [], float_val=[1])
    proto.tensor_shape.unknown_rank = True
    with pytest.raises(MessageError, match="the rank must be known"):
        array_of_tensor_proto(proto)
    with pytest.raises(MessageError, match="the rank must be known"):
        array_of_tensor_object(tensor_object_of(proto))


def test_arrays_of_other_objects_are_refused() -> None:
    with pytest.raises(MessageError, match="must hold str or bytes alone"):
        tensor_proto_of(np.array([1, "a"], dtype=object))
    with pytest.raises(MessageError, match="has no TensorFlow type"):
        tensor_proto_of(np.array(["2020-01-01"], dtype="M8[D]"))


@pytest.mark.parametrize("dtype", ["DT_DOUBLE", 2])
@pytest.mark.parametrize("size", [2, "2"])
@pytest.mark.parametrize(("shape", "values"), [("tensorShape", "doubleVal"), ("tensor_shape", "double_val")])
def test_json_may_be_camel_case_or_snake_case_and_name_or_number(
    dtype: Any, size: Any, shape: str, values: str
) -> None:
    tensor = {"dtype": dtype, shape: {"dim": [{"size": size}]}, values: [1, "-Infinity"]}
    assert array_of_tensor_object(tensor).tolist() == [1, -np.inf]


def test_json_integers_may_be_strings_or_whole_doubles() -> None:
    tensor = {"dtype": "DT_INT64", "tensorShape": {"dim": [{"size": "3"}]}, "int64Val": ["9223372036854775807", 2.0, 3]}
    assert array_of_tensor_object(tensor).tolist() == [2**63 - 1, 2, 3]


def test_json_has_64_bit_integers_as_strings() -> None:
    proto = tensor_proto("DT_INT64", [1], int64_val=[2**63 - 1])
    assert tensor_object_of(proto) == {
        "dtype": "DT_INT64",
        "tensorShape": {"dim": [{"size": "1"}]},
        "int64Val": ["9223372036854775807"],
    }


def test_json_keeps_what_an_array_does_not_hold() -> None:
    tensor = {"dtype": "DT_QINT8", "tensorShape": {"dim": [{"size": "1", "name": "rows"}]}, "versionNumber": 1}
    assert tensor_object_of(tensor_proto_of_object(tensor)) == tensor


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        ({}, "data.tftensor.dtype"),
        ({"dtype": "FLOAT"}, "data.tftensor.dtype: .*FLOAT"),
        ({"dtype": [1]}, "data.tftensor.dtype"),
        ({"dtype": "DT_FLOAT", "tensorShape": [2]}, "data.tftensor.tensorShape: must be a JSON object"),
        ({"dtype": "DT_FLOAT", "tensorShape": {"dim": [2]}}, "data.tftensor.tensorShape.dim"),
        ({"dtype": "DT_FLOAT", "tensorShape": {"dim": 2}}, "data.tftensor.tensorShape.dim"),
        ({"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": "x"}]}}, "data.tftensor.tensorShape.dim"),
        ({"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": -1}]}}, "every dimension must be known"),
        ({"dtype": "DT_FLOAT", "floatVal": 1}, "data.tftensor.floatVal: must be an array"),
        ({"dtype": "DT_FLOAT", "floatVal": ["x"]}, r"data.tftensor.floatVal\[0\]: must be a number \(got 'x'\)"),
        ({"dtype": "DT_FLOAT", "floatVal": [None]}, r"floatVal\[0\]: must be a number"),
        ({"dtype": "DT_INT32", "intVal": [1.5]}, r"intVal\[0\]: must be an integer"),
        ({"dtype": "DT_INT8", "intVal": [1000]}, "intVal: must be values of int8"),
        ({"dtype": "DT_INT64", "int64Val": ["99999999999999999999"]}, "int64Val: must be values of int64"),
        ({"dtype": "DT_BOOL", "boolVal": [1]}, r"boolVal\[0\]: must be true or false"),
        ({"dtype": "DT_STRING", "stringVal": ["?"]}, r"stringVal\[0\]: must be base64"),
        ({"dtype": "DT_FLOAT", "tensorContent": "?"}, "tensorContent: must be base64"),
    ],
)
def test_json_that_is_no_tensor_is_refused(tensor: dict[str, Any], text: str) -> None:
    with pytest.raises(MessageError, match=text):
        array_of_tensor_object(tensor)


def test_json_that_protobuf_refuses_names_the_field() -> None:
    with pytest.raises(MessageError, match=r"data\.tftensor: .*floatVal"):
        tensor_proto_of_object({"dtype": "DT_FLOAT", "floatVal": ["x"]})
