"""gRPC-Web, as browsers speak it: binary and text, over HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest
from samples import ECHO, seldon_message
from serving import Serve

from gaal.protocols.descriptors import message_class
from gaal.transport.grpc_wire import frame

HTTP_VERSIONS: dict[str, dict[str, Any]] = {"HTTP/1.1": {}, "HTTP/2": {"http1": False, "http2": True}}


def frames(body: bytes) -> list[tuple[int, bytes]]:
    """Flags and content of each frame."""
    found = []
    while body:
        end = 5 + int.from_bytes(body[1:5], "big")
        found.append((body[0], body[5:end]))
        body = body[end:]
    return found


def decoded(text: bytes) -> bytes:
    """Base64 of several frames, each padded by itself."""
    return b"".join(base64.b64decode(each + b"=" * (-len(each) % 4)) for each in text.split(b"=") if each)


@pytest.mark.parametrize("http_version", HTTP_VERSIONS)
@pytest.mark.parametrize("form", ["grpc-web", "grpc-web+proto", "grpc-web-text", "grpc-web-text+proto"])
async def test_a_browser_gets_its_prediction(contract: Serve, form: str, http_version: str) -> None:
    server = await contract(ECHO)
    body = frame(seldon_message({"strData": "hello"}).SerializeToString())
    is_text = "text" in form
    async with httpx.AsyncClient(base_url=server.url, **HTTP_VERSIONS[http_version]) as client:
        reply = await client.post(
            "/seldon.protos.Seldon/Predict",
            content=base64.b64encode(body) if is_text else body,
            headers={"content-type": f"application/{form}", "x-grpc-web": "1"},
        )
    assert reply.headers["content-type"] == f"application/grpc-web{'-text' if is_text else ''}+proto"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "grpc-status" in reply.headers["access-control-expose-headers"]
    (flags, payload), (trailer_flags, trailers) = frames(decoded(reply.content) if is_text else reply.content)
    message: Any = message_class("seldon.protos.SeldonMessage").FromString(payload)
    assert (flags, message.strData, message.meta.puid) == (0, "hello", reply.headers["seldon-puid"])
    assert (trailer_flags, trailers) == (0x80, b"grpc-status: 0\r\n")


async def test_an_error_comes_in_the_body_too(contract: Serve) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        headers = {"content-type": "application/grpc-web-text"}
        reply = await client.post("/seldon.protos.Seldon/Predict", content=b"%", headers=headers)
    [(flags, trailers)] = frames(decoded(reply.content))
    assert flags == 0x80
    assert trailers.startswith(b"grpc-status: 3\r\ngrpc-message: gRPC-Web")


async def test_a_text_message_may_be_as_large_as_a_binary_one(contract: Serve) -> None:
    server = await contract(ECHO, max_message_bytes=100_000)
    async with httpx.AsyncClient(base_url=server.url) as client:
        for n_bytes, status in ((99_990, b"grpc-status: 0"), (100_000, b"grpc-status: 8")):
            body = frame(seldon_message({"strData": "x" * n_bytes}).SerializeToString())
            reply = await client.post(
                "/seldon.protos.Seldon/Predict",
                content=base64.b64encode(body),
                headers={"content-type": "application/grpc-web-text"},
            )
            assert frames(decoded(reply.content))[-1][1].startswith(status)


async def test_streaming_methods_answer_a_browser(contract: Serve) -> None:
    server = await contract(ECHO)
    request: Any = message_class("grpc.reflection.v1.ServerReflectionRequest")(list_services="*")
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.post(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            content=base64.b64encode(frame(request.SerializeToString())),
            headers={"content-type": "application/grpc-web-text"},
        )
    (_, payload), (_, trailers) = frames(decoded(reply.content))
    assert b"seldon.protos.Seldon" in payload
    assert trailers == b"grpc-status: 0\r\n"


async def test_a_browser_may_ask_before_it_calls(contract: Serve) -> None:
    """The preflight request of CORS has no content type."""
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.options(
            "/seldon.protos.Seldon/Predict",
            headers={
                "origin": "https://a.example",
                "access-control-request-method": "POST",
                "access-control-request-headers": "content-type,x-grpc-web,x-user-agent",
            },
        )
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-methods"] == "OPTIONS,POST"
    assert "x-grpc-web" in reply.headers["access-control-allow-headers"].lower()
