"""What is made of the data that a caller has at hand, and of the data in a reply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gaal.client.payloads import PayloadKind, message_of
from gaal.client.replies import Reply
from gaal.errors import MessageError
from gaal.messages import Kind, Message, Meta, Payload
from gaal.protocols import seldon_json, seldon_proto


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (np.ones((2, 2)), Kind.TENSOR),
        (np.array([["a"]]), Kind.NDARRAY),
        (np.array([True]), Kind.NDARRAY),
        ([1, 2], Kind.TENSOR),
        ((1.0, 2.0), Kind.TENSOR),
        ([[1, "a"]], Kind.NDARRAY),
        ([[1], [2, 3]], Kind.NDARRAY),
        ([[1, None]], Kind.NDARRAY),
        (pd.DataFrame({"a": [1, 2]}), Kind.TENSOR),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), Kind.NDARRAY),
        ("text", Kind.STR_DATA),
        (b"bytes", Kind.BIN_DATA),
        (bytearray(b"bytes"), Kind.BIN_DATA),
        ({"a": 1}, Kind.JSON_DATA),
    ],
)
def test_the_kind_follows_from_the_data(data: Any, kind: Kind) -> None:
    payload = message_of(data).payload

    assert payload is not None
    assert payload.kind is kind


def test_mixed_rows_keep_their_numbers() -> None:
    assert b'[[1,"a",null]]' in seldon_json.encode_message(message_of([[1, "a", None]]))


def test_integers_stay_integers_in_json() -> None:
    assert b'"values":[1,2]' in seldon_json.encode_message(message_of(np.array([[1, 2]])))


def test_names_may_come_in_any_sequence() -> None:
    names: Any = pd.Index(["a", 2])
    payload = message_of([[1, 2]], names=names).payload

    assert payload is not None
    assert payload.names == ["a", "2"]


def test_text_as_tftensor_becomes_bytes() -> None:
    payload = message_of([["a", "ü"]], kind="tftensor").payload

    assert payload is not None
    assert payload.value.tolist() == [[b"a", "ü".encode()]]


def test_a_list_can_be_sent_as_json_data() -> None:
    payload = message_of([1, {"a": 2}], kind="jsonData").payload

    assert payload is not None
    assert (payload.kind, payload.value) == (Kind.JSON_DATA, [1, {"a": 2}])


@pytest.mark.parametrize(
    ("data", "options", "says"),
    [
        (1, {}, "must be an array"),
        (None, {}, "must be an array"),
        ("text", {"kind": "tensor"}, "only an array has names and a kind"),
        ({"a": 1}, {"names": ["a"]}, "only an array has names and a kind"),
        ([["a"]], {"kind": "tensor"}, "numbers only"),
        ([1], {"kind": "matrix"}, "kind: must be one of"),
    ],
)
def test_what_cannot_be_sent_is_named(data: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(MessageError, match=says):
        message_of(data, **options)


def test_tags_and_a_puid_are_added_to_a_message_that_stays_as_it_is() -> None:
    given_message = Message(Payload(Kind.STR_DATA, "x"), Meta(puid="old", tags={"a": 1}))
    sent = message_of(given_message, tags={"b": 2}, puid="new")

    assert (sent.meta.puid, sent.meta.tags) == ("new", {"a": 1, "b": 2})
    assert (given_message.meta.puid, given_message.meta.tags) == ("old", {"a": 1})


@pytest.mark.parametrize("kind", ["tensor", "ndarray", "tftensor"])
@given(array=arrays(np.float64, array_shapes(min_dims=1, max_dims=3, max_side=5), elements=st.floats(-1e9, 1e9)))
def test_every_array_survives_both_wire_formats(kind: PayloadKind, array: Any) -> None:
    message = message_of(array, kind=kind)
    for encode, decode in (
        (seldon_json.encode_message, seldon_json.decode_message),
        (seldon_proto.encode_message, seldon_proto.decode_message),
    ):
        back = Reply(decode(encode(message))).data
        assert np.array_equal(back, array)


def test_a_reply_shows_what_is_in_it() -> None:
    reply = Reply(Message(Payload(Kind.TENSOR, np.array([[0.9, 0.1]]), ["yes", "no"]), Meta(puid="p")))

    assert reply.dataframe().to_dict("records") == [{"yes": 0.9, "no": 0.1}]
    assert reply.puid == "p"
    assert repr(reply).startswith("Reply(array([[0.9, 0.1]]), names=['yes', 'no']")


def test_one_dimension_is_a_table_of_one_column() -> None:
    table = Reply(Message(Payload(Kind.NDARRAY, [1, 2, 3]))).dataframe()

    assert table.shape == (3, 1)
    assert table[0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "payload", [None, Payload(Kind.STR_DATA, "x"), Payload(Kind.TENSOR, np.ones((1, 1, 1))), Payload(Kind.NDARRAY, 1)]
)
def test_what_is_no_table_is_none(payload: Payload | None) -> None:
    with pytest.raises(MessageError):
        Reply(Message(payload)).dataframe()


def test_a_reply_without_payload_has_no_data() -> None:
    reply = Reply(Message())

    assert reply.data is None
    assert reply.names == []
