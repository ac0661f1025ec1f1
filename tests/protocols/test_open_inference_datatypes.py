from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.utils import (  # type: ignore[import-untyped]
    deserialize_bytes_tensor,
    np_to_triton_dtype,
    serialize_byte_tensor,
)

from gaal.errors import MessageError
from gaal.messages import Array
from gaal.protocols.json_text import dump, parse
from gaal.protocols.open_inference.datatypes import (
    array_of_raw,
    array_of_values,
    datatype_of,
    raw_of_array,
    values_of_array,
)

NUMERIC = ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]
shapes = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
numbers = st.sampled_from([*NUMERIC, ">f4", ">i8"]).flatmap(
    lambda dtype: arrays.arrays(dtype, shapes, elements={"allow_nan": True} if "f" in dtype else None)
)
strings = arrays.arrays(object, shapes, elements=st.binary(max_size=5))
texts = arrays.arrays(object, shapes, elements=st.text(st.characters(exclude_categories=["Cs"]), max_size=5))


def same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


@given(numbers | strings)
def test_raw_elements_are_read_as_they_were_written(array: Array) -> None:
    datatype = datatype_of(array)
    back = array_of_raw(datatype, array.shape, bytes(raw_of_array(array, datatype)), "x")
    assert same(back, array)
    assert back.flags.writeable


@given(st.sampled_from(NUMERIC), st.integers(0, 70), st.integers(1, 3), st.sampled_from("<>"))
def test_raw_elements_are_the_same_however_an_array_lies_in_memory(
    dtype: str, side: int, step: int, order: Literal["<", ">"]
) -> None:
    square = np.arange(side * side).reshape(side, side).astype(np.dtype(dtype).newbyteorder(order))
    for array in (square, square.T, square[::step, ::-step]):
        expected = array.astype(np.dtype(dtype).newbyteorder("<")).tobytes()
        assert bytes(raw_of_array(array, datatype_of(array))) == expected
        printed = parse(dump(values_of_array(array, datatype_of(array))))
        assert printed == array.astype(dtype).reshape(-1).tolist()


@pytest.mark.parametrize("dtype", ["q", "l", "Q", "L", "p", "P"])
def test_types_of_one_width_have_one_datatype(dtype: str) -> None:
    kind = "INT" if np.dtype(dtype).kind == "i" else "UINT"
    assert datatype_of(np.zeros(1, dtype)) == f"{kind}{np.dtype(dtype).itemsize * 8}"


@given(numbers)
def test_elements_of_json_are_read_as_they_were_written(array: Array) -> None:
    datatype = datatype_of(array)
    text = dump(values_of_array(array, datatype))
    assert same(array_of_values(datatype, array.shape, parse(text), "x"), array)


@given(texts)
def test_texts_in_json_are_utf_8(array: Array) -> None:
    back = array_of_values("BYTES", array.shape, values_of_array(array, "BYTES"), "x")
    assert [item.decode() for item in back.reshape(-1).tolist()] == array.reshape(-1).tolist()


@pytest.mark.parametrize("dtype", NUMERIC)
def test_numbers_have_the_datatypes_that_tritonclient_gives_them(dtype: str) -> None:
    array = np.zeros(2, dtype)
    assert datatype_of(array) == np_to_triton_dtype(array.dtype)


def test_strings_are_written_as_tritonclient_writes_them() -> None:
    array = np.array(["a", "äö", ""], dtype=object)
    raw = bytes(raw_of_array(array, "BYTES"))
    assert raw == serialize_byte_tensor(array).item()
    assert deserialize_bytes_tensor(raw).tolist() == array_of_raw("BYTES", (3,), raw, "x").tolist()


@given(arrays.arrays("f4", shapes, elements=st.floats(width=32)))
def test_bfloat16_is_the_nearest_that_it_can_hold(array: Array) -> None:
    back = array_of_raw("BF16", array.shape, bytes(raw_of_array(array, "BF16")), "x")
    finite = np.isfinite(array) & (np.abs(array) < 3e38)
    assert np.allclose(back[finite], array[finite], rtol=2**-8, atol=1e-38)
    assert np.array_equal(np.isnan(back), np.isnan(array))
    again = array_of_raw("BF16", array.shape, bytes(raw_of_array(back, "BF16")), "x")
    assert same(again, back)


def test_elements_may_stand_flat_or_nested() -> None:
    assert array_of_values("INT32", (2, 2), [[1, 2], [3, 4]], "x").tolist() == [[1, 2], [3, 4]]
    assert array_of_values("INT32", (2, 2), [1, 2, 3, 4], "x").tolist() == [[1, 2], [3, 4]]
    assert array_of_values("BYTES", (2, 1), [["a"], ["b"]], "x").tolist() == [[b"a"], [b"b"]]


def test_names_of_numbers_without_a_literal_are_read() -> None:
    assert np.isnan(array_of_values("FP32", (2,), ["NaN", 1.0], "x")[0])


def test_long_integers_keep_every_digit() -> None:
    values = [2**63 - 1, 2**63]
    assert array_of_values("UINT64", (2,), values, "x").tolist() == values


@pytest.mark.parametrize(
    ("datatype", "shape", "values", "text"),
    [
        ("INT8", [1], [300], "inputs[0].data: must be integers that INT8 can hold (got 300)"),
        ("INT32", [1], [1.5], "inputs[0].data: must be integers that INT32 can hold (got 1.5)"),
        ("UINT8", [1], [-1], "must be integers that UINT8 can hold (got -1)"),
        ("BOOL", [1], [2], "must be true or false that BOOL can hold (got 2)"),
        ("FP32", [1], ["x"], "must be numbers for FP32 (got ['x'])"),
        ("FP64", [1], [True], "must be numbers for FP64 (got [True])"),
        ("FP64", [1], [None], "must be numbers for FP64 (got [None])"),
        ("FP64", [2], [[1], [1, 2]], "must be numbers in an even array"),
        ("FP64", [3], [1, 2], "must have the 3 elements of shape [3] (got '2')"),
        ("BYTES", [1], [1], "must be strings for BYTES (got 1)"),
        ("INT32", [1], {"a": 1}, "must be an array"),
        ("INT64", [1], [2**64], "INT64"),
        ("INT64", [2], [2**63, -1], "must be integers in an even array"),
    ],
)
def test_elements_that_do_not_fit_are_refused(datatype: str, shape: list[int], values: Any, text: str) -> None:
    with pytest.raises(MessageError, match=re.escape(text)):
        array_of_values(datatype, shape, values, "inputs[0].data")


@pytest.mark.parametrize(
    ("datatype", "shape", "raw", "text"),
    [
        ("FP32", [2], b"1234", "must have the 8 bytes of FP32 in shape [2] (got '4 bytes')"),
        ("BYTES", [1], b"\x05\0\0\0ab", "string 0 must end within the 6 bytes"),
        ("BYTES", [2], b"\x01\0\0\0a", "must hold 2 strings, each behind its length"),
        ("BYTES", [1], b"\x01\0\0\0abc", "must hold 1 strings"),
    ],
)
def test_raw_elements_that_do_not_fit_are_refused(datatype: str, shape: list[int], raw: bytes, text: str) -> None:
    with pytest.raises(MessageError, match=re.escape(text)):
        array_of_raw(datatype, shape, raw, "inputs[0]")


def test_an_array_without_a_datatype_is_refused() -> None:
    with pytest.raises(MessageError, match="an array of complex128 has no datatype in the protocol"):
        datatype_of(np.zeros(1, complex))
