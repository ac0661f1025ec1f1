"""The Seldon protocol in JSON: SeldonMessage, Feedback, SeldonMessageList and metadata ⇄ the forms of `messages`.

The mapping is that of proto3 JSON, with what servers of this protocol have always done beside it: integers stay
integers, unknown fields are ignored, of several payloads the first of data, jsonData, strData, binData and
customData counts, and `meta` and `data.names` are always printed. Tensors are printed as jsonData: an object of arrays.

A payload is read when someone looks at it. Until then it is the JSON that it came as, and is printed as that.
Every error is a MessageError that names the place, the rule and the value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, cast

import numpy as np

from gaal.errors import MessageError
from gaal.messages import (
    METRIC_TYPES,
    NO_META,
    Array,
    Feedback,
    GraphMetadata,
    Kind,
    Message,
    Meta,
    Metric,
    ModelMetadata,
    Payload,
    Status,
)
from gaal.protocols.base64_text import decode_base64, encode_base64
from gaal.protocols.custom_data import any_of_object, object_of_any
from gaal.protocols.json_text import (
    NON_FINITE,
    dump,
    dump_line,
    listed,
    parse,
    parse_exactly,
    plain,
    printable,
    refusal,
    shortened,
)
from gaal.protocols.tensorflow_tensor import array_of_tensor_object, tensor_object_of

# Names of their own for what the hot path compares with: looking a member up in its enum costs 30 ns, hashing it 150.
_TENSOR, _NDARRAY, _TFTENSOR = Kind.TENSOR, Kind.NDARRAY, Kind.TFTENSOR
_JSON_DATA, _STR_DATA, _BIN_DATA, _CUSTOM_DATA = Kind.JSON_DATA, Kind.STR_DATA, Kind.BIN_DATA, Kind.CUSTOM_DATA

STATUS_FLAGS: tuple[Literal["SUCCESS", "FAILURE"], ...] = ("SUCCESS", "FAILURE")
"""In the order of their numbers in the protocol."""


# Messages


def decode_message(body: bytes) -> Message:
    """A SeldonMessage from JSON text in UTF-8."""
    return _message(_parse(body), "", _may_name_numbers(body))


def message_of(value: Any) -> Message:
    """A SeldonMessage from parsed JSON, which belongs to the message from here on."""
    return _message(value, "", True)


def encode_message(message: Message, *, bare_non_finite: bool = False) -> bytes:
    """Compact JSON text. NaN and the infinities are the strings of proto3 JSON, or bare literals if told so."""
    return dump(_object(message, printable), bare_non_finite=bare_non_finite)


@dataclass(slots=True)
class Verbatim(Message):
    """A message whose JSON is `document`, a dict, with whatever else stands in it: such as user code gave it."""

    document: Any = None


def verbatim_of(value: Any) -> Verbatim:
    """As `message_of`, and the JSON is kept as it is."""
    message = message_of(value)
    return Verbatim(message.payload, message.meta, message.status, message.encoding, value)


class VerbatimList(list[Message]):
    """Messages whose JSON is `document`: a list, or an object that holds one."""

    document: Any


def verbatim_list_of(value: Any) -> VerbatimList:
    """As `message_list_of`, and the JSON is kept as it is."""
    messages = VerbatimList(message_list_of(value))
    messages.document = value
    return messages


def encode_line(message: Message) -> bytes:
    """The JSON text of the internal API: as the Python wrapper prints it, see `json_text.dump_line`."""
    return dump_line(message.document if isinstance(message, Verbatim) else _object(message, printable))


def object_of(message: Message) -> dict[str, Any]:
    """A message as dicts, lists and Python values of its own, as user code gets to see it. NaN is a float."""
    return cast("dict[str, Any]", plain(_object(message, listed)))


def decode_message_list(body: bytes) -> list[Message]:
    """A SeldonMessageList `{"seldonMessages": […]}`, or a bare array of messages."""
    return _message_list(_parse(body), _may_name_numbers(body))


def message_list_of(value: Any) -> list[Message]:
    """As `decode_message_list`, from parsed JSON, which belongs to the messages from here on."""
    return _message_list(value, True)


def _message_list(value: Any, named: bool) -> list[Message]:
    if isinstance(value, dict):
        value = value.get("seldonMessages")
        if value is None:
            return []
    if not isinstance(value, (list, tuple)):
        raise refusal("seldonMessages", "must be an array of messages", value)
    return [_message(item, f"seldonMessages[{i}].", named) for i, item in enumerate(value)]


def encode_message_list(messages: Sequence[Message], *, bare_non_finite: bool = False) -> bytes:
    return dump(_list_object(messages, printable), bare_non_finite=bare_non_finite)


def message_list_object(messages: Sequence[Message]) -> dict[str, Any]:
    """As `object_of`, for a SeldonMessageList."""
    return cast("dict[str, Any]", plain(_list_object(messages, listed)))


def decode_feedback(body: bytes) -> Feedback:
    """A Feedback from JSON text in UTF-8."""
    return _feedback(_parse(body), _may_name_numbers(body))


def feedback_of(value: Any) -> Feedback:
    """A Feedback from parsed JSON, which belongs to the feedback from here on."""
    return _feedback(value, True)


def _feedback(value: Any, named: bool) -> Feedback:
    if not isinstance(value, dict):
        raise refusal("feedback", "must be a JSON object", value)
    reward = value.get("reward")
    return Feedback(
        _part(value, "request", named),
        _part(value, "response", named),
        0.0 if reward is None else _number(reward, "reward"),
        _part(value, "truth", named),
    )


def encode_feedback(feedback: Feedback, *, bare_non_finite: bool = False) -> bytes:
    return dump(_feedback_object(feedback, printable), bare_non_finite=bare_non_finite)


def feedback_object(feedback: Feedback) -> dict[str, Any]:
    """As `object_of`, for a Feedback."""
    return cast("dict[str, Any]", plain(_feedback_object(feedback, listed)))


def encode_status(status: Status) -> bytes:
    """A message that is nothing but a status: the protocol's form of an error."""
    return dump({"status": _status_object(status)})


# Metadata


def model_metadata_object(metadata: ModelMetadata) -> dict[str, Any]:
    """All six fields, the empty ones too."""
    return {
        "name": metadata.name,
        "versions": list(metadata.versions),
        "platform": metadata.platform,
        "inputs": list(metadata.inputs),
        "outputs": list(metadata.outputs),
        "custom": dict(metadata.custom),
    }


def graph_metadata_object(metadata: GraphMetadata) -> dict[str, Any]:
    """The graph's own fields always; those of its models where they are not empty."""
    return {
        "name": metadata.name,
        "models": {
            unit: {field: value for field, value in model_metadata_object(model).items() if value}
            for unit, model in metadata.models.items()
        },
        "graphinputs": list(metadata.inputs),
        "graphoutputs": list(metadata.outputs),
    }


def model_metadata_of(value: Any, place: str = "metadata") -> ModelMetadata:
    """The inverse of `model_metadata_object`; unknown fields are ignored."""
    _expect(value, dict, place, "must be a JSON object")
    return ModelMetadata(
        name=_field(value, "name", str, place, ""),
        versions=tuple(_items(value, "versions", str, place)),
        platform=_field(value, "platform", str, place, ""),
        inputs=tuple(_items(value, "inputs", dict, place)),
        outputs=tuple(_items(value, "outputs", dict, place)),
        custom=_texts(value.get("custom"), f"{place}.custom"),
    )


def graph_metadata_of(value: Any, place: str = "metadata") -> GraphMetadata:
    """The inverse of `graph_metadata_object`; unknown fields are ignored."""
    _expect(value, dict, place, "must be a JSON object")
    models = _field(value, "models", dict, place, {})
    return GraphMetadata(
        name=_field(value, "name", str, place, ""),
        models={unit: model_metadata_of(model, f"{place}.models.{unit}") for unit, model in models.items()},
        inputs=tuple(_items(value, "graphinputs", dict, place)),
        outputs=tuple(_items(value, "graphoutputs", dict, place)),
    )


# Reading


def _parse(body: bytes) -> Any:
    """The parsed body. In a jsonData integers of any length survive, which needs the slower parser."""
    return parse_exactly(body) if b'"jsonData"' in body else parse(body)


def _may_name_numbers(body: bytes) -> bool:
    """Whether a non-finite number may stand in the text by its name: few texts need a second look at every leaf."""
    return b'NaN"' in body or b'Infinity"' in body


def _message(value: Any, at: str, named: bool) -> Message:
    """`at` is where the message stands, "" or such as `request.`; `named`: there may be names of numbers in it."""
    if not isinstance(value, dict):
        raise refusal(at.rstrip(".") or "message", "must be a JSON object", value)
    meta, status = value.get("meta"), value.get("status")
    return Message(
        _payload(value, at, named),
        NO_META if meta is None or meta == {} else _meta(meta, at),
        None if status is None else _status(status, f"{at}status"),
    )


def _part(feedback: dict[str, Any], field: str, named: bool) -> Message | None:
    value = feedback.get(field)
    return None if value is None else _message(value, f"{field}.", named)


def _payload(message: dict[str, Any], at: str, named: bool) -> Payload | None:
    data = message.get("data")
    if data is not None:
        return _data_payload(data, at, named)
    if "jsonData" in message:  # null is a value of its own
        return Payload(_JSON_DATA, message["jsonData"])
    if (text := message.get("strData")) is not None:
        return Payload(_STR_DATA, _expect(text, str, f"{at}strData", "must be a string"))
    if (encoded := message.get("binData")) is not None:
        _expect(encoded, str, f"{at}binData", "must be a base64 string")
        return Payload.undecoded(_BIN_DATA, encoded, lambda source: decode_base64(source, f"{at}binData"))
    if (custom := message.get("customData")) is not None:
        _expect(custom, dict, f"{at}customData", "must be a JSON object")
        return Payload.undecoded(_CUSTOM_DATA, custom, lambda source: any_of_object(source, f"{at}customData"))
    return None


def _data_payload(data: Any, at: str, named: bool) -> Payload:
    if not isinstance(data, dict):
        raise refusal(f"{at}data", "must be a JSON object", data)
    names = data.get("names") or ()
    if names:
        _check_names(names, at)
    ndarray, tensor, tftensor = data.get("ndarray"), data.get("tensor"), data.get("tftensor")
    if (ndarray is None) + (tensor is None) + (tftensor is None) != 2:
        raise _wrong_kinds(data, at)
    if ndarray is not None:
        if not isinstance(ndarray, (list, tuple, np.ndarray)):
            raise refusal(f"{at}data.ndarray", "must be an array", ndarray)
        if named:
            return Payload.undecoded(
                _NDARRAY, ndarray, lambda source: _ndarray_value(source, f"{at}data.ndarray"), names
            )
        return Payload(_NDARRAY, ndarray, names)
    if tensor is not None:
        _expect(tensor, dict, f"{at}data.tensor", "must be a JSON object")
        return Payload.undecoded(_TENSOR, tensor, lambda source: _tensor_array(source, f"{at}data.tensor"), names)
    _expect(tftensor, dict, f"{at}data.tftensor", "must be a JSON object")
    return Payload.undecoded(
        _TFTENSOR, tftensor, lambda source: array_of_tensor_object(source, f"{at}data.tftensor"), names
    )


def _check_names(names: Any, at: str) -> None:
    if not isinstance(names, (list, tuple)):
        raise refusal(f"{at}data.names", "must be an array of strings", names)
    for i, name in enumerate(names):
        if not isinstance(name, str):
            raise refusal(f"{at}data.names[{i}]", "must be a string", name)


def _wrong_kinds(data: dict[str, Any], at: str) -> MessageError:
    kinds = ("tensor", "ndarray", "tftensor")
    rule = f"{at}data: must hold one of {', '.join(kinds)}"
    known = [kind for kind in kinds if data.get(kind) is not None]
    if known:
        return MessageError(f"{rule} (got {' and '.join(known)})")
    for field in data:
        near = get_close_matches(str(field).lower(), kinds, n=1)
        if near:
            return MessageError(f"{rule} (got {shortened(field)}; did you mean {near[0]}?)")
    return MessageError(f"{rule} (got {shortened(list(data))})")


def _ndarray_value(nested: Any, place: str) -> Any:
    """The lists as they came; names of non-finite numbers become numbers where every other leaf is a number."""
    if isinstance(nested, np.ndarray):
        return nested
    strings: set[str] = set()
    try:
        types = _leaf_types(nested, strings)
    except RecursionError:
        raise MessageError(f"{place}: the array is nested too deep") from None
    if strings and types <= {int, float, str} and types != {str} and strings <= NON_FINITE.keys():
        return _with_non_finite(nested)
    return nested


def _leaf_types(nested: Any, strings: set[str]) -> set[type]:
    """The types of all leaves; `strings` gets the strings among them."""
    types = set(map(type, nested))
    if str in types:
        strings.update(leaf for leaf in nested if type(leaf) is str)
    if list in types:
        types.remove(list)
        types.update(*(_leaf_types(row, strings) for row in nested if type(row) is list))
    return types


def _with_non_finite(nested: Any) -> Any:
    return [_with_non_finite(item) if type(item) is list else NON_FINITE.get(item, item) for item in nested]


def _tensor_array(tensor: Mapping[str, Any], place: str) -> Array:
    """`{"shape": […], "values": […]}` as an array of int64, uint64 or float64. No shape: one dimension."""
    values, shape = tensor.get("values"), tensor.get("shape")
    array = _numbers(() if values is None else values, f"{place}.values")
    if not shape:
        return array
    _check_shape(shape, array.size, f"{place}.shape")
    return array.reshape(shape)


def _check_shape(shape: Any, n_values: int, place: str) -> None:
    if not isinstance(shape, (list, tuple)):
        raise refusal(place, "must be an array of integers", shape)
    for i, size in enumerate(shape):
        if type(size) is not int or size < 0:
            raise refusal(f"{place}[{i}]", "must be an integer ≥ 0", size)
    if math.prod(shape) != n_values:
        raise refusal(place, f"must multiply to the number of values, {n_values}", shape)


def _numbers(values: Any, place: str) -> Array:
    if not isinstance(values, (list, tuple, np.ndarray)):
        raise refusal(place, "must be an array of numbers", values)
    try:
        array: Array = np.asarray(values)
        if array.dtype.kind == "U":
            array = np.asarray([NON_FINITE.get(value, value) for value in values])
    except (ValueError, TypeError, OverflowError):  # ragged, or nested and mixed with strings
        array = np.empty((), dtype=object)
    if array.ndim != 1 or array.dtype.kind not in "iufb":
        raise refusal(place, "must be a flat array of numbers of up to 64 bits", values)
    return array


def _meta(meta: Any, at: str) -> Meta:
    place = f"{at}meta"
    _expect(meta, dict, place, "must be a JSON object")
    get = meta.get
    puid, tags, routing, request_path, metrics = (
        get("puid"),
        get("tags"),
        get("routing"),
        get("requestPath"),
        get("metrics"),
    )
    return Meta(
        "" if puid is None else _expect(puid, str, f"{place}.puid", "must be a string"),
        _expect(tags, dict, f"{place}.tags", "must be a JSON object") if tags else {},
        _routing(routing, f"{place}.routing") if routing else {},
        _texts(request_path, f"{place}.requestPath") if request_path else {},
        metrics_of(metrics, f"{place}.metrics") if metrics else (),
    )


def _routing(routing: Any, place: str) -> dict[str, int]:
    _expect(routing, dict, place, "must be a JSON object")
    for unit, branch in routing.items():
        if type(branch) is not int or not -(2**31) <= branch < 2**31:
            routing = routing | {unit: _int32(branch, f"{place}.{unit}")}
    return cast("dict[str, int]", routing)


def metrics_of(metrics: Any, place: str = "metrics") -> list[Metric]:
    """A list of `{"key", "type", "value"[, "tags"]}`, as messages have it and components return it."""
    if not isinstance(metrics, (list, tuple)):
        raise refusal(place, "must be an array of metrics", metrics)
    return [_metric(metric, f"{place}[{i}]") for i, metric in enumerate(metrics)]


def _metric(metric: Any, place: str) -> Metric:
    _expect(metric, dict, place, "must be a JSON object")
    value = metric.get("value")
    return Metric(
        _field(metric, "key", str, place, ""),
        _choice(metric.get("type"), METRIC_TYPES, f"{place}.type"),
        0.0 if value is None else _number(value, f"{place}.value"),
        _texts(metric.get("tags"), f"{place}.tags"),
    )


def _status(status: Any, place: str) -> Status:
    _expect(status, dict, place, "must be a JSON object")
    code = status.get("code")
    return Status(
        0 if code is None else _int32(code, f"{place}.code"),
        _field(status, "info", str, place, ""),
        _field(status, "reason", str, place, ""),
        _choice(status.get("status"), STATUS_FLAGS, f"{place}.status"),
    )


# Rules for single values


def _expect(value: Any, type_: type, place: str, rule: str) -> Any:
    if not isinstance(value, type_):
        raise refusal(place, rule, value)
    return value


def _field(holder: Mapping[str, Any], field: str, type_: type, place: str, default: Any) -> Any:
    """The value of a field, which may be missing or null."""
    value = holder.get(field)
    if value is None:
        return default
    return _expect(value, type_, f"{place}.{field}", _MUST_BE[type_])


_MUST_BE: Mapping[type, str] = {str: "must be a string", dict: "must be a JSON object"}


def _items(holder: Mapping[str, Any], field: str, type_: type, place: str) -> Sequence[Any]:
    value = holder.get(field)
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise refusal(f"{place}.{field}", "must be an array", value)
    return [_expect(item, type_, f"{place}.{field}[{i}]", _MUST_BE[type_]) for i, item in enumerate(value)]


def _texts(value: Any, place: str) -> dict[str, str]:
    """A map from strings to strings, which may be missing or null."""
    if value is None:
        return {}
    _expect(value, dict, place, "must be a JSON object")
    for key, text in value.items():
        if not isinstance(text, str):
            raise refusal(f"{place}.{key}", "must be a string", text)
    return cast("dict[str, str]", value)


def _number(value: Any, place: str) -> float:
    """A number, or the name of a non-finite one."""
    if isinstance(value, str) and value in NON_FINITE:
        return NON_FINITE[value]
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise refusal(place, "must be a number", value)
    return value


def _int32(value: Any, place: str) -> int:
    """An integer of 32 bits; `1.0` and `"1"` are such integers in proto3 JSON."""
    whole = isinstance(value, float) and value.is_integer()
    if whole or isinstance(value, np.integer) or (isinstance(value, str) and _INTEGER.fullmatch(value)):
        value = int(value)
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise refusal(place, "must be an integer of 32 bits", value)
    return value


_INTEGER = re.compile(r"-?[0-9]{1,10}")

_Choice = TypeVar("_Choice", bound=str)


def _choice(value: Any, choices: tuple[_Choice, ...], place: str) -> _Choice:
    """A member of an enum by its name or number; the first where it is missing or null."""
    if value is None:
        return choices[0]
    if isinstance(value, str) and value in choices:
        return choices[choices.index(value)]
    if type(value) is int and 0 <= value < len(choices):
        return choices[value]
    raise refusal(place, f"must be one of {', '.join(choices)}", value)


# Writing


def _object(message: Message, array_form: Callable[[Array], Any]) -> dict[str, Any]:
    """`array_form` makes of an array what shall stand in the object: `printable` or `listed`."""
    payload, status = message.payload, message.status
    out: dict[str, Any] = {} if payload is None else _payload_object(payload, array_form)
    out["meta"] = _meta_object(message.meta)
    if status is not None:
        out["status"] = _status_object(status)
    return out


def _payload_object(payload: Payload, array_form: Callable[[Array], Any]) -> dict[str, Any]:
    kind = payload.kind
    if kind is _NDARRAY:
        value = payload.value
        shown = array_form(value) if isinstance(value, np.ndarray) else value
        return {"data": {"names": payload.names, "ndarray": shown}}
    if kind is _TENSOR:
        return {"data": {"names": payload.names, "tensor": _tensor_object(payload, array_form)}}
    source = payload.source
    if kind is _TFTENSOR:
        return {"data": {"names": payload.names, "tftensor": _tensorflow_object(payload)}}
    if kind is _BIN_DATA:
        return {"binData": source if isinstance(source, str) else encode_base64(payload.value)}
    if kind is _CUSTOM_DATA:
        return {"customData": source if isinstance(source, dict) else object_of_any(payload.value)}
    return {"strData" if kind is _STR_DATA else "jsonData": payload.value}


def _tensor_object(payload: Payload, array_form: Callable[[Array], Any]) -> dict[str, Any]:
    source = payload.source
    if isinstance(source, dict):  # as it came, without unknown fields
        return {field: source[field] for field in ("shape", "values") if field in source}
    array = payload.array
    if array.dtype.kind not in "iufb":
        raise refusal("data.tensor.values", f"must be numbers, and are of type {array.dtype}", array.shape)
    return {"shape": array.shape, "values": array_form(array.ravel())}


def _tensorflow_object(payload: Payload) -> dict[str, Any]:
    """As it came, in JSON or in protobuf, so that also its dtype stays; otherwise from the array."""
    source = payload.source
    if isinstance(source, dict):
        return source
    return tensor_object_of(payload.array if source is None else source)


def _meta_object(meta: Meta) -> dict[str, Any]:
    """Only what is not empty."""
    out: dict[str, Any] = {}
    if meta is NO_META:
        return out
    if meta.puid:
        out["puid"] = meta.puid
    if meta.tags:
        out["tags"] = meta.tags
    if meta.routing:
        out["routing"] = meta.routing
    if meta.request_path:
        out["requestPath"] = meta.request_path
    if meta.metrics:
        out["metrics"] = [_metric_object(metric) for metric in meta.metrics]
    return out


def _metric_object(metric: Metric) -> dict[str, Any]:
    out: dict[str, Any] = {"key": metric.key, "type": metric.type, "value": metric.value}
    if metric.type not in METRIC_TYPES:
        raise refusal("meta.metrics.type", f"must be one of {', '.join(METRIC_TYPES)}", metric.type)
    if metric.tags:
        out["tags"] = metric.tags
    return out


def _status_object(status: Status) -> dict[str, Any]:
    return {"code": status.code, "info": status.info, "reason": status.reason, "status": status.status}


def _list_object(messages: Sequence[Message], array_form: Callable[[Array], Any]) -> dict[str, Any]:
    return {"seldonMessages": [_object(message, array_form) for message in messages]}


def _feedback_object(feedback: Feedback, array_form: Callable[[Array], Any]) -> dict[str, Any]:
    """In the order of the protocol; missing messages are left out, the reward never."""
    out: dict[str, Any] = {}
    if feedback.request is not None:
        out["request"] = _object(feedback.request, array_form)
    if feedback.response is not None:
        out["response"] = _object(feedback.response, array_form)
    out["reward"] = feedback.reward
    if feedback.truth is not None:
        out["truth"] = _object(feedback.truth, array_form)
    return out
