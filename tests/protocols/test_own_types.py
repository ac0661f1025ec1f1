"""Types that clients register, each client's in a pool of its own."""

from __future__ import annotations

import math
import re
from copy import deepcopy
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as ForeignAny
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from hypothesis import given
from hypothesis import strategies as st

from gaal.errors import MessageError, NotFound
from gaal.protocols.descriptors import file_by_name, message_class
from gaal.protocols.own_types import DEFAULT_CLASS, NO_TYPES, OwnTypes
from gaal.protocols.proto_schema import schema_of

from .own_protos import IRIS, IRIS_CLASS, compiled, iris_types, order_types
from .strategies import any_message, float32s

IRIS_URL = f"type.googleapis.com/{IRIS_CLASS}"
ROW: Any = {"f1": 1, "f2": 2.7, "f3": 5.3, "f4": 1.9}
ROW_BYTES = bytes.fromhex("0d0000803f15cdcc2c401d9a99a940253333f33f")
"""IrisPredictRequest(f1=1, f2=2.7, f3=5.3, f4=1.9), as protobuf 3.20.3 writes it."""


def test_json_becomes_the_any_that_protobuf_itself_packs() -> None:
    packed = iris_types().any_of(ROW)
    assert (packed.type_url, packed.value) == (IRIS_URL, ROW_BYTES)


def test_an_any_of_another_pool_is_shown_with_its_fields_and_no_type() -> None:
    packed = ForeignAny(type_url=IRIS_URL, value=ROW_BYTES)
    assert iris_types().json_of(packed) == {"f1": 1.0, "f2": 2.7, "f3": 5.3, "f4": 1.9}


def test_a_feature_that_is_zero_is_kept() -> None:
    types = iris_types()
    assert types.json_of(types.any_of({"f1": 1, "f2": 0})) == {"f1": 1.0, "f2": 0.0, "f3": 0.0, "f4": 0.0}


@pytest.mark.parametrize("url", [IRIS_URL, IRIS_CLASS, f"type.test/x/{IRIS_CLASS}"])
def test_a_type_that_the_caller_names_counts_whatever_stands_before_the_last_slash(url: str) -> None:
    given_json: Any = {"@type": url, **ROW}
    before = deepcopy(given_json)
    packed = iris_types().any_of(given_json)
    assert packed.value == ROW_BYTES
    assert packed.type_url == (url if "/" in url else IRIS_URL)
    assert given_json == before


def test_another_type_of_the_set_may_be_named() -> None:
    types = order_types()
    packed = types.any_of({"@type": "shop.Order.Line", "article": "x"})
    assert packed.type_url == "type.googleapis.com/shop.Order.Line"
    assert types.json_of(packed) == {"article": "x", "n_pieces": 0, "parts": []}


def test_a_type_that_is_not_registered_is_refused_by_name() -> None:
    with pytest.raises(
        MessageError, match=r"data\.@type: must be a type that is registered, such as .*Iris.*\(got 'a/b'"
    ):
        iris_types().any_of({"@type": "a/b"})
    with pytest.raises(MessageError, match=r"data\.@type: must name the type"):
        iris_types().any_of({"@type": 3})


def test_without_a_registration_a_list_of_numbers_is_the_default_type() -> None:
    packed = NO_TYPES.any_of([1, "2.5", 0])
    assert packed.type_url == f"type.googleapis.com/{DEFAULT_CLASS}"
    assert packed.value == bytes.fromhex("0a0c0000803f0000204000000000")
    assert NO_TYPES.json_of(packed) == [1.0, 2.5, 0.0]
    assert NO_TYPES.request_class == DEFAULT_CLASS


@given(st.lists(float32s))
def test_default_values_survive(values: list[float]) -> None:
    assert NO_TYPES.json_of(NO_TYPES.any_of(values)) == pytest.approx(values)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1, 1e40], r"data\[1\]: must be a number of 32 bits \(got 1e\+40\)"),
        ([1, True], r"data\[1\]: must be a number of 32 bits \(got True\)"),
        (["x"], r"data\[0\]: must be a number of 32 bits \(got 'x'\)"),
        ([[1]], r"data\[0\]: must be a number of 32 bits"),
        ({"f1": 1}, "data: must be an array of numbers, as the client has registered no type of its own"),
    ],
)
def test_what_is_no_list_of_numbers_is_refused_without_a_registration(values: Any, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        NO_TYPES.any_of(values)


def test_numbers_without_a_literal_are_read() -> None:
    assert NO_TYPES.json_of(NO_TYPES.any_of([math.inf, "-Infinity"])) == [math.inf, -math.inf]
    [number] = NO_TYPES.message_of([math.nan])[0].values
    assert math.isnan(number)


def test_two_clients_may_hold_different_types_of_one_name() -> None:
    other = OwnTypes(compiled(IRIS.replace("float f1", "string f1")), IRIS_CLASS)
    assert other.json_of(other.any_of({"f1": "a"})) == {"f1": "a", "f2": 0.0, "f3": 0.0, "f4": 0.0}
    with pytest.raises(MessageError, match=r"data\.f1"):
        iris_types().any_of({"f1": "a"})


def test_the_only_message_need_not_be_named() -> None:
    assert OwnTypes(compiled(IRIS)).request_class == IRIS_CLASS


TWO_FILES = """
syntax = "proto3";
package a.b;
option java_package = "com.example";
message One { int32 x = 1; message Inner { int32 y = 1; } }
message Two { int32 x = 1; }
"""


@pytest.mark.parametrize(
    ("java", "name", "full_name"),
    [
        ("", "com.example.OwnOuter.One", ""),
        ("", "com.example.Own.One", "a.b.One"),
        ("", "com.example.Own$One", "a.b.One"),
        ("", "com.example.Own$One$Inner", "a.b.One.Inner"),
        ("", "a.b.Two", "a.b.Two"),
        ("", "Two", "a.b.Two"),
        ("", "One.Inner", "a.b.One.Inner"),
        ("option java_outer_classname = 'Holder';", "com.example.Holder$Two", "a.b.Two"),
        ("option java_multiple_files = true;", "com.example.Two", "a.b.Two"),
        ("option java_multiple_files = true;", "com.example.One$Inner", "a.b.One.Inner"),
        ("message Own {}", "com.example.OwnOuterClass$One", "a.b.One"),
    ],
)
def test_classes_may_be_named_as_in_java(java: str, name: str, full_name: str) -> None:
    files = compiled(TWO_FILES.replace("message One", f"{java}\nmessage One", 1))
    if full_name:
        assert OwnTypes(files, name).request_class == full_name
    else:
        with pytest.raises(NotFound, match="no message is called"):
            OwnTypes(files, name)


def test_a_class_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(NotFound, match=r'"a\.b\.Tow"; did you mean a\.b\.Two\? the messages are a\.b\.One, a\.b\.Two'):
        OwnTypes(compiled(TWO_FILES), "a.b.Tow")
    with pytest.raises(NotFound, match=r"must be named: the messages are a\.b\.One, a\.b\.Two"):
        OwnTypes(compiled(TWO_FILES))
    with pytest.raises(NotFound, match='no message is called "No"'):
        OwnTypes(compiled(IRIS), IRIS_CLASS, "No")


def test_a_short_name_that_several_have_is_refused_with_all_of_them() -> None:
    files = FileDescriptorSet.FromString(compiled(TWO_FILES))
    files.file.add().CopyFrom(files.file[0])
    files.file[1].name, files.file[1].package = "other.proto", "c"
    with pytest.raises(NotFound, match=re.escape('"Two" may be any of a.b.Two, c.Two; name it in full')):
        OwnTypes(files.SerializeToString(), "Two")


def classifier_copy(name: str) -> FileDescriptorSet:
    """A set that brings its own copy of the classifier's file, as the client of the document does."""
    files = FileDescriptorSet.FromString(compiled(IRIS))
    copy = files.file.add()
    copy.ParseFromString(file_by_name("seldon.proto")[0])
    copy.name = name
    return files


@pytest.mark.parametrize("name", ["seldon.proto", "protos/mine.proto"])
def test_a_set_may_bring_its_own_copy_of_the_classifiers_file(name: str) -> None:
    types = OwnTypes(classifier_copy(name).SerializeToString())
    assert types.request_class == IRIS_CLASS
    default = NO_TYPES.any_of([1.0])
    assert types.json_of(default) == [1.0]


def test_the_default_type_may_be_registered_by_name() -> None:
    types = OwnTypes(classifier_copy("seldon.proto").SerializeToString(), DEFAULT_CLASS)
    assert types.any_of([1, 2]).value == NO_TYPES.any_of([1, 2]).value


def test_files_that_come_with_protobuf_need_not_be_in_the_set() -> None:
    files = FileDescriptorSet(file=[each for each in order_types().types.files if each.name == "own.proto"])
    assert OwnTypes(files.SerializeToString(), "shop.Order").request_class == "shop.Order"


def test_files_may_stand_in_any_order() -> None:
    files = FileDescriptorSet(file=list(reversed(order_types().types.files)))
    assert OwnTypes(files.SerializeToString(), "shop.Order").request_class == "shop.Order"


def bad_sets() -> dict[str, tuple[bytes, str]]:
    lost = FileDescriptorSet()
    lost.file.add(name="a.proto", dependency=["b.proto"])
    circle = FileDescriptorSet()
    circle.file.add(name="a.proto", dependency=["b.proto"])
    circle.file.add(name="b.proto", dependency=["a.proto"])
    twice = FileDescriptorSet()
    twice.file.add(name="a.proto")
    twice.file.add(name="a.proto")
    wrong = FileDescriptorSet()
    wrong.file.add(name="a.proto").message_type.add(name="M").field.add(name="x", number=1, type=11, type_name=".No")
    return {
        "malformed": (b"\xff\xff", "not a FileDescriptorSet"),
        "lost": (lost.SerializeToString(), r'a\.proto imports "b\.proto", which is not in the set'),
        "circle": (circle.SerializeToString(), "import each other in a circle"),
        "twice": (twice.SerializeToString(), "each of them once"),
        "wrong": (wrong.SerializeToString(), r"a\.proto: .*No"),
    }


@pytest.mark.parametrize("which", bad_sets())
def test_a_set_that_cannot_be_used_is_refused(which: str) -> None:
    files, text = bad_sets()[which]
    with pytest.raises(MessageError, match=text):
        OwnTypes(files, "M")


def test_malformed_content_of_a_known_type_is_refused() -> None:
    with pytest.raises(MessageError, match=rf"data: malformed protobuf, must be a {re.escape(IRIS_CLASS)}"):
        iris_types().message_in(any_message(IRIS_URL, b"\xff"))
    assert iris_types().message_in(any_message("t/unknown", b"\xff")) is None


def test_custom_is_shown_without_its_type_only_if_it_is_of_the_class_of_replies() -> None:
    types = OwnTypes(compiled(TWO_FILES), "One", "Two")
    assert types.reply_json_of(types.reply_any_of({"x": 3})) == {"x": 3}
    other = types.reply_any_of({"@type": "t/a.b.One", "x": 4})
    assert types.reply_json_of(other) == {"@type": "t/a.b.One", "x": 4}
    assert types.reply_json_of(any_message("t/un.known", b"\0")) == {"@type": "t/un.known", "value": "AA=="}
    assert types.reply_json_of(message_class("google.protobuf.Any")()) is None
    with pytest.raises(MessageError, match=r"custom\.@type: must name the type, as no class of replies"):
        iris_types().reply_any_of({"x": 3})


def test_a_schema_tells_what_json_a_type_has() -> None:
    assert schema_of(iris_types(), IRIS_CLASS) == {
        "title": IRIS_CLASS,
        "type": "object",
        "properties": {name: {"type": "number", "format": "float"} for name in ROW},
        "additionalProperties": False,
    }
    order = schema_of(order_types(), "shop.Order")
    shown = order["properties"]
    assert shown["lines"] == {"type": "array", "items": {"$ref": "#/$defs/shop.Order.Line"}}
    assert shown["discounts"]["additionalProperties"]["type"] == "number"
    assert shown["size"] == {"type": "string", "enum": ["SMALL", "LARGE"]}
    parts = order["$defs"]["shop.Order.Line"]["properties"]["parts"]
    assert parts == {"type": "array", "items": {"$ref": "#/$defs/shop.Order.Line"}}
