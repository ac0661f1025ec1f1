"""The Seldon protocol in protobuf: SeldonMessage, Feedback, SeldonMessageList and metadata ⇄ the forms of `messages`.

Numbers in `ndarray`, `jsonData`, `tags` and `tensor` are doubles: the protocol has nothing else, so an integer beyond
2^53 becomes the nearest double. A `tftensor` carries it exactly.

Bytes are read by the wire view of the protocol (`descriptors.wire_view`), in which the numbers of a tensor and an
ndarray are left as bytes. A payload is read when someone looks at it; until then it goes out again as it came.
Every error is a MessageError.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, EncodeError
from google.protobuf.message import Message as Proto

from gaal.errors import MessageError
from gaal.messages import (
    METRIC_TYPES,
    NO_META,
    Array,
    Encoding,
    Feedback,
    GraphMetadata,
    Json,
    Kind,
    Message,
    Meta,
    Metric,
    ModelMetadata,
    Payload,
    Status,
)
from gaal.protocols.descriptors import WIRE_PACKAGE, message_class
from gaal.protocols.json_text import plain, refusal
from gaal.protocols.list_value import grid_of_numbers, list_value_of_numbers, numbers_of_list_value
from gaal.protocols.seldon_json import STATUS_FLAGS
from gaal.protocols.tensorflow_tensor import array_of_tensor_proto, tensor_proto_of, tensor_proto_of_object
from gaal.protocols.wire_format import head, without

_PROTO = Encoding.PROTO
# Names of their own for what the hot path compares with: looking a member up in its enum costs 30 ns, hashing it 150.
_TENSOR, _NDARRAY, _TFTENSOR = Kind.TENSOR, Kind.NDARRAY, Kind.TFTENSOR
_JSON_DATA, _STR_DATA, _BIN_DATA, _TENSORS = Kind.JSON_DATA, Kind.STR_DATA, Kind.BIN_DATA, Kind.TENSORS
_KINDS = {kind.value: kind for kind in Kind}


# Messages


def decode_message(body: bytes) -> Message:
    """A SeldonMessage from its serialized form."""
    if len(body) >= _LARGE and (split := without(body, *_VALUES)) is not None:
        return _message_of_large_tensor(*split)
    return _message(_parsed("SeldonMessage", body), "")


def message_of(proto: Proto) -> Message:
    """From a `seldon.protos.SeldonMessage` of any pool, such as user code makes."""
    return decode_message(_bytes_of(proto, "SeldonMessage"))


def encode_message(message: Message) -> bytes:
    """The serialized SeldonMessage."""
    try:
        if (large := _large_tensor(message.payload)) is not None:
            return _with_large_tensor(message, *large)
        body: bytes = _filled(_wire("SeldonMessage")(), message).SerializeToString()
    except _UNFIT as error:
        raise _unfit(error) from None
    return body


def proto_of(message: Message) -> Proto:
    """The `seldon.protos.SeldonMessage` of a message, as user code gets to see it."""
    return _true("SeldonMessage", encode_message(message))


def json_object_of(message: Message) -> dict[str, Any]:
    """A message as protobuf's own JSON printer gives it: numbers are doubles, what is empty or a default is missing.

    But `meta` is always there.
    """
    printed = MessageToDict(proto_of(message))
    return {**printed, "meta": printed.get("meta", {})}


def decode_message_list(body: bytes) -> list[Message]:
    messages = _parsed("SeldonMessageList", body).seldonMessages
    return [_message(message, f"seldonMessages[{i}].") for i, message in enumerate(messages)]


def message_list_of(proto: Proto) -> list[Message]:
    """As `message_of`, for a SeldonMessageList."""
    return decode_message_list(_bytes_of(proto, "SeldonMessageList"))


def encode_message_list(messages: Sequence[Message]) -> bytes:
    """The serialized SeldonMessageList."""
    try:
        out = _wire("SeldonMessageList")()
        for message in messages:
            _filled(out.seldonMessages.add(), message)
        return bytes(out.SerializeToString())
    except _UNFIT as error:
        raise _unfit(error) from None


def message_list_proto(messages: Sequence[Message]) -> Proto:
    """As `proto_of`, for a SeldonMessageList."""
    return _true("SeldonMessageList", encode_message_list(messages))


def decode_feedback(body: bytes) -> Feedback:
    feedback = _parsed("Feedback", body)
    return Feedback(
        _part(feedback, "request"), _part(feedback, "response"), feedback.reward, _part(feedback, "truth"), _PROTO
    )


def feedback_of(proto: Proto) -> Feedback:
    """As `message_of`, for a Feedback."""
    return decode_feedback(_bytes_of(proto, "Feedback"))


def encode_feedback(feedback: Feedback) -> bytes:
    """The serialized Feedback; its reward has 32 bits in this form."""
    try:
        out = _wire("Feedback")(reward=feedback.reward)
        for field in ("request", "response", "truth"):
            if (part := getattr(feedback, field)) is not None:
                getattr(out, field).SetInParent()
                _filled(getattr(out, field), part)
        return bytes(out.SerializeToString())
    except _UNFIT as error:
        raise _unfit(error) from None


def feedback_proto(feedback: Feedback) -> Proto:
    """As `proto_of`, for a Feedback."""
    return _true("Feedback", encode_feedback(feedback))


# Metadata


def decode_model_metadata_request(body: bytes) -> str:
    """The name in a SeldonModelMetadataRequest."""
    return str(_parsed("SeldonModelMetadataRequest", body).name)


def encode_model_metadata_request(name: str) -> bytes:
    return bytes(_wire("SeldonModelMetadataRequest")(name=name).SerializeToString())


def decode_model_metadata(body: bytes) -> ModelMetadata:
    return _model_metadata(_parsed("SeldonModelMetadata", body))


def encode_model_metadata(metadata: ModelMetadata) -> bytes:
    """The serialized SeldonModelMetadata."""
    try:
        out = _wire("SeldonModelMetadata")()
        _fill_model_metadata(out, metadata)
        return bytes(out.SerializeToString())
    except _UNFIT as error:
        raise _unfit(error) from None


def decode_graph_metadata(body: bytes) -> GraphMetadata:
    metadata = _parsed("SeldonGraphMetadata", body)
    return GraphMetadata(
        metadata.name,
        {unit: _model_metadata(model) for unit, model in metadata.models.items()},
        tuple(map(_tensor_metadata, metadata.inputs)),
        tuple(map(_tensor_metadata, metadata.outputs)),
    )


def encode_graph_metadata(metadata: GraphMetadata) -> bytes:
    """The serialized SeldonGraphMetadata."""
    try:
        out = _wire("SeldonGraphMetadata")(name=metadata.name)
        for unit, model in metadata.models.items():
            _fill_model_metadata(out.models[unit], model)
        _fill_tensor_metadata(out.inputs, metadata.inputs)
        _fill_tensor_metadata(out.outputs, metadata.outputs)
        return bytes(out.SerializeToString())
    except _UNFIT as error:
        raise _unfit(error) from None


def _model_metadata(metadata: Any) -> ModelMetadata:
    return ModelMetadata(
        metadata.name,
        tuple(metadata.versions),
        metadata.platform,
        tuple(map(_tensor_metadata, metadata.inputs)),
        tuple(map(_tensor_metadata, metadata.outputs)),
        dict(metadata.custom),
    )


def _fill_model_metadata(out: Any, metadata: ModelMetadata) -> None:
    out.name, out.platform = metadata.name, metadata.platform
    out.versions.extend(metadata.versions)
    _fill_tensor_metadata(out.inputs, metadata.inputs)
    _fill_tensor_metadata(out.outputs, metadata.outputs)
    out.custom.update(metadata.custom)


def _tensor_metadata(metadata: Any) -> dict[str, Json]:
    """The JSON object of a SeldonMessageMetadata, without empty fields."""
    fields: dict[str, Json] = {
        field: getattr(metadata, field) for field in _TENSOR_METADATA_TEXTS if getattr(metadata, field)
    }
    if metadata.HasField("schema"):
        fields["schema"] = json_of_value(metadata.schema)
    if metadata.shape:
        fields["shape"] = list(metadata.shape)
    return fields


def _fill_tensor_metadata(out: Any, objects: Iterable[Mapping[str, Any]]) -> None:
    """Unknown fields are left out: the protocol has no place for them."""
    for fields in objects:
        entry = out.add(**{field: fields[field] for field in _TENSOR_METADATA_TEXTS if field in fields})
        entry.shape.extend(map(int, fields.get("shape") or ()))
        if "schema" in fields:
            _fill_value(entry.schema, fields["schema"])


_TENSOR_METADATA_TEXTS = ("messagetype", "name", "datatype")


# Reading


def _bytes_of(proto: Any, name: str) -> bytes:
    """The serialized form of a message that must be of one type, from whatever pool."""
    if not isinstance(proto, Proto) or proto.DESCRIPTOR.full_name != f"seldon.protos.{name}":
        raise refusal("message", f"must be a seldon.protos.{name}", type(proto).__name__)
    return proto.SerializeToString()


@cache
def _wire(name: str) -> Any:
    """The class of the wire view that stands for `seldon.protos.<name>`."""
    return message_class(f"{WIRE_PACKAGE}.{name}")


def _parsed(name: str, body: bytes) -> Any:
    """From the wire view."""
    try:
        return _wire(name).FromString(body)
    except DecodeError as error:
        raise MessageError(f"malformed protobuf, must be a seldon.protos.{name}: {error}") from None


def _true(name: str, body: bytes) -> Proto:
    """The `seldon.protos.<name>` itself. Payloads that nobody looked at are read here, and may be malformed."""
    try:
        return message_class(f"seldon.protos.{name}").FromString(body)
    except DecodeError as error:
        raise MessageError(f"malformed protobuf, must be a seldon.protos.{name}: {error}") from None


def _message(message: Any, at: str) -> Message:
    """From the wire view. `at` is where the message stands: "" or such as `request.`."""
    field = message.WhichOneof("data_oneof")
    return Message(
        None if field is None else _payload(message, field, at),
        _meta(message.meta) if message.HasField("meta") else NO_META,
        _status(message.status) if message.HasField("status") else None,
        _PROTO,
    )


def _part(feedback: Any, field: str) -> Message | None:
    return _message(getattr(feedback, field), f"{field}.") if feedback.HasField(field) else None


def _payload(message: Any, field: str, at: str) -> Payload:
    if field == "data":
        return _data_payload(message.data, at)
    value = getattr(message, field)
    if field == "jsonData":
        return Payload.undecoded(_JSON_DATA, value, json_of_value)
    return Payload(_KINDS[field], value)


def _data_payload(data: Any, at: str) -> Payload:
    field = data.WhichOneof("data_oneof")
    names = tuple(data.names) if data.names else ()
    if field == "tensor":
        return Payload.undecoded(_TENSOR, data.tensor, lambda source: _tensor_array(source, f"{at}data.tensor"), names)
    if field == "ndarray":
        return Payload.undecoded(
            _NDARRAY, data.ndarray, lambda source: _ndarray_value(source, f"{at}data.ndarray"), names
        )
    if field == "tftensor":
        return Payload.undecoded(
            _TFTENSOR, data.tftensor, lambda source: array_of_tensor_proto(source, f"{at}data.tftensor"), names
        )
    raise MessageError(f"{at}data: must hold one of tensor, ndarray, tftensor (got none)")


def _tensor_array(tensor: Any, place: str) -> Array:
    """A writable array of float64. Without a shape it has one dimension."""
    shape, chunks = tensor.shape[:], tensor.values
    if len(chunks) == 1 and shape and len(chunks[0]) == 8 * math.prod(shape) and min(shape) >= 0:
        return np.frombuffer(chunks[0], "<f8").astype(np.float64).reshape(shape)
    values = _values_of_any_form(tensor, place)
    shape = shape or [values.size]
    if min(shape) < 0 or math.prod(shape) != values.size:
        raise refusal(f"{place}.shape", f"must multiply to the number of values, {values.size}", shape)
    return values.reshape(shape)


# Large tensors: their numbers are copied once on the way in, into the array, and once on the way out.

_LARGE = 64 * 1024
"""Bytes. Below, what is saved is less than what finding the numbers takes."""

_VALUES = (3, 2, 2)
"""The numbers of the fields `data`, `tensor` and `values`."""


@dataclass(frozen=True, slots=True)
class _Numbers:
    """The form that a large tensor came in: its shape, and little-endian doubles."""

    shape: Sequence[int]
    doubles: memoryview


def _message_of_large_tensor(body: bytes, doubles: memoryview) -> Message:
    """From a SeldonMessage without the values of its tensor, and those."""
    proto = _parsed("SeldonMessage", body)
    message = _message(proto, "")
    if message.payload is not None and message.payload.kind is _TENSOR:  # not overruled by another payload after it
        source = _Numbers(list(proto.data.tensor.shape), doubles)
        message.payload = Payload.undecoded(_TENSOR, source, _array_of_numbers, message.payload.names)
    return message


def _array_of_numbers(source: _Numbers) -> Array:
    if len(source.doubles) % 8:
        raise MessageError("data.tensor: malformed protobuf: its values end inside a number")
    values = np.frombuffer(source.doubles, "<f8").astype(np.float64)
    shape = source.shape or [values.size]
    if min(shape) < 0 or math.prod(shape) != values.size:
        raise refusal("data.tensor.shape", f"must multiply to the number of values, {values.size}", shape)
    return values.reshape(shape)


def _large_tensor(payload: Payload | None) -> tuple[Sequence[int], memoryview] | None:
    """The shape and the numbers of a tensor that is worth it."""
    if payload is None or payload.kind is not _TENSOR or isinstance(payload.source, Proto):
        return None
    if isinstance(payload.source, _Numbers):
        return payload.source.shape, payload.source.doubles
    array = payload.array
    if array.size * 8 < _LARGE or array.dtype.kind not in "iufb":
        return None
    doubles = np.ascontiguousarray(array, dtype="<f8").reshape(-1)
    return array.shape, doubles.view(np.uint8).data


def _with_large_tensor(message: Message, shape: Sequence[int], doubles: memoryview) -> bytes:
    """The serialized SeldonMessage; a field may stand anywhere, so the numbers go to the end."""
    assert message.payload is not None
    data, tensor, values = _VALUES
    around: bytes = _filled(_wire("SeldonMessage")(), Message(None, message.meta, message.status)).SerializeToString()
    names: bytes = _wire("DefaultData")(names=message.payload.names).SerializeToString()
    inner = _wire("Tensor")(shape=shape).SerializeToString() + head(values, len(doubles))
    outer = names + head(tensor, len(inner) + len(doubles)) + inner
    return b"".join((around, head(data, len(outer) + len(doubles)), outer, doubles))


def _values_of_any_form(tensor: Any, place: str) -> Array:
    """The values where they came unpacked, in several chunks or not at all."""
    try:
        proto: Any = message_class("seldon.protos.Tensor").FromString(tensor.SerializeToString())
    except DecodeError as error:
        raise MessageError(f"{place}: malformed protobuf: {error}") from None
    return np.fromiter(proto.values, np.float64, len(proto.values))


def _ndarray_value(serialized: bytes, place: str) -> Any:
    """An array where the list is a large grid of numbers, otherwise nested lists."""
    if len(serialized) > 11 * _FEW_NUMBERS and (array := numbers_of_list_value(serialized)) is not None:
        return array
    try:
        return json_of_list_value(message_class("google.protobuf.ListValue").FromString(serialized))
    except DecodeError as error:
        raise MessageError(f"{place}: malformed protobuf: {error}") from None


_FEW_NUMBERS = 24
"""Up to so many, a message object for each number is faster than NumPy."""


def json_of_value(value: Any) -> Any:
    """The JSON value that a google.protobuf.Value stands for."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        return value.number_value
    if kind == "string_value":
        return value.string_value
    if kind == "list_value":
        return json_of_list_value(value.list_value)
    if kind == "struct_value":
        return {key: json_of_value(item) for key, item in value.struct_value.fields.items()}
    return value.bool_value if kind == "bool_value" else None


def json_of_list_value(values: Any) -> list[Any]:
    """The list that a google.protobuf.ListValue stands for."""
    return [json_of_value(value) for value in values.values]


def _meta(meta: Any) -> Meta:
    return Meta(
        meta.puid,
        {key: json_of_value(value) for key, value in meta.tags.items()} if meta.tags else {},
        _dict(meta.routing),
        _dict(meta.requestPath),
        [_metric(metric) for metric in meta.metrics] if meta.metrics else (),
    )


def _dict(field: Any) -> dict[str, Any]:
    """A map field as a dict, in half of the time that `dict` takes for it."""
    return {key: field[key] for key in field} if field else {}


def _metric(metric: Any) -> Metric:
    return Metric(metric.key, _member(METRIC_TYPES, metric.type, "meta.metrics.type"), metric.value, _dict(metric.tags))


def _status(status: Any) -> Status:
    return Status(status.code, status.info, status.reason, _member(STATUS_FLAGS, status.status, "status.status"))


def _member(choices: tuple[Any, ...], number: int, place: str) -> Any:
    if not 0 <= number < len(choices):
        raise refusal(place, f"must be one of {', '.join(choices)}", number)
    return choices[number]


# Writing


_UNFIT = (TypeError, ValueError, OverflowError, RecursionError, EncodeError)
"""What protobuf raises for a value that does not fit into its field."""


def _unfit(error: Exception) -> MessageError:
    return MessageError(f"the message does not fit into protobuf: {error}")


def _filled(out: Any, message: Message) -> Any:
    """Writes a message into a fresh SeldonMessage of the wire view."""
    payload, meta, status = message.payload, message.meta, message.status
    if payload is not None:
        _fill_payload(out, payload)
    if meta is not NO_META:
        _fill_meta(out.meta, meta)
    if status is not None:
        _fill_status(out.status, status)
    return out


def _fill_payload(out: Any, payload: Payload) -> None:
    kind = payload.kind
    if kind is _TENSOR:
        _fill_tensor(_named(out.data, payload), payload)
    elif kind is _NDARRAY:
        source = payload.source
        _named(out.data, payload).ndarray = source if isinstance(source, bytes) else _list_value(payload.value)
    elif kind is _TFTENSOR:
        _named(out.data, payload).tftensor.CopyFrom(_tensorflow_proto(payload))
    elif kind is _BIN_DATA:
        out.binData = payload.value
    elif kind is _STR_DATA:
        out.strData = payload.value
    elif kind is _JSON_DATA or kind is _TENSORS:
        _fill_json_data(out.jsonData, payload)
    else:
        out.customData.SetInParent()
        out.customData.MergeFromString(payload.value.SerializeToString())


def _named(data: Any, payload: Payload) -> Any:
    if payload.names:
        data.names.extend(payload.names)
    return data


def _fill_tensor(data: Any, payload: Payload) -> None:
    if isinstance(payload.source, Proto):
        data.tensor.CopyFrom(payload.source)
        return
    array = payload.array
    if array.dtype.kind not in "iufb":
        raise refusal("data.tensor.values", f"must be numbers, and are of type {array.dtype}", array.shape)
    tensor = data.tensor
    tensor.shape.extend(array.shape)
    tensor.values.append(array.astype("<f8", copy=False).tobytes())


def _list_value(value: Any) -> bytes:
    """Nested lists or an array as a serialized ListValue."""
    if (array := _large_grid(value)) is not None:
        return list_value_of_numbers(array)
    out: Any = message_class("google.protobuf.ListValue")()
    _fill_list(out, value.tolist() if isinstance(value, np.ndarray) else value, 0)
    return bytes(out.SerializeToString())


def _large_grid(value: Any) -> Array | None:
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind in "iuf" and value.size > _FEW_NUMBERS else None
    first = value[0] if value else None
    n_numbers = len(value) * (len(first) if isinstance(first, list) else 1)
    return grid_of_numbers(value) if n_numbers > _FEW_NUMBERS else None


def _tensorflow_proto(payload: Payload) -> Any:
    """As it came, in protobuf or in JSON, so that also its dtype stays; otherwise from the array."""
    source = payload.source
    if isinstance(source, dict):
        return tensor_proto_of_object(source)
    return tensor_proto_of(payload.array) if source is None else source


def _fill_json_data(out: Any, payload: Payload) -> None:
    if isinstance(payload.source, Proto):
        out.CopyFrom(payload.source)
    else:
        _fill_value(out, payload.value)


_MAX_NESTING = 30
"""Readers of protobuf refuse more than 100 messages in each other. A list takes two of them, an object three."""


def _fill_value(out: Any, value: Any, depth: int = 0) -> None:
    """Writes a JSON value into a google.protobuf.Value."""
    if value is None:
        out.null_value = 0
    elif isinstance(value, str):
        out.string_value = value
    elif isinstance(value, bool):
        out.bool_value = value
    elif isinstance(value, (int, float)):
        out.number_value = value
    elif isinstance(value, (list, tuple)):
        out.list_value.SetInParent()
        _fill_list(out.list_value, value, depth + 1)
    elif isinstance(value, dict):
        out.struct_value.SetInParent()
        _fill_struct(out.struct_value.fields, value, depth + 1)
    else:
        _fill_value(out, plain(value), depth)


def _fill_list(out: Any, items: Iterable[Any], depth: int) -> None:
    """Writes JSON values into a google.protobuf.ListValue that stands in `depth` lists or objects."""
    _check_nesting(depth)
    add = out.values.add
    for item in items:
        _fill_value(add(), item, depth)


def _fill_struct(fields: Any, items: Mapping[str, Any], depth: int) -> None:
    _check_nesting(depth)
    for key, item in items.items():
        _fill_value(fields[key], item, depth)


def _check_nesting(depth: int) -> None:
    if depth > _MAX_NESTING:
        raise MessageError(f"the value is nested deeper than {_MAX_NESTING} levels, which protobuf does not carry")


def _fill_meta(out: Any, meta: Meta) -> None:
    out.SetInParent()
    if meta.puid:
        out.puid = meta.puid
    if meta.tags:
        _fill_struct(out.tags, meta.tags, 0)
    if meta.routing:
        _fill_map(out.routing, meta.routing)
    if meta.request_path:
        _fill_map(out.requestPath, meta.request_path)
    for metric in meta.metrics:
        _fill_metric(out.metrics.add(), metric)


def _fill_map(field: Any, items: Mapping[str, Any]) -> None:
    for key, item in items.items():  # `update` of a map field takes twice as long
        field[key] = item


def _fill_metric(out: Any, metric: Metric) -> None:
    out.key = metric.key
    out.type = METRIC_TYPES.index(metric.type)
    out.value = metric.value
    _fill_map(out.tags, metric.tags)


def _fill_status(out: Any, status: Status) -> None:
    out.SetInParent()
    out.code, out.info, out.reason = status.code, status.info, status.reason
    out.status = STATUS_FLAGS.index(status.status)
