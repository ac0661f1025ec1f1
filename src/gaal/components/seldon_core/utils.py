"""Messages in the forms that `_raw` components handle: protobuf, and dicts as JSON has them.

Throughout, a *datadef* is the `data` of a message: column names with a tensor, an ndarray or a tftensor. What is no
proper message raises SeldonMicroserviceException, which answers the caller with 400.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from google.protobuf import json_format
from google.protobuf.message import Message as Proto

from gaal.components.chain import metrics_of
from gaal.components.contract import implemented, is_contract_type
from gaal.components.replies import payload_of
from gaal.components.seldon_core.flask_utils import SeldonMicroserviceException
from gaal.components.seldon_core.proto import prediction_pb2
from gaal.errors import MessageError
from gaal.messages import Array, Kind, Message, Meta, Metric, Payload
from gaal.protocols import seldon_json, seldon_proto
from gaal.protocols.descriptors import pool

__all__ = [
    "array_to_grpc_datadef",
    "array_to_list_value",
    "array_to_rest_datadef",
    "construct_response",
    "construct_response_json",
    "extract_request_parts",
    "extract_request_parts_json",
    "feedback_to_json",
    "get_data_from_proto",
    "getenv",
    "getenv_as_bool",
    "grpc_datadef_to_array",
    "json_to_feedback",
    "json_to_seldon_message",
    "json_to_seldon_messages",
    "seldon_message_to_json",
    "seldon_messages_to_json",
]

JsonObject: TypeAlias = dict[str, Any]

UNIT_VARIABLE = "PREDICTIVE_UNIT_ID"
IMAGE_VARIABLE = "PREDICTIVE_UNIT_IMAGE"


# Protobuf ⇄ JSON, by the proto3 mapping: every number is a double.


def json_to_seldon_message(message_json: JsonObject | None) -> Any:
    """A SeldonMessage of JSON; an empty one of None. A field that the protocol does not have is an error."""
    return _proto_of_json(message_json, prediction_pb2.SeldonMessage())


def json_to_seldon_messages(message_json: JsonObject | list[JsonObject] | None) -> Any:
    """A SeldonMessageList of `{"seldonMessages": […]}`, or of the bare list."""
    whole = {"seldonMessages": message_json} if isinstance(message_json, list) else message_json
    return _proto_of_json(whole, prediction_pb2.SeldonMessageList())


def json_to_feedback(message_json: JsonObject | None) -> Any:
    return _proto_of_json(message_json, prediction_pb2.Feedback())


def seldon_message_to_json(message_proto: Proto) -> JsonObject:
    return _json_of_proto(message_proto)


def seldon_messages_to_json(message_protos: Proto) -> JsonObject:
    return _json_of_proto(message_protos)


def feedback_to_json(message_proto: Proto) -> JsonObject:
    return _json_of_proto(message_proto)


def _proto_of_json(value: JsonObject | None, empty: Proto) -> Proto:
    if value is None:
        return empty
    try:
        return json_format.ParseDict(value, empty, descriptor_pool=pool())
    except (json_format.ParseError, TypeError, AttributeError) as error:  # the last two for what is no object at all
        raise SeldonMicroserviceException(f"Invalid JSON: {error}") from error


def _json_of_proto(message: Proto) -> JsonObject:
    return json_format.MessageToDict(message, descriptor_pool=pool())


# Arrays.


def array_to_grpc_datadef(data_type: str | None, array: Any, names: Iterable[str] = ()) -> Any:
    """A DefaultData with the array as `data_type`: `tensor`, `ndarray` or `tftensor`; None is `ndarray`.

    Raises ValueError for any other `data_type`.
    """
    message: Any = seldon_proto.proto_of(_data_message(data_type, array, names))
    return message.data


def array_to_rest_datadef(data_type: str | None, array: Any, names: Iterable[str] = ()) -> JsonObject:
    """As `array_to_grpc_datadef`, in JSON: `{"names": […], "tensor": {"shape": […], "values": […]}}`."""
    data: JsonObject = seldon_json.object_of(_data_message(data_type, array, names))["data"]
    return data


def array_to_list_value(array: Any, lv: Any = None) -> Any:
    """The array, of any shape, as a protobuf ListValue. Appends to `lv` where one is given."""
    listed = array_to_grpc_datadef("ndarray", array).ndarray
    if lv is None:
        return listed
    lv.MergeFromString(listed.SerializeToString())
    return lv


def grpc_datadef_to_array(datadef: Any) -> Array:
    """The array in a DefaultData, empty if there is none."""
    if datadef.WhichOneof("data_oneof") is None:
        return np.array([])
    array: Array = get_data_from_proto(prediction_pb2.SeldonMessage(data=datadef))
    return array


def _data_message(data_type: str | None, array: Any, names: Iterable[str]) -> Message:
    kinds = {kind.value: kind for kind in Kind if kind.is_data}
    kind = kinds.get(data_type or "ndarray")
    if kind is None:
        raise ValueError(f"data_type must be one of {', '.join(kinds)}, got {data_type!r}")
    return Message(Payload(kind, np.asarray(array), tuple(names)))


# What is in a request.


def get_data_from_proto(request: Any) -> Any:
    """The payload of a SeldonMessage: an array, bytes, str, a JSON value, or an Any."""
    kind = request.WhichOneof("data_oneof")
    if kind == "data" and request.data.WhichOneof("data_oneof") is None:
        return np.array([])
    with _refusing():
        return _value_of(seldon_proto.message_of(request))


def extract_request_parts(request: Any) -> tuple[Any, JsonObject, Any, str | None]:
    """(payload, meta as JSON, datadef, which of `data`, `binData`, … the payload was) of a SeldonMessage."""
    return get_data_from_proto(request), _json_of_proto(request.meta), request.data, request.WhichOneof("data_oneof")


def extract_request_parts_json(request: Any) -> tuple[Any, JsonObject, JsonObject | None, str]:
    """(payload, meta, datadef or None, which of `data`, `binData`, … the payload was) of a message in JSON."""
    if not isinstance(request, dict):
        raise SeldonMicroserviceException(f"Invalid request data type: {request!r}")
    with _refusing():
        message = seldon_json.message_of(request)
        value = _value_of(message)
    assert message.payload is not None  # or there would be no value
    kind = message.payload.kind
    return value, request.get("meta") or {}, request.get("data"), "data" if kind.is_data else kind.value


def _value_of(message: Message) -> Any:
    """What a component gets to see of a message. Raises MessageError if there is no payload."""
    payload = message.payload
    if payload is None:
        raise MessageError("the message must have one of data, binData, strData, jsonData or customData, got none")
    return payload.array if payload.kind.is_data else payload.value


@contextmanager
def _refusing() -> Iterator[None]:
    """Turns what the protocols refuse into the exception that components know."""
    try:
        yield
    except MessageError as error:
        raise SeldonMicroserviceException(str(error)) from error


# A reply to a request.


def construct_response(
    user_model: object,
    is_request: bool,
    client_request: Any,
    client_raw_response: Any,
    meta: Mapping[str, Any] | None = None,
    custom_metrics: Sequence[Mapping[str, Any]] | None = None,
    runtime_metrics: Sequence[Mapping[str, Any]] | None = None,
    runtime_tags: Mapping[str, Any] | None = None,
) -> Any:
    """The SeldonMessage that answers `client_request` with what a method returned, as the internal API would.

    Columns are named by `feature_names` of `user_model` if `is_request` (the reply goes on as a request), else by its
    `class_names`. Tags are those of the request, of `tags()`, and `runtime_tags`; the later win. Metrics are those of
    the request, `custom_metrics` (where None, those of `metrics()`) and `runtime_metrics`. Where `meta` is given, its
    tags and metrics count as the request's.
    """
    with _refusing():
        request = seldon_proto.message_of(client_request)
        returned = _Returned(user_model, client_raw_response, meta, custom_metrics, runtime_metrics, runtime_tags)
        return seldon_proto.proto_of(returned.in_reply_to(request, is_request))


def construct_response_json(
    user_model: object,
    is_request: bool,
    client_request_raw: Any,
    client_raw_response: Any,
    meta: Mapping[str, Any] | None = None,
    custom_metrics: Sequence[Mapping[str, Any]] | None = None,
    runtime_metrics: Sequence[Mapping[str, Any]] | None = None,
    runtime_tags: Mapping[str, Any] | None = None,
) -> JsonObject:
    """As `construct_response`, in JSON."""
    with _refusing():
        request = seldon_json.message_of(client_request_raw)
        returned = _Returned(user_model, client_raw_response, meta, custom_metrics, runtime_metrics, runtime_tags)
        return seldon_json.object_of(returned.in_reply_to(request, is_request))


class _Returned:
    """What a method of `model` returned, and what it has to say beside it."""

    def __init__(
        self,
        model: object,
        data: Any,
        meta: Mapping[str, Any] | None,
        custom_metrics: Sequence[Mapping[str, Any]] | None,
        runtime_metrics: Sequence[Mapping[str, Any]] | None,
        runtime_tags: Mapping[str, Any] | None,
    ) -> None:
        self.model = model
        self.data = data
        self.meta = meta
        self.custom_metrics = custom_metrics
        self.runtime_metrics = list(runtime_metrics or ())
        self.runtime_tags = dict(runtime_tags or {})
        if is_contract_type(data, "SeldonResponse"):
            self.data = data.data
            self.runtime_metrics += data.metrics or ()
            self.runtime_tags.update(data.tags or {})

    def in_reply_to(self, request: Message, is_request: bool) -> Message:
        payload = payload_of(self.data, request.payload, self._names("feature_names" if is_request else "class_names"))
        inherited = request.meta if self.meta is None else seldon_json.message_of({"meta": dict(self.meta)}).meta
        tags, metrics = self._method("tags"), self._metrics()
        meta = Meta(
            puid=request.meta.puid,
            tags={**inherited.tags, **(tags() if tags else {}), **self.runtime_tags},
            request_path={**_own_path(), **request.meta.request_path},
            metrics=[*inherited.metrics, *metrics],
        )
        return Message(payload, meta, encoding=request.encoding)

    def _metrics(self) -> list[Metric]:
        custom = self.custom_metrics
        if custom is None:
            metrics = self._method("metrics")
            custom = metrics() if metrics else []
        return metrics_of(os.environ.get(UNIT_VARIABLE, ""), "predict", [*custom, *self.runtime_metrics])

    def _names(self, attribute: str) -> Callable[[], Sequence[str]] | None:
        """A method, or in older code a list."""
        names = getattr(self.model, attribute, None)
        return self._method(attribute) if names is None or callable(names) else lambda: names

    def _method(self, name: str) -> Callable[[], Any] | None:
        return getattr(self.model, name) if implemented(self.model, name) else None


def _own_path() -> dict[str, str]:
    """The entry of `requestPath` for the unit that this process serves, as its environment has it."""
    unit = os.environ.get(UNIT_VARIABLE)
    return {unit: os.environ.get(IMAGE_VARIABLE, "")} if unit else {}


# The environment.


def getenv(*env_vars: str, default: str | None = None) -> str | None:
    """The value of the first of these variables that is set."""
    return next((os.environ[name] for name in env_vars if name in os.environ), default)


def getenv_as_bool(*env_vars: str, default: bool = False) -> bool:
    """Whether the first of these variables that is set says y, yes, t, true, on or 1, in any case."""
    value = getenv(*env_vars)
    return default if value is None else value.strip().lower() in ("y", "yes", "t", "true", "on", "1")
