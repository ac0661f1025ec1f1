"""TensorFlow Serving's requests and replies in JSON and in protobuf ⇄ messages, from both sides."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gaal.errors import MessageError
from gaal.messages import Array, Kind, Message, ModelMetadata, Payload
from gaal.protocols.descriptors import message_class
from gaal.protocols.named_tensors import arrays_of_payload
from gaal.protocols.tensorflow_serving import protobuf, rest, signatures


def read(**fields: Any) -> Payload:
    message, _ = rest.decode_request(orjson.dumps(fields))
    assert message.payload is not None
    return message.payload


def written(payload: Payload, by_rows: bool = True) -> Any:
    return orjson.loads(rest.encode_reply(Message(payload), by_rows))


def test_rows_without_names_are_one_array() -> None:
    payload = read(instances=[[1, 2], [3, 4]])
    assert (payload.kind, payload.array.tolist()) == (Kind.NDARRAY, [[1, 2], [3, 4]])
    assert read(inputs=[1.5, 2]).array.tolist() == [1.5, 2]


def test_rows_with_names_are_a_table_or_a_dict() -> None:
    table = read(instances=[{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])
    assert (table.array.tolist(), table.names) == ([[1, "x"], [2, "y"]], ("a", "b"))
    apart = read(instances=[{"a": 1, "b": [1, 2]}, {"a": 2, "b": [3, 4]}])
    assert {name: array.tolist() for name, array in apart.value.items()} == {"a": [1, 2], "b": [[1, 2], [3, 4]]}


def test_columns_say_the_same_as_rows() -> None:
    rows = read(instances=[{"a": 1, "b": [1, 2]}, {"a": 2, "b": [3, 4]}])
    columns = read(inputs={"a": [1, 2], "b": [[1, 2], [3, 4]]})
    assert {name: array.tolist() for name, array in rows.value.items()} == {
        name: array.tolist() for name, array in columns.value.items()
    }


def test_base64_is_bytes_wherever_it_stands() -> None:
    assert read(instances=[{"b64": "YQA="}]).array.tolist() == [b"a\0"]
    assert read(instances=[{"image": {"b64": "YQA="}, "n": 1}]).array.tolist() == [[b"a\0", 1]]
    assert read(inputs={"image": [{"b64": "YQ=="}]}).array.tolist() == [b"a"]


@pytest.mark.parametrize("by_rows", [True, False])
def test_one_output_stands_alone(by_rows: bool) -> None:
    key = "predictions" if by_rows else "outputs"
    assert written(Payload(Kind.TENSOR, np.array([[0.5, 1]]), ("a", "b")), by_rows) == {key: [[0.5, 1]]}
    assert written(Payload(Kind.NDARRAY, np.array([1, 2])), by_rows) == {key: [1, 2]}
    assert written(Payload(Kind.STR_DATA, "x"), by_rows) == {key: ["x"]}


def test_several_outputs_are_objects_by_rows_and_lists_by_columns() -> None:
    payload = Payload(Kind.TENSORS, {"label": np.array(["x", "y"]), "scores": np.array([[0.5], [1]])})
    assert written(payload) == {"predictions": [{"label": "x", "scores": [0.5]}, {"label": "y", "scores": [1]}]}
    assert written(payload, False) == {"outputs": {"label": ["x", "y"], "scores": [[0.5], [1]]}}
    uneven = Payload(Kind.TENSORS, {"a": np.zeros(2), "b": np.zeros(3)})
    with pytest.raises(MessageError, match="outputs of several lengths have no rows"):
        written(uneven)


def test_bytes_in_a_reply_are_text_or_base64() -> None:
    data = np.array([b"a", b"\xff"], dtype=object)
    assert written(Payload(Kind.NDARRAY, data)) == {"predictions": ["a", {"b64": "/w=="}]}
    named = Payload(Kind.TENSORS, {"image_bytes": data, "n": np.array([1, 2])})
    assert written(named)["predictions"][0] == {"image_bytes": {"b64": "YQ=="}, "n": 1}


def test_numbers_without_a_literal_are_bare() -> None:
    assert rest.encode_reply(Message(Payload(Kind.TENSOR, np.array([np.nan]))), True) == b'{"predictions":[NaN]}'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"predictions": [1], "more": 2}, {"predictions": [1], "more": 2}),
        ([{"a": 1}], {"predictions": [{"a": 1}]}),
        ({"a": 1}, {"predictions": [{"a": 1}]}),
    ],
)
def test_a_json_value_of_the_component_is_a_prediction(value: Any, expected: Any) -> None:
    assert written(Payload(Kind.JSON_DATA, value)) == expected


def test_examples_have_the_features_of_the_context() -> None:
    message = rest.decode_examples(orjson.dumps({"context": {"c": 1}, "examples": [{"a": 2}, {"a": 3}]}))
    assert message.payload is not None
    assert (message.payload.array.tolist(), message.payload.names) == ([[1, 2], [1, 3]], ("c", "a"))


def test_classes_have_labels_and_scores() -> None:
    table = Message(Payload(Kind.TENSOR, np.array([[0.25, 0.75]]), ("no", "yes")))
    assert orjson.loads(rest.encode_classes(table)) == {"result": [[["no", 0.25], ["yes", 0.75]]]}
    named = {"classes": np.array([["x", "y"]]), "scores": np.array([[0.5, 0.5]])}
    message = Message(Payload(Kind.TENSORS, named))
    assert orjson.loads(rest.encode_classes(message)) == {"result": [[["x", 0.5], ["y", 0.5]]]}
    with pytest.raises(MessageError, match="classes need a table of scores"):
        rest.encode_classes(Message(Payload(Kind.TENSOR, np.zeros(2))))


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_a_regression_has_one_number_for_each_example(shape: tuple[int, ...]) -> None:
    message = Message(Payload(Kind.TENSOR, np.array([0.5, 1]).reshape(shape)))
    assert orjson.loads(rest.encode_values(message)) == {"result": [0.5, 1]}
    with pytest.raises(MessageError, match="one number for each example"):
        rest.encode_values(Message(Payload(Kind.TENSOR, np.zeros((1, 2)))))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "body: must have either instances or inputs (got [])"),
        ({"instances": [1], "inputs": [1]}, "body: must have either instances or inputs"),
        ({"instances": []}, "instances: must be an array of at least one (got [])"),
        ({"instances": [{"a": 1}, {"b": 1}]}, "instances[1]: must have the names of the first one, a (got {'b': 1})"),
        ({"instances": [{"a": 1}, 2]}, "instances[1]: must have the names of the first one, a (got 2)"),
        ({"instances": [{"a": [1]}, {"a": [1, 2]}]}, "instances.a: must be an even array"),
        ({"inputs": {}}, "inputs: must have at least one name"),
        ({"instances": [{"b64": "?"}]}, "instances[0].b64: must be base64"),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(fields: Any, text: str) -> None:
    with pytest.raises(MessageError, match=re.escape(text)):
        read(**fields)


shapes = arrays.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)
numbers = st.sampled_from(["i4", "i8", "f4", "f8"]).flatmap(
    lambda d: arrays.arrays(d, shapes, elements={"allow_nan": False} if d[0] == "f" else None)
)


@given(numbers)
def test_an_array_takes_every_way_there_and_back(array: Array) -> None:
    sent = Message(Payload(Kind.TENSOR, array))
    by_json, _ = rest.decode_request(rest.encode_request(sent, "serving_default"))
    by_proto, spec, _ = protobuf.decode_request(protobuf.encode_request(sent, protobuf.ModelSpec("m", "", "s")))
    back = rest.decode_reply(rest.encode_reply(sent, True))
    proto_back = protobuf.decode_reply(protobuf.encode_reply(sent, (), "m", 1, ""))
    assert (spec.name, spec.signature) == ("m", "s")
    for each in (by_json, by_proto, back, proto_back):
        assert each.payload is not None
        assert np.array_equal(each.payload.array, array)


def test_several_arrays_take_every_way_there_and_back() -> None:
    named: dict[str, Array] = {"a": np.array([[1, 2]]), "b": np.array([b"x"], dtype=object)}
    sent = Message(Payload(Kind.TENSORS, named))
    by_json, by_rows = rest.decode_request(rest.encode_request(sent))
    by_proto, _, _ = protobuf.decode_request(protobuf.encode_request(sent, protobuf.ModelSpec("m", "3")))
    assert by_json.payload is not None
    assert by_proto.payload is not None
    assert not by_rows
    assert by_json.payload.value["a"].tolist() == by_proto.payload.value["a"].tolist() == [[1, 2]]
    assert (by_json.payload.value["b"].tolist(), by_proto.payload.value["b"].tolist()) == (["x"], [b"x"])


def test_outputs_can_be_asked_for_by_name() -> None:
    sent = Message(Payload(Kind.TENSORS, {"a": np.ones(1), "b": np.zeros(1)}))
    reply = protobuf.decode_reply(protobuf.encode_reply(sent, ["b"], "m", 1, ""))
    assert list(arrays_of_payload(reply.payload, (), "")) == ["b"]
    one = protobuf.decode_reply(protobuf.encode_reply(sent, (), "m", 1, ""), "a")
    assert list(arrays_of_payload(one.payload, (), "")) == ["a"]
    with pytest.raises(MessageError, match="outputs: must have c, got a, b"):
        protobuf.decode_reply(protobuf.encode_reply(sent, (), "m", 1, ""), "c")


def test_a_version_is_a_number_or_a_label() -> None:
    make: Any = message_class("tensorflow.serving.GetModelStatusRequest")
    assert protobuf.spec_of(make(model_spec={"version": {"value": 0}})).version == "0"
    assert protobuf.spec_of(make(model_spec={"version_label": "stable"})).version == "stable"
    assert protobuf.spec_of(make()).version == ""


def test_metadata_comes_back_as_it_was_told() -> None:
    said = ModelMetadata(
        "m",
        ("1",),
        "tensorflow",
        ({"name": "x", "datatype": "FP32", "shape": [-1, 4]},),
        ({"name": "y", "datatype": "BYTES", "shape": [-1]},),
    )
    back = signatures.decode_metadata(signatures.encode_metadata(said, 1))
    assert back == said
    shown = signatures.metadata_object(said, 1)["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert shown["inputs"]["x"]["dtype"] == "DT_FLOAT"
    assert shown["inputs"]["x"]["tensor_shape"]["dim"][0]["size"] == "-1"
    with pytest.raises(MessageError, match=re.escape("metadata_field: must be signature_def (got other)")):
        signatures.check_fields(["other"])


def test_the_state_of_a_version_has_its_reason() -> None:
    shown = signatures.status_object({1: "", 2: "no connection"})
    assert [each["state"] for each in shown["model_version_status"]] == ["AVAILABLE", "LOADING"]
    assert signatures.is_available(shown)
    assert not signatures.is_available(signatures.status_object({2: "no connection"}))
    reply: Any = protobuf.parsed("GetModelStatusResponse", signatures.encode_status({1: "", 2: "no connection"}))
    assert [(each.version, each.state, each.status.error_message) for each in reply.model_version_status] == [
        (1, 30, ""),
        (2, 20, "no connection"),
    ]
