"""The JSON of messages of any type, held against protobuf's own reader and printer."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from gaal.errors import MessageError
from gaal.protocols.base64_text import encode_base64
from gaal.protocols.own_types import OwnTypes
from gaal.protocols.proto_json import shortest_float

from .own_protos import compiled, filled, message_types, order_types
from .strategies import any_message, float32s


def made_up(files: bytes) -> tuple[OwnTypes, Any]:
    types = OwnTypes(files, "made.Up")
    return types, GetMessageClass(types.types.find("made.Up"))


@given(message_types(), st.data())
def test_a_message_of_any_type_survives_its_json(files: bytes, data: st.DataObject) -> None:
    types, kind = made_up(files)
    message = data.draw(filled(kind()))
    packed = types.any_of(types.json_form.object_of(message))
    assert kind.FromString(packed.value) == message


@given(message_types(), st.data())
def test_what_is_printed_protobufs_own_reader_understands_in_the_same_way(files: bytes, data: st.DataObject) -> None:
    types, kind = made_up(files)
    message = data.draw(filled(kind()))
    shown = types.json_form.object_of(message)
    assert json_format.ParseDict(_with_named_numbers(shown), kind()) == message


@given(message_types(), st.booleans(), st.booleans(), st.data())
def test_what_protobufs_own_printer_prints_is_read_in_the_same_way(
    files: bytes, with_defaults: bool, proto_names: bool, data: st.DataObject
) -> None:
    types, kind = made_up(files)
    message = data.draw(filled(kind()))
    shown = json_format.MessageToDict(
        message, always_print_fields_with_no_presence=with_defaults, preserving_proto_field_name=proto_names
    )
    before = deepcopy(shown)
    assert types.json_form.message_of(kind.DESCRIPTOR, shown, "data") == message
    assert shown == before


def _with_named_numbers(value: Any) -> Any:
    """Infinity by its name, as `json_text.dump` prints it."""
    if isinstance(value, dict):
        return {key: _with_named_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_named_numbers(item) for item in value]
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


ALL_SET: Any = {
    "customer_name": "a", "total": 1.5, "express": True, "size": "LARGE", "picture": "AAE=", "number": 2**60,
    "weight": 3, "lines": [{"article": "x", "n_pieces": 1, "parts": []}], "discounts": {"k": 0.5},
    "by_number": {"-4": {"article": "", "n_pieces": 0, "parts": []}}, "flags": {"true": "y", "false": "n"},
    "card": "1", "rebate": 2.7, "scores": [0.1], "extra": {"@type": "t/shop.Order.Line", "article": "z", "n_pieces": 0,
    "parts": []}, "notes": {"n": [1.0, None, {"a": "b"}]}, "anything": None, "at": "2020-01-02T03:04:05Z",
    "takes": "1.500s", "maybe": 0.0, "sizes": ["SMALL", 9], "large": 2**64 - 1, "many": [True],
    "nothing": "NULL_VALUE",
}  # fmt: skip


def test_every_kind_of_field_is_read_and_written() -> None:
    types = order_types()
    assert types.json_of(types.any_of(ALL_SET)) == ALL_SET


def test_defaults_are_written_and_fields_with_presence_only_where_set() -> None:
    types = order_types()
    shown: Any = types.json_of(types.any_of({}))
    assert (shown["total"], shown["express"], shown["size"], shown["lines"], shown["discounts"]) == (
        0.0, False, "SMALL", [], {},
    )  # fmt: skip
    assert not {"rebate", "card", "voucher", "extra", "notes", "at", "maybe"} & shown.keys()


@pytest.mark.parametrize(
    ("given_json", "field", "value"),
    [
        ({"customerName": "x"}, "customer_name", "x"),
        ({"customer_name": 12345}, "customer_name", "12345"),
        ({"total": "2.5"}, "total", 2.5),
        ({"total": "Infinity"}, "total", math.inf),
        ({"number": "-9"}, "number", -9),
        ({"number": 3.0}, "number", 3),
        ({"number": "1e3"}, "number", 1000),
        ({"size": 1}, "size", 1),
        ({"picture": "_-8"}, "picture", b"\xff\xef"),
        ({"weight": None}, "weight", 0),
        ({"lines": None}, "customer_name", ""),
    ],
)
def test_other_ways_to_write_the_same_are_read_too(given_json: Any, field: str, value: Any) -> None:
    types = order_types()
    assert getattr(types.message_in(types.any_of(given_json)), field) == value


@pytest.mark.parametrize(
    ("given_json", "text"),
    [
        ({"totl": 1}, r"data: shop\.Order has no field 'totl'; did you mean total\?"),
        (
            {"lines": [{"artikel": 1}]},
            r"data\.lines\[0\]: shop\.Order\.Line has no field 'artikel'; did you mean article",
        ),
        ({"zzzz": 1}, r"has no field 'zzzz'; it has customer_name, total"),
        ({"weight": -1}, r"data\.weight: must be an unsigned integer of 32 bits \(got -1\)"),
        ({"weight": 2**32}, r"data\.weight: must be an unsigned integer of 32 bits \(got 4294967296\)"),
        ({"weight": 1.5}, r"data\.weight: must be an unsigned integer of 32 bits \(got 1\.5\)"),
        ({"number": 2**63}, r"data\.number: must be an integer of 64 bits"),
        ({"number": True}, r"data\.number: must be an integer of 64 bits \(got True\)"),
        ({"total": "x"}, r"data\.total: must be a number \(got 'x'\)"),
        ({"total": " 1"}, r"data\.total: must be a number"),
        ({"total": True}, r"data\.total: must be a number \(got True\)"),
        ({"total": 10**400}, r"data\.total: must be a number"),
        ({"rebate": 1e40}, r"data\.rebate: must be a number of 32 bits \(got 1e\+40\)"),
        ({"scores": [1, -1e40]}, r"data\.scores\[1\]: must be a number of 32 bits"),
        ({"scores": {}}, r"data\.scores: must be an array \(got \{\}\)"),
        ({"scores": [None]}, r"data\.scores\[0\]: must be a number of 32 bits \(got None\)"),
        ({"express": "true"}, r"data\.express: must be true or false \(got 'true'\)"),
        ({"customer_name": ["a"]}, r"data\.customer_name: must be a string"),
        ({"customer_name": "\ud800"}, r"data\.customer_name: must be a string"),
        ({"size": "LARG"}, r"data\.size: must be a shop\.Size, LARGE \(got 'LARG'\)"),
        ({"size": 2**31}, r"data\.size: must be a shop\.Size"),
        ({"picture": "?"}, r"data\.picture: must be a base64 string"),
        ({"lines": [3]}, r"data\.lines\[0\]: must be a JSON object, a shop\.Order\.Line \(got 3\)"),
        ({"lines": [None]}, r"data\.lines\[0\]: must be a JSON object \(got None\)"),
        ({"discounts": []}, r"data\.discounts: must be a JSON object"),
        ({"discounts": {"k": "x"}}, r"data\.discounts\.k: must be a number"),
        ({"by_number": {"x": {}}}, r"data\.by_number\.x: must be an integer of 32 bits"),
        ({"by_number": {"1": None}}, r"data\.by_number\.1: must be a JSON object"),
        ({"flags": {"yes": ""}}, r"data\.flags: must have keys that are true or false \(got 'yes'\)"),
        ({"card": "1", "voucher": {}}, r"data: must have one of card and voucher, not both"),
        ({"customerName": "a", "customer_name": "b"}, r"customerName and customer_name are the same field"),
        ({"at": "yesterday"}, r"data\.at: must be the JSON of a google\.protobuf\.Timestamp \(got 'yesterday'\)"),
        ({"takes": 3}, r"data\.takes: must be the JSON of a google\.protobuf\.Duration"),
        ({"notes": 3}, r"data\.notes: must be the JSON of a google\.protobuf\.Struct"),
        ({"maybe": "x"}, r"data\.maybe: must be a number \(got 'x'\)"),
        ({"extra": {"a": 1}}, r"data\.extra\.@type: must name the type of the message"),
        ({"extra": 1}, r"data\.extra: must be a JSON object with @type"),
        ({"extra": {"@type": "t/no.Such", "a": 1}}, r"data\.extra\.@type: must name a type that is known here"),
        ({"extra": {"@type": "t/shop.Order", "total": "x"}}, r"data\.extra\.total: must be a number"),
        ([1], r"data: must be a JSON object, a shop\.Order \(got \[1\]\)"),
        (None, r"data: must be a JSON object, a shop\.Order \(got None\)"),
    ],
)
def test_what_does_not_fit_is_refused_with_place_rule_and_value(given_json: Any, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        order_types().any_of(given_json)


def test_messages_that_are_nested_too_deep_are_refused() -> None:
    nested: Any = {}
    for _ in range(200):
        nested = {"parts": [nested]}
    with pytest.raises(MessageError, match="nested too deep"):
        order_types().any_of({"lines": [nested]})


def test_an_any_of_an_unknown_type_is_base64_both_ways() -> None:
    types = order_types()
    unknown = {"@type": "type.test/un.known", "value": "AAE="}
    shown: Any = types.json_of(types.any_of({"extra": unknown}))
    assert shown["extra"] == unknown


def test_an_any_with_malformed_content_is_shown_as_base64() -> None:
    types = order_types()
    message = types.message_of({})[0]
    message.extra.type_url, message.extra.value = "t/shop.Order", b"\xff"
    assert types.json_form.object_of(message)["extra"] == {"@type": "t/shop.Order", "value": "/w=="}


def test_anys_within_anys_without_end_are_refused() -> None:
    types = order_types()
    inner = any_message("t/google.protobuf.Any", b"")
    for _ in range(2000):
        inner = any_message("t/google.protobuf.Any", inner.SerializeToString())
    with pytest.raises(MessageError, match="nested too deep"):
        types.json_of(inner)
    shown: Any = types.reply_json_of(inner)
    assert shown["@type"] == "t/google.protobuf.Any"


def test_a_message_that_has_no_json_is_refused_but_in_an_any_it_is_base64() -> None:
    types = order_types()
    message = types.message_of({})[0]
    message.at.seconds = 2**62
    with pytest.raises(MessageError, match=r"a google\.protobuf\.Timestamp has no JSON"):
        types.json_form.object_of(message)
    packed = any_message("t/shop.Order", message.SerializeToString())
    assert types.reply_json_of(packed) == {"@type": "t/shop.Order", "value": encode_base64(packed.value)}


PROTO2 = """
syntax = "proto2";
package old;
enum Closed { A = 1; B = 2; }
message Row {
  required int32 id = 1;
  optional int32 size = 2 [default = 7];
  optional Closed kind = 3;
  optional string note = 4;
}
"""


def test_proto2_has_required_fields_defaults_and_closed_enums() -> None:
    types = OwnTypes(compiled(PROTO2))
    with pytest.raises(MessageError, match=r"data: a old\.Row needs the field id"):
        types.any_of({"size": 1})
    with pytest.raises(MessageError, match=r"data\.kind: must be a old\.Closed, A or B \(got 3\)"):
        types.any_of({"id": 1, "kind": 3})
    message = types.message_of({"id": 1})[0]
    assert types.json_of(types.any_of({"id": 1})) == {"id": 1}
    assert types.row_of(message) == (("id", "size", "kind", "note"), [1, 7, None, None])


@given(float32s)
def test_the_shortest_double_is_still_the_same_number_of_32_bits(value: float) -> None:
    assert np.float32(shortest_float(value)) == np.float32(value)
    assert len(repr(shortest_float(value))) <= len(repr(value))
