from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gaal.errors import MessageError
from gaal.messages import Array, Encoding, Kind, Message, Meta, Payload, Status
from gaal.protocols import typed_message
from gaal.protocols.named_tensors import Named, payload_of_arrays
from gaal.protocols.open_inference import rest
from gaal.protocols.open_inference.inference import message_of

shapes = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
numbers = st.sampled_from(["?", "u1", "i2", "i8", "u8", "f2", "f4", "f8", "U3"]).flatmap(
    lambda dtype: arrays.arrays(dtype, shapes)
)
objects = arrays.arrays(object, shapes, elements=st.binary(max_size=4) | st.text("aö", max_size=3) | st.integers(0, 9))


def there_and_back(message: Message) -> Message:
    return typed_message.decode_message(typed_message.encode_message(message))


def same(one: Array, other: Array) -> bool:
    equal = bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
    return (one.dtype, one.shape) == (other.dtype, other.shape) and equal


@given(numbers | objects)
def test_an_array_stays_what_it_is(array: Array) -> None:
    back = there_and_back(Message(Payload(Kind.NDARRAY, array, ("a",)), Meta("id", {"t": 1}), Status(1, "x")))
    assert back.payload is not None
    assert same(back.payload.array, array)
    assert back.payload.array.flags.writeable
    assert (list(back.payload.names), back.meta, back.status) == (["a"], Meta("id", {"t": 1}), Status(1, "x"))


def test_several_arrays_keep_their_names() -> None:
    named: dict[str, Array] = {"a": np.ones((1, 2), "f4"), "b": np.array([b"x"], dtype=object)}
    back = there_and_back(Message(payload_of_arrays(named)))
    assert back.payload is not None
    assert back.payload.kind is Kind.TENSORS
    assert all(same(back.payload.value[name], array) for name, array in named.items())
    assert isinstance(back.payload.source, Named)


@pytest.mark.parametrize(
    "payload", [None, Payload(Kind.STR_DATA, "x"), Payload(Kind.JSON_DATA, {"a": [1]}), Payload(Kind.BIN_DATA, b"x")]
)
def test_any_other_payload_is_carried_too(payload: Payload | None) -> None:
    back = there_and_back(Message(payload))
    assert (back.payload and back.payload.value) == (payload and payload.value)


def test_it_is_needed_for_what_has_types_or_several_arrays() -> None:
    request = b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}'
    assert typed_message.is_needed(message_of(rest.decode_request(request), Encoding.JSON).payload)
    assert typed_message.is_needed(Payload(Kind.TENSORS, {"a": np.ones(1)}))
    assert typed_message.is_needed(Payload(Kind.JSON_DATA, {"a": np.ones(1)}))
    assert typed_message.is_needed(Payload(Kind.TENSOR, np.ones(1, "f4")))
    assert not typed_message.is_needed(Payload(Kind.JSON_DATA, {"a": [1]}))
    assert not typed_message.is_needed(Payload(Kind.NDARRAY, [[1]]))
    assert not typed_message.is_needed(Payload(Kind.TENSOR, np.ones(1)))
    assert not typed_message.is_needed(None)


def test_lists_of_messages_are_carried() -> None:
    sent = [Message(Payload(Kind.TENSOR, np.full(2, n, "f4"))) for n in range(3)]
    back = typed_message.decode_message_list(typed_message.encode_message_list(sent))
    values: list[Any] = [each.payload.array.tolist() for each in back if each.payload is not None]
    assert values == [[0, 0], [1, 1], [2, 2]]


@given(st.binary(max_size=30))
def test_any_bytes_are_a_message_or_refused(body: bytes) -> None:
    with suppress(MessageError):
        typed_message.decode_message(body)
