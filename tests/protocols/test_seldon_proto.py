from __future__ import annotations

import math
import struct
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
from gaal.protocols import seldon_json
from gaal.protocols.descriptors import message_class
from gaal.protocols.seldon_proto import (
    decode_feedback,
    decode_graph_metadata,
    decode_message,
    decode_message_list,
    decode_model_metadata,
    decode_model_metadata_request,
    encode_feedback,
    encode_graph_metadata,
    encode_message,
    encode_message_list,
    encode_model_metadata,
    encode_model_metadata_request,
    feedback_of,
    feedback_proto,
    message_list_of,
    message_list_proto,
    message_of,
    proto_of,
)

from .strategies import (
    assert_same,
    assert_same_feedback,
    doubles,
    feedbacks,
    messages,
    model_metadata,
    tensor_metadata,
    texts,
)

numbers = doubles | st.integers(-(2**53), 2**53)


def payload(body: bytes) -> Payload:
    found = decode_message(body).payload
    assert found is not None
    return found


def seldon_message(**fields: Any) -> Any:
    make: Any = message_class("seldon.protos.SeldonMessage")
    return make(**fields)


# Round trips


@given(messages(numbers))
def test_messages_survive(message: Message) -> None:
    assert_same(decode_message(encode_message(message)), message)
    assert_same(message_of(proto_of(message)), message)


@given(messages(numbers))
def test_messages_survive_the_way_over_json(message: Message) -> None:
    """In both directions; nobody looks at a payload in between."""
    over_json = seldon_json.decode_message(seldon_json.encode_message(decode_message(encode_message(message))))
    assert_same(over_json, message)
    over_proto = decode_message(encode_message(seldon_json.decode_message(seldon_json.encode_message(message))))
    assert_same(over_proto, message)


@given(messages(numbers))
def test_a_message_nobody_looked_at_goes_out_as_it_came(message: Message) -> None:
    body = encode_message(message)
    make = message_class("seldon.protos.SeldonMessage")
    assert make.FromString(encode_message(decode_message(body))) == make.FromString(body)


@given(feedbacks(numbers))
def test_feedback_survives(feedback: Feedback) -> None:
    assert_same_feedback(decode_feedback(encode_feedback(feedback)), feedback)
    assert_same_feedback(feedback_of(feedback_proto(feedback)), feedback)
    over_json = seldon_json.decode_feedback(seldon_json.encode_feedback(feedback))
    assert_same_feedback(decode_feedback(encode_feedback(over_json)), feedback)


@given(st.lists(messages(numbers), max_size=3))
def test_message_lists_survive(several: list[Message]) -> None:
    for found in (decode_message_list(encode_message_list(several)), message_list_of(message_list_proto(several))):
        assert len(found) == len(several)
        for left, right in zip(found, several, strict=True):
            assert_same(left, right)


@given(model_metadata, st.lists(tensor_metadata, max_size=2).map(tuple))
def test_metadata_survives(metadata: Any, tensors: Any) -> None:
    assert decode_model_metadata(encode_model_metadata(metadata)) == metadata
    graph = GraphMetadata("p", {"a": metadata, "b": metadata}, tensors, tensors)
    assert decode_graph_metadata(encode_graph_metadata(graph)) == graph


@given(texts)
def test_a_metadata_request_survives(name: str) -> None:
    assert decode_model_metadata_request(encode_model_metadata_request(name)) == name


# Recorded bytes, written by hand from the specification


TENSOR = bytes.fromhex("1a 18 12 16 0a02 0102 1210 000000000000f83f 00000000000000c0 12 0a 0a0170 1a05 0a0172 1001")


def test_a_tensor_is_read_from_recorded_bytes() -> None:
    # data=3{tensor=2{shape=1 packed [1, 2], values=2 packed [1.5, -2.0]}}, meta=2{puid=1 "p", routing=3{"r": 1}}
    message = decode_message(TENSOR)
    assert message.encoding is Encoding.PROTO
    assert message.meta == Meta(puid="p", routing={"r": 1})
    assert message.payload is not None
    assert message.payload.array.tolist() == [[1.5, -2.0]]


@pytest.mark.parametrize(
    ("message", "recorded"),
    [
        (Message(), ""),
        (Message(Payload(Kind.STR_DATA, "a")), "2a0161"),
        (Message(Payload(Kind.BIN_DATA, b"\xff")), "2201ff"),
        (Message(Payload(Kind.JSON_DATA, None)), "3202 0800"),
        (Message(Payload(Kind.JSON_DATA, [True])), "3206 3204 0a02 2001"),
        (Message(Payload(Kind.NDARRAY, [["a"]], ["x"])), "1a0e 0a0178 1a09 0a07 3205 0a03 1a0161"),
        (Message(Payload(Kind.NDARRAY, np.array([1.0]))), "1a0d 1a0b 0a09 11 000000000000f03f"),
        (Message(Payload(Kind.TENSOR, np.array([1.0]))), "1a0f 120d 0a0101 1208 000000000000f03f"),
        (Message(meta=Meta(metrics=[Metric("k", "TIMER", 0.5)])), "120c 2a0a 0a016b 1002 1d0000003f"),
        (Message(meta=Meta(request_path={"m": "i"})), "1208 2206 0a016d 120169"),
        (Message(status=Status(5, "i", "r", "FAILURE")), "0a0a 0805 120169 1a0172 2001"),
    ],
)
def test_messages_are_written_as_the_recorded_bytes(message: Message, recorded: str) -> None:
    body = bytes.fromhex(recorded)
    assert encode_message(message) == body
    assert_same(
        decode_message(body), seldon_json.decode_message(seldon_json.encode_message(message, bare_non_finite=True))
    )


# Tensors that are packed in other ways


def tensor_body(shape: list[int], values: bytes) -> bytes:
    """A SeldonMessage with a tensor whose `values` field is given with its tags."""
    tensor = bytes([0x0A, len(shape), *shape]) + values if shape else values
    data = bytes([0x12, len(tensor)]) + tensor
    return bytes([0x1A, len(data)]) + data


def unpacked(*values: float) -> bytes:
    return b"".join(b"\x11" + struct.pack("<d", value) for value in values)


def packed(*values: float) -> bytes:
    return bytes([0x12, 8 * len(values)]) + struct.pack(f"<{len(values)}d", *values)


@pytest.mark.parametrize("values", [unpacked(1, 2, 3, 4), packed(1) + packed(2, 3, 4), packed(1, 2) + packed(3, 4)])
def test_values_may_come_unpacked_or_in_several_chunks(values: bytes) -> None:
    body = tensor_body([2, 2], values)
    assert payload(body).array.tolist() == [[1, 2], [3, 4]]
    assert payload(encode_message(decode_message(body))).array.tolist() == [[1, 2], [3, 4]]
    assert payload(tensor_body([], values)).array.tolist() == [1, 2, 3, 4]


def test_a_tensor_without_values_is_empty() -> None:
    assert payload(tensor_body([0, 3], b"")).array.shape == (0, 3)
    assert payload(tensor_body([], b"")).array.shape == (0,)


def test_an_array_from_a_tensor_may_be_written_to() -> None:
    array = payload(TENSOR).array
    array[0, 0] = 9
    assert array.tolist() == [[9, -2]]


@pytest.mark.parametrize(
    "array",
    [
        np.array([[0.1]], np.float32),
        np.arange(4).reshape(2, 2).T,
        np.array([1, 2], ">i4"),
        np.array([True, False]),
        np.array([np.nan, np.inf, -np.inf]),
        np.zeros((2, 0)),
    ],
    ids=repr,
)
def test_every_array_of_numbers_becomes_doubles(array: Array) -> None:
    np.testing.assert_array_equal(payload(encode_message(Message(Payload(Kind.TENSOR, array)))).array, array)
    if array.size:
        ndarray = payload(encode_message(Message(Payload(Kind.NDARRAY, array)))).array
        np.testing.assert_array_equal(ndarray, array)


@pytest.mark.parametrize("odd", [1, 1.5, True, "a", None, [1]])
def test_large_lists_survive_whatever_stands_among_the_numbers(odd: Any) -> None:
    rows = [[float(i)] * 10 for i in range(10)]
    rows[5][5] = odd
    found = payload(encode_message(Message(Payload(Kind.NDARRAY, rows)))).value
    assert (found.tolist() if isinstance(found, np.ndarray) else found) == rows


def test_integers_beyond_53_bits_become_the_nearest_double_but_in_a_tftensor() -> None:
    array = np.array([2**63 - 1])
    for kind in (Kind.TENSOR, Kind.NDARRAY):
        assert payload(encode_message(Message(Payload(kind, array)))).array.tolist() == [2.0**63]
    assert payload(encode_message(Message(Payload(Kind.TFTENSOR, array)))).array.tolist() == [2**63 - 1]


def test_numbers_without_a_literal_cross_from_json() -> None:
    body = b'{"data":{"ndarray":[["NaN",1,"-Infinity"]]},"jsonData":"NaN"}'
    value = payload(encode_message(seldon_json.decode_message(body))).value
    assert math.isnan(value[0][0])
    assert value[0][1:] == [1, -math.inf]


# User code


def test_user_code_may_answer_with_a_message_of_another_pool() -> None:
    message = message_of(seldon_message(strData="x"))
    assert message.encoding is Encoding.PROTO
    assert message.meta is NO_META
    assert message.payload is not None
    assert message.payload.value == "x"


@pytest.mark.parametrize("value", [None, {"strData": "x"}, message_class("seldon.protos.Feedback")()], ids=repr)
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(MessageError, match=r"must be a seldon\.protos\.SeldonMessage"):
        message_of(value)


def test_tags_may_hold_scalars_and_arrays_of_numpy() -> None:
    tags: Any = {"a": np.float32(0.5), "b": np.int64(2), "c": np.array([1, 2]), "d": np.bool_(True)}
    assert decode_message(encode_message(Message(meta=Meta(tags=tags)))).meta.tags == {
        "a": 0.5,
        "b": 2,
        "c": [1, 2],
        "d": True,
    }


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Message(Payload(Kind.TENSOR, np.array(["a"]))), "data.tensor.values: must be numbers"),
        (Message(Payload(Kind.JSON_DATA, {1, 2})), "set is no JSON value"),
        (Message(Payload(Kind.STR_DATA, "\ud800")), "does not fit into protobuf"),
        (Message(meta=Meta(routing={"r": 2**40})), "does not fit into protobuf"),
        (Message(meta=Meta(metrics=[Metric("k", "HISTOGRAM", 1)])), "does not fit into protobuf"),  # type: ignore[arg-type]
        (Message(Payload(Kind.JSON_DATA, 10**400)), "does not fit into protobuf"),
    ],
)
def test_what_protobuf_cannot_hold_is_refused(message: Message, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        encode_message(message)


def test_values_nested_too_deep_for_protobuf_are_refused() -> None:
    lists: Any = 1
    objects: Any = 1
    for _ in range(30):
        lists, objects = [lists], {"a": objects}
    for value in (lists, objects):
        message = Message(Payload(Kind.JSON_DATA, value), Meta(tags={"t": value}))
        assert_same(decode_feedback(encode_feedback(Feedback(message))).request, message)
        for deeper in ([value], {"a": value}):
            with pytest.raises(MessageError, match="nested deeper than 30 levels"):
                encode_message(Message(Payload(Kind.JSON_DATA, deeper)))


# Bad input


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"\xff", r"malformed protobuf, must be a seldon\.protos\.SeldonMessage"),
        (TENSOR[:-1], "malformed protobuf"),
        (b"\x2a\x01\xff", "malformed protobuf"),
        (b"\x1a\x00", "data: must hold one of tensor, ndarray, tftensor"),
        (b"\x12\x04\x2a\x02\x10\x09", r"meta.metrics.type: must be one of COUNTER, GAUGE, TIMER \(got 9\)"),
        (b"\x0a\x02\x20\x07", "status.status: must be one of SUCCESS, FAILURE"),
    ],
)
def test_bad_input_is_refused(body: bytes, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        decode_message(body)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (tensor_body([2, 2], packed(1, 2, 3)), r"data.tensor.shape: .*, 3 \(got \[2, 2\]\)"),
        (tensor_body([2], b"\x12\x04abcd"), "data.tensor: malformed protobuf"),
        (tensor_body([2], b""), "data.tensor.shape: .*, 0"),
    ],
)
def test_a_bad_tensor_is_refused_when_it_is_looked_at(body: bytes, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        _ = payload(body).value


def test_a_malformed_ndarray_is_refused_when_it_is_looked_at() -> None:
    message = decode_message(bytes.fromhex("1a04 1a02 ffff"))
    assert message.payload is not None
    with pytest.raises(MessageError, match=r"data\.ndarray: malformed protobuf"):
        _ = message.payload.value
    with pytest.raises(MessageError, match="malformed protobuf"):
        proto_of(decode_message(bytes.fromhex("1a04 1a02 ffff")))


def test_negative_sizes_are_refused() -> None:
    body = seldon_message(data={"tensor": {"shape": [-1, -2], "values": [1, 2]}}).SerializeToString()
    with pytest.raises(MessageError, match=r"data\.tensor\.shape"):
        _ = payload(body).value


def test_an_error_in_feedback_names_the_part() -> None:
    feedback: Any = message_class("seldon.protos.Feedback")()
    feedback.truth.data.tensor.shape.append(3)
    truth = decode_feedback(feedback.SerializeToString()).truth
    assert truth is not None
    assert truth.payload is not None
    with pytest.raises(MessageError, match=r"truth\.data\.tensor\.shape"):
        _ = truth.payload.value


# Large tensors, whose numbers are not copied by the parser.


def large(*shape: int) -> Payload:
    return Payload(Kind.TENSOR, np.random.default_rng(3).random(shape), ("a", "b"))


@pytest.mark.parametrize("shape", [(5000, 2), (100, 10, 20), (20_000,)])
@pytest.mark.parametrize("meta", [NO_META, Meta("id", {"a": 1}, {"m": -1}, {"m": "x"})])
def test_a_large_tensor_is_written_as_protobuf_itself_would(shape: tuple[int, ...], meta: Meta) -> None:
    payload = large(*shape)
    body = encode_message(Message(payload, meta, Status(1, "x")))
    true: Any = message_class("seldon.protos.SeldonMessage").FromString(body)
    assert list(true.data.tensor.shape) == list(shape)
    assert np.array_equal(np.array(true.data.tensor.values), payload.array.reshape(-1))
    assert (list(true.data.names), true.meta.puid, true.status.info) == (["a", "b"], meta.puid, "x")


@pytest.mark.parametrize("shape", [(5000, 2), (20_000,)])
def test_a_large_tensor_is_read_and_passed_on_as_it_came(shape: tuple[int, ...]) -> None:
    true: Any = message_class("seldon.protos.SeldonMessage")()
    true.meta.puid = "id"
    true.data.names.append("a")
    true.data.tensor.shape.extend(shape)
    array = np.random.default_rng(3).random(shape)
    true.data.tensor.values.extend(array.reshape(-1))
    message = decode_message(true.SerializeToString())
    again = type(true).FromString(encode_message(message))
    assert again == true
    assert message.payload is not None
    assert np.array_equal(message.payload.array, array)
    assert message.payload.array.flags.writeable
    assert (list(message.payload.names), message.meta.puid) == (["a"], "id")


def test_a_large_tensor_that_breaks_a_rule_is_refused() -> None:
    true: Any = message_class("seldon.protos.SeldonMessage")()
    true.data.tensor.shape.extend([3])
    true.data.tensor.values.extend(np.zeros(10_000))
    message = decode_message(true.SerializeToString())
    assert message.payload is not None
    with pytest.raises(MessageError, match=r"data.tensor.shape: must multiply to the number of values, 10000"):
        message.payload.array  # noqa: B018 – decoded when it is looked at
    with pytest.raises(MessageError, match="malformed protobuf"):
        decode_message(true.SerializeToString()[:-5])


def test_a_large_tensor_in_pieces_is_read_by_the_parser() -> None:
    make: Any = message_class("seldon.protos.SeldonMessage")
    halves = [make(data={"tensor": {"values": np.full(9000, half)}}).SerializeToString() for half in (1, 2)]
    message = decode_message(b"".join(halves))
    assert message.payload is not None
    assert message.payload.array.tolist() == [1] * 9000 + [2] * 9000


def test_the_last_payload_counts_beside_a_large_tensor_too() -> None:
    make: Any = message_class("seldon.protos.SeldonMessage")
    tensor = make(data={"tensor": {"values": np.zeros(10_000)}}).SerializeToString()
    text = make(strData="x").SerializeToString()
    after, before = decode_message(tensor + text), decode_message(text + tensor)
    assert after.payload is not None
    assert before.payload is not None
    assert (after.payload.value, before.payload.kind) == ("x", Kind.TENSOR)
