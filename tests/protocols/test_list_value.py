from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gaal.messages import Array
from gaal.protocols.descriptors import message_class
from gaal.protocols.list_value import grid_of_numbers, list_value_of_numbers, numbers_of_list_value

from .strategies import doubles, json_values, shapes

number_arrays = st.sampled_from(["f2", "f4", "f8", ">f8", "i1", "i8", "u8"]).flatmap(
    lambda dtype: arrays.arrays(dtype, shapes)
)


def list_value(values: Any) -> bytes:
    message: Any = message_class("google.protobuf.ListValue")()
    message.extend(values)
    serialized: bytes = message.SerializeToString()
    return serialized


@given(number_arrays)
def test_arrays_are_written_as_protobuf_writes_their_lists(array: Array) -> None:
    assert list_value_of_numbers(array) == list_value(array.astype(np.float64).tolist())


@given(number_arrays)
def test_arrays_are_read_back(array: Array) -> None:
    found = numbers_of_list_value(list_value_of_numbers(array))
    if array.size:
        assert found is not None
        np.testing.assert_array_equal(found, array.astype(np.float64), strict=True)
        assert found.flags.writeable
    else:
        assert found is None


@pytest.mark.parametrize("shape", [(1000, 100), (3, 50_000), (200_000,), (20, 30, 40)])
def test_large_arrays_are_read_back(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).normal(size=shape)
    assert list_value_of_numbers(array) == list_value(array.tolist())
    np.testing.assert_array_equal(numbers_of_list_value(list_value_of_numbers(array)), array)


@given(st.lists(json_values(doubles), max_size=4))
def test_anything_but_a_grid_of_numbers_is_left_alone(values: list[Any]) -> None:
    found = numbers_of_list_value(list_value(values))
    if found is not None:
        assert found.tolist() == values


@given(st.binary(max_size=60))
def test_any_bytes_are_left_alone(serialized: bytes) -> None:
    found = numbers_of_list_value(serialized)
    assert found is None or list_value_of_numbers(found) == serialized


@pytest.mark.parametrize(
    "values", [[[1.0, 2.0], [3.0]], [[1.0], 2.0], [1.0, [2.0]], [[1.0, True]], [[1.0, "a"]], [[1.0, None]], [[]], []]
)
def test_ragged_and_mixed_lists_are_left_alone(values: list[Any]) -> None:
    assert numbers_of_list_value(list_value(values)) is None


@given(st.lists(json_values(doubles), max_size=4))
def test_only_lists_of_numbers_alone_are_a_grid(values: list[Any]) -> None:
    grid = grid_of_numbers(values)
    if grid is not None:
        assert list_value_of_numbers(grid) == list_value(values)


@pytest.mark.parametrize("values", [[[1.0, 2.0], [3.0]], [[1.0, True]], [[1.0, "a"]], [[1.0, None]], [2**70], [[1], 2]])
def test_other_lists_are_no_grid(values: list[Any]) -> None:
    assert grid_of_numbers(values) is None
