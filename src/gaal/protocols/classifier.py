"""The Classifier API of Seldon Server: ClassificationRequest and ClassificationReply, in JSON and in protobuf.

A request becomes a message that any graph understands:

| features (`data`)                             | payload                                                     |
|-----------------------------------------------|-------------------------------------------------------------|
| a JSON object of scalars                      | NDARRAY, one row, its names the keys                        |
| a JSON array of numbers                       | NDARRAY, one row without names                              |
| other JSON                                    | JSON_DATA                                                   |
| a message of a known type with scalars alone  | NDARRAY, one row, its names the fields in their order       |
| another message of a known type               | as its JSON                                                 |
| a message of an unknown type                  | CUSTOM_DATA                                                 |

With a registered class of requests, JSON becomes such a message first, so the type's rules hold for it.
`payload.source` is the `Features` as they came: a Classifier microservice gets the very same.

A reply is one row of predictions, with a name for each class. `payload.source` is the `Classification` that a
Classifier microservice gave, with all that a row has no place for; it goes out unchanged.

Every error is a MessageError that names the place, the rule and the value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from gaal.errors import ComponentError, MessageError
from gaal.messages import NO_META, Array, Encoding, Json, Kind, Message, Meta, Payload
from gaal.protocols.descriptors import message_class
from gaal.protocols.json_text import dump, parse, refusal, shortened
from gaal.protocols.own_types import DEFAULT_CLASS, NO_TYPES, URL_PREFIX, OwnTypes, default_message, new_any
from gaal.protocols.proto_json import unknown_field

REQUEST = "io.seldon.api.rpc.ClassificationRequest"
REPLY = "io.seldon.api.rpc.ClassificationReply"
METHODS = ("/io.seldon.api.rpc.Classifier/Predict", "/io.seldon.api.rpc.Seldon/Classify")
"""The one method, under the name that was documented and under the one that was released."""

_SCALARS = frozenset((int, float, str, bool, type(None)))
_NUMBERS = frozenset((int, float))


class Features:
    """The features of a request, as JSON or as a google.protobuf.Any, whichever they came as."""

    __slots__ = ("_any", "_json", "_typed", "is_json", "types")

    def __init__(self, types: OwnTypes, *, json: Json = None, any: Any = None) -> None:
        self.types = types
        self.is_json = any is None
        self._json = json
        self._any = any
        self._typed: tuple[Any, str] | None = None

    @property
    def message(self) -> Any:
        """The message that the JSON stands for, by the registered types. Raises MessageError where there is none."""
        if self._typed is None:
            self._typed = self.types.message_of(self._json)
        return self._typed[0]

    @property
    def any(self) -> Any:
        """The very Any that came, or the one of the JSON. Raises MessageError for JSON that fits no type."""
        if self._any is None:
            message, url = self._typed or self.types.message_of(self._json)
            self._any = new_any(url, message)
        return self._any

    @property
    def json(self) -> Json:
        """The very JSON that came, without `@type`, or that of the Any."""
        if not self.is_json:
            return self.types.json_of(self._any)
        if isinstance(self._json, dict) and "@type" in self._json:
            return {name: value for name, value in self._json.items() if name != "@type"}
        return self._json


class Prediction(NamedTuple):
    """What a model says of one class. The class has a name, or its index in decimal."""

    prediction: float
    predicted_class: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Classification:
    """A whole reply. `custom` is a google.protobuf.Any where `is_json` is false, else JSON; None is none."""

    predictions: Sequence[Prediction]
    model_name: str = ""
    custom: Any = None
    is_json: bool = False


# Requests


def decode_json(body: bytes, types: OwnTypes = NO_TYPES) -> Message:
    """A request `{"meta": {"puid"}, "data"}` from JSON text in UTF-8. Unknown fields are refused."""
    return request_of(parse(body), types)


def request_of(value: Any, types: OwnTypes = NO_TYPES) -> Message:
    """As `decode_json`, from parsed JSON, which is not changed."""
    if not isinstance(value, dict):
        raise refusal("request", "must be a JSON object", value)
    for name in value:
        if name not in ("meta", "data"):
            raise _stray(value, name)
    payload = _payload_of_json(value["data"], types) if value.get("data") is not None else None
    puid = _puid(value.get("meta"))
    return Message(payload, Meta(puid=puid) if puid else NO_META)


def decode_proto(body: bytes, types: OwnTypes = NO_TYPES) -> Message:
    """A request from its serialized form."""
    request = _parsed(REQUEST, body)
    payload = _payload_of_any(request.data, types) if request.HasField("data") else None
    puid = request.meta.puid
    return Message(payload, Meta(puid=puid) if puid else NO_META, encoding=Encoding.PROTO)


def encode_request_json(message: Message, types: OwnTypes = NO_TYPES, *, puid: str = "") -> bytes:
    """A request for a microservice, as JSON: the features as they came if they came so, else as JSON of them.

    `puid` stands for the message's own where that has none.
    """
    payload = message.payload
    request: dict[str, Any] = {}
    if puid := message.meta.puid or puid:
        request["meta"] = {"puid": puid}
    if payload is not None:
        source = payload.source
        request["data"] = source.json if isinstance(source, Features) else _json_of_payload(payload, types)
    return dump(request)


def encode_request_proto(message: Message, types: OwnTypes = NO_TYPES, *, puid: str = "") -> bytes:
    """A request for a microservice, serialized. `types` are asked where the features are not as they came."""
    payload = message.payload
    request: Any = message_class(REQUEST)()
    if puid := message.meta.puid or puid:
        request.meta.puid = puid
    if payload is not None:
        source = payload.source
        request.data.CopyFrom(source.any if isinstance(source, Features) else _any_of_payload(payload, types))
    return bytes(request.SerializeToString())


def _stray(request: Mapping[str, Any], name: str) -> MessageError:
    if "data" not in request:
        return MessageError(f"request: the features must stand under data (got {shortened(list(request))})")
    return unknown_field("request", name, ("meta", "data"), "ClassificationRequest")


def _puid(meta: Any) -> str:
    """The documents of this API have puids that are numbers."""
    if meta is None:
        return ""
    if not isinstance(meta, dict):
        raise refusal("meta", "must be a JSON object", meta)
    for name in meta:
        if name != "puid":
            raise unknown_field("meta", name, ("puid",), "ClassificationRequestMeta")
    puid = meta.get("puid")
    if isinstance(puid, str):
        return puid
    if puid is None:
        return ""
    if isinstance(puid, bool) or not isinstance(puid, (int, float)):
        raise refusal("meta.puid", "must be a string or a number", puid)
    return str(puid)


def _payload_of_json(data: Any, types: OwnTypes) -> Payload:
    features = Features(types, json=data)
    if types.request_class != DEFAULT_CLASS or (isinstance(data, dict) and "@type" in data):
        return _payload_of_message(features.message, features)
    return _with_source(_row_of_json(data) or Payload(Kind.JSON_DATA, data), features)


def _row_of_json(data: Any) -> Payload | None:
    """One row, if that is what the JSON has."""
    if isinstance(data, dict):
        if data and _SCALARS.issuperset(map(type, data.values())):
            return Payload(Kind.NDARRAY, [list(data.values())], tuple(data))
    elif isinstance(data, list) and _NUMBERS.issuperset(map(type, data)):
        return Payload(Kind.NDARRAY, [data])
    return None


def _payload_of_any(data: Any, types: OwnTypes) -> Payload:
    features = Features(types, any=data)
    message = types.message_in(data)
    if message is None:
        return _with_source(Payload(Kind.CUSTOM_DATA, data), features)
    return _payload_of_message(message, features)


def _payload_of_message(message: Any, features: Features) -> Payload:
    types = features.types
    if message.DESCRIPTOR.full_name == DEFAULT_CLASS:
        values = message.values
        row = np.fromiter(values, np.float64, len(values)).reshape(1, -1)
        return _with_source(Payload(Kind.NDARRAY, row), features)
    if (named := types.row_of(message)) is not None:
        names, values = named
        return _with_source(Payload(Kind.NDARRAY, [values], names), features)
    shown = types.json_form.object_of(message)
    return _with_source(_row_of_json(shown) or Payload(Kind.JSON_DATA, shown), features)


def _with_source(payload: Payload, source: Features | Classification) -> Payload:
    payload.source = source
    return payload


def _json_of_payload(payload: Payload, types: OwnTypes) -> Json:
    """The features of a payload that a unit made, or that came by another protocol."""
    if payload.kind.is_data:
        row = _row(payload, "data").tolist()
        return dict(zip(payload.names, row, strict=True)) if payload.names else row
    if payload.kind is Kind.JSON_DATA:
        value: Json = payload.value
        return value
    if payload.kind is Kind.CUSTOM_DATA:
        return types.json_of(payload.value)
    raise MessageError(f"data: a ClassificationRequest has no place for {payload.kind.value}")


def _any_of_payload(payload: Payload, types: OwnTypes) -> Any:
    if payload.kind is Kind.CUSTOM_DATA:
        return payload.value
    if payload.kind.is_data and types.request_class == DEFAULT_CLASS:
        return new_any(URL_PREFIX + DEFAULT_CLASS, default_message(_row(payload, "data").tolist()))
    return types.any_of(_json_of_payload(payload, types))


# Replies


def encode_json(
    reply: Message, types: OwnTypes = NO_TYPES, *, puid: str, model_name: str = "", variation: str = ""
) -> bytes:
    """A reply as JSON text. `custom` is null where there is none.

    `model_name` stands for what the microservice calls itself, where it does not say. Raises ComponentError, with that
    name, for a payload that is not one row of numbers.
    """
    found = classification_of(reply, model_name)
    predictions = [
        {"prediction": each.prediction, "predictedClass": each.predicted_class, "confidence": each.confidence}
        for each in found.predictions
    ]
    custom = found.custom
    if custom is not None and not found.is_json:
        custom = types.reply_json_of(custom)
    meta = {"puid": puid, "modelName": found.model_name or model_name, "variation": variation}
    if custom is None:  # printed by hand, as `dump` looks twice at a text with a null in it
        return dump({"meta": meta, "predictions": predictions})[:-1] + b',"custom":null}'
    return dump({"meta": meta, "predictions": predictions, "custom": custom})


def encode_proto(
    reply: Message, types: OwnTypes = NO_TYPES, *, puid: str, model_name: str = "", variation: str = ""
) -> bytes:
    """As `encode_json`, serialized. A `custom` in JSON of no registered class goes as a google.protobuf.Value."""
    found = classification_of(reply, model_name)
    out: Any = message_class(REPLY)()
    meta = out.meta
    meta.puid, meta.modelName, meta.variation = puid, found.model_name or model_name, variation
    add = out.predictions.add
    for each in found.predictions:
        add(prediction=each.prediction, predictedClass=each.predicted_class, confidence=each.confidence)
    if found.custom is not None:
        out.custom.CopyFrom(_any_of_custom(found.custom, types) if found.is_json else found.custom)
    return bytes(out.SerializeToString())


def classification_of(reply: Message, model_name: str = "") -> Classification:
    """What a reply says, whoever gave it. Raises ComponentError for what is no classification."""
    payload = reply.payload
    if payload is None:
        return Classification(())
    if isinstance(payload.source, Classification):
        return payload.source
    if payload.kind is Kind.CUSTOM_DATA:
        return Classification((), custom=payload.value)
    try:
        if not payload.kind.is_data:
            raise MessageError(f"a ClassificationReply has no place for {payload.kind.value}")
        row = _row(payload, "the reply")
        if row.dtype.kind not in "iufb":
            raise refusal("the reply", "must be numbers", row.tolist())
        values = row.tolist()
    except MessageError as error:
        raise ComponentError(model_name or "model", str(error)) from None
    names = payload.names or [str(i) for i in range(len(values))]
    return Classification([Prediction(value, name, value) for value, name in zip(values, names, strict=True)])


def decode_reply_json(body: bytes) -> Message:
    """A microservice's reply. Numbers may be strings, and fields that this API does not know are ignored.

    Without `confidence` that is the prediction, and without `predictedClass` that is the index.
    """
    reply = parse(body)
    if not isinstance(reply, dict):
        raise refusal("reply", "must be a JSON object", reply)
    entries = reply.get("predictions")
    if entries is not None and not isinstance(entries, list):
        raise refusal("predictions", "must be an array", entries)
    predictions = [_prediction(entry, i) for i, entry in enumerate(entries or ())]
    meta = reply.get("meta")
    if meta is not None and not isinstance(meta, dict):
        raise refusal("meta", "must be a JSON object", meta)
    model_name = "" if meta is None else meta.get("modelName")
    if not isinstance(model_name, str):
        model_name = "" if model_name is None else str(model_name)
    return _message(Classification(predictions, model_name, reply.get("custom"), is_json=True), Encoding.JSON)


def decode_reply_proto(body: bytes) -> Message:
    """A microservice's reply."""
    reply = _parsed(REPLY, body)
    predictions = [Prediction(each.prediction, each.predictedClass, each.confidence) for each in reply.predictions]
    custom = reply.custom if reply.HasField("custom") else None
    return _message(Classification(predictions, reply.meta.modelName, custom), Encoding.PROTO)


def _message(found: Classification, encoding: Encoding) -> Message:
    values = [[each.prediction for each in found.predictions]]
    payload = Payload(Kind.NDARRAY, values, tuple(each.predicted_class for each in found.predictions))
    return Message(_with_source(payload, found), encoding=encoding)


def _prediction(entry: Any, i: int) -> Prediction:
    place = f"predictions[{i}]"
    if not isinstance(entry, dict):
        raise refusal(place, "must be a JSON object", entry)
    if "prediction" not in entry:
        raise refusal(place, "must have a prediction", list(entry))
    value = _number(entry["prediction"], f"{place}.prediction")
    confidence, name = entry.get("confidence"), entry.get("predictedClass")
    return Prediction(
        value,
        str(i) if name is None else str(name),
        value if confidence is None else _number(confidence, f"{place}.confidence"),
    )


def _number(value: Any, place: str) -> float:
    if type(value) is float:
        return value
    try:
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise refusal(place, "must be a number", value)


def _any_of_custom(custom: Json, types: OwnTypes) -> Any:
    """What a microservice adds of its own must not cost its reply, so JSON of no registered class goes as a Value."""
    try:
        return types.reply_any_of(custom)
    except MessageError:
        return types.reply_any_of({"@type": "type.googleapis.com/google.protobuf.Value", "value": custom})


# Both


def _parsed(name: str, body: bytes) -> Any:
    try:
        return message_class(name).FromString(body)
    except DecodeError as error:
        raise MessageError(f"malformed protobuf, must be a {name}: {error}") from None


def _row(payload: Payload, place: str) -> Array:
    """The one row of a payload, of one dimension. Raises MessageError for several."""
    array = payload.array
    if array.ndim > 2 or (array.ndim == 2 and len(array) != 1):
        raise refusal(place, "must be one row", f"an array of shape {list(array.shape)}")
    row: Array = array.reshape(-1)
    if payload.names and len(payload.names) != row.size:
        raise refusal(place, f"must have as many values as names, {len(payload.names)}", f"{row.size} values")
    return row
