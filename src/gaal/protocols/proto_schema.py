"""A message type as a JSON schema: what `proto_json` reads and writes, for people and for OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gaal.protocols.own_types import OwnTypes
from gaal.protocols.proto_json import is_repeated, is_required

Schema = dict[str, Any]


def schema_of(types: OwnTypes, full_name: str) -> Schema:
    """The JSON schema of one type; those of the messages in it stand in its `$defs`."""
    schemas = schemas_of(types, full_name, "#/$defs/")
    own = schemas.pop(full_name)
    return {**own, "$defs": schemas} if schemas else own


def schemas_of(types: OwnTypes, full_name: str, prefix: str) -> dict[str, Schema]:
    """The schemas of a type and of all messages in it, by their names. They refer to each other below `prefix`.

    In OpenAPI the prefix is `#/components/schemas/`. Raises NotFound.
    """
    found: dict[str, Schema] = {}
    _collect(types.types.find(full_name), prefix, found)
    return found


def _collect(descriptor: Descriptor, prefix: str, found: dict[str, Schema]) -> None:
    name = descriptor.full_name
    if name in found:
        return
    if name in _WELL_KNOWN:
        found[name] = {"title": name, **_WELL_KNOWN[name]}
        return
    properties: Schema = {}
    schema: Schema = {"title": name, "type": "object", "properties": properties, "additionalProperties": False}
    found[name] = schema
    required = [field.name for field in descriptor.fields if is_required(field)]
    if required:
        schema["required"] = required
    for field in descriptor.fields:
        properties[field.name] = _of_field(field, prefix, found)


def _of_field(field: FieldDescriptor, prefix: str, found: dict[str, Schema]) -> Schema:
    if not is_repeated(field):
        return _of_one(field, prefix, found)
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return {"type": "object", "additionalProperties": _of_one(message.fields_by_number[2], prefix, found)}
    return {"type": "array", "items": _of_one(field, prefix, found)}


def _of_one(field: FieldDescriptor, prefix: str, found: dict[str, Schema]) -> Schema:
    if field.message_type is not None:
        _collect(field.message_type, prefix, found)
        return {"$ref": prefix + field.message_type.full_name}
    if field.enum_type is not None:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    return dict(_SCALARS[field.type])


def _integer(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


_NUMBER: Schema = {"type": "number"}
_TEXT: Schema = {"type": "string"}
_INT32, _INT64 = _integer(-(2**31), 2**31 - 1), _integer(-(2**63), 2**63 - 1)
_UINT32, _UINT64 = _integer(0, 2**32 - 1), _integer(0, 2**64 - 1)
_BYTES: Schema = {"type": "string", "contentEncoding": "base64"}
_SCALARS: Mapping[int, Schema] = {
    FieldDescriptor.TYPE_DOUBLE: {**_NUMBER, "format": "double"},
    FieldDescriptor.TYPE_FLOAT: {**_NUMBER, "format": "float"},
    **dict.fromkeys((FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SFIXED32), _INT32),
    **dict.fromkeys((FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_SINT64, FieldDescriptor.TYPE_SFIXED64), _INT64),
    **dict.fromkeys((FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED32), _UINT32),
    **dict.fromkeys((FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED64), _UINT64),
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: _TEXT,
    FieldDescriptor.TYPE_BYTES: _BYTES,
}
_WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "required": ["@type"],
    },
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?s$"},
    "google.protobuf.FieldMask": _TEXT,
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Value": {},
    "google.protobuf.DoubleValue": _NUMBER,
    "google.protobuf.FloatValue": _NUMBER,
    "google.protobuf.Int64Value": _INT64,
    "google.protobuf.UInt64Value": _UINT64,
    "google.protobuf.Int32Value": _INT32,
    "google.protobuf.UInt32Value": _UINT32,
    "google.protobuf.BoolValue": {"type": "boolean"},
    "google.protobuf.StringValue": _TEXT,
    "google.protobuf.BytesValue": _BYTES,
}
