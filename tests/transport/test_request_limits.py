"""How large, how long and how broken a request may be."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import httpx
import pytest
from grpc_clients import predict
from samples import ECHO, SLOW, seldon_message
from serving import Serve

from gaal.transport.grpc_wire import frame

PREDICTIONS = "/api/v1.0/predictions"
LIMIT = 100_000
HTTP_VERSIONS: dict[str, dict[str, Any]] = {"HTTP/1.1": {}, "HTTP/2": {"http1": False, "http2": True}}


RAISING = """
class Model:
    def predict(self, X, names):
        raise ValueError("ü%\\n" * 10_000)
"""


async def chunks(n_bytes: int) -> AsyncIterator[bytes]:
    for _ in range(n_bytes // 10_000):
        yield b"x" * 10_000


@pytest.mark.parametrize("http_version", HTTP_VERSIONS)
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_rest_body_over_the_limit_is_413(contract: Serve, http_version: str, chunked: bool) -> None:
    server = await contract(ECHO, max_message_bytes=LIMIT)
    headers = {"content-type": "text/plain"}
    async with httpx.AsyncClient(base_url=server.url, **HTTP_VERSIONS[http_version]) as client:
        for n_bytes, status in ((LIMIT, 200), (LIMIT + 10_000, 413), (5 * LIMIT, 413), (LIMIT, 200)):
            content = chunks(n_bytes) if chunked else b"x" * n_bytes
            reply = await client.post(PREDICTIONS, content=content, headers=headers)
            assert reply.status_code == status
            if status == 413:
                assert reply.json()["status"]["reason"] == "MESSAGE_TOO_LARGE"
                assert str(LIMIT) in reply.json()["status"]["info"]


async def test_a_rest_body_far_over_the_limit_is_answered_before_its_end(serve: Serve) -> None:
    server = await serve(ECHO, max_message_bytes=LIMIT)
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.post(PREDICTIONS, content=chunks(100 * LIMIT), headers={"content-type": "text/plain"})
        assert reply.status_code == 413
        assert (await client.post(PREDICTIONS, json={"strData": "x"})).status_code == 200


async def test_a_gzip_bomb_is_413(contract: Serve) -> None:
    server = await contract(ECHO, max_message_bytes=LIMIT)
    async with httpx.AsyncClient(base_url=server.url) as client:
        bomb = gzip.compress(b"\0" * 50_000_000)
        reply = await client.post(PREDICTIONS, content=bomb, headers={"content-encoding": "gzip"})
    assert reply.status_code == 413


async def test_a_grpc_message_over_the_limit_is_resource_exhausted(contract: Serve) -> None:
    server = await contract(ECHO, max_message_bytes=LIMIT)
    async with server.channel() as channel:
        assert len((await predict(channel, binData=b"x" * (LIMIT - 10))).binData) == LIMIT - 10
        for n_bytes in (LIMIT, 5 * LIMIT):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await predict(channel, binData=b"x" * n_bytes)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert str(LIMIT) in str(caught.value.details())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await predict(channel, grpc.Compression.Gzip, binData=b"\0" * 50_000_000)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await predict(channel, strData="still there")).strData == "still there"


async def test_a_grpc_message_far_over_the_limit_is_answered_before_its_end(serve: Serve) -> None:
    server = await serve(ECHO, max_message_bytes=LIMIT)
    async with server.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await predict(channel, binData=b"x" * (500 * LIMIT))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await predict(channel, strData="still there")).strData == "still there"


async def test_messages_of_60_mb_go_up_and_down(contract: Serve) -> None:
    server = await contract(ECHO)
    large = b"0123456789" * 6_000_000
    async with server.channel() as channel:
        assert (await predict(channel, binData=large)).binData == large
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        headers = {"content-type": "text/plain", "accept-encoding": "identity"}
        reply = await client.post(PREDICTIONS, content=large, headers=headers)
    assert reply.json()["strData"].encode() == large


async def test_a_grpc_timeout_ends_the_work(contract: Serve) -> None:
    server = await contract(SLOW)
    async with server.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await predict(channel, timeout_s=0.2, strData="x")
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(server.components.cancelled.wait(), 5)


async def test_the_servers_own_deadline_names_the_unit(contract: Serve) -> None:
    server = await contract(SLOW, request_timeout_s=0.1)
    async with server.channel() as channel, httpx.AsyncClient(base_url=server.url) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await predict(channel, strData="x")
        reply = await client.post(PREDICTIONS, json={"strData": "x"})
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert '"model"' in str(caught.value.details())
    assert reply.status_code == 504
    assert '"model"' in reply.json()["status"]["info"]


async def test_a_call_that_its_client_cancels_is_cancelled(contract: Serve) -> None:
    server = await contract(SLOW)
    async with server.channel() as channel:
        call = asyncio.create_task(predict(channel, strData="x"))
        await asyncio.wait_for(server.components.started.wait(), 5)
        call.cancel()
        await asyncio.wait_for(server.components.cancelled.wait(), 5)
        await asyncio.wait([call])


@pytest.mark.parametrize("http_version", HTTP_VERSIONS)
async def test_a_client_that_hangs_up_cancels_its_work(contract: Serve, http_version: str) -> None:
    server = await contract(SLOW)
    async with httpx.AsyncClient(base_url=server.url, **HTTP_VERSIONS[http_version]) as client:
        request = asyncio.create_task(client.post(PREDICTIONS, json={"strData": "x"}))
        await asyncio.wait_for(server.components.started.wait(), 5)
        request.cancel()
        await asyncio.wait([request])
    await asyncio.wait_for(server.components.cancelled.wait(), 5)


async def test_a_browser_that_hangs_up_cancels_its_call(contract: Serve) -> None:
    server = await contract(SLOW)
    async with httpx.AsyncClient(base_url=server.url) as client:
        body = frame(seldon_message({"strData": "x"}).SerializeToString())
        headers = {"content-type": "application/grpc-web+proto"}
        call = asyncio.create_task(client.post("/seldon.protos.Seldon/Predict", content=body, headers=headers))
        await asyncio.wait_for(server.components.started.wait(), 5)
        call.cancel()
        await asyncio.wait([call])
    await asyncio.wait_for(server.components.cancelled.wait(), 5)


async def test_a_client_that_hangs_up_inside_its_body_does_no_harm(contract: Serve) -> None:
    server = await contract(ECHO)
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"POST {PREDICTIONS} HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\n"
    writer.write(head.encode() + b"some")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.post(PREDICTIONS, json={"strData": "x"})
    assert reply.status_code == 200


async def test_long_texts_of_errors_fit_into_trailers(contract: Serve) -> None:
    server = await contract(RAISING)
    async with server.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await predict(channel, strData="x")
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "ü%" in str(caught.value.details())
