"""Server reflection over a real socket, with grpcio's own reflection client and with plain messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from samples import ECHO
from serving import Serve, Server

from gaal.protocols.descriptors import message_class

PACKAGES = ("grpc.reflection.v1", "grpc.reflection.v1alpha")
SERVICES = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "inference.GRPCInferenceService",
    "io.seldon.api.rpc.Classifier",
    "io.seldon.api.rpc.Seldon",
    "seldon.protos.Seldon",
    "tensorflow.serving.ModelService",
    "tensorflow.serving.PredictionService",
]


async def ask(server: Server, package: str, *requests: dict[str, Any]) -> Sequence[Any]:
    """The responses to requests of one stream."""
    request_class: Any = message_class(f"{package}.ServerReflectionRequest")

    async def messages() -> AsyncIterator[Any]:
        for each in requests:
            yield request_class(host="x", **each)

    async with server.channel() as channel:
        info = channel.stream_stream(
            f"/{package}.ServerReflection/ServerReflectionInfo",
            request_class.SerializeToString,
            message_class(f"{package}.ServerReflectionResponse").FromString,
        )
        return [each async for each in info(messages())]


@pytest.mark.parametrize("package", PACKAGES)
async def test_the_services_that_are_served_are_listed(contract: Serve, package: str) -> None:
    [response] = await ask(await contract(ECHO), package, {"list_services": "*"})
    assert [each.name for each in response.list_services_response.service] == SERVICES
    assert (response.valid_host, response.original_request.list_services) == ("x", "*")


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize(
    "symbol",
    [
        "seldon.protos.Seldon",
        "seldon.protos.Seldon.Predict",
        "seldon.protos.SeldonMessage",
        "seldon.protos.SeldonMessage.binData",
        "seldon.protos.Metric.MetricType",
    ],
)
async def test_a_symbol_brings_its_file_and_all_that_it_imports(contract: Serve, package: str, symbol: str) -> None:
    [response] = await ask(await contract(ECHO), package, {"file_containing_symbol": symbol})
    files = [FileDescriptorProto.FromString(each) for each in response.file_descriptor_response.file_descriptor_proto]
    assert files[0].name == "prediction.proto"
    assert {imported for each in files for imported in each.dependency} <= {each.name for each in files}


@pytest.mark.parametrize("package", PACKAGES)
async def test_what_is_not_there_is_told_and_the_stream_goes_on(contract: Serve, package: str) -> None:
    extension = {"containing_type": "seldon.protos.SeldonMessage", "extension_number": 100}
    responses = await ask(
        await contract(ECHO),
        package,
        {"file_by_filename": "nothing.proto"},
        {"file_containing_symbol": "nothing.At.All"},
        {"file_containing_symbol": "seldon.protos.Seldon.Nothing"},
        {"file_containing_symbol": "seldon.protos.SeldonMessage.nothing"},
        {"file_containing_extension": extension},
        {"all_extension_numbers_of_type": "nothing.At.All"},
        {},
        {"file_by_filename": "prediction.proto"},
    )
    assert [each.error_response.error_code for each in responses] == [grpc.StatusCode.NOT_FOUND.value[0]] * 7 + [0]
    assert all(each.error_response.error_message for each in responses[:-1])


@pytest.mark.parametrize("package", PACKAGES)
async def test_messages_have_no_extensions(contract: Serve, package: str) -> None:
    [response] = await ask(
        await contract(ECHO), package, {"all_extension_numbers_of_type": "seldon.protos.SeldonMessage"}
    )
    numbers = response.all_extension_numbers_response
    assert (numbers.base_type_name, list(numbers.extension_number)) == ("seldon.protos.SeldonMessage", [])


async def test_every_file_of_every_service_loads_into_an_empty_pool(contract: Serve) -> None:
    responses = await ask(
        await contract(ECHO), PACKAGES[0], *({"file_containing_symbol": service} for service in SERVICES)
    )
    for response in responses:
        pool = DescriptorPool()
        for file in reversed(response.file_descriptor_response.file_descriptor_proto):
            pool.AddSerializedFile(file)


async def test_grpcios_reflection_client_makes_a_prediction(contract: Serve) -> None:
    """Knows nothing beforehand but the service's name. The client blocks, so it has a thread of its own."""
    import asyncio

    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

    server = await contract(ECHO)

    def predicted() -> str:
        with grpc.insecure_channel(server.address) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            assert sorted(database.get_services()) == SERVICES
            descriptor = DescriptorPool(database).FindServiceByName("seldon.protos.Seldon").FindMethodByName("Predict")
            request = GetMessageClass(descriptor.input_type)
            reply = GetMessageClass(descriptor.output_type)
            predict = channel.unary_unary("/seldon.protos.Seldon/Predict", request.SerializeToString, reply.FromString)
            answer: Any = predict(request(strData="hello"))
            return str(answer.strData)

    assert await asyncio.to_thread(predicted) == "hello"
