"""The JSON of protobuf messages of any type: proto3 JSON, with errors that name the place, the rule and the value.

Read are fields by their name in the `.proto` or in lowerCamelCase, numbers also as strings, numbers also for a string,
and NaN and the infinities by their names. Unknown fields are refused. What is written has the names of the `.proto`,
and every field that has no presence, also where it has its default; 64-bit integers are numbers, where proto3 JSON
makes them strings, because a model computes with them. NaN stays a float: `json_text.dump` prints its name.

The well-known types have their own JSON: a Timestamp is a string, a Struct an object, an Any an object with `@type`.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError, SerializeToJsonError
from google.protobuf.message import DecodeError, EncodeError, Message
from google.protobuf.message_factory import GetMessageClass

from gaal.errors import MessageError
from gaal.protocols.base64_text import decode_base64, encode_base64
from gaal.protocols.json_text import NON_FINITE, refusal, shortened

MAX_DEPTH = 90
"""Protobuf refuses to read messages that are nested deeper than 100."""

MAX_FLOAT32 = 3.4028234663852886e38
MAX_FLOAT64 = sys.float_info.max

_MESSAGE, _ENUM = FieldDescriptor.CPPTYPE_MESSAGE, FieldDescriptor.CPPTYPE_ENUM
_INTEGER = re.compile(r"-?\d{1,20}")


class Readable:
    """A field, and which values it takes as they are: those of `types` from `low` to `high`."""

    __slots__ = ("field", "high", "low", "name", "types")

    def __init__(self, field: FieldDescriptor) -> None:
        self.field = field
        self.name = field.name
        self.types: frozenset[type] = frozenset()
        self.low: float = 0
        self.high: float = 0
        if not is_repeated(field) and field.cpp_type != _MESSAGE:
            read, _, low, high = _SCALARS[field.type]
            self.types = _AS_THEY_ARE.get(read, frozenset())
            self.low, self.high = max(low, -MAX_FLOAT64), min(high, MAX_FLOAT64)


class ProtoJson:
    """Reads and writes the JSON of messages. `find_type` knows the types that an Any may hold, by their full names."""

    def __init__(self, pool: DescriptorPool, find_type: Callable[[str], Descriptor | None]) -> None:
        self._pool = pool
        self._find_type = find_type
        self._readable: dict[str, dict[str, Readable]] = {}

    def message_of(self, descriptor: Descriptor, value: Any, place: str) -> Any:
        """A message from its JSON, which is left as it is. Raises MessageError."""
        message = GetMessageClass(descriptor)()
        self.fill(message, value, place)
        if not message.IsInitialized():
            missing: Any = message
            fields = ", ".join(missing.FindInitializationErrors())
            raise MessageError(f"{place}: a {descriptor.full_name} needs the field {fields}")
        return message

    def fill(self, message: Any, value: Any, place: str, depth: int = 0) -> None:
        """Writes JSON into an empty message. `depth` is how deep that stands in another. Raises MessageError."""
        descriptor = message.DESCRIPTOR
        if depth > MAX_DEPTH:
            raise MessageError(f"{place}: the message is nested too deep")
        if (read := _READERS.get(descriptor.full_name)) is not None:
            read(self, message, value, place, depth)
            return
        if not isinstance(value, dict):
            raise refusal(place, f"must be a JSON object, a {descriptor.full_name}", value)
        fields = self._fields(descriptor)
        for name, item in value.items():
            known = fields.get(name)
            if known is None:
                raise unknown_field(place, name, (each.name for each in descriptor.fields), descriptor.full_name)
            if type(item) in known.types and known.low <= item <= known.high:
                setattr(message, known.name, item)
            else:
                self._set(message, known.field, item, f"{place}.{name}", depth)
        if len(value) > 1 and (descriptor.oneofs or len(fields) > len(descriptor.fields)):
            _refuse_doubles(value, fields, place)

    def object_of(self, message: Any) -> Any:
        """The JSON of a message: an object, but for some of the well-known types. Raises MessageError."""
        try:
            return self._object(message)
        except RecursionError:  # an Any in an Any in an Any, which protobuf itself does not look into
            raise MessageError(f"a {message.DESCRIPTOR.full_name} is nested too deep") from None

    def _object(self, message: Any) -> Any:
        if (write := _WRITERS.get(message.DESCRIPTOR.full_name)) is not None:
            return write(self, message)
        return {
            field.name: self.written(field, getattr(message, field.name))
            for field in message.DESCRIPTOR.fields
            if not field.has_presence or message.HasField(field.name)
        }

    # Reading

    def _fields(self, descriptor: Descriptor) -> dict[str, Readable]:
        """The fields by every name that they are read by."""
        found = self._readable.get(descriptor.full_name)
        if found is None:
            fields = [Readable(field) for field in descriptor.fields]
            found = {each.field.json_name: each for each in fields} | {each.name: each for each in fields}
            self._readable[descriptor.full_name] = found
        return found

    def _set(self, message: Any, field: FieldDescriptor, value: Any, place: str, depth: int) -> None:
        if is_repeated(field):
            if value is not None:
                self._fill_many(getattr(message, field.name), field, value, place, depth)
        elif field.cpp_type == _MESSAGE:
            if value is not None or _message_type(field).full_name == _VALUE:
                part = getattr(message, field.name)
                part.SetInParent()
                self.fill(part, value, place, depth + 1)
        elif value is not None:
            setattr(message, field.name, scalar_of(field, value, place))
        elif field.cpp_type == _ENUM and _enum_type(field).full_name == "google.protobuf.NullValue":
            setattr(message, field.name, 0)

    def _fill_many(self, holder: Any, field: FieldDescriptor, value: Any, place: str, depth: int) -> None:
        if _is_map(field):
            self._fill_map(holder, field, value, place, depth)
            return
        if not isinstance(value, (list, tuple)):
            raise refusal(place, "must be an array", value)
        if field.cpp_type == _MESSAGE:
            for i, item in enumerate(value):
                if item is None and _message_type(field).full_name != _VALUE:
                    raise refusal(f"{place}[{i}]", "must be a JSON object", item)
                self.fill(holder.add(), item, f"{place}[{i}]", depth + 1)
        else:
            holder.extend([scalar_of(field, item, f"{place}[{i}]") for i, item in enumerate(value)])

    def _fill_map(self, holder: Any, field: FieldDescriptor, value: Any, place: str, depth: int) -> None:
        if not isinstance(value, dict):
            raise refusal(place, "must be a JSON object", value)
        key_field, value_field = (_message_type(field).fields_by_number[number] for number in (1, 2))
        for text, item in value.items():
            key = _map_key(key_field, text, place)
            if value_field.cpp_type != _MESSAGE:
                holder[key] = scalar_of(value_field, item, f"{place}.{text}")
            elif item is None and _message_type(value_field).full_name != _VALUE:
                raise refusal(f"{place}.{text}", "must be a JSON object", item)
            else:
                self.fill(holder[key], item, f"{place}.{text}", depth + 1)

    def _read_any(self, message: Any, value: Any, place: str, depth: int) -> None:
        if not isinstance(value, dict):
            raise refusal(place, "must be a JSON object with @type", value)
        if not value:
            return
        url = value.get("@type")
        if not isinstance(url, str) or not url:
            raise refusal(f"{place}.@type", "must name the type of the message", url)
        fields = {name: item for name, item in value.items() if name != "@type"}
        descriptor = self._find_type(url.rpartition("/")[2])
        message.type_url = url
        if descriptor is None:
            message.value = _opaque(fields, url, place)
            return
        message.value = self._content(descriptor, fields, place, depth)

    def _content(self, descriptor: Descriptor, fields: dict[str, Any], place: str, depth: int) -> bytes:
        inner = GetMessageClass(descriptor)()
        has_value = has_json_of_its_own(descriptor)
        self.fill(
            inner, fields.get("value") if has_value else fields, f"{place}.value" if has_value else place, depth + 1
        )
        return serialized(inner, place)

    def _read_well_known(self, message: Any, value: Any, place: str, depth: int) -> None:
        try:
            ParseDict(value, message, descriptor_pool=self._pool, max_recursion_depth=MAX_DEPTH - depth)
        except (ParseError, TypeError, ValueError, AttributeError, RecursionError):
            kind = message.DESCRIPTOR.full_name
            raise refusal(place, f"must be the JSON of a {kind}", value) from None

    def _read_wrapper(self, message: Any, value: Any, place: str, depth: int) -> None:
        message.value = scalar_of(message.DESCRIPTOR.fields_by_name["value"], value, place)

    # Writing

    def written(self, field: FieldDescriptor, value: Any) -> Any:
        """The JSON of the value of a field."""
        if not is_repeated(field):
            return self._one(field, value)
        if not _is_map(field):
            return [self._one(field, item) for item in value]
        value_field = _message_type(field).fields_by_number[2]
        return {_key_text(key): self._one(value_field, value[key]) for key in value}

    def _one(self, field: FieldDescriptor, value: Any) -> Any:
        if field.cpp_type == _MESSAGE:
            return self._object(value)
        if field.cpp_type == _ENUM:
            return _enum_name(_enum_type(field), value)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return encode_base64(value)
        if field.type == FieldDescriptor.TYPE_FLOAT:
            return shortest_float(value)
        return value

    def _write_any(self, message: Any) -> Any:
        """Of an unknown type, or with a content that its type has no JSON for: `{"@type", "value": base64}`."""
        url, content = message.type_url, message.value
        if not url and not content:
            return {}
        descriptor = self._find_type(url.rpartition("/")[2])
        if descriptor is None:
            return {"@type": url, "value": encode_base64(content)}
        try:
            shown = self._object(GetMessageClass(descriptor).FromString(content))
        except (DecodeError, MessageError):
            return {"@type": url, "value": encode_base64(content)}
        return {"@type": url, "value": shown} if has_json_of_its_own(descriptor) else {"@type": url, **shown}

    def _write_well_known(self, message: Any) -> Any:
        try:
            return MessageToDict(message, descriptor_pool=self._pool)
        except (SerializeToJsonError, ValueError) as error:
            raise MessageError(f"a {message.DESCRIPTOR.full_name} has no JSON: {error}") from None

    def _write_wrapper(self, message: Any) -> Any:
        return self._one(message.DESCRIPTOR.fields_by_name["value"], message.value)

    def _write_value(self, message: Any) -> Any:
        kind = message.WhichOneof("kind")
        if kind in (None, "null_value"):
            return None
        value = getattr(message, kind)
        return self._object(value) if kind in ("struct_value", "list_value") else value

    def _write_struct(self, message: Any) -> Any:
        return {key: self._write_value(message.fields[key]) for key in message.fields}

    def _write_list(self, message: Any) -> Any:
        return [self._write_value(item) for item in message.values]


_VALUE = "google.protobuf.Value"
_WRAPPERS = [
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
]
_TEXTS = [f"google.protobuf.{name}" for name in ("Timestamp", "Duration", "FieldMask")]

_Reader = Callable[[ProtoJson, Any, Any, str, int], None]
_READERS: Mapping[str, _Reader] = {
    "google.protobuf.Any": ProtoJson._read_any,
    **dict.fromkeys(_WRAPPERS, ProtoJson._read_wrapper),
    **dict.fromkeys(
        (*_TEXTS, _VALUE, "google.protobuf.Struct", "google.protobuf.ListValue"), ProtoJson._read_well_known
    ),
}
_WRITERS: Mapping[str, Callable[[ProtoJson, Any], Any]] = {
    "google.protobuf.Any": ProtoJson._write_any,
    **dict.fromkeys(_WRAPPERS, ProtoJson._write_wrapper),
    **dict.fromkeys(_TEXTS, ProtoJson._write_well_known),
    _VALUE: ProtoJson._write_value,
    "google.protobuf.Struct": ProtoJson._write_struct,
    "google.protobuf.ListValue": ProtoJson._write_list,
}


def is_repeated(field: Any) -> bool:
    try:
        return bool(field.is_repeated)
    except AttributeError:  # protobuf 5 has it not yet, and from 7 on `label` comes with a warning
        return bool(field.label == FieldDescriptor.LABEL_REPEATED)


def is_required(field: Any) -> bool:
    try:
        return bool(field.is_required)
    except AttributeError:
        return bool(field.label == FieldDescriptor.LABEL_REQUIRED)


def has_json_of_its_own(descriptor: Descriptor) -> bool:
    """Whether the JSON of a type is not its fields, so that in the JSON of an Any it stands under `value`."""
    return descriptor.full_name in _READERS


def serialized(message: Message, place: str) -> bytes:
    """The bytes of a message. Raises MessageError where a required field is missing somewhere below."""
    try:
        return message.SerializeToString(deterministic=True)
    except (EncodeError, ValueError) as error:
        raise MessageError(f"{place}: {error}") from None


def unknown_field(place: str, name: Any, known: Iterable[str], type_name: str) -> MessageError:
    """The error for a field that a message does not have: with the nearest that it has, else with all."""
    names = list(known)
    near = get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(names[:20]) or 'none'}"
    return MessageError(f"{place}: {type_name} has no field {shortened(name)}; {hint}")


def shortest_float(value: float) -> float:
    """The double of the fewest digits among those that are this number in 32 bits: 2.7, not 2.70000004."""
    return float(str(np.float32(value)))


# Values of single fields


def scalar_of(field: FieldDescriptor, value: Any, place: str) -> Any:
    """The value of a field that is no message, from its JSON. Raises MessageError, naming the place."""
    read, rule, low, high = _SCALARS[field.type]
    try:
        known = _enum_number(_enum_type(field), value) if read is None else read(value)
    except (ValueError, OverflowError):
        rule = rule or _enum_rule(_enum_type(field), value)
        raise refusal(place, rule, value) from None
    if isinstance(known, (int, float)) and not low <= known <= high and math.isfinite(known):
        raise refusal(place, rule, value)
    return known


def _number(value: Any) -> float:
    """Raises ValueError or OverflowError, as do all of these functions."""
    if isinstance(value, str):
        if value in NON_FINITE:
            return NON_FINITE[value]
        number = float(value)
        if not math.isfinite(number) or value != value.strip() or "_" in value:
            raise ValueError
        return number
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError
    return float(value)


def _integer(value: Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = _number(value)
    if not number.is_integer():
        raise ValueError
    return int(number)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _text(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError
    value.encode()  # raises for half of a surrogate pair, which UTF-8 cannot hold
    return value


def _bytes(value: Any) -> bytes:
    try:
        return decode_base64(value, "")
    except MessageError:
        raise ValueError from None


def _limits(n_bits: int, *, signed: bool) -> tuple[Callable[[Any], Any], str, float, float]:
    low, high = (-(2 ** (n_bits - 1)), 2 ** (n_bits - 1) - 1) if signed else (0, 2**n_bits - 1)
    return _integer, f"must be {'an' if signed else 'an unsigned'} integer of {n_bits} bits", low, high


_INF = math.inf
_INT32, _INT64 = _limits(32, signed=True), _limits(64, signed=True)
_UINT32, _UINT64 = _limits(32, signed=False), _limits(64, signed=False)
_SCALARS: Mapping[int, tuple[Callable[[Any], Any] | None, str, float, float]] = {
    FieldDescriptor.TYPE_DOUBLE: (_number, "must be a number", -_INF, _INF),
    FieldDescriptor.TYPE_FLOAT: (_number, "must be a number of 32 bits", -MAX_FLOAT32, MAX_FLOAT32),
    **dict.fromkeys((FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SFIXED32), _INT32),
    **dict.fromkeys((FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_SINT64, FieldDescriptor.TYPE_SFIXED64), _INT64),
    **dict.fromkeys((FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED32), _UINT32),
    **dict.fromkeys((FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED64), _UINT64),
    FieldDescriptor.TYPE_BOOL: (_boolean, "must be true or false", -_INF, _INF),
    FieldDescriptor.TYPE_STRING: (_text, "must be a string", -_INF, _INF),
    FieldDescriptor.TYPE_BYTES: (_bytes, "must be a base64 string", -_INF, _INF),
    FieldDescriptor.TYPE_ENUM: (None, "", -(2**31), 2**31 - 1),
}


_AS_THEY_ARE: Mapping[Any, frozenset[type]] = {
    _number: frozenset((int, float)),
    _integer: frozenset((int,)),
    _boolean: frozenset((bool,)),
}


def _enum_number(enum: EnumDescriptor, value: Any) -> int:
    if isinstance(value, str) and (known := enum.values_by_name.get(value)) is not None:
        return int(known.number)
    number = _integer(value)
    if not -(2**31) <= number < 2**31 or (enum.is_closed and number not in enum.values_by_number):
        raise ValueError
    return number


def _enum_rule(enum: EnumDescriptor, value: Any) -> str:
    names = [each.name for each in enum.values]
    near = get_close_matches(str(value), names, n=1)
    return f"must be a {enum.full_name}, {near[0] if near else ' or '.join(names[:20])}"


def _enum_name(enum: EnumDescriptor, number: int) -> str | int:
    known = enum.values_by_number.get(number)
    return number if known is None else str(known.name)


def _map_key(field: FieldDescriptor, text: str, place: str) -> Any:
    if field.type == FieldDescriptor.TYPE_BOOL:
        if text not in ("true", "false"):
            raise refusal(place, "must have keys that are true or false", text)
        return text == "true"
    return scalar_of(field, text, f"{place}.{text}")


def _key_text(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _message_type(field: FieldDescriptor) -> Descriptor:
    assert field.message_type is not None
    return field.message_type


def _enum_type(field: FieldDescriptor) -> EnumDescriptor:
    assert field.enum_type is not None
    return field.enum_type


def _is_map(field: FieldDescriptor) -> bool:
    return field.cpp_type == _MESSAGE and _message_type(field).GetOptions().map_entry


def _refuse_doubles(value: Mapping[str, Any], fields: Mapping[str, Readable], place: str) -> None:
    """Raises MessageError where a field, or a oneof, is given twice: under two names, or in two of its fields."""
    seen: dict[str, str] = {}
    for name, item in value.items():
        field = fields[name].field
        if field.name in seen:
            raise MessageError(f"{place}: {seen[field.name]} and {name} are the same field; must be given once")
        seen[field.name] = name
        oneof = field.containing_oneof
        if oneof is not None and item is not None:
            key = f"{oneof.name} (oneof)"
            if key in seen:
                raise MessageError(f"{place}: must have one of {seen[key]} and {name}, not both")
            seen[key] = name


def _opaque(fields: Mapping[str, Any], url: str, place: str) -> bytes:
    """The content of an Any of an unknown type: base64 under `value`, and nothing else."""
    if fields.keys() - {"value"}:
        raise refusal(f"{place}.@type", "must name a type that is known here", url)
    return decode_base64(fields.get("value", ""), f"{place}.value")
