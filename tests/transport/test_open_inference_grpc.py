"""The service `inference.GRPCInferenceService` over a real socket, with Triton's client and with plain messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc  # type: ignore[import-untyped]
from grpc_clients import Metadata, method
from samples import ECHO, TWO_DEPLOYMENTS
from serving import Serve
from test_open_inference_rest import ARRAYS, SUM
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient  # type: ignore[import-untyped]
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]

from gaal.messages import Array
from gaal.protocols.descriptors import message_class, method_classes
from gaal.transport.open_inference_grpc import SERVICE


def infer_input(name: str, array: Array, datatype: str) -> InferInput:
    made = InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made


@pytest.fixture
async def triton(serve: Serve) -> AsyncIterator[InferenceServerClient]:
    server = await serve(SUM)
    async with InferenceServerClient(server.address) as client:
        yield client


@pytest.mark.parametrize("datatype", ARRAYS)
async def test_every_datatype_comes_back_to_tritonclient(triton: InferenceServerClient, datatype: str) -> None:
    array = ARRAYS[datatype]
    result = await triton.infer(
        "one", [infer_input("x", array, datatype)], outputs=[InferRequestedOutput("y")], request_id="7"
    )
    assert np.array_equal(result.as_numpy("y"), array)
    response = result.get_response()
    assert (response.id, response.model_name, response.model_version) == ("7", "one", "main")
    assert response.parameters["by"].string_param == "model"


async def test_several_inputs_reach_a_component_as_a_dict(triton: InferenceServerClient) -> None:
    inputs = [infer_input("a", np.ones((1, 3), "f4"), "FP32"), infer_input("b", np.ones((1, 2), "f4"), "FP32")]
    result = await triton.infer("one", inputs)
    assert (result.as_numpy("sum").tolist(), result.as_numpy("n").tolist()) == ([5], [2])
    with pytest.raises(InferenceServerException, match=r"INVALID_ARGUMENT.*outputs\[0\].name: must be one of sum, n"):
        await triton.infer("one", inputs, outputs=[InferRequestedOutput("other")])


async def test_tritonclient_finds_what_it_asks_of_server_and_models(triton: InferenceServerClient) -> None:
    assert await triton.is_server_live()
    assert await triton.is_server_ready()
    assert (await triton.get_server_metadata()).name == "gaal"
    assert await triton.is_model_ready("one", "main")
    metadata = await triton.get_model_metadata("one")
    assert (metadata.name, metadata.platform, metadata.inputs[0].datatype) == ("one", "test", "FP32")
    [entry] = (await triton.get_model_repository_index()).models
    assert (entry.name, entry.version, entry.state) == ("one", "main", "READY")
    with pytest.raises(InferenceServerException, match=r"UNIMPLEMENTED.*those that it was started with"):
        await triton.load_model("other")
    with pytest.raises(InferenceServerException, match=r"UNIMPLEMENTED.*those that it was started with"):
        await triton.unload_model("one")
    with pytest.raises(InferenceServerException, match=r"NOT_FOUND.*model one has no version 9"):
        await triton.is_model_ready("one", "9")


async def test_a_stream_answers_each_request_in_turn_and_outlives_an_error(triton: InferenceServerClient) -> None:
    async def requests() -> AsyncIterator[dict[str, Any]]:
        for at, name in enumerate(("one", "nobody", "one")):
            array = np.full((1, 2), at, "f4")
            yield {
                "model_name": name,
                "inputs": [infer_input("x", array, "FP32")],
                "request_id": str(at),
            }

    replies = [each async for each in triton.stream_infer(requests())]
    assert [result.get_response().id for result, error in replies if error is None] == ["0", "2"]
    assert replies[2][0].as_numpy("output-0").tolist() == [[2, 2]]
    assert "there is no model nobody" in str(replies[1][1])


async def test_the_blocking_tritonclient_is_answered(serve: Serve) -> None:
    server = await serve(ECHO)

    def ask() -> Any:
        with tritonclient.grpc.InferenceServerClient(server.address) as client:
            result = client.infer("one", [infer_input("x", np.arange(4, dtype="i8"), "INT64")])
            return result.as_numpy("output-0").tolist()

    assert await asyncio.to_thread(ask) == [0, 1, 2, 3]


async def call(channel: grpc.aio.Channel, name: str, metadata: Metadata = (), **fields: Any) -> Any:
    request, reply = (each.DESCRIPTOR.full_name for each in method_classes(SERVICE)[name])
    return await method(channel, f"/{SERVICE}/{name}", request, reply)(
        message_class(request)(**fields), metadata=metadata
    )


TYPED = {"name": "x", "datatype": "FP64", "shape": [1, 2], "contents": {"fp64_contents": [1, 2]}}


async def test_typed_contents_are_answered_raw(contract: Serve) -> None:
    server = await contract(ECHO)
    async with server.channel() as channel:
        reply = await call(channel, "ModelInfer", (("seldon-puid", "mine"),), model_name="model", inputs=[TYPED])
    assert (reply.id, reply.model_name, list(reply.outputs[0].shape)) == ("mine", "model", [1, 2])
    assert reply.raw_output_contents == [np.array([1.0, 2.0]).tobytes()]


async def test_a_large_tensor_is_answered(contract: Serve) -> None:
    server = await contract(ECHO)
    array = np.random.default_rng(1).random((1000, 100))
    entry = {"name": "x", "datatype": "FP64", "shape": array.shape}
    async with server.channel() as channel:
        reply = await call(channel, "ModelInfer", inputs=[entry], raw_input_contents=[array.tobytes()])
    assert reply.raw_output_contents == [array.tobytes()]


async def test_one_of_several_deployments_is_found_by_name_and_metadata(serve: Serve) -> None:
    server = await serve(ECHO, TWO_DEPLOYMENTS)
    async with server.channel() as channel:
        assert (await call(channel, "ModelInfer", model_name="two", inputs=[TYPED])).model_name == "two"
        told = (("seldon", "one"), ("namespace", "here"))
        assert (await call(channel, "ModelInfer", told, model_name="first", inputs=[TYPED])).model_name == "first"
        assert (await call(channel, "RepositoryIndex")).models[1].name == "two"
        with pytest.raises(grpc.aio.AioRpcError, match="there is no deployment three") as raised:
            await call(channel, "ModelInfer", model_name="three", inputs=[TYPED])
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_what_a_component_refuses_has_its_code_and_text(serve: Serve) -> None:
    server = await serve(ECHO.replace("return X", "raise ValueError('no such flower')"))
    async with server.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="no such flower") as raised:
            await call(channel, "ModelInfer", inputs=[TYPED])
        assert raised.value.code() is grpc.StatusCode.INTERNAL
        with pytest.raises(grpc.aio.AioRpcError, match="inputs: must have at least one tensor") as raised:
            await call(channel, "ModelInfer")
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_server_that_stops_is_live_and_not_ready(serve: Serve) -> None:
    server = await serve(ECHO)
    async with server.channel() as channel:
        server.app.stop_being_ready()
        assert (await call(channel, "ServerLive")).live
        assert not (await call(channel, "ServerReady")).ready


async def test_each_reply_of_a_stream_says_that_it_is_the_last_to_its_request(serve: Serve) -> None:
    server = await serve(ECHO)
    wants = {"triton_enable_empty_final_response": {"bool_param": True}}
    request = message_class("inference.ModelInferRequest")(inputs=[TYPED], parameters=wants)
    reply_class: Any = message_class("inference.ModelStreamInferResponse")
    async with server.channel() as channel:
        open_stream = channel.stream_stream(
            f"/{SERVICE}/ModelStreamInfer", type(request).SerializeToString, reply_class.FromString
        )
        [reply] = [each async for each in open_stream(iter([request]))]
    assert {key: value.bool_param for key, value in reply.infer_response.parameters.items()} == {
        "triton_final_response": True
    }


async def test_calls_and_messages_of_a_stream_are_counted(serve: Serve) -> None:
    server = await serve(ECHO)
    request = message_class("inference.ModelInferRequest")(inputs=[TYPED])
    async with server.channel() as channel:
        await call(channel, "ModelInfer", inputs=[TYPED])
        stream = channel.stream_stream(
            f"/{SERVICE}/ModelStreamInfer", type(request).SerializeToString, lambda body: body
        )(iter([request, request]))
        assert len([each async for each in stream]) == 2
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{server.url}/metrics")).text
    labels = (
        'deployment_name="one",predictor_name="main",predictor_version="",service="/inference.GRPCInferenceService/'
    )
    count = "seldon_api_executor_server_requests_seconds_count"
    assert f'{count}{{{labels}ModelInfer",method="unary",code="OK"}} 1' in text
    assert f'{count}{{{labels}ModelStreamInfer",method="stream",code="OK"}} 2' in text


def test_the_service_is_whole() -> None:
    assert set(method_classes(SERVICE)) == {
        *("ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata", "ModelInfer"),
        *("ModelStreamInfer", "RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"),
    }
