"""The internal API over gRPC: seven services on one port, and what Gaal says to Gaal beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import grpc
import grpc.aio
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gaal.protocols.descriptors import message_class, method_classes
from gaal.transport.grpc_microservice import OPERATIONS

from .conftest import Microservice, Start

JSON = (("gaal-codec", "json"),)
ROW = b'{"data":{"ndarray":[[1,2]]}}'


async def ask(served: Microservice, path: str, request: bytes, metadata: Any = ()) -> tuple[bytes, dict[str, str]]:
    """The reply's bytes and the trailing metadata. Raises AioRpcError."""
    async with served.channel() as channel:
        call = channel.unary_unary(path, bytes, bytes)(request, metadata=metadata)
        reply: bytes = await call
        return reply, {key: str(value) for key, value in (await call.trailing_metadata() or ())}


async def refused(served: Microservice, path: str, request: bytes, metadata: Any = ()) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(served, path, request, metadata)
    return caught.value


def told(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    """What the far side says to Gaal of its error."""
    trailers: Any = error.trailing_metadata()
    found: dict[str, Any] = json.loads(unquote(dict(trailers)["gaal-error"]))
    return found


def example(service: str, method: str) -> bytes:
    """A request that every class answers, in the message of the method."""
    request: Any = method_classes(f"seldon.protos.{service}")[method][0]()
    message = request
    if method == "SendFeedback":
        message = request.request
    elif method == "Aggregate":
        message = request.seldonMessages.add()
    message.data.tensor.shape.extend([1, 2])
    message.data.tensor.values.extend([1, 2])
    return bytes(request.SerializeToString())


@pytest.mark.parametrize(
    ("service", "method"), [(service, method) for service, methods in OPERATIONS.items() for method in methods]
)
async def test_every_service_answers(start: Start, service: str, method: str) -> None:
    served = await start("EchoAll")
    reply, trailers = await ask(served, f"/seldon.protos.{service}/{method}", example(service, method))
    found: Any = message_class("seldon.protos.SeldonMessage").FromString(reply)
    expected = {"Route": [1], "SendFeedback": [0, -1]}.get(method, [1, 2])
    assert list(found.data.tensor.values) == expected
    assert "gaal-error" not in trailers


@pytest.mark.parametrize("path", ["/seldon.protos.Model/Metadata", "/seldon.protos.Seldon/ModelMetadata"])
async def test_metadata_is_that_of_the_model_whatever_name_is_asked_for(start: Start, path: str) -> None:
    reply, _ = await ask(await start("Described"), path, b"")
    found: Any = message_class("seldon.protos.SeldonModelMetadata").FromString(reply)
    assert (found.name, list(found.versions), dict(found.custom)) == ("my-model", ["v1", "v2"], {"team": "x"})


async def test_metadata_that_is_none_is_an_error(start: Start) -> None:
    error = await refused(await start("BadlyDescribed"), "/seldon.protos.Model/Metadata", b"")
    assert (error.code(), "Model metadata unavailable" in str(error.details())) == (grpc.StatusCode.INTERNAL, True)


async def test_a_unit_has_no_graph_metadata(start: Start) -> None:
    error = await refused(await start("Echo"), "/seldon.protos.Seldon/GraphMetadata", b"")
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_reflection_shows_the_seven_services_and_none_of_gaals_own(start: Start) -> None:
    served = await start("Echo")
    async with served.channel() as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        async for response in stub.ServerReflectionInfo(iter([request])):
            names = {each.name for each in response.list_services_response.service}
    assert {f"seldon.protos.{service}" for service in OPERATIONS} <= names
    assert not any(name.startswith("gaal") for name in names)


async def test_health_is_served(start: Start) -> None:
    served = await start("Echo")
    reply, _ = await ask(served, "/grpc.health.v1.Health/Check", b"")
    found: Any = message_class("grpc.health.v1.HealthCheckResponse").FromString(reply)
    assert found.status == 1


async def test_what_is_no_grpc_is_told_so_in_the_form_of_errors(start: Start) -> None:
    import httpx

    served = await start("Echo")
    async with httpx.AsyncClient(trust_env=False) as client:
        reply = await client.post(f"http://127.0.0.1:{served.grpc_port}/predict", json={})
    assert (reply.status_code, reply.json()["status"]["code"]) == (415, -1)


async def test_a_message_beyond_the_annotation_is_refused(start: Start, tmp_path: Path) -> None:
    (tmp_path / "annotations").write_text('seldon.io/grpc-max-message-size="100"')
    request = bytes(message_class("seldon.protos.SeldonMessage")(strData="x" * 200).SerializeToString())
    error = await refused(await start("Echo"), "/seldon.protos.Model/Predict", request)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_the_legacy_methods_of_grpc_get_protobuf(start: Start) -> None:
    code = """
class Model:
    def predict_grpc(self, request):
        request.strData = "seen " + request.strData
        return request
    def predict(self, X, names):
        return X
"""
    request = bytes(message_class("seldon.protos.SeldonMessage")(strData="x").SerializeToString())
    served = await start(code=code)
    reply, _ = await ask(served, "/seldon.protos.Model/Predict", request)
    found: Any = message_class("seldon.protos.SeldonMessage").FromString(reply)
    assert found.strData == "seen x"
    assert (await served.post("/predict", '{"strData":"x"}')).json()["strData"] == "x"


# Between Gaal and Gaal


async def test_the_codec_json_keeps_integers(start: Start) -> None:
    reply, _ = await ask(await start("Echo"), "/seldon.protos.Model/Predict", ROW, JSON)
    assert json.loads(reply)["data"]["ndarray"] == [[1, 2]]
    assert b"1.0" not in reply


async def test_the_codec_json_gives_raw_methods_a_dict(start: Start) -> None:
    code = """
class Model:
    def predict_raw(self, message):
        return {"strData": type(message).__name__}
"""
    reply, _ = await ask(await start(code=code), "/seldon.protos.Model/Predict", ROW, JSON)
    assert json.loads(reply)["strData"] == "dict"


async def test_metadata_comes_as_json_too(start: Start) -> None:
    reply, _ = await ask(await start("Described"), "/seldon.protos.Model/Metadata", b"", JSON)
    assert json.loads(reply)["versions"] == ["v1", "v2"]


async def test_the_health_of_the_class_can_be_asked_for(start: Start) -> None:
    reply, _ = await ask(await start("Based"), "/gaal.Unit/Health", b"", JSON)
    assert json.loads(reply)["strData"] == "not implemented - assuming healthy"


async def test_an_error_is_told_whole(start: Start) -> None:
    served = await start("Fails", parameters='[{"name":"how","value":"refused","type":"STRING"}]')
    error = await refused(served, "/seldon.protos.Model/Predict", ROW, JSON)
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert told(error) == {
        "class": "ComponentRejected",
        "unit": "Fails",
        "what": "no",
        "reason": "TEAPOT",
        "http_status": 418,
    }


async def test_an_error_of_the_caller_is_told_as_such(start: Start) -> None:
    error = await refused(await start("Echo"), "/seldon.protos.Model/Predict", b'{"data":{"ndarray":5}}', JSON)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert told(error)["class"] == "MessageError"
    assert told(error)["http_status"] == 400


async def test_long_texts_of_errors_are_cut(start: Start) -> None:
    code = """
class Model:
    def predict(self, X, names):
        raise ValueError("ü" * 5000)
"""
    error = await refused(await start(code=code), "/seldon.protos.Model/Predict", ROW, JSON)
    assert len(told(error)["what"]) <= 1025
