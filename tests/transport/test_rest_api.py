"""The external prediction API over REST, over a real socket."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Any

import httpx
import pytest
from samples import ECHO, PAYLOADS, TWO_DEPLOYMENTS
from serving import Serve

PREDICTIONS = "/api/v1.0/predictions"
HTTP_VERSIONS: dict[str, dict[str, Any]] = {"HTTP/1.1": {}, "HTTP/2": {"http1": False, "http2": True}}
ROW: dict[str, Any] = {"data": {"ndarray": [[1, 2]]}}
CUT = b'--x\r\nContent-Disposition: form-data; name="strData"\r\n\r\nhello\r\n'
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def values(payload: dict[str, Any]) -> Any:
    """The payload without what a server may write in another way: default names, the form of TensorFlow's values."""
    data = payload.get("data")
    if data is None:
        return next(payload[kind] for kind in ("binData", "strData", "jsonData", "customData") if kind in payload)
    if "tftensor" in data:
        tensor = data["tftensor"]
        return tensor["dtype"], tensor["tensorShape"]
    return data.get("tensor") or data["ndarray"]


@pytest.mark.parametrize("http_version", HTTP_VERSIONS)
@pytest.mark.parametrize("kind", PAYLOADS)
async def test_a_prediction_answers_with_every_kind_of_payload(contract: Serve, kind: str, http_version: str) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url, **HTTP_VERSIONS[http_version]) as client:
        reply = await client.post(PREDICTIONS, json=PAYLOADS[kind])
    assert reply.http_version == http_version
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    assert values(reply.json()) == values(PAYLOADS[kind])
    assert reply.json()["meta"]["puid"] == reply.headers["seldon-puid"]
    assert reply.json()["meta"]["routing"] == {"model": -1}


@pytest.mark.parametrize("prefix", ["", "/seldon/here/one"])
async def test_every_path_answers_at_the_root_and_below_the_deployment(contract: Serve, prefix: str) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url + prefix) as client:
        for version in ("v0.1", "v1.0"):
            api = f"/api/{version}"
            assert (await client.post(f"{api}/predictions", json=ROW)).status_code == 200
            feedback = {"request": ROW, "reward": 1, "response": {"meta": {"routing": {}}}}
            assert (await client.post(f"{api}/feedback", json=feedback)).status_code == 200
            for path in ("/status", "/health/status", "/status/model", "/metadata", "/metadata/model"):
                assert (await client.get(api + path)).status_code == 200, api + path
            assert (await client.get(f"{api}/metadata")).json()["name"] == "main"
            unknown = await client.get(f"{api}/metadata/nobody")
            assert (unknown.status_code, unknown.json()["status"]["code"]) == (404, 404)
            assert "nobody" in unknown.json()["status"]["info"]


async def test_the_servers_own_paths_answer(contract: Serve) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        for method in ("GET", "POST", "HEAD", "OPTIONS"):
            for path in ("/ready", "/live"):
                reply = await client.request(method, path)
                assert (reply.status_code, reply.content) == (200, b"")
                assert "access-control-allow-methods" not in reply.headers
        assert (await client.get("/ping")).text == "pong"
        assert (await client.get("/health/status")).status_code == 200
        await client.post(PREDICTIONS, json=ROW)
        for path in ("/metrics", "/prometheus"):
            assert 'service="predictions"' in (await client.get(path)).text


async def test_the_server_is_not_ready_before_it_stops(contract: Serve) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        server.app.stop_being_ready()
        assert (await client.get("/ready")).status_code == 503
        assert (await client.get("/live")).status_code == 200
        assert (await client.post(PREDICTIONS, json=ROW)).status_code == 200


async def test_every_reply_has_the_headers_of_the_protocol(contract: Serve) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        fine = await client.post(PREDICTIONS, json=ROW, headers={"Seldon-Puid": "mine"})
        wrong = await client.post(PREDICTIONS, content=b"{", headers={"content-type": "application/json"})
    assert fine.headers["seldon-puid"] == fine.json()["meta"]["puid"] == "mine"
    assert UUID4.fullmatch(wrong.headers["seldon-puid"])
    for reply in (fine, wrong):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["access-control-allow-origin"] == "*"
        assert "Content-Type" in reply.headers["access-control-allow-headers"]
        assert reply.headers["access-control-allow-methods"] == "OPTIONS,POST"


async def test_cors_headers_say_what_the_settings_say(contract: Serve) -> None:
    server = await contract(ECHO, cors_allowed_origins="https://a.example", cors_allowed_headers="X-One")
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.options(PREDICTIONS)
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["access-control-allow-origin"] == "https://a.example"
    assert reply.headers["access-control-allow-headers"] == "X-One"
    assert reply.headers["access-control-allow-methods"] == "OPTIONS,POST"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", json.dumps(ROW).encode()),
        ("application/json; charset=utf-8", json.dumps(ROW).encode()),
        ("application/problem+json", json.dumps(ROW).encode()),
        ("", json.dumps(ROW).encode()),
        ("application/x-www-form-urlencoded", b"json=%7B%22data%22%3A%7B%22ndarray%22%3A%5B%5B1%2C2%5D%5D%7D%7D"),
    ],
)
async def test_json_comes_in_bodies_and_forms(contract: Serve, content_type: str, body: bytes) -> None:
    server = await contract(ECHO)
    headers = {"content-type": content_type} if content_type else {}
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.post(PREDICTIONS, content=body, headers=headers)
    assert reply.json()["data"]["ndarray"] == [[1, 2]]


async def test_json_comes_in_the_query(contract: Serve) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.post(PREDICTIONS, params={"json": json.dumps(ROW)})
    assert reply.json()["data"]["ndarray"] == [[1, 2]]


async def test_multipart_fields_and_files_become_the_message(contract: Serve) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        field = await client.post(PREDICTIONS, files={"data": (None, '{"ndarray": [[1, 2]]}')})
        text = await client.post(PREDICTIONS, files={"strData": (None, "hello")})
        file = await client.post(PREDICTIONS, files={"binData": ("raw.bin", b"\x00\xff")})
        large = await client.post(PREDICTIONS, files={"binData": ("raw.bin", b"\xff" * 3_000_000)})
    assert field.json()["data"]["ndarray"] == [[1, 2]]
    assert text.json()["strData"] == "hello"
    assert base64.b64decode(file.json()["binData"]) == b"\x00\xff"
    assert base64.b64decode(large.json()["binData"]) == b"\xff" * 3_000_000


@pytest.mark.parametrize(
    ("content_type", "body", "payload"),
    [
        ("application/octet-stream", b"\x00\x01\xff", {"binData": "AAH/"}),
        ("application/octet-stream", b"", {"binData": ""}),
        ("text/plain", "grüße".encode(), {"strData": "grüße"}),
        ("text/plain; charset=utf-8", b"x", {"strData": "x"}),
    ],
)
async def test_raw_bodies_are_payloads(
    contract: Serve, content_type: str, body: bytes, payload: dict[str, Any]
) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.post(PREDICTIONS, content=body, headers={"content-type": content_type})
    assert reply.json() | payload == reply.json()


async def test_gzip_goes_both_ways(contract: Serve) -> None:
    server = await contract(ECHO)
    long = {"strData": "x" * 10_000}
    headers = {"content-type": "application/json", "content-encoding": "gzip", "accept-encoding": "gzip"}
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.post(PREDICTIONS, content=gzip.compress(json.dumps(long).encode()), headers=headers)
        plain = await client.post(PREDICTIONS, json=long, headers={"accept-encoding": "identity"})
        refused = await client.post(PREDICTIONS, json=long, headers={"accept-encoding": "gzip;q=0"})
    assert reply.headers["content-encoding"] == "gzip"
    assert int(reply.headers["content-length"]) < 1000
    assert reply.json()["strData"] == plain.json()["strData"] == long["strData"]
    assert reply.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in refused.headers


@pytest.mark.parametrize(
    ("headers", "body", "status", "says"),
    [
        ({}, b"", 400, "empty"),
        ({}, b"{", 400, ""),
        ({}, b"[]", 400, ""),
        ({}, b"[" * 10_000 + b"]" * 10_000, 400, ""),
        ({}, b'{"data": {"ndarray": ' + b"[" * 10_000 + b"]" * 10_000 + b"}}", 400, ""),
        ({}, b'{"data": {"ndarry": [[1]]}}', 400, "ndarray"),
        ({}, b'{"data": {"tensor": {"shape": [2, 2], "values": [1]}}}', 400, "shape"),
        ({}, b'{"binData": "%"}', 400, "base64"),
        ({"content-type": "application/xml"}, b"<a/>", 415, "application/xml"),
        ({"content-type": "application/x-www-form-urlencoded"}, b"a=b", 400, "json"),
        ({"content-type": "multipart/form-data"}, b"--x", 400, "multipart"),
        ({"content-type": "multipart/form-data; boundary=x"}, b"nothing", 400, "multipart"),
        ({"content-type": "multipart/form-data; boundary=x"}, b"", 400, "last boundary"),
        ({"content-type": "multipart/form-data; boundary=x"}, CUT, 400, "last boundary"),
        ({"content-type": "text/plain"}, b"\xff", 400, "UTF-8"),
        ({"content-encoding": "br"}, b"x", 415, "br"),
        ({"content-encoding": "gzip"}, b"x", 400, "gzip"),
        ({"content-encoding": "gzip"}, gzip.compress(b"{}")[:-9], 400, "gzip"),
    ],
)
async def test_what_is_wrong_with_a_body_is_told(
    contract: Serve, headers: dict[str, str], body: bytes, status: int, says: str
) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        headers = {"content-type": "application/json", **headers}
        reply = await client.post(PREDICTIONS, content=body, headers=headers)
        assert reply.status_code == status, reply.text
        told = reply.json()["status"]
        assert (told["code"], told["status"]) == (status, "FAILURE")
        assert says in told["info"]
        assert len(told["info"]) < 500
        assert (await client.post(PREDICTIONS, json=ROW)).status_code == 200


async def test_what_is_not_there_is_404_in_the_status_form(contract: Serve) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        for method in ("GET", "POST", "OPTIONS", "PROPFIND"):
            for path in ("/nowhere", f"{PREDICTIONS}/", "/seldon/here/two/api/v1.0/predictions", "/seldon//x"):
                reply = await client.request(method, path)
                assert reply.status_code == 404, (method, path)
                assert reply.json()["status"]["reason"] == "NOT_FOUND"
                assert path in reply.json()["status"]["info"]


async def test_a_wrong_method_is_405_in_the_status_form(contract: Serve) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        for method, path in (("GET", PREDICTIONS), ("PUT", PREDICTIONS), ("POST", "/api/v1.0/metadata")):
            reply = await client.request(method, path)
            assert (reply.status_code, reply.json()["status"]["code"]) == (405, 405)
            assert "OPTIONS" in reply.headers["allow"]
            assert path in reply.json()["status"]["info"]


async def test_several_deployments_answer_below_their_names_only(contract: Serve) -> None:
    server = await contract(document=TWO_DEPLOYMENTS)
    async with httpx.AsyncClient(base_url=server.url) as client:
        for name, unit in (("here/one", "first"), ("there/two", "second")):
            reply = await client.post(f"/seldon/{name}{PREDICTIONS}", json=ROW)
            assert reply.json()["meta"]["routing"] == {unit: -1}
        nowhere = await client.post(PREDICTIONS, json=ROW)
        assert nowhere.status_code == 404
        assert "/seldon/here/one" in nowhere.json()["status"]["info"]
        assert (await client.get("/ready")).status_code == 200


async def test_the_short_prefix_names_a_deployment_that_is_alone_with_its_name(contract: Serve) -> None:
    same_name = f"{TWO_DEPLOYMENTS}---{TWO_DEPLOYMENTS.split('---')[1].replace('there', 'elsewhere')}"
    server = await contract(document=same_name)
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        statuses = [
            (await client.post(f"/seldon/{name}/api/v1.0/predictions", json={"strData": "x"})).status_code
            for name in ("one", "two", "there/two", "elsewhere/two")
        ]
        assert statuses == [200, 404, 200, 200]
        assert (await client.get("/seldon/one/api/v1.0/metadata/first")).status_code == 200
