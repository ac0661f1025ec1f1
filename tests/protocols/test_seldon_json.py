from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaal.errors import MessageError
from gaal.messages import (
    NO_META,
    Array,
    Encoding,
    Feedback,
    GraphMetadata,
    Kind,
    Message,
    Meta,
    Metric,
    Payload,
    Status,
)
from gaal.protocols.seldon_json import (
    decode_feedback,
    decode_message,
    decode_message_list,
    encode_feedback,
    encode_message,
    encode_message_list,
    encode_status,
    feedback_object,
    feedback_of,
    graph_metadata_object,
    graph_metadata_of,
    message_list_object,
    message_of,
    metrics_of,
    model_metadata_object,
    model_metadata_of,
    object_of,
)

from .strategies import (
    assert_same,
    assert_same_feedback,
    doubles,
    feedbacks,
    int64s,
    integer_arrays,
    messages,
    model_metadata,
    tensor_metadata,
    texts,
)

numbers = doubles | int64s


def payload(body: bytes) -> Payload:
    found = decode_message(body).payload
    assert found is not None
    return found


# Round trips


@given(messages(numbers))
def test_messages_survive(message: Message) -> None:
    assert_same(decode_message(encode_message(message)), message)
    assert_same(message_of(object_of(message)), message)


@given(integer_arrays)
def test_tensors_of_integers_stay_integers(array: Array) -> None:
    body = encode_message(Message(Payload(Kind.TENSOR, array)))
    found = payload(body).array
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype or not array.size or array.dtype == np.uint64


@given(feedbacks(numbers))
def test_feedback_survives(feedback: Feedback) -> None:
    assert_same_feedback(decode_feedback(encode_feedback(feedback)), feedback)
    assert_same_feedback(feedback_of(feedback_object(feedback)), feedback)


@given(st.lists(messages(numbers), max_size=3))
def test_message_lists_survive(several: list[Message]) -> None:
    body = encode_message_list(several)
    for found in (
        decode_message_list(body),
        decode_message_list(json.dumps(json.loads(body)["seldonMessages"]).encode()),
    ):
        assert len(found) == len(several)
        for left, right in zip(found, several, strict=True):
            assert_same(left, right)
    assert len(message_list_object(several)["seldonMessages"]) == len(several)


@given(model_metadata, st.lists(tensor_metadata, max_size=2).map(tuple))
def test_metadata_survives(metadata: Any, tensors: Any) -> None:
    assert model_metadata_of(model_metadata_object(metadata)) == metadata
    graph = GraphMetadata("p", {"a": metadata, "b": metadata}, tensors, tensors)
    assert graph_metadata_of(graph_metadata_object(graph)) == graph


@given(texts)
def test_a_status_survives(text: str) -> None:
    status = Status(400, text, "BAD_REQUEST", "FAILURE")
    assert decode_message(encode_status(status)).status == status


# Recorded forms, written by hand from the specification


@pytest.mark.parametrize(
    ("message", "body"),
    [
        (Message(), b'{"meta":{}}'),
        (
            Message(Payload(Kind.NDARRAY, np.array([[0.1, 0.9]]), ["a", "b"]), Meta(puid="p", routing={"r": -1})),
            b'{"data":{"names":["a","b"],"ndarray":[[0.1,0.9]]},"meta":{"puid":"p","routing":{"r":-1}}}',
        ),
        (
            Message(Payload(Kind.TENSOR, np.array([[1, 2]]))),
            b'{"data":{"names":[],"tensor":{"shape":[1,2],"values":[1,2]}},"meta":{}}',
        ),
        (
            Message(Payload(Kind.TFTENSOR, np.array([1.0], np.float32))),
            b'{"data":{"names":[],"tftensor":{"dtype":"DT_FLOAT","tensorShape":{"dim":[{"size":"1"}]},'
            b'"tensorContent":"AACAPw=="}},"meta":{}}',
        ),
        (
            Message(
                Payload(Kind.STR_DATA, "x"),
                Meta(
                    "p",
                    {"t": [1, None]},
                    {"r": 1},
                    {"m": "image:1"},
                    [Metric("k", "TIMER", 0.5), Metric("l", "COUNTER", 1, {"a": "b"})],
                ),
                Status(200, "i", "r"),
            ),
            b'{"strData":"x","meta":{"puid":"p","tags":{"t":[1,null]},"routing":{"r":1},"requestPath":{"m":"image:1"},'
            b'"metrics":[{"key":"k","type":"TIMER","value":0.5},{"key":"l","type":"COUNTER","value":1,"tags":{"a":"b"}}]},'
            b'"status":{"code":200,"info":"i","reason":"r","status":"SUCCESS"}}',
        ),
        (Message(Payload(Kind.BIN_DATA, b"\xfb\xff")), b'{"binData":"+/8=","meta":{}}'),
        (Message(Payload(Kind.JSON_DATA, {"a": [1, 2.5, None]})), b'{"jsonData":{"a":[1,2.5,null]},"meta":{}}'),
    ],
)
def test_messages_are_printed_in_the_form_of_the_protocol(message: Message, body: bytes) -> None:
    assert encode_message(message) == body
    read = decode_message(body)
    assert (read.meta, read.status) == (message.meta, message.status)
    assert encode_message(read) == body


def test_a_message_is_read_as_json() -> None:
    message = decode_message(b'{"strData": "x"}')
    assert message.encoding is Encoding.JSON
    assert message.meta is NO_META


def test_feedback_has_its_parts_in_the_order_of_the_protocol() -> None:
    body = encode_feedback(Feedback(Message(Payload(Kind.STR_DATA, "x")), None, 0.5, Message()))
    assert body == b'{"request":{"strData":"x","meta":{}},"reward":0.5,"truth":{"meta":{}}}'


def test_graph_metadata_has_the_keys_of_the_executor() -> None:
    graph = GraphMetadata("p", {"m": model_metadata_of({"name": "m", "versions": ["1"]})}, [{"name": "x"}])
    assert graph_metadata_object(graph) == {
        "name": "p",
        "models": {"m": {"name": "m", "versions": ["1"]}},
        "graphinputs": [{"name": "x"}],
        "graphoutputs": [],
    }


# Rules of reading


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"customData":{},"binData":"","strData":"","jsonData":1,"data":{"ndarray":[]}}', Kind.NDARRAY),
        (b'{"customData":{},"binData":"","strData":"","jsonData":1,"data":null}', Kind.JSON_DATA),
        (b'{"customData":{},"binData":"","strData":""}', Kind.STR_DATA),
        (b'{"customData":{},"binData":""}', Kind.BIN_DATA),
        (b'{"jsonData":null}', Kind.JSON_DATA),
    ],
)
def test_the_first_payload_in_the_order_of_precedence_counts(body: bytes, kind: Kind) -> None:
    assert payload(body).kind is kind


def test_unknown_fields_are_ignored() -> None:
    message = decode_message(b'{"strData":"x","more":1,"meta":{"more":1,"puid":"p"},"status":{"more":1}}')
    assert message == Message(message.payload, Meta(puid="p"), Status())


def test_null_fields_are_missing_fields() -> None:
    body = b"""{"data": {"names": null, "tensor": {"shape": null, "values": null}, "ndarray": null}, "status": null,
        "meta": {"puid": null, "tags": null, "routing": null, "requestPath": null, "metrics": null}}"""
    message = decode_message(body)
    assert payload(body).array.tolist() == []
    assert (message.meta, message.status) == (Meta(), None)


def test_a_tensor_without_a_shape_has_one_dimension() -> None:
    assert payload(b'{"data":{"tensor":{"values":[1,2]}}}').array.shape == (2,)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (b"[1, 2]", np.int64, [1, 2]),
        (b"[1, 2.5]", np.float64, [1, 2.5]),
        (b"[18446744073709551615]", np.uint64, [2**64 - 1]),
        (b"[9223372036854775807]", np.int64, [2**63 - 1]),
        (b'["NaN", "-Infinity", 1]', np.float64, [math.nan, -math.inf, 1]),
        (b"[NaN, Infinity]", np.float64, [math.nan, math.inf]),
        (b'["NaN"]', np.float64, [math.nan]),
    ],
)
def test_numbers_of_a_tensor(values: bytes, dtype: type, expected: list[float]) -> None:
    array = payload(b'{"data":{"tensor":{"values":' + values + b"}}}").array
    assert array.dtype == dtype
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (b'[[1, "NaN"], ["Infinity", "-Infinity"]]', [[1, math.nan], [math.inf, -math.inf]]),
        (b"[[1, NaN]]", [[1, math.nan]]),
    ],
)
def test_names_of_numbers_among_numbers_are_numbers_in_an_ndarray(rows: bytes, expected: Any) -> None:
    array = payload(b'{"data":{"ndarray":' + rows + b"}}").array
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, expected)
    np.testing.assert_array_equal(message_of({"data": {"ndarray": json.loads(rows)}}).payload.array, expected)  # type: ignore[union-attr]


@pytest.mark.parametrize("rows", [[["NaN", "Infinity"]], [["NaN", "a", 1]], [["NaN", True, 1]], [["NaN", None, 1]]])
def test_elsewhere_in_an_ndarray_they_are_strings(rows: list[Any]) -> None:
    body = json.dumps({"data": {"ndarray": rows}}).encode()
    assert payload(body).value == rows


def test_an_ndarray_of_a_thousand_levels_is_printed_or_refused() -> None:
    body = b'{"data":{"names":[],"ndarray":' + b"[" * 1000 + b"1" + b"]" * 1000 + b'},"meta":{}}'
    with pytest.raises(MessageError, match="nested too deep"):
        encode_message(decode_message(body))
    with pytest.raises(MessageError, match=r"data\.ndarray: the array is nested too deep"):
        _ = payload(body.replace(b"[1]", b'[1,"NaN"]')).value


def test_ragged_and_mixed_ndarrays_stay_as_they_are() -> None:
    for rows in ([[1, 2], [3]], [[1, "a"]], [{"a": 1}], [None, True], []):
        assert payload(json.dumps({"data": {"ndarray": rows}}).encode()).value == rows


@pytest.mark.parametrize("text", ["-_8=", "-_8", "+/8=", "+/8"])
def test_base64_may_be_url_safe_and_without_padding(text: str) -> None:
    assert payload(b'{"binData":"' + text.encode() + b'"}').value == b"\xfb\xff"


def test_long_integers_survive_in_json_data() -> None:
    body = b'{"jsonData":[123456789012345678901234567890],"meta":{}}'
    assert encode_message(decode_message(body)) == body


def test_enum_members_may_be_numbers_and_integers_whole_doubles() -> None:
    message = decode_message(
        b'{"meta":{"routing":{"r":1.0,"s":"2"},"metrics":[{"key":"k","type":1,"value":"NaN"},{}]},"status":{"status":1}}'
    )
    assert message.meta.routing == {"r": 1, "s": 2}
    assert [metric.type for metric in message.meta.metrics] == ["GAUGE", "COUNTER"]
    assert math.isnan(message.meta.metrics[0].value)
    assert message.status == Status(status="FAILURE")


def test_a_payload_nobody_looked_at_is_printed_as_it_came() -> None:
    for text in (
        '"data":{"names":[],"tensor":{"shape":[9],"values":[1,2.50]}}',  # not even checked
        '"data":{"names":["a"],"ndarray":[[1,"NaN"]]}',
        '"data":{"names":[],"tftensor":{"dtype":2,"double_val":[1]}}',
        '"binData":"-_8"',
        '"customData":{"@type":"unknown/type","value":"AA"}',
    ):
        body = ("{" + text + ',"meta":{}}').encode()
        assert encode_message(decode_message(body)) == body.replace(b"2.50", b"2.5")


def test_what_user_code_gets_is_its_own() -> None:
    message = decode_message(b'{"data":{"ndarray":[[1,2]]},"meta":{"tags":{"a":[1]}}}')
    shown = object_of(message)
    shown["data"]["ndarray"][0][0] = shown["meta"]["tags"]["a"][0] = 9
    assert encode_message(message) == b'{"data":{"names":[],"ndarray":[[1,2]]},"meta":{"tags":{"a":[1]}}}'


def test_user_code_may_answer_with_tuples_and_arrays() -> None:
    array = np.arange(4.0).reshape(2, 2)
    for data in (
        {"names": ("a", "b"), "tensor": {"shape": array.shape, "values": array.ravel()}},
        {"ndarray": array},
        {"ndarray": ((0.0, 1.0), (2.0, 3.0))},
    ):
        message = message_of({"data": data})
        assert message.payload is not None
        assert message.payload.array.tolist() == array.tolist()
        assert b"3.0" in encode_message(message)


# Rules of writing


def test_numbers_without_a_literal_are_printed_by_name_or_bare() -> None:
    message = Message(Payload(Kind.NDARRAY, np.array([[np.nan, np.inf, -np.inf, 1]])))
    assert encode_message(message) == b'{"data":{"names":[],"ndarray":[["NaN","Infinity","-Infinity",1.0]]},"meta":{}}'
    assert b"[[NaN,Infinity,-Infinity,1.0]]" in encode_message(message, bare_non_finite=True)
    assert math.isnan(object_of(message)["data"]["ndarray"][0][0])


@pytest.mark.parametrize(
    ("array", "printed"),
    [
        (np.array([[0.1]], np.float32), b"[[0.10000000149011612]]"),
        (np.arange(4).reshape(2, 2).T, b"[[0,2],[1,3]]"),
        (np.array([1, 2], ">i4"), b"[1,2]"),
        (np.array([True]), b"[true]"),
        (np.array([["a", "b"]]), b'[["a","b"]]'),
        (np.array([1, "a", None], object), b'[1,"a",null]'),
    ],
)
def test_every_array_is_printed(array: Array, printed: bytes) -> None:
    message = Message(Payload(Kind.NDARRAY, array))
    assert encode_message(message) == b'{"data":{"names":[],"ndarray":' + printed + b'},"meta":{}}'


def test_tags_and_metrics_may_hold_scalars_of_numpy() -> None:
    meta = Meta(tags={"a": np.float64(0.5), "b": np.int64(2)}, metrics=[Metric("k", "GAUGE", np.float64(1.5))])  # type: ignore[dict-item]
    printed = b'{"meta":{"tags":{"a":0.5,"b":2},"metrics":[{"key":"k","type":"GAUGE","value":1.5}]}}'
    assert encode_message(Message(meta=meta)) == printed


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Message(Payload(Kind.TENSOR, np.array(["a"]))), "data.tensor.values: must be numbers"),
        (Message(Payload(Kind.NDARRAY, np.array([1j]))), "no complex numbers"),
        (Message(Payload(Kind.JSON_DATA, {1, 2})), "set is no JSON value"),
        (Message(meta=Meta(metrics=[Metric("k", "HISTOGRAM", 1)])), "must be one of COUNTER, GAUGE, TIMER"),  # type: ignore[arg-type]
    ],
)
def test_what_json_cannot_hold_is_refused(message: Message, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        encode_message(message)
    with pytest.raises(MessageError, match=text):
        object_of(message)


# Bad input


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "the body is empty"),
        (b"{", "malformed JSON: .*line 1 column"),
        (b'{"data": {"ndarray": [1,]}}', "line 1 column"),
        (b"[" * 10_000, "malformed JSON"),
        (b'{"jsonData":' * 10_000, "malformed JSON"),
        (b'{"jsonData":' + b"[" * 10_000 + b"1" * 30 + b"]" * 10_000 + b"}", "malformed JSON"),
        (b"[]", r"message: must be a JSON object \(got \[\]\)"),
        (b"null", "message: must be a JSON object"),
        (b'"x"', "message: must be a JSON object"),
        (b'{"data": 1}', r"data: must be a JSON object \(got 1\)"),
        (b'{"data": {}}', "data: must hold one of tensor, ndarray, tftensor"),
        (b'{"data": {"names": ["a"]}}', r"data: must hold one of .* \(got \['names'\]\)"),
        (b'{"data": {"ndaray": [[1]]}}', r"\(got 'ndaray'; did you mean ndarray\?\)"),
        (b'{"data": {"Tensor": {}}}', r"\(got 'Tensor'; did you mean tensor\?\)"),
        (b'{"data": {"tf_tensor": {}}}', r"did you mean tftensor\?"),
        (b'{"data": {"ndarray": [], "tensor": {}}}', r"\(got tensor and ndarray\)"),
        (b'{"data": {"ndarray": 1}}', "data.ndarray: must be an array"),
        (b'{"data": {"ndarray": {"a": 1}}}', "data.ndarray: must be an array"),
        (b'{"data": {"tensor": [1]}}', "data.tensor: must be a JSON object"),
        (b'{"data": {"tftensor": [1]}}', "data.tftensor: must be a JSON object"),
        (b'{"data": {"names": "a", "ndarray": []}}', "data.names: must be an array of strings"),
        (b'{"data": {"names": ["a", 1], "ndarray": []}}', r"data.names\[1\]: must be a string \(got 1\)"),
        (b'{"strData": 1}', r"strData: must be a string \(got 1\)"),
        (b'{"binData": 1}', "binData: must be a base64 string"),
        (b'{"customData": 1}', "customData: must be a JSON object"),
        (b'{"meta": 1}', "meta: must be a JSON object"),
        (b'{"meta": []}', "meta: must be a JSON object"),
        (b'{"meta": {"puid": 1}}', "meta.puid: must be a string"),
        (b'{"meta": {"tags": [1]}}', "meta.tags: must be a JSON object"),
        (b'{"meta": {"routing": {"r": "x"}}}', r"meta.routing.r: must be an integer of 32 bits \(got 'x'\)"),
        (b'{"meta": {"routing": {"r": 1.5}}}', "meta.routing.r: must be an integer"),
        (b'{"meta": {"routing": {"r": true}}}', "meta.routing.r: must be an integer"),
        (b'{"meta": {"routing": {"r": 4294967296}}}', "meta.routing.r: must be an integer of 32 bits"),
        (b'{"meta": {"routing": [1]}}', "meta.routing: must be a JSON object"),
        (b'{"meta": {"requestPath": {"a": 1}}}', "meta.requestPath.a: must be a string"),
        (b'{"meta": {"metrics": {"a": 1}}}', "meta.metrics: must be an array"),
        (b'{"meta": {"metrics": [1]}}', r"meta.metrics\[0\]: must be a JSON object"),
        (b'{"meta": {"metrics": [{"type": "X"}]}}', r"meta.metrics\[0\].type: must be one of COUNTER, GAUGE, TIMER"),
        (b'{"meta": {"metrics": [{"type": 3}]}}', r"meta.metrics\[0\].type: must be one of"),
        (b'{"meta": {"metrics": [{"value": "1"}]}}', r"meta.metrics\[0\].value: must be a number"),
        (b'{"meta": {"metrics": [{"value": true}]}}', r"meta.metrics\[0\].value: must be a number"),
        (b'{"meta": {"metrics": [{"key": 1}]}}', r"meta.metrics\[0\].key: must be a string"),
        (b'{"meta": {"metrics": [{"tags": {"a": 1}}]}}', r"meta.metrics\[0\].tags.a: must be a string"),
        (b'{"status": 1}', "status: must be a JSON object"),
        (b'{"status": {"code": "x"}}', "status.code: must be an integer"),
        (b'{"status": {"info": 1}}', "status.info: must be a string"),
        (b'{"status": {"status": "OK"}}', "status.status: must be one of SUCCESS, FAILURE"),
    ],
)
def test_bad_input_is_refused_with_place_rule_and_value(body: bytes, text: str) -> None:
    with pytest.raises(MessageError, match=text) as caught:
        decode_message(body)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"data":{"tensor":{"shape":[2,2],"values":[1,2,3]}}}', r"data.tensor.shape: .*, 3 \(got \[2, 2\]\)"),
        (b'{"data":{"tensor":{"shape":[-1],"values":[1]}}}', r"data.tensor.shape\[0\]: must be an integer ≥ 0"),
        (b'{"data":{"tensor":{"shape":[1.5],"values":[1]}}}', r"data.tensor.shape\[0\]: must be an integer"),
        (b'{"data":{"tensor":{"shape":1,"values":[1]}}}', "data.tensor.shape: must be an array"),
        (b'{"data":{"tensor":{"values":1}}}', "data.tensor.values: must be an array of numbers"),
        (b'{"data":{"tensor":{"values":["a"]}}}', "data.tensor.values: must be a flat array of numbers"),
        (b'{"data":{"tensor":{"values":[1,"NaN","a"]}}}', "data.tensor.values: must be a flat array"),
        (b'{"data":{"tensor":{"values":[null]}}}', "data.tensor.values: must be a flat array"),
        (b'{"data":{"tensor":{"values":[[1],[2]]}}}', "data.tensor.values: must be a flat array"),
        (b'{"data":{"tensor":{"values":[[1],[2,3]]}}}', "data.tensor.values: must be a flat array"),
        (b'{"data":{"tensor":{"values":[{}]}}}', "data.tensor.values: must be a flat array"),
        (b'{"binData":"?"}', "binData: must be base64"),
        (b'{"binData":"AAAAA"}', "binData: must be base64"),
        ('{"binData":"ä"}'.encode(), "binData: must be base64"),
        (b'{"customData":{}}', "customData.@type: must name the type"),
        (b'{"customData":{"@type":"a/b","value":"?"}}', "customData.value: must be base64"),
        (b'{"customData":{"@type":"type.googleapis.com/seldon.protos.Status","code":"x"}}', "customData: .*code"),
        (b'{"data":{"tftensor":{"dtype":"DT_FLOAT","floatVal":[1,2]}}}', "data.tftensor.floatVal: must have at most"),
    ],
)
def test_a_bad_payload_is_refused_when_it_is_looked_at(body: bytes, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        _ = payload(body).value


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"[]", "feedback: must be a JSON object"),
        (b'{"reward": "x"}', "reward: must be a number"),
        (b'{"request": 1}', "request: must be a JSON object"),
        (b'{"response": {"meta": {"routing": {"r": "x"}}}}', "response.meta.routing.r: must be an integer"),
        (b'{"truth": {"data": {}}}', "truth.data: must hold one of"),
    ],
)
def test_bad_feedback_is_refused(body: bytes, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        decode_feedback(body)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"1", "seldonMessages: must be an array"),
        (b'{"seldonMessages": 1}', "seldonMessages: must be an array"),
        (b'[{"strData": ""}, 1]', r"seldonMessages\[1\]: must be a JSON object"),
        (b'[{"data": {"tensor": 1}}]', r"seldonMessages\[0\].data.tensor: must be a JSON object"),
    ],
)
def test_bad_lists_are_refused(body: bytes, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        decode_message_list(body)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "metadata: must be a JSON object"),
        ({"name": 1}, "metadata.name: must be a string"),
        ({"versions": "1"}, "metadata.versions: must be an array"),
        ({"versions": [1]}, r"metadata.versions\[0\]: must be a string"),
        ({"inputs": [1]}, r"metadata.inputs\[0\]: must be a JSON object"),
        ({"custom": {"a": 1}}, "metadata.custom.a: must be a string"),
    ],
)
def test_bad_metadata_is_refused(value: Any, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        model_metadata_of(value)


def test_metrics_of_components_have_the_same_rules() -> None:
    assert metrics_of([{"key": "k", "type": "GAUGE", "value": np.float32(0.5)}]) == [Metric("k", "GAUGE", 0.5)]
    with pytest.raises(MessageError, match=r"metrics\[0\].type"):
        metrics_of([{"key": "k", "type": "X", "value": 1}])
