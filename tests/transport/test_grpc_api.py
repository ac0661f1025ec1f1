"""The service `seldon.protos.Seldon` over a real socket, with grpcio as the client."""

from __future__ import annotations

import gzip
from typing import Any

import grpc.aio
import httpx
import pytest
from grpc_clients import Metadata, method, predict, seldon_method
from samples import ECHO, PAYLOADS, TWO_DEPLOYMENTS, seldon_message
from serving import Serve

from gaal.protocols.descriptors import message_class
from gaal.transport.grpc_wire import frame

DESCRIBED = """
class Model:
    def predict(self, X, names=None):
        return X

    def init_metadata(self):
        return {"name": "described", "platform": "test"}
"""


@pytest.mark.parametrize("kind", PAYLOADS)
async def test_a_prediction_answers_with_every_kind_of_payload(contract: Serve, kind: str) -> None:
    server = await contract(ECHO)
    sent: Any = seldon_message(PAYLOADS[kind])
    async with server.channel() as channel:
        call = seldon_method(channel, "Predict", "SeldonMessage")(sent, metadata=(("seldon-puid", "mine"),))
        reply = await call
        headers = dict(await call.initial_metadata())
    assert headers["seldon-puid"] == reply.meta.puid == "mine"
    assert dict(reply.meta.routing) == {"model": -1}
    payload = sent.WhichOneof("data_oneof")
    assert reply.WhichOneof("data_oneof") == payload
    if payload == "data":
        assert reply.data.WhichOneof("data_oneof") == kind
        assert kind == "tftensor" or getattr(reply.data, kind) == getattr(sent.data, kind)
    else:
        assert getattr(reply, payload) == getattr(sent, payload)


async def test_a_call_without_an_id_gets_one(contract: Serve) -> None:
    server = await contract(ECHO)
    async with server.channel() as channel:
        assert len((await predict(channel, strData="x")).meta.puid) == 36


async def test_feedback_and_metadata_answer(contract: Serve) -> None:
    server = await contract(DESCRIBED)
    request = seldon_message({"strData": "x"})
    async with server.channel() as channel:
        send_feedback = seldon_method(channel, "SendFeedback", "Feedback")
        feedback = message_class("seldon.protos.Feedback")(request=request, reward=1)
        await send_feedback(feedback)
        model_metadata = seldon_method(channel, "ModelMetadata", "SeldonModelMetadataRequest", "SeldonModelMetadata")
        asked = message_class("seldon.protos.SeldonModelMetadataRequest")
        assert (await model_metadata(asked(name="model"))).platform == "test"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await model_metadata(asked(name="nobody"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        graph = seldon_method(channel, "GraphMetadata", "google.protobuf.Empty", "SeldonGraphMetadata")
        metadata = await graph(message_class("google.protobuf.Empty")())
        assert (metadata.name, list(metadata.models)) == ("main", ["model"])


async def test_metadata_keys_name_the_deployment(contract: Serve) -> None:
    server = await contract(document=TWO_DEPLOYMENTS)
    row = seldon_message({"data": {"ndarray": [[1, 2]]}})
    async with server.channel() as channel:
        call = seldon_method(channel, "Predict", "SeldonMessage")
        for metadata, unit in (
            ((("seldon", "one"), ("namespace", "here")), "first"),
            ((("seldon", "two"), ("namespace", "there")), "second"),
            ((("seldon", "two"),), "second"),
        ):
            assert list((await call(row, metadata=metadata)).meta.routing) == [unit]
        unknown: list[Metadata] = [(), (("seldon", "nobody"),), (("seldon", "one"), ("namespace", "there"))]
        for wrong in unknown:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(row, metadata=wrong)
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
            assert "here/one" in str(caught.value.details())


async def test_compressed_messages_go_both_ways(contract: Serve) -> None:
    server = await contract(ECHO)
    async with server.channel() as channel:
        call = seldon_method(channel, "Predict", "SeldonMessage")
        sent = seldon_message({"strData": "x" * 100_000})
        for compression in (grpc.Compression.Gzip, grpc.Compression.NoCompression):
            assert (await call(sent, compression=compression)).strData == "x" * 100_000
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(sent, compression=grpc.Compression.Deflate)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_long_replies_are_compressed_for_those_who_take_it(contract: Serve) -> None:
    """With a client that shows what came: grpcio keeps it to itself."""
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url, http1=False, http2=True) as client:
        for accepts, n_characters, flag in (("identity,gzip", 9000, 1), ("identity", 9000, 0), ("identity,gzip", 9, 0)):
            reply = await client.post(
                "/seldon.protos.Seldon/Predict",
                content=frame(seldon_message({"strData": "x" * n_characters}).SerializeToString()),
                headers={"content-type": "application/grpc", "te": "trailers", "grpc-accept-encoding": accepts},
            )
            assert reply.content[0] == flag
            assert reply.headers.get("grpc-encoding") == ("gzip" if flag else None)
            payload = gzip.decompress(reply.content[5:]) if flag else reply.content[5:]
            message: Any = message_class("seldon.protos.SeldonMessage").FromString(payload)
            assert len(message.strData) == n_characters


async def test_an_unknown_compression_is_answered_with_those_that_are_known(contract: Serve) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        headers = {"content-type": "application/grpc-web", "grpc-encoding": "deflate"}
        reply = await client.post("/seldon.protos.Seldon/Predict", content=frame(b"x", 1), headers=headers)
    assert b"grpc-status: 12" in reply.content
    assert reply.headers["grpc-accept-encoding"] == "identity,gzip"


async def test_a_method_that_is_not_there_is_unimplemented(serve: Serve) -> None:
    # Not by hypercorn: of an answer before the end of a request it makes an error of its own, now and then.
    server = await serve(ECHO)
    async with server.channel() as channel:
        for path in ("/seldon.protos.Seldon/Nothing", "/seldon.protos.Model/Predict", "/x/y"):
            call = method(channel, path, "seldon.protos.SeldonMessage", "seldon.protos.SeldonMessage")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(seldon_message({}))
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
            assert path in str(caught.value.details())


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"\xff\xff", "protobuf"),
        (b"\x1a\x02\xff\xff", "protobuf"),
        (seldon_message({"data": {"tensor": {"shape": [2, 2], "values": [1]}}}).SerializeToString(), "shape"),
    ],
)
async def test_what_is_wrong_with_a_message_is_told(contract: Serve, body: bytes, says: str) -> None:
    server = await contract(ECHO)
    async with server.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/seldon.protos.Seldon/Predict", bytes, bytes)(body)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert says in str(caught.value.details())


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"grpc-timeout": "soon"}, b"\0\0\0\0\0", "3"),
        ({"grpc-timeout": "123456789S"}, b"\0\0\0\0\0", "3"),
        ({}, b"", "3"),
        ({}, b"\0\0\0\0\5ab", "3"),
        ({}, b"\7\0\0\0\0", "3"),
        ({}, b"\1\0\0\0\1x", "12"),
        ({"grpc-encoding": "gzip"}, b"\1\0\0\0\1x", "3"),
    ],
)
async def test_broken_frames_are_refused(contract: Serve, headers: dict[str, str], body: bytes, status: str) -> None:
    """By gRPC-Web, where any HTTP client can write them: the frames are the same."""
    server = await contract(ECHO)
    headers = {"content-type": "application/grpc-web+proto", **headers}
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.post("/seldon.protos.Seldon/Predict", content=body, headers=headers)
    assert reply.status_code == 200
    assert f"grpc-status: {status}\r\n".encode() in reply.content


async def test_grpc_with_other_messages_than_protobuf_is_415(contract: Serve) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        headers = {"content-type": "application/grpc+json"}
        reply = await client.post("/seldon.protos.Seldon/Predict", content=b"{}", headers=headers)
    assert reply.status_code == 415
