"""The message types that a client registered: JSON ⇄ google.protobuf.Any, in a descriptor pool of the client's own.

Two clients may have different types of the same name. A client that registered nothing has no type but
`io.seldon.api.rpc.DefaultCustomPredictRequest`, whose JSON is a list of numbers. `proto_json` tells what the JSON of
other types is. JSON that is passed in is never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from gaal.errors import MessageError
from gaal.messages import Json
from gaal.protocols.base64_text import encode_base64
from gaal.protocols.descriptors import message_class, pool
from gaal.protocols.json_text import refusal
from gaal.protocols.proto_json import (
    MAX_FLOAT32,
    ProtoJson,
    has_json_of_its_own,
    is_repeated,
    scalar_of,
    shortest_float,
)
from gaal.protocols.proto_types import ProtoTypes

DEFAULT_CLASS = "io.seldon.api.rpc.DefaultCustomPredictRequest"
URL_PREFIX = "type.googleapis.com/"


class OwnTypes:
    """What one client registered: a serialized FileDescriptorSet and the classes of its requests and replies.

    The classes are full names of messages, or names of the Java classes that would be made of them. Without a class of
    requests there must be just one message in the set, which is meant. Without files nothing is registered.

    Raises MessageError for a set that cannot be used, and NotFound for a class that it does not have.
    """

    def __init__(self, files: bytes, request_class: str = "", reply_class: str = "") -> None:
        self.is_registered = bool(files)
        self.request_class = DEFAULT_CLASS
        self.reply_class = ""
        self._classes: dict[str, Descriptor] = {}
        self._shapes: dict[str, Shape | None] = {}
        if files:
            self.types = ProtoTypes(files)
            self.request_class = self._class(self.types.find(request_class) if request_class else self.types.only())
            self.reply_class = self._class(self.types.find(reply_class)) if reply_class else ""

    def _class(self, descriptor: Descriptor) -> str:
        self._classes[descriptor.full_name] = descriptor
        return descriptor.full_name

    @cached_property
    def types(self) -> ProtoTypes:
        """All types of the set; none where nothing is registered."""
        return ProtoTypes(b"")

    @cached_property
    def json_form(self) -> ProtoJson:
        return ProtoJson(self.types.pool, self.find_type)

    def find_type(self, full_name: str) -> Descriptor | None:
        """The type of an Any: one of the client's, the default type, or one that comes with protobuf."""
        if full_name == DEFAULT_CLASS or full_name.startswith("google.protobuf."):
            try:
                return pool().FindMessageTypeByName(full_name)
            except KeyError:
                return None
        return self.types.get(full_name)

    def any_of(self, value: Json, place: str = "data") -> Any:
        """The Any of a request's features. Without `@type` it is of the registered class, or the default list.

        Raises MessageError, which names the place, the rule and the value.
        """
        message, url = self.message_of(value, place)
        return new_any(url, message)

    def message_of(self, value: Json, place: str = "data") -> tuple[Any, str]:
        """As `any_of`, the message itself and the URL of its type."""
        if isinstance(value, dict) and "@type" in value:
            return self._message_of_named(value, place)
        if self.request_class != DEFAULT_CLASS:
            return self._message(self.request_class, value, place), URL_PREFIX + self.request_class
        if isinstance(value, (list, tuple)):
            return default_message(value, place), URL_PREFIX + DEFAULT_CLASS
        rule = "must be an array of numbers, as the client has registered no type of its own"
        raise refusal(place, rule, value)

    def reply_any_of(self, value: Json, place: str = "custom") -> Any:
        """The Any of a reply's `custom`. Without `@type` it is of the registered class of replies.

        Raises MessageError, also where there is no such class.
        """
        if isinstance(value, dict) and "@type" in value:
            message, url = self._message_of_named(value, place)
            return new_any(url, message)
        if not self.reply_class:
            raise refusal(f"{place}.@type", "must name the type, as no class of replies is registered", value)
        return new_any(URL_PREFIX + self.reply_class, self._message(self.reply_class, value, place))

    def json_of(self, message: Any) -> Json:
        """The features of an Any as JSON: the fields of a known type, every one of them; a list for the default type.

        Only an Any of an unknown type has `@type` in its JSON, and its content as base64 in `value`.
        """
        inner = self.message_in(message)
        if inner is None:
            return cast("Json", self.json_form.object_of(message))
        if inner.DESCRIPTOR.full_name == DEFAULT_CLASS:
            return [shortest_float(value) for value in inner.values]
        return cast("Json", self.json_form.object_of(inner))

    def empty_json(self) -> Json:
        """The features of a request in which nothing is set: every field that is always there, at its default."""
        if self.request_class == DEFAULT_CLASS:
            return []
        return cast("Json", self.json_form.object_of(GetMessageClass(self._classes[self.request_class])()))

    def reply_json_of(self, message: Any) -> Json:
        """The JSON of `custom`: without `@type` if it is of the registered class of replies. None for an empty Any."""
        if self.reply_class and message.type_url.rpartition("/")[2] == self.reply_class:
            with suppress(MessageError):
                return cast("Json", self.json_form.object_of(self.message_in(message)))
        try:
            return self.json_form.object_of(message) or None
        except MessageError:  # nested without end; the reply must not be lost for it
            return {"@type": message.type_url, "value": encode_base64(message.value)}

    def message_in(self, message: Any, place: str = "data") -> Any:
        """The message that an Any holds, or None if its type is not known. Raises MessageError for malformed bytes."""
        descriptor = self.find_type(message.type_url.rpartition("/")[2])
        if descriptor is None:
            return None
        try:
            return GetMessageClass(descriptor).FromString(message.value)
        except DecodeError:
            raise MessageError(f"{place}: malformed protobuf, must be a {descriptor.full_name}") from None

    def row_of(self, message: Any) -> tuple[Sequence[str], list[Any]] | None:
        """The names and values of a message that has nothing but scalar fields; None for another.

        A field that is optional and not set is None, so that every row has the same columns.
        """
        shape = self._shape(message.DESCRIPTOR)
        return None if shape is None else (shape.names, shape.values(message))

    def _shape(self, descriptor: Descriptor) -> Shape | None:
        name = descriptor.full_name
        if name not in self._shapes:
            is_flat = not any(is_repeated(each) or each.message_type is not None for each in descriptor.fields)
            self._shapes[name] = Shape(descriptor, self.json_form) if is_flat else None
        return self._shapes[name]

    def _message_of_named(self, value: dict[str, Any], place: str) -> tuple[Any, str]:
        url = value["@type"]
        if not isinstance(url, str) or not url:
            raise refusal(f"{place}.@type", "must name the type of the message", url)
        descriptor = self.find_type(url.rpartition("/")[2])
        if descriptor is None:
            known = ", ".join(self.types.message_names()[:20]) or DEFAULT_CLASS
            raise refusal(f"{place}.@type", f"must be a type that is registered, such as {known}", url)
        fields: Any = {name: item for name, item in value.items() if name != "@type"}
        if has_json_of_its_own(descriptor):
            fields, place = fields.get("value"), f"{place}.value"
        return self.json_form.message_of(descriptor, fields, place), url if "/" in url else URL_PREFIX + url

    def _message(self, full_name: str, value: Json, place: str) -> Any:
        return self.json_form.message_of(self._classes[full_name], value, place)


NO_TYPES = OwnTypes(b"")
"""Of a client that registered nothing."""


class Shape:
    """A type whose fields are all scalar, so that a message of it is one row."""

    def __init__(self, descriptor: Descriptor, form: ProtoJson) -> None:
        self.names = tuple(field.name for field in descriptor.fields)
        self._form = form
        self._fields = list(descriptor.fields)
        self._is_plain = all(_is_plain(field) for field in self._fields)

    def values(self, message: Any) -> list[Any]:
        if self._is_plain:
            return [getattr(message, name) for name in self.names]
        return [self._value(message, field) for field in self._fields]

    def _value(self, message: Any, field: FieldDescriptor) -> Any:
        if field.has_presence and not field.has_default_value and not message.HasField(field.name):
            return None
        value = getattr(message, field.name)
        return value if field.type == FieldDescriptor.TYPE_FLOAT else self._form.written(field, value)


def _is_plain(field: FieldDescriptor) -> bool:
    """Whether the value of a field stands for itself, and is always there."""
    return field.type not in (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_ENUM) and not field.has_presence


def default_message(values: Sequence[Any], place: str = "data") -> Any:
    """The message of the default type, from numbers and strings that are numbers. Raises MessageError."""
    kind: Any = message_class(DEFAULT_CLASS)
    if not _fit_as_they_are(values):
        field = kind.DESCRIPTOR.fields_by_name["values"]
        values = [scalar_of(field, each, f"{place}[{i}]") for i, each in enumerate(values)]
    return kind(values=values)


def _fit_as_they_are(values: Sequence[Any]) -> bool:
    if not {int, float}.issuperset(map(type, values)):
        return False
    return not values or (min(values) >= -MAX_FLOAT32 and max(values) <= MAX_FLOAT32)


def new_any(url: str, message: Any) -> Any:
    """An Any of the package's own pool, whatever pool the message is of."""
    make: Any = message_class("google.protobuf.Any")
    return make(type_url=url, value=message.SerializeToString(deterministic=True))
