from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaal.protocols.descriptors import message_class
from gaal.protocols.wire_format import fields, head, varint, without


@given(st.integers(0, 2**40), st.integers(1, 15))
def test_the_head_of_a_field_is_read_as_it_was_written(n_bytes: int, number: int) -> None:
    written = head(number, n_bytes)
    assert varint(written, 0) == (number << 3 | 2, 1)
    assert varint(written, 1) == (n_bytes, len(written))


def message(**parts: Any) -> bytes:
    made: Any = message_class("seldon.protos.SeldonMessage")(**parts)
    return bytes(made.SerializeToString())


def test_a_field_deep_inside_is_taken_out() -> None:
    body = message(data={"names": ["a"], "tensor": {"shape": [1], "values": [1.5]}}, meta={"puid": "x"})
    split = without(body, 3, 2, 2)
    assert split is not None
    rest, values = split
    assert len(values) == 8
    parsed: Any = message_class("seldon.protos.SeldonMessage").FromString(rest)
    assert (list(parsed.data.names), list(parsed.data.tensor.shape), parsed.meta.puid) == (["a"], [1], "x")
    assert list(parsed.data.tensor.values) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        message(strData="x"),
        message(data={"ndarray": {}}),
        message(data={"tensor": {"shape": [1]}}),
        message(data={"tensor": {"values": [1]}}) * 2,
        message(data={"tensor": {"values": [1]}})[:-1],
        b"\x08\x01" + message(data={"tensor": {"values": [1]}}),
    ],
)
def test_a_field_that_is_not_there_just_once_is_left_to_the_parser(body: bytes) -> None:
    assert without(body, 3, 2, 2) is None


@given(st.binary(max_size=30))
def test_any_bytes_have_fields_or_something_else(body: bytes) -> None:
    found = list(fields(body, 0, len(body)))
    assert all(each is not None and each.end <= len(body) for each in found[:-1])
