"""V2's requests and replies in JSON, with binary tensors, and in protobuf ⇄ messages, from both sides."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gaal.errors import MessageError
from gaal.messages import Array, Encoding, Kind, Message, Meta, ModelMetadata, Payload
from gaal.protocols import seldon_json, seldon_proto
from gaal.protocols.descriptors import message_class
from gaal.protocols.open_inference import metadata, protobuf, rest
from gaal.protocols.open_inference.inference import (
    AskedOutput,
    Inference,
    Tensor,
    message_of,
    reply_of,
    request_of,
    tensors_of,
)

shapes = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3)
numbers = st.sampled_from(["?", "u1", "u8", "i4", "i8", "f4", "f8"]).flatmap(lambda d: arrays.arrays(d, shapes))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
strings = arrays.arrays(object, shapes, elements=st.binary(max_size=5) | texts)


def by_json(request: Inference) -> Inference:
    return rest.decode_request(*rest.encode_request(request))


def by_binary(request: Inference) -> Inference:
    return rest.decode_request(*rest.encode_request(request, binary=True))


def by_protobuf(request: Inference) -> Inference:
    return protobuf.decode_request(protobuf.encode_request(request))


ways = pytest.mark.parametrize("by", [by_json, by_binary, by_protobuf])
Way = Callable[[Inference], Inference]


def same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


def inference(**fields: Any) -> Inference:
    return rest.decode_request(orjson.dumps(fields))


def tensor(name: str, datatype: str, shape: list[int], data: Any, **parameters: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data, "parameters": parameters}


@ways
@given(array=numbers)
def test_an_array_takes_every_way_from_client_to_server(by: Way, array: Array) -> None:
    sent = Message(Payload(Kind.TENSOR, array), Meta("id-1", {"a": 1, "b": True, "c": 0.5, "d": "x"}))
    got = message_of(by(request_of(sent, "iris")), Encoding.JSON)
    assert got.payload is not None
    assert same(got.payload.array, array)
    assert got.payload.array.flags.writeable
    assert (got.meta.puid, got.meta.tags) == (sent.meta.puid, sent.meta.tags)


@ways
@given(array=strings)
def test_strings_take_every_way_from_client_to_server(by: Way, array: Array) -> None:
    got = message_of(by(request_of(Message(Payload(Kind.NDARRAY, array)), "iris")), Encoding.JSON)
    assert got.payload is not None
    are_texts = array.size and all(isinstance(item, str) for item in array.reshape(-1).tolist())
    expected = [item if are_texts or isinstance(item, bytes) else item.encode() for item in array.reshape(-1).tolist()]
    assert got.payload.array.reshape(-1).tolist() == expected


@ways
def test_what_came_goes_on_with_its_names_datatypes_and_parameters(by: Way) -> None:
    sent = inference(
        id="7",
        parameters={"priority": 2},
        inputs=[tensor("h", "FP16", [1, 2], [1, 2], scale=0.5), tensor("t", "BYTES", [1], ["x"], content_type="str")],
    )
    message = message_of(by(sent), Encoding.JSON)
    again = by(request_of(message, "next"))
    assert [(each.name, each.datatype, each.parameters) for each in again.tensors] == [
        ("h", "FP16", {"scale": 0.5}),
        ("t", "BYTES", {"content_type": "str"}),
    ]
    assert (again.id, dict(again.parameters)["priority"]) == ("7", 2)
    assert [each.array().tolist() for each in again.tensors] == [[[1, 2]], ["x"]]


@ways
def test_columns_become_a_table_and_other_inputs_a_dict(by: Way) -> None:
    columns = by(inference(inputs=[tensor("a", "INT64", [2], [1, 2]), tensor("b", "FP32", [2, 1], [0.5, 1.5])]))
    payload = message_of(columns, Encoding.JSON).payload
    assert payload is not None
    assert (payload.array.tolist(), payload.names) == ([[1, 0.5], [2, 1.5]], ("a", "b"))
    others = by(inference(inputs=[tensor("a", "INT64", [1, 2], [1, 2]), tensor("b", "FP32", [1], [0.5])]))
    payload = message_of(others, Encoding.JSON).payload
    assert payload is not None
    assert {name: array.tolist() for name, array in payload.value.items()} == {"a": [[1, 2]], "b": [0.5]}


def test_the_content_type_of_a_request_says_whether_its_inputs_are_columns() -> None:
    one = inference(parameters={"content_type": "pd"}, inputs=[tensor("a", "INT64", [2], [1, 2])])
    payload = message_of(one, Encoding.JSON).payload
    assert payload is not None
    assert (payload.array.tolist(), payload.names) == ([[1], [2]], ("a",))
    two = [tensor("a", "INT64", [1], [1]), tensor("b", "INT64", [1], [2])]
    payload = message_of(inference(parameters={"content_type": "np"}, inputs=two), Encoding.JSON).payload
    assert payload is not None
    assert payload.kind is Kind.TENSORS


def test_the_content_type_of_an_input_says_how_its_strings_are_read() -> None:
    def read(data: list[str], content_type: str) -> Any:
        request = inference(inputs=[tensor("a", "BYTES", [len(data)], data, content_type=content_type)])
        payload = message_of(request, Encoding.JSON).payload
        assert payload is not None
        return payload.value if payload.kind is Kind.JSON_DATA else payload.array.tolist()

    assert read(["ä"], "str") == ["ä"]
    assert read(["YWI="], "base64") == [b"ab"]
    assert read(['{"a": [1]}'], "json") == {"a": [1]}
    assert read(["x"], "np") == [b"x"]


@ways
def test_a_reply_has_the_outputs_that_are_asked_for(by: Way) -> None:
    request = by(Inference([Tensor("x", "FP32", (1,), np.ones(1, "f4"))], outputs=[AskedOutput("b"), AskedOutput("a")]))
    reply = reply_of(Message(Payload(Kind.TENSOR, np.array([[1.0, 2.0]]), ("a", "b"))), request, "m", "1")
    assert [(each.name, each.array().tolist()) for each in reply.tensors] == [("b", [2.0]), ("a", [1.0])]


@pytest.mark.parametrize("by", ["json", "binary", "protobuf"])
@given(array=numbers | strings)
def test_a_reply_takes_every_way_back_to_the_client(by: str, array: Array) -> None:
    request = Inference([], parameters={"binary_data_output": by == "binary"})
    reply = reply_of(Message(Payload(Kind.NDARRAY, array), Meta("id", {"t": "x"})), request, "m", "1")
    if by == "protobuf":
        got = protobuf.decode_reply(protobuf.encode_reply(reply))
    else:
        got = rest.decode_reply(*rest.encode_reply(reply, request))
    assert (got.model_name, got.model_version, got.id, got.parameters) == ("m", "1", "id", {"t": "x"})
    assert got.tensors[0].name == "output-0"
    if array.dtype.kind == "O":
        expected = [item.encode() if isinstance(item, str) else item for item in array.reshape(-1).tolist()]
        decoded = got.tensors[0].array().reshape(-1).tolist()
        assert [item.encode() if isinstance(item, str) else item for item in decoded] == expected
    else:
        assert same(got.tensors[0].array(), array)


@given(numbers, st.sampled_from(["output-0", "x"]))
def test_numbers_without_a_name_are_the_output_that_asking_for_it_gives(array: Array, default: str) -> None:
    payload = Payload(Kind.TENSOR, array, ("a",))
    [plain], [named] = tensors_of(payload, (), default), tensors_of(payload, [default], "")
    assert (plain.name, plain.datatype, plain.shape, plain.parameters) == (
        named.name,
        named.datatype,
        named.shape,
        named.parameters,
    )
    assert plain.values is array is named.values


def filled_in_place(reply: Inference) -> Any:
    """The same reply, made by protobuf alone."""
    message: Any = message_class("inference.ModelInferResponse")(
        model_name=reply.model_name, model_version=reply.model_version, id=reply.id
    )
    for key, value in reply.parameters.items():
        message.parameters[key].string_param = str(value)
    for each in reply.tensors:
        output = message.outputs.add(name=each.name, datatype=each.datatype, shape=each.shape)
        for key, value in each.parameters.items():
            output.parameters[key].string_param = str(value)
        message.raw_output_contents.append(bytes(each.raw()))
    return message


names = texts | st.just("a name that is longer than what is kept of it " * 5)
said = st.dictionaries(texts, texts, max_size=2)
tensors = st.builds(
    lambda name, array, parameters: Tensor(name, "FP64", array.shape, array, parameters),
    names,
    arrays.arrays("f8", shapes),
    said,
)


@given(st.builds(Inference, st.lists(tensors, max_size=3), names, names, names, said))
def test_a_reply_in_parts_is_the_one_that_protobuf_makes_of_it(reply: Inference) -> None:
    expected = filled_in_place(reply)
    for _ in range(2):  # some parts are kept from the first time
        got: Any = message_class("inference.ModelInferResponse").FromString(protobuf.encode_reply(reply))
        assert got == expected


def test_names_that_a_client_chose_do_not_fill_the_memory() -> None:
    kept = protobuf._known_entry.cache_info().currsize, protobuf._known_model.cache_info().currsize
    long = "x" * 200
    protobuf.encode_reply(Inference([Tensor(long, "FP64", (1,), np.ones(1))], long, long))
    protobuf.encode_reply(Inference([Tensor("x", "FP64", (1,) * 200, b"12345678")], "m", long))
    assert kept == (protobuf._known_entry.cache_info().currsize, protobuf._known_model.cache_info().currsize)


@pytest.mark.parametrize(
    ("payload", "values", "content_type"),
    [
        (Payload(Kind.STR_DATA, "ä"), ["ä"], "str"),
        (Payload(Kind.BIN_DATA, b"\xff"), ["/w=="], "base64"),
        (Payload(Kind.JSON_DATA, {"a": 1}), ['{"a":1}'], "json"),
        (Payload(Kind.JSON_DATA, {"a": ["x"]}), ["x"], "str"),
        (Payload(Kind.NDARRAY, [["a", "1"]]), ["a", "1"], "str"),
    ],
)
def test_what_is_no_array_of_numbers_is_text(payload: Payload, values: list[str], content_type: str) -> None:
    request = Inference([])
    body, _ = rest.encode_reply(reply_of(Message(payload), request, "m", ""), request)
    [output] = orjson.loads(body)["outputs"]
    assert (output["datatype"], output["data"]) == ("BYTES", values)
    assert output["parameters"] == {"content_type": content_type}


def test_numbers_without_a_literal_have_names() -> None:
    request = Inference([])
    reply = reply_of(Message(Payload(Kind.TENSOR, np.array([np.nan, np.inf]))), request, "m", "")
    assert orjson.loads(rest.encode_reply(reply, request)[0])["outputs"][0]["data"] == ["NaN", "Infinity"]


def test_tags_that_are_no_parameters_go_as_json() -> None:
    message = Message(Payload(Kind.TENSOR, np.ones(1)), Meta("", {"l": [1, {"a": None}], "n": None, "big": 2**70}))
    request = protobuf.decode_request(protobuf.encode_request(request_of(message, "m")))
    assert request.parameters == {"l": '[1,{"a":null}]', "big": float(2**70)}


def test_each_output_comes_as_the_request_wants_it() -> None:
    payload = Payload(Kind.TENSORS, {"a": np.ones(2, "f4"), "b": np.ones(2, "f4")})
    asked = [AskedOutput("a", {"binary_data": True}), AskedOutput("b")]
    request = Inference([], outputs=asked)
    body, n_json = rest.encode_reply(reply_of(Message(payload), request, "m", ""), request)
    assert n_json is not None
    a, b = orjson.loads(body[:n_json])["outputs"]
    assert a["parameters"] == {"binary_data_size": 8}
    assert b["data"] == [1, 1]
    assert body[n_json:] == np.ones(2, "f4").tobytes()


@pytest.mark.parametrize(
    ("datatype", "field", "values"),
    [
        ("BOOL", "bool_contents", [True, False]),
        ("INT8", "int_contents", [-1, 2]),
        ("INT64", "int64_contents", [-(2**62), 2]),
        ("UINT16", "uint_contents", [1, 2]),
        ("UINT64", "uint64_contents", [2**63, 2]),
        ("FP32", "fp32_contents", [0.5, 2]),
        ("FP64", "fp64_contents", [0.1, 2]),
        ("BYTES", "bytes_contents", [b"a", b"b"]),
    ],
)
def test_typed_contents_are_read(datatype: str, field: str, values: list[Any]) -> None:
    request: Any = message_class("inference.ModelInferRequest")()
    getattr(request.inputs.add(name="x", datatype=datatype, shape=[1, 2]).contents, field).extend(values)
    [got] = protobuf.decode_request(request.SerializeToString()).tensors
    assert got.array().tolist() == [values]


def test_a_message_that_came_over_v2_has_its_forms_in_the_seldon_protocol() -> None:
    sent = inference(inputs=[tensor("a", "INT64", [1, 2], [1, 2]), tensor("b", "BYTES", [1], ["x"])])
    message = message_of(sent, Encoding.JSON)
    assert seldon_json.object_of(message) == {"meta": {}, "jsonData": {"a": [[1, 2]], "b": ["x"]}}
    proto = seldon_proto.decode_message(seldon_proto.encode_message(message))
    assert proto.payload is not None
    assert proto.payload.value == {"a": [[1, 2]], "b": ["x"]}
    one = message_of(inference(inputs=[tensor("a", "INT64", [1, 2], [1, 2])]), Encoding.JSON)
    assert orjson.loads(seldon_json.encode_message(one))["data"] == {
        "names": [],
        "tensor": {"shape": [1, 2], "values": [1, 2]},
    }
    assert seldon_proto.encode_message(one)


def looked_at(decode: Callable[[bytes], Inference], body: bytes) -> Array:
    """The array of a request: it is decoded when somebody looks at it."""
    message = message_of(decode(body), Encoding.JSON)
    assert message.payload is not None
    return message.payload.array


GOOD = {"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"[]", "body: must be a JSON object"),
        (b"{}", "inputs: must have at least one tensor"),
        ({"inputs": 1}, "inputs: must be an array of objects (got 1)"),
        ({"inputs": [1]}, "inputs[0]: must be a JSON object (got 1)"),
        ({"inputs": [{**GOOD, "name": None}]}, "inputs[0].name: must be a string (got None)"),
        ({"inputs": [{**GOOD, "datatype": "F32"}]}, "inputs[0].datatype: must be one of BOOL, UINT8,"),
        ({"inputs": [{**GOOD, "shape": 1}]}, "inputs[0].shape: must be an array of integers (got 1)"),
        ({"inputs": [{**GOOD, "shape": [-1]}]}, "inputs[0].shape[0]: must be an integer ≥ 0 (got -1)"),
        ({"inputs": [{**GOOD, "shape": [2]}]}, "inputs[0].data: must have the 2 elements of shape [2] (got '1')"),
        ({"inputs": [GOOD, GOOD]}, "inputs: every tensor must have a name of its own"),
        ({"inputs": [{**GOOD, "parameters": 1}]}, "inputs[0].parameters: must be a JSON object"),
        (
            {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1]}]},
            "inputs[0].data: must be there, or the parameter binary_data_size",
        ),
        ({"inputs": [GOOD], "outputs": [{}]}, "outputs[0].name: must be a string (got None)"),
        ({"inputs": [GOOD], "id": 5}, "id: must be a string (got 5)"),
        (
            {"inputs": [{**GOOD, "parameters": {"binary_data_size": 4}}]},
            "inputs[0].parameters.binary_data_size: must be at most the 0 bytes that are left behind the JSON (got 4)",
        ),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(body: Any, text: str) -> None:
    with pytest.raises(MessageError, match=re.escape(text)):
        looked_at(rest.decode_request, body if isinstance(body, bytes) else orjson.dumps(body))


def test_bytes_that_belong_to_no_tensor_are_refused() -> None:
    text = orjson.dumps({"inputs": [GOOD]})
    with pytest.raises(MessageError, match="inputs: 3 bytes behind the JSON belong to no tensor"):
        rest.decode_request(text + b"abc", len(text))
    with pytest.raises(MessageError, match="Inference-Header-Content-Length: must be at most the"):
        rest.decode_request(text, len(text) + 1)
    with pytest.raises(MessageError, match="must be an integer"):
        rest.json_length(b"-1")


def test_an_output_that_is_to_be_classified_is_refused() -> None:
    request = Inference([], outputs=[AskedOutput("x", {"classification": 3})])
    with pytest.raises(MessageError, match="classification is not served"):
        reply_of(Message(Payload(Kind.TENSOR, np.ones(1))), request, "m", "")


def proto_request(**fields: Any) -> bytes:
    entry = {"name": "x", "datatype": "FP32", "shape": [1], **fields.pop("entry", {})}
    message: Any = message_class("inference.ModelInferRequest")(inputs=[entry], **fields)
    return bytes(message.SerializeToString())


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"\xff", "malformed protobuf, must be an inference.ModelInferRequest"),
        (b"", "inputs: must have at least one tensor"),
        (
            proto_request(raw_input_contents=[b"1234", b"5"]),
            "raw_input_contents: must have one entry for each of the 1",
        ),
        (
            proto_request(raw_input_contents=[b"123"]),
            "raw_input_contents[0]: must have the 4 bytes of FP32 in shape [1]",
        ),
        (proto_request(entry={"shape": [-1]}), "inputs[0].shape: every dimension must be known (got [-1])"),
        (proto_request(entry={"datatype": "FP16"}), "inputs[0].contents: FP16 and BF16 must come raw (got 'FP16')"),
        (
            proto_request(entry={"contents": {"fp64_contents": [1]}}),
            "inputs[0].contents: must have fp32_contents alone",
        ),
        (
            proto_request(entry={"contents": {"fp32_contents": [1]}}, raw_input_contents=[b"1234"]),
            "inputs[0].contents: must be empty where raw_input_contents[0] has the elements",
        ),
        (
            proto_request(entry={"datatype": "INT8", "contents": {"int_contents": [300]}}),
            "inputs[0].contents.int_contents: must be numbers that INT8 can hold",
        ),
        (proto_request(raw_input_contents=[b"1234"])[:-2], "malformed protobuf"),
        (proto_request(raw_input_contents=[bytes(100_000)])[:-2], "malformed protobuf"),
    ],
)
def test_a_protobuf_request_that_breaks_a_rule_is_refused(body: bytes, text: str) -> None:
    with pytest.raises(MessageError, match=re.escape(text)):
        looked_at(protobuf.decode_request, body)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_request_or_refused(body: bytes) -> None:
    for decode in (protobuf.decode_request, protobuf.decode_reply, rest.decode_request):
        try:
            message_of(decode(body), Encoding.JSON)
        except MessageError:
            continue


@pytest.mark.parametrize("n_elements", [1, 50_000])
def test_a_field_that_nobody_knows_is_skipped_wherever_it_stands(n_elements: int) -> None:
    unknown = b"\x98\x06\x05"
    array = np.ones(n_elements, "<f4")
    request = proto_request(entry={"shape": [n_elements]}, raw_input_contents=[array.tobytes()])
    for body in (unknown + request, request + unknown):
        assert np.array_equal(protobuf.decode_request(body).tensors[0].array(), array)


def test_large_raw_contents_are_read_beside_small_ones() -> None:
    arrays = {"a": np.ones(50_000, "<f4"), "b": np.ones(1, "<f4"), "c": np.zeros(50_000, "<f4")}
    sent = Message(Payload(Kind.TENSORS, arrays))
    got = protobuf.decode_request(protobuf.encode_request(request_of(sent, "m", "2", "id")))
    assert (got.model_name, got.model_version, got.id) == ("m", "2", "id")
    assert all(np.array_equal(got.arrays()[name], array) for name, array in arrays.items())


def test_metadata_tells_what_v2_has_words_for() -> None:
    said = ModelMetadata(
        "iris",
        ("v1",),
        "sklearn",
        (
            {"name": "x", "datatype": "FP32", "shape": [-1, 4]},
            {"messagetype": "tensor", "schema": {"names": ["a", "b"]}},
            {"messagetype": "ndarray", "schema": {"shape": [3]}},
        ),
        ({"messagetype": "strData"},),
    )
    expected = {
        "name": "iris",
        "versions": ["v1"],
        "platform": "sklearn",
        "inputs": [
            {"name": "x", "datatype": "FP32", "shape": [-1, 4]},
            {"name": "input-1", "datatype": "FP64", "shape": [-1, 2]},
            {"name": "input-2", "datatype": "FP64", "shape": [-1, 3]},
        ],
        "outputs": [{"name": "output-0", "datatype": "BYTES", "shape": [-1]}],
    }
    assert metadata.metadata_object(said) == expected
    for back in (
        metadata.metadata_of_json(orjson.dumps(expected)),
        metadata.decode_metadata(metadata.encode_metadata(said)),
    ):
        assert metadata.metadata_object(back) == expected
