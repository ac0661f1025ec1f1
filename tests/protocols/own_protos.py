"""Protobufs such as clients register, compiled, and message types that hypothesis makes up."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from hypothesis import strategies as st

from gaal.protocols.own_types import OwnTypes
from gaal.protocols.proto_json import is_repeated

IRIS = """
syntax = "proto3";
option java_multiple_files = true;
option java_package = "io.seldon.microservice.iris";
option java_outer_classname = "IrisClassifier";
package io.seldon.microservice.iris;
message IrisPredictRequest {
  float f1 = 1;
  float f2 = 2;
  float f3 = 3;
  float f4 = 4;
}
"""
IRIS_CLASS = "io.seldon.microservice.iris.IrisPredictRequest"

EVERYTHING = """
syntax = "proto3";
package shop;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
enum Size { SMALL = 0; LARGE = 1; }
message Order {
  message Line { string article = 1; int32 n_pieces = 2; repeated Line parts = 3; }
  string customer_name = 1;
  double total = 2;
  bool express = 3;
  Size size = 4;
  bytes picture = 5;
  int64 number = 6;
  uint32 weight = 7;
  repeated Line lines = 8;
  map<string, double> discounts = 9;
  map<int32, Line> by_number = 10;
  map<bool, string> flags = 11;
  oneof payment { string card = 12; Line voucher = 13; }
  optional float rebate = 14;
  repeated float scores = 15;
  google.protobuf.Any extra = 16;
  google.protobuf.Struct notes = 17;
  google.protobuf.Value anything = 18;
  google.protobuf.Timestamp at = 19;
  google.protobuf.Duration takes = 20;
  google.protobuf.DoubleValue maybe = 21;
  repeated Size sizes = 22;
  uint64 large = 23;
  google.protobuf.ListValue many = 24;
  google.protobuf.NullValue nothing = 25;
}
"""


@cache
def compiled(text: str, name: str = "own.proto") -> bytes:
    """The FileDescriptorSet of a `.proto`, with all that it imports."""
    protoc = import_module("grpc_tools.protoc")
    with TemporaryDirectory() as folder:
        (Path(folder) / name).write_text(text)
        known = Path(str(protoc.__file__)).parent / "_proto"
        out = Path(folder) / "out"
        status = protoc.main(
            ["", f"-I{folder}", f"-I{known}", "--include_imports", f"--descriptor_set_out={out}", f"{folder}/{name}"]
        )
        assert status == 0
        return out.read_bytes()


def iris_types() -> OwnTypes:
    return OwnTypes(compiled(IRIS), IRIS_CLASS)


def order_types() -> OwnTypes:
    return OwnTypes(compiled(EVERYTHING), "shop.Order")


Field = FieldDescriptorProto
SCALAR_TYPES = [
    Field.TYPE_DOUBLE, Field.TYPE_FLOAT, Field.TYPE_INT64, Field.TYPE_UINT64, Field.TYPE_INT32, Field.TYPE_FIXED64,
    Field.TYPE_FIXED32, Field.TYPE_BOOL, Field.TYPE_STRING, Field.TYPE_BYTES, Field.TYPE_UINT32, Field.TYPE_SFIXED32,
    Field.TYPE_SFIXED64, Field.TYPE_SINT32, Field.TYPE_SINT64,
]  # fmt: skip
KEY_TYPES = [Field.TYPE_STRING, Field.TYPE_INT32, Field.TYPE_UINT64, Field.TYPE_BOOL]


@st.composite
def message_types(draw: st.DrawFn) -> bytes:
    """A FileDescriptorSet with a message `made.Up` of random fields; those of its messages are `Up` or `Down`."""
    file = FileDescriptorProto(name="made.proto", package="made", syntax="proto3")
    kind = file.enum_type.add(name="Kind")
    for number, name in enumerate(("ZERO", "ONE", "MINUS")):
        kind.value.add(name=name, number=-1 if name == "MINUS" else number)
    for name in ("Up", "Down"):
        message = file.message_type.add(name=name)
        message.oneof_decl.add(name="choice")
        for number in range(1, draw(st.integers(0, 6)) + 1):
            _add_field(draw, message, number)
        if not any(field.HasField("oneof_index") for field in message.field):
            message.ClearField("oneof_decl")
    return FileDescriptorSet(file=[file]).SerializeToString()


def _add_field(draw: st.DrawFn, message: DescriptorProto, number: int) -> None:
    name = draw(st.sampled_from(["plain", "two_words", "with_3_digits"])) + f"_{number}"
    field = message.field.add(name=name, number=number, label=Field.LABEL_OPTIONAL)
    _draw_type(draw, field)
    match draw(st.sampled_from(["one", "one", "many", "map", "choice"])):
        case "many":
            field.label = Field.LABEL_REPEATED
        case "choice":
            field.oneof_index = 0
        case "map":
            _make_map(draw, message, field)


def _draw_type(draw: st.DrawFn, field: FieldDescriptorProto) -> None:
    field.type = draw(st.sampled_from([*SCALAR_TYPES, Field.TYPE_ENUM, Field.TYPE_MESSAGE]))
    if field.type == Field.TYPE_ENUM:
        field.type_name = ".made.Kind"
    elif field.type == Field.TYPE_MESSAGE:
        field.type_name = draw(st.sampled_from([".made.Up", ".made.Down"]))


def _make_map(draw: st.DrawFn, message: DescriptorProto, field: FieldDescriptorProto) -> None:
    name = "".join(word.capitalize() for word in field.name.split("_")) + "Entry"
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=Field.LABEL_OPTIONAL, type=draw(st.sampled_from(KEY_TYPES)))
    value = entry.field.add(name="value", number=2, label=Field.LABEL_OPTIONAL, type=field.type)
    if field.type_name:
        value.type_name = field.type_name
    field.type, field.type_name, field.label = Field.TYPE_MESSAGE, f".made.{message.name}.{name}", Field.LABEL_REPEATED


INTEGERS = {
    **dict.fromkeys((Field.TYPE_INT32, Field.TYPE_SINT32, Field.TYPE_SFIXED32), st.integers(-(2**31), 2**31 - 1)),
    **dict.fromkeys((Field.TYPE_INT64, Field.TYPE_SINT64, Field.TYPE_SFIXED64), st.integers(-(2**63), 2**63 - 1)),
    **dict.fromkeys((Field.TYPE_UINT32, Field.TYPE_FIXED32), st.integers(0, 2**32 - 1)),
    **dict.fromkeys((Field.TYPE_UINT64, Field.TYPE_FIXED64), st.integers(0, 2**64 - 1)),
}
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    **INTEGERS,
    Field.TYPE_DOUBLE: st.floats(allow_nan=False),
    Field.TYPE_FLOAT: st.floats(allow_nan=False, width=32),
    Field.TYPE_BOOL: st.booleans(),
    Field.TYPE_STRING: st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    Field.TYPE_BYTES: st.binary(max_size=5),
    Field.TYPE_ENUM: st.sampled_from([0, 1, -1, 7]),
}


@st.composite
def filled(draw: st.DrawFn, message: Any, depth: int = 0) -> Any:
    """The message itself, with random values in some of its fields."""
    for field in message.DESCRIPTOR.fields:
        if not draw(st.booleans()):
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            key, value = (field.message_type.fields_by_number[number] for number in (1, 2))
            _fill_map(draw, getattr(message, field.name), key, value, depth)
        elif field.message_type is not None:
            if depth < 3:
                part = getattr(message, field.name)
                draw(filled(part.add() if is_repeated(field) else part, depth + 1))
                if not is_repeated(field):
                    part.SetInParent()
        elif is_repeated(field):
            getattr(message, field.name).extend(draw(st.lists(VALUES[field.type], max_size=3)))
        else:
            setattr(message, field.name, draw(VALUES[field.type]))
    return message


def _fill_map(draw: st.DrawFn, holder: Any, key: Any, value: Any, depth: int) -> None:
    for name in draw(st.lists(VALUES[key.type], max_size=2)):
        if value.message_type is None:
            holder[name] = draw(VALUES[value.type])
        elif depth < 3:
            draw(filled(holder[name], depth + 1))
