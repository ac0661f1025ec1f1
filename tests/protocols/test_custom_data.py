from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from gaal.errors import MessageError
from gaal.protocols.custom_data import any_of_object, object_of_any

from .strategies import any_message, known_any, unknown_any


@given(known_any | unknown_any)
def test_messages_of_known_and_unknown_types_survive(message: Any) -> None:
    assert any_of_object(object_of_any(message), "customData") == message


def test_a_known_type_has_its_proto3_json_form() -> None:
    message = any_message("type.googleapis.com/seldon.protos.Status", b"\x08\x05\x20\x01")
    shown = {"@type": "type.googleapis.com/seldon.protos.Status", "code": 5, "status": "FAILURE"}
    assert object_of_any(message) == shown
    assert any_of_object(shown, "customData") == message


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("Struct", {"a": [1.0, None]}),
        ("Value", "x"),
        ("ListValue", [True]),
        ("Duration", "1.500s"),
        ("Timestamp", "2020-01-01T00:00:00Z"),
        ("Int64Value", "5"),
    ],
)
def test_a_well_known_type_has_its_proto3_json_form(type_: str, value: Any) -> None:
    shown = {"@type": f"type.googleapis.com/google.protobuf.{type_}", "value": value}
    assert object_of_any(any_of_object(shown, "customData")) == shown


def test_an_unknown_type_is_its_url_and_its_bytes() -> None:
    message = any_message("type.test/a.B", b"\xfb\xff")
    assert object_of_any(message) == {"@type": "type.test/a.B", "value": "+/8="}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "customData.@type: must name the type of the message"),
        ({"@type": 1}, "customData.@type: must name the type of the message"),
        ({"@type": "a/b", "value": 1}, "customData.value: must be a base64 string"),
        ({"@type": "a/b", "value": "?"}, "customData.value: must be base64"),
        ({"@type": "type.googleapis.com/seldon.protos.Status", "code": "x"}, "customData: .*code"),
        ({"@type": "type.googleapis.com/seldon.protos.Status", "nothing": 1}, "customData: .*nothing"),
    ],
)
def test_what_is_no_any_is_refused(value: dict[str, Any], text: str) -> None:
    with pytest.raises(MessageError, match=text):
        any_of_object(value, "customData")


def test_bytes_that_are_not_of_the_type_they_claim_are_refused() -> None:
    with pytest.raises(MessageError, match="customData: "):
        object_of_any(any_message("type.googleapis.com/seldon.protos.Status", b"\x08"))
