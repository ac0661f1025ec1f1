"""Messages in the forms that raw components handle, through the functions that they import."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from google.protobuf import any_pb2, struct_pb2
from google.protobuf.wrappers_pb2 import Int64Value
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gaal.components.chain import BadMetric
from gaal.components.seldon_core import utils
from gaal.components.seldon_core.flask_utils import SeldonMicroserviceException
from gaal.components.seldon_core.metrics import create_counter, create_gauge
from gaal.components.seldon_core.proto import prediction_pb2
from gaal.components.seldon_core.user_model import SeldonComponent, SeldonResponse

KINDS = ("tensor", "ndarray", "tftensor")
ROWS = np.array([[1.5, 2.0], [3.0, 4.25]])

doubles = hnp.arrays(
    np.float64,
    hnp.array_shapes(max_dims=3, max_side=4),
    elements=st.floats(allow_nan=False, allow_infinity=False),
)


@pytest.mark.parametrize("kind", KINDS)
@given(array=doubles)
def test_an_array_survives_a_protobuf_datadef(kind: str, array: np.ndarray[Any, Any]) -> None:
    datadef = utils.array_to_grpc_datadef(kind, array, ["a", "b"])
    assert isinstance(datadef, prediction_pb2.DefaultData)
    assert datadef.WhichOneof("data_oneof") == kind
    assert list(datadef.names) == ["a", "b"]
    np.testing.assert_array_equal(utils.grpc_datadef_to_array(datadef), array)


@pytest.mark.parametrize("kind", KINDS)
@given(array=doubles)
def test_an_array_survives_a_json_datadef(kind: str, array: np.ndarray[Any, Any]) -> None:
    datadef = utils.array_to_rest_datadef(kind, array, ["a"])
    features, _, same, _ = utils.extract_request_parts_json({"data": datadef})
    assert datadef["names"] == ["a"]
    assert same is datadef
    np.testing.assert_array_equal(features, array)


def test_json_datadefs_are_plain_python() -> None:
    assert utils.array_to_rest_datadef("tensor", ROWS, ["a", "b"]) == {
        "names": ["a", "b"],
        "tensor": {"shape": [2, 2], "values": [1.5, 2.0, 3.0, 4.25]},
    }
    assert utils.array_to_rest_datadef("ndarray", [[1, "x"]]) == {"names": [], "ndarray": [["1", "x"]]}


def test_strings_survive_an_ndarray() -> None:
    datadef = utils.array_to_grpc_datadef("ndarray", np.array([["a", "b"]]))
    assert utils.grpc_datadef_to_array(datadef).tolist() == [["a", "b"]]


def test_no_data_type_means_ndarray_and_an_unknown_one_is_refused() -> None:
    assert utils.array_to_grpc_datadef(None, ROWS).WhichOneof("data_oneof") == "ndarray"
    with pytest.raises(ValueError, match="data_type must be one of tensor, ndarray, tftensor, got 'matrix'"):
        utils.array_to_grpc_datadef("matrix", ROWS)


def test_an_empty_datadef_is_an_empty_array() -> None:
    assert utils.grpc_datadef_to_array(prediction_pb2.DefaultData()).shape == (0,)
    assert utils.get_data_from_proto(prediction_pb2.SeldonMessage(data={"names": ["a"]})).shape == (0,)


def test_a_list_value_holds_the_array_and_can_be_given() -> None:
    listed = utils.array_to_list_value(np.array([[1.0, 2.0]]))
    assert [list(row) for row in listed] == [[1.0, 2.0]]
    assert utils.grpc_datadef_to_array(prediction_pb2.DefaultData(ndarray=listed)).tolist() == [[1.0, 2.0]]
    given_one = struct_pb2.ListValue()
    assert utils.array_to_list_value(np.array(["x", "y"]), lv=given_one) is given_one
    assert list(given_one) == ["x", "y"]


def any_of(number: int) -> any_pb2.Any:
    custom = any_pb2.Any()
    custom.Pack(Int64Value(value=number))
    return custom


def test_every_payload_comes_out_of_protobuf() -> None:
    payload = utils.get_data_from_proto
    message = prediction_pb2.SeldonMessage
    assert payload(message(binData=b"\x00\xff")) == b"\x00\xff"
    assert payload(message(strData="text")) == "text"
    assert payload(message(jsonData=struct_pb2.Value(string_value="s"))) == "s"
    assert payload(utils.json_to_seldon_message({"jsonData": {"a": [1, None, True]}})) == {"a": [1, None, True]}
    assert payload(message(data=utils.array_to_grpc_datadef("tensor", ROWS))).tolist() == ROWS.tolist()
    number = Int64Value()
    assert payload(message(customData=any_of(7))).Unpack(number)
    assert number.value == 7


def test_a_message_without_a_payload_is_refused() -> None:
    with pytest.raises(SeldonMicroserviceException, match="must have one of data"):
        utils.get_data_from_proto(prediction_pb2.SeldonMessage())
    with pytest.raises(SeldonMicroserviceException, match="must have one of data"):
        utils.extract_request_parts_json({"meta": {}})


MESSAGES = [
    {"strData": "x", "meta": {"puid": "p", "tags": {"a": [1.0, "b"]}, "routing": {"r": 1}}},
    {"binData": base64.b64encode(b"\x00\xff").decode()},
    {"jsonData": {"a": [1.0, None]}},
    {"data": {"names": ["a"], "tensor": {"shape": [1, 1], "values": [1.5]}}},
    {"data": {"ndarray": [[1.0, "x"]]}, "status": {"code": 1, "info": "i", "reason": "r", "status": "FAILURE"}},
    {"customData": {"@type": "type.googleapis.com/seldon.protos.Tensor", "shape": [1], "values": [2.0]}},
]


@pytest.mark.parametrize("message", MESSAGES)
def test_json_survives_protobuf(message: dict[str, Any]) -> None:
    proto = utils.json_to_seldon_message(message)
    assert isinstance(proto, prediction_pb2.SeldonMessage)
    assert utils.seldon_message_to_json(proto) == message


def test_lists_and_feedback_survive_protobuf() -> None:
    both = {"seldonMessages": [{"strData": "a"}, {"strData": "b"}]}
    assert utils.seldon_messages_to_json(utils.json_to_seldon_messages(both)) == both
    assert utils.seldon_messages_to_json(utils.json_to_seldon_messages(both["seldonMessages"])) == both
    feedback = {"request": {"strData": "a"}, "reward": 0.5, "truth": {"strData": "b"}}
    assert utils.feedback_to_json(utils.json_to_feedback(feedback)) == feedback


def test_nothing_is_an_empty_message() -> None:
    assert utils.json_to_seldon_message(None) == prediction_pb2.SeldonMessage()
    assert utils.json_to_feedback(None) == prediction_pb2.Feedback()


@pytest.mark.parametrize("wrong", [{"nonsense": 1}, {"strData": 1}, 5, "text", {"data": {"tensor": [1]}}])
def test_json_that_is_no_message_is_refused(wrong: Any) -> None:
    with pytest.raises(SeldonMicroserviceException, match="Invalid JSON: ") as raised:
        utils.json_to_seldon_message(wrong)
    assert raised.value.status_code == 400


def test_a_request_comes_apart() -> None:
    request = utils.json_to_seldon_message(
        {"meta": {"puid": "p", "tags": {"a": 1}}, "data": {"names": ["x"], "ndarray": [[1.0]]}}
    )
    features, meta, datadef, kind = utils.extract_request_parts(request)
    assert features.tolist() == [[1.0]]
    assert (meta, list(datadef.names), kind) == ({"puid": "p", "tags": {"a": 1.0}}, ["x"], "data")
    assert utils.extract_request_parts(prediction_pb2.SeldonMessage(strData="s"))[3] == "strData"


@pytest.mark.parametrize(
    ("request_json", "value", "kind"),
    [
        ({"strData": "s"}, "s", "strData"),
        ({"binData": "AP8="}, b"\x00\xff", "binData"),
        ({"jsonData": {"a": 1}, "strData": "s"}, {"a": 1}, "jsonData"),
    ],
)
def test_a_json_request_comes_apart(request_json: dict[str, Any], value: Any, kind: str) -> None:
    assert utils.extract_request_parts_json(request_json) == (value, {}, None, kind)


def test_a_json_request_that_is_none_is_refused() -> None:
    with pytest.raises(SeldonMicroserviceException, match=r"Invalid request data type: \[1\]"):
        utils.extract_request_parts_json([1])
    with pytest.raises(SeldonMicroserviceException, match="shape"):
        utils.extract_request_parts_json({"data": {"tensor": {"shape": [3], "values": [1]}}})


class Model(SeldonComponent):
    def class_names(self) -> list[str]:
        return ["no", "yes"]

    def feature_names(self) -> list[str]:
        return ["width", "height"]

    def tags(self) -> dict[str, Any]:
        return {"by": "model", "version": 1}

    def metrics(self) -> list[dict[str, Any]]:
        return [create_counter("calls", 1)]


REQUEST: dict[str, Any] = {
    "meta": {
        "puid": "p1",
        "tags": {"by": "client", "region": "eu"},
        "routing": {"r": 1},
        "requestPath": {"first": "image:1"},
        "metrics": [{"key": "before", "type": "GAUGE", "value": 2.0}],
    },
    "data": {"names": ["a", "b"], "ndarray": [[1.0, 2.0]]},
}


def test_a_reply_has_the_form_of_the_request_and_chains_its_meta(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTIVE_UNIT_ID", "second")
    monkeypatch.setenv("PREDICTIVE_UNIT_IMAGE", "image:2")
    reply = utils.construct_response_json(Model(), False, REQUEST, ROWS, runtime_tags={"version": 2})
    assert reply["data"] == {"names": ["no", "yes"], "ndarray": ROWS.tolist()}
    assert reply["meta"]["puid"] == "p1"
    assert reply["meta"]["tags"] == {"by": "model", "region": "eu", "version": 2}
    assert reply["meta"]["requestPath"] == {"first": "image:1", "second": "image:2"}
    assert [metric["key"] for metric in reply["meta"]["metrics"]] == ["before", "calls"]
    assert "routing" not in reply["meta"]


def test_protobuf_and_json_replies_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREDICTIVE_UNIT_ID", raising=False)
    response = SeldonResponse(ROWS, tags={"hot": True}, metrics=[create_gauge("load", 0.5)])
    proto = utils.construct_response(Model(), True, utils.json_to_seldon_message(REQUEST), response)
    assert isinstance(proto, prediction_pb2.SeldonMessage)
    json = utils.construct_response_json(Model(), True, REQUEST, response)
    assert json["data"]["names"] == ["width", "height"]
    assert json["meta"]["tags"]["hot"] is True
    assert json["meta"]["requestPath"] == {"first": "image:1"}
    assert proto == utils.json_to_seldon_message(json)


@pytest.mark.parametrize(
    ("raw", "reply"),
    [
        ("text", {"strData": "text"}),
        (b"\x00\xff", {"binData": "AP8="}),
        ({"a": 1}, {"jsonData": {"a": 1}}),
        ([["x"]], {"data": {"names": ["t:0"], "ndarray": [["x"]]}}),
        ([[1.0]], {"data": {"names": ["t:0"], "tensor": {"shape": [1, 1], "values": [1.0]}}}),
    ],
)
def test_what_was_returned_decides_the_payload(raw: Any, reply: dict[str, Any]) -> None:
    answered = utils.construct_response_json(object(), False, {"strData": "x"}, raw)
    assert {key: value for key, value in answered.items() if key != "meta"} == reply


def test_given_meta_and_metrics_stand_in_for_the_requests() -> None:
    reply = utils.construct_response_json(
        object(), False, REQUEST, ROWS, meta={"tags": {"own": 1}}, custom_metrics=[create_counter("given", 1)]
    )
    assert reply["meta"]["tags"] == {"own": 1}
    assert [metric["key"] for metric in reply["meta"]["metrics"]] == ["given"]


def test_class_names_may_be_a_list_as_in_older_code() -> None:
    class Old:
        class_names = ("no", "yes")

    assert utils.construct_response_json(Old(), False, REQUEST, ROWS)["data"]["names"] == ["no", "yes"]


def test_a_reply_of_a_wrong_kind_and_a_bad_metric_are_errors() -> None:
    with pytest.raises(TypeError, match=r"Unknown data type returned as payload \(must be list or np array\):5"):
        utils.construct_response_json(object(), False, REQUEST, 5)
    with pytest.raises(BadMetric, match="Bad metric created during request"):
        utils.construct_response_json(object(), False, REQUEST, ROWS, runtime_metrics=[{"key": "x"}])


def test_the_first_variable_that_is_set_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAAL_A", raising=False)
    monkeypatch.setenv("GAAL_B", "b")
    monkeypatch.setenv("GAAL_C", "c")
    assert utils.getenv("GAAL_A", "GAAL_B", "GAAL_C") == "b"
    assert utils.getenv("GAAL_A") is None
    assert utils.getenv("GAAL_A", default="d") == "d"


@pytest.mark.parametrize(("text", "is_true"), [("1", True), ("True", True), ("YES", True), ("0", False), ("", False)])
def test_a_variable_can_be_a_truth(text: str, is_true: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAAL_FLAG", text)
    assert utils.getenv_as_bool("GAAL_FLAG", default=True) is is_true
    monkeypatch.delenv("GAAL_FLAG")
    assert utils.getenv_as_bool("GAAL_FLAG", default=True) is True
