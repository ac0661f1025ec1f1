"""Requests and replies of the Classifier API, in JSON and in protobuf."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaal.errors import ComponentError, MessageError
from gaal.messages import Encoding, Kind, Message, Payload
from gaal.protocols import classifier, seldon_json, seldon_proto
from gaal.protocols.classifier import (
    classification_of,
    decode_json,
    decode_proto,
    decode_reply_json,
    decode_reply_proto,
    encode_json,
    encode_proto,
    encode_request_json,
    encode_request_proto,
)
from gaal.protocols.descriptors import message_class
from gaal.protocols.own_types import NO_TYPES, OwnTypes

from .own_protos import IRIS_CLASS, compiled, iris_types, order_types
from .strategies import any_message, doubles, float32s, texts

IRIS_REQUEST = bytes.fromhex(
    "0a070a053132333435125a0a42747970652e676f6f676c65617069732e636f6d2f696f2e73656c646f6e2e6d6963726f736572766963652e"
    "697269732e49726973507265646963745265717565737412140d0000803f15cdcc4c3e1d66660640259a99993f"
)
"""The request of the document's client (puid 12345; 1.0, 0.2, 2.1, 1.2), as protobuf 3.20.3 writes it."""

NAMES = ["f1", "f2", "f3", "f4"]


def payload_of(message: Message) -> Payload:
    assert message.payload is not None
    return message.payload


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


# Requests


def test_the_documents_request_is_one_row_with_the_names_of_its_fields() -> None:
    message = decode_proto(IRIS_REQUEST, iris_types())
    payload = payload_of(message)
    assert (payload.kind, list(payload.names)) == (Kind.NDARRAY, NAMES)
    np.testing.assert_array_equal(payload.array, np.array([[1.0, 0.2, 2.1, 1.2]], np.float32).astype(float))
    assert (message.meta.puid, message.encoding) == ("12345", Encoding.PROTO)


def test_the_very_bytes_go_on_to_a_microservice() -> None:
    for types in (iris_types(), NO_TYPES):
        assert encode_request_proto(decode_proto(IRIS_REQUEST, types)) == IRIS_REQUEST


def test_a_rest_microservice_gets_the_fields_also_those_that_are_zero() -> None:
    data: Any = message_class("io.seldon.api.rpc.ClassificationRequest")()
    data.data.CopyFrom(iris_types().any_of({"f1": 0.1}))
    message = decode_proto(data.SerializeToString(), iris_types())
    assert json.loads(encode_request_json(message)) == {"data": {"f1": 0.1, "f2": 0.0, "f3": 0.0, "f4": 0.0}}


def test_json_of_a_registered_type_is_the_same_row() -> None:
    request = {"meta": {"puid": 1}, "data": {"f1": 1, "f2": "0.2", "f3": 2.1, "f4": 1.2}}
    message = decode_json(body(request), iris_types())
    np.testing.assert_array_equal(payload_of(message).array, payload_of(decode_proto(IRIS_REQUEST, iris_types())).array)
    assert message.meta.puid == "1"
    assert message.encoding is Encoding.JSON
    assert json.loads(encode_request_json(message)) == {"meta": {"puid": "1"}, "data": request["data"]}
    sent: Any = message_class(classifier.REQUEST).FromString(encode_request_proto(message))
    assert sent.data.type_url == f"type.googleapis.com/{IRIS_CLASS}"


def test_type_of_the_caller_is_not_passed_on_as_json_and_its_json_is_not_changed() -> None:
    request = {"data": {"@type": f"t/{IRIS_CLASS}", "f1": 1}}
    before = deepcopy(request)
    message = classifier.request_of(request, iris_types())
    assert json.loads(encode_request_json(message)) == {"data": {"f1": 1}}
    assert classifier.decode_proto(encode_request_proto(message), iris_types()).payload is not None
    assert request == before


@pytest.mark.parametrize(
    ("data", "kind", "names", "value"),
    [
        ([1, 2.5], Kind.NDARRAY, [], [[1, 2.5]]),
        ([], Kind.NDARRAY, [], [[]]),
        ({"a": 1, "b": "x", "c": True, "d": None}, Kind.NDARRAY, ["a", "b", "c", "d"], [[1, "x", True, None]]),
        ([[1], [2]], Kind.JSON_DATA, [], [[1], [2]]),
        (["a", 1], Kind.JSON_DATA, [], ["a", 1]),
        ({"a": {"b": 1}}, Kind.JSON_DATA, [], {"a": {"b": 1}}),
        ({}, Kind.JSON_DATA, [], {}),
        ("text", Kind.JSON_DATA, [], "text"),
    ],
)
def test_json_without_a_registration_is_a_row_if_it_can(data: Any, kind: Kind, names: Any, value: Any) -> None:
    message = decode_json(body({"data": data}))
    payload = payload_of(message)
    assert (payload.kind, list(payload.names), payload.value) == (kind, names, value)
    assert json.loads(encode_request_json(message)) == {"data": data}


def test_a_message_with_messages_in_it_is_json() -> None:
    payload = payload_of(decode_json(b'{"data": {"total": 2, "lines": [{"article": "x"}]}}', order_types()))
    assert payload.kind is Kind.JSON_DATA
    assert payload.value["lines"] == [{"article": "x", "n_pieces": 0, "parts": []}]


def test_an_any_of_an_unknown_type_is_custom_data_and_goes_on_as_it_came() -> None:
    message = decode_proto(IRIS_REQUEST)
    payload = payload_of(message)
    assert (payload.kind, payload.value.type_url) == (Kind.CUSTOM_DATA, f"type.googleapis.com/{IRIS_CLASS}")
    assert json.loads(encode_request_json(message))["data"]["@type"] == f"type.googleapis.com/{IRIS_CLASS}"
    assert seldon_proto.encode_message(message)
    assert b"customData" in seldon_json.encode_message(message)


def test_a_request_without_data_has_no_payload() -> None:
    for message in (decode_json(b"{}"), decode_json(b'{"data": null, "meta": null}'), decode_proto(b"")):
        assert message.payload is None
        assert encode_request_json(message) == b"{}"
        assert encode_request_proto(message) == b""


def test_a_puid_may_be_given_beside_a_message_that_has_none() -> None:
    message = decode_json(b'{"data": [1]}')
    assert json.loads(encode_request_json(message, puid="p"))["meta"] == {"puid": "p"}
    assert decode_proto(encode_request_proto(message, puid="p")).meta.puid == "p"


@pytest.mark.parametrize(
    ("request_body", "text"),
    [
        (b"[1]", r"request: must be a JSON object \(got \[1\]\)"),
        (b"{", "malformed JSON"),
        (b'{"f1": 1}', r"request: the features must stand under data \(got \['f1'\]\)"),
        (b'{"data": {}, "mate": 1}', r"request: ClassificationRequest has no field 'mate'; did you mean meta\?"),
        (b'{"meta": {"pid": 1}}', r"meta: ClassificationRequestMeta has no field 'pid'; did you mean puid\?"),
        (b'{"meta": {"puid": true}}', r"meta\.puid: must be a string or a number \(got True\)"),
        (b'{"meta": 3}', r"meta: must be a JSON object \(got 3\)"),
        (b'{"data": {"f5": 1}}', r"data: .*IrisPredictRequest has no field 'f5'; did you mean f"),
        (b'{"data": {"f1": 1e40}}', r"data\.f1: must be a number of 32 bits \(got 1e\+40\)"),
        (b'{"data": [1]}', r"data: must be a JSON object, a .*IrisPredictRequest \(got \[1\]\)"),
        (b'{"data": {"@type": "t/x.Y"}}', r"data\.@type: must be a type that is registered"),
    ],
)
def test_bad_requests_in_json_are_refused(request_body: bytes, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        decode_json(request_body, iris_types())


def test_bad_requests_in_protobuf_are_refused() -> None:
    with pytest.raises(
        MessageError, match=r"malformed protobuf, must be a io\.seldon\.api\.rpc\.ClassificationRequest"
    ):
        decode_proto(b"\xff", iris_types())
    with pytest.raises(MessageError, match=r"data: malformed protobuf, must be a .*IrisPredictRequest"):
        decode_proto(IRIS_REQUEST.replace(b"\x25\x9a\x99", b"\x27\x9a\x99"), iris_types())


@given(st.lists(float32s, max_size=5))
def test_a_row_that_a_unit_made_goes_to_a_microservice(values: list[float]) -> None:
    message = Message(Payload(Kind.TENSOR, np.array([values])))
    again = decode_proto(encode_request_proto(message))
    np.testing.assert_array_equal(payload_of(again).array, np.array([values], np.float64).reshape(1, -1))
    assert json.loads(encode_request_json(message)) == {"data": values}


def test_a_row_with_names_that_a_unit_made_is_of_the_registered_type() -> None:
    message = Message(Payload(Kind.NDARRAY, [[1, 0.2, 2.1, 1.2]], NAMES))
    again = decode_proto(encode_request_proto(message, iris_types()), iris_types())
    np.testing.assert_array_equal(payload_of(again).array, payload_of(decode_proto(IRIS_REQUEST, iris_types())).array)
    assert json.loads(encode_request_json(message)) == {"data": {"f1": 1.0, "f2": 0.2, "f3": 2.1, "f4": 1.2}}
    wrong = Message(Payload(Kind.NDARRAY, [[1]], ["g"]))
    with pytest.raises(MessageError, match="has no field 'g'"):
        encode_request_proto(wrong, iris_types())


@pytest.mark.parametrize(
    "payload",
    [
        Payload(Kind.STR_DATA, "x"),
        Payload(Kind.BIN_DATA, b"x"),
        Payload(Kind.NDARRAY, [[1], [2]]),
        Payload(Kind.NDARRAY, [[1, 2]], ["a"]),
    ],
)
def test_what_a_request_has_no_place_for_is_refused(payload: Payload) -> None:
    for encode in (encode_request_json, encode_request_proto):
        with pytest.raises(MessageError, match=r"^data: "):
            encode(Message(payload))


# Replies

REPLY = (
    b"\n\x17\x12\tmodel_xgb\x1a\nxgboostrpc"
    b"\x12\x1f\t\x00\x00\x00\x00\x00\x00\xe0?\x12\x0bIris-setosa\x19\x00\x00\x00\x00\x00\x00\xe0?"
    b"\x12\x10\x12\x0eIris-virginica"
    b"\x1a\x00"
)
"""A reply as the document shows it, with an empty `custom` and a prediction of 0, as protobuf 3.20.3 writes it."""


def reply_json(message: Message, types: OwnTypes = NO_TYPES) -> Any:
    return json.loads(encode_json(message, types, puid="p", model_name="m", variation="v"))


def test_a_microservices_reply_goes_out_whole_with_its_zeros() -> None:
    message = decode_reply_proto(REPLY)
    text = encode_json(message, puid="12345", variation="xgboostrpc").decode()
    assert text == (
        '{"meta":{"puid":"12345","modelName":"model_xgb","variation":"xgboostrpc"},"predictions":['
        '{"prediction":0.5,"predictedClass":"Iris-setosa","confidence":0.5},'
        '{"prediction":0.0,"predictedClass":"Iris-virginica","confidence":0.0}],"custom":null}'
    )
    payload = payload_of(message)
    assert (list(payload.names), payload.value) == (["Iris-setosa", "Iris-virginica"], [[0.5, 0.0]])


def test_an_empty_custom_stays_there_in_protobuf_and_a_missing_one_missing() -> None:
    kind: Any = message_class(classifier.REPLY)
    for reply in (REPLY, REPLY[:-2]):
        sent = kind.FromString(encode_proto(decode_reply_proto(reply), puid="p"))
        assert sent.HasField("custom") is (reply == REPLY)


def test_a_reply_of_a_graph_has_a_prediction_a_class() -> None:
    message = Message(Payload(Kind.TENSOR, np.array([[0.25, 0.75]], np.float32), ["no", "yes"]))
    expected = [
        {"prediction": 0.25, "predictedClass": "no", "confidence": 0.25},
        {"prediction": 0.75, "predictedClass": "yes", "confidence": 0.75},
    ]
    assert reply_json(message) == {
        "meta": {"puid": "p", "modelName": "m", "variation": "v"},
        "predictions": expected,
        "custom": None,
    }
    unnamed = Message(Payload(Kind.NDARRAY, [0.5, 1]))
    assert [each["predictedClass"] for each in reply_json(unnamed)["predictions"]] == ["0", "1"]


@given(st.lists(st.tuples(doubles, texts, doubles), max_size=4), texts, texts, texts)
def test_both_forms_of_a_reply_say_the_same(entries: Any, puid: str, model: str, variation: str) -> None:
    found = classifier.Classification([classifier.Prediction(*each) for each in entries], model)
    payload = Payload(Kind.NDARRAY, [[each[0] for each in entries]], [each[1] for each in entries])
    payload.source = found
    message = Message(payload)
    proto = encode_proto(message, puid=puid, variation=variation)
    as_json = encode_json(message, puid=puid, variation=variation)
    assert classification_of(decode_reply_proto(proto)).predictions == found.predictions
    assert classification_of(decode_reply_json(as_json)).predictions == found.predictions
    sent: Any = message_class(classifier.REPLY).FromString(proto)
    assert (sent.meta.puid, sent.meta.modelName, sent.meta.variation) == (puid, model, variation)
    assert json.loads(as_json)["meta"] == {"puid": puid, "modelName": model, "variation": variation}


def test_numbers_of_a_rest_microservice_may_be_strings_and_unknown_fields_are_ignored() -> None:
    message = decode_reply_json(
        body(
            {
                "predictions": [
                    {"prediction": "0.00252304", "predictedClass": "a", "confidence": "0.5", "more": 1},
                    {"prediction": 1},
                ],
                "meta": {"modelName": "xgb", "more": 2},
                "more": 3,
            }
        )
    )
    assert classification_of(message) == classifier.Classification(
        [classifier.Prediction(0.00252304, "a", 0.5), classifier.Prediction(1.0, "1", 1.0)], "xgb", None, True
    )


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ([1], "reply: must be a JSON object"),
        ({"predictions": {}}, r"predictions: must be an array \(got \{\}\)"),
        ({"predictions": [1]}, r"predictions\[0\]: must be a JSON object \(got 1\)"),
        ({"predictions": [{"score": 1}]}, r"predictions\[0\]: must have a prediction \(got \['score'\]\)"),
        ({"predictions": [{"prediction": "x"}]}, r"predictions\[0\]\.prediction: must be a number \(got 'x'\)"),
        ({"predictions": [{"prediction": True}]}, r"predictions\[0\]\.prediction: must be a number"),
        ({"meta": 1}, "meta: must be a JSON object"),
    ],
)
def test_a_reply_that_is_none_is_refused(reply: Any, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        decode_reply_json(body(reply))


def test_a_custom_reply_is_never_lost() -> None:
    kind: Any = message_class(classifier.REPLY)
    reply = kind(predictions=[{"prediction": 1.0}])
    reply.custom.CopyFrom(any_message("type.test/un.known", b"\0\1"))
    message = decode_reply_proto(reply.SerializeToString())
    assert reply_json(message)["custom"] == {"@type": "type.test/un.known", "value": "AAE="}
    assert kind.FromString(encode_proto(message, puid="p")).custom == reply.custom


def test_custom_of_the_registered_class_of_replies_is_shown_by_its_fields() -> None:
    types = OwnTypes(compiled("syntax = 'proto3'; message Q { int32 a = 1; } message R { string why = 1; }"), "Q", "R")
    kind: Any = message_class(classifier.REPLY)
    reply = kind()
    reply.custom.CopyFrom(types.reply_any_of({"why": "so"}))
    assert reply_json(decode_reply_proto(reply.SerializeToString()), types)["custom"] == {"why": "so"}
    from_json = decode_reply_json(b'{"predictions": [], "custom": {"why": "so"}}')
    assert kind.FromString(encode_proto(from_json, types, puid="p")).custom == reply.custom
    assert reply_json(from_json, types)["custom"] == {"why": "so"}


@given(st.recursive(st.none() | st.booleans() | doubles | texts, lambda inner: st.lists(inner, max_size=3)))
def test_custom_json_of_no_class_is_a_value_in_protobuf(custom: Any) -> None:
    message = decode_reply_json(body({"predictions": [], "custom": custom}))
    again = reply_json(decode_reply_proto(encode_proto(message, puid="p")))["custom"]
    if custom is None:
        assert again is None
    else:
        assert again == {"@type": "type.googleapis.com/google.protobuf.Value", "value": custom}


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (Payload(Kind.NDARRAY, [[1, 2], [3, 4]]), r'unit "m": the reply: must be one row .*\[2, 2\]'),
        (Payload(Kind.NDARRAY, [["a"]]), r'unit "m": the reply: must be numbers'),
        (Payload(Kind.STR_DATA, "a"), r'unit "m": a ClassificationReply has no place for strData'),
        (Payload(Kind.NDARRAY, [[1, 2]], ["a"]), r"must have as many values as names, 1"),
    ],
)
def test_what_is_no_classification_is_the_models_fault(payload: Payload, text: str) -> None:
    for encode in (encode_json, encode_proto):
        with pytest.raises(ComponentError, match=text):
            encode(Message(payload), puid="p", model_name="m")


def test_a_reply_without_a_payload_or_with_custom_data_alone_has_no_predictions() -> None:
    assert reply_json(Message())["predictions"] == []
    custom = Message(Payload(Kind.CUSTOM_DATA, any_message("t/x", b"\0")))
    assert reply_json(custom)["custom"] == {"@type": "t/x", "value": "AA=="}


def test_a_prediction_that_is_no_number_goes_out_by_its_name() -> None:
    assert reply_json(Message(Payload(Kind.NDARRAY, [[math.nan]])))["predictions"][0]["prediction"] == "NaN"
