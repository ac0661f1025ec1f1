"""Units that stand elsewhere, in graphs that are served."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import pytest
import trustme
import yaml
from far_sides import Asked, Call, HttpFarSide, grpc_far_side, http_far_side, port_of_nobody, read_http, socket_far_side
from gaal_command import PATIENCE_S, environment
from running import Run, ask, rows, tell
from serving import Serve, Server

from gaal.errors import ComponentLoadError, GraphError
from gaal.graph.load import loads
from gaal.protocols import seldon_json, seldon_proto

PREDICT = "/seldon.protos.Seldon/Predict"


def document(graph: str, **annotations: str) -> str:
    return json.dumps(
        {
            "apiVersion": "machinelearning.seldon.io/v1",
            "kind": "SeldonDeployment",
            "metadata": {"name": "far", "annotations": annotations},
            "spec": {"predictors": [{"name": "main", "graph": yaml.safe_load(graph)}]},
        }
    )


def remote(name: str, kind: str, port: int, more: str = "type: MODEL", host: str = "127.0.0.1") -> str:
    return f"name: {name}, {more}, endpoint: {{service_host: {host}, service_port: {port}, type: {kind}}}"


def plus(n: int, by: str) -> Any:
    """What a far side does with a row: adds `n`, tags it with its own name, keeps the tags that came."""

    def reply(asked: Any) -> Any:
        message = seldon_json.decode_message(asked.body if isinstance(asked, Asked) else asked)
        array = message.payload.array + n  # type: ignore[union-attr]
        tags = {**message.meta.tags, by: n}
        return {"data": {"ndarray": array.tolist()}, "meta": {"tags": tags}}

    return reply


def rest_plus(n: int, by: str) -> Any:
    reply = plus(n, by)
    return lambda asked: json.dumps(reply(asked)).encode()


def grpc_plus(n: int, by: str) -> Call:
    reply = plus(n, by)

    async def call(request: bytes, call: Any) -> bytes:
        text = seldon_json.encode_message(seldon_proto.decode_message(request))
        return seldon_proto.encode_message(seldon_json.message_of(reply(text)))

    return call


async def by_rest(server: Server, body: Any = None, path: str = "/api/v1.0/predictions", **options: Any) -> Any:
    async with httpx.AsyncClient(timeout=20) as client:
        return await client.post(server.url + path, json=body or rows([1.0, 2.0]), **options)


async def by_grpc(server: Server, body: Any = None, timeout_s: float | None = None) -> Any:
    request = seldon_proto.encode_message(seldon_json.message_of(body or rows([1.0, 2.0])))
    async with server.channel() as channel:
        call: Any = channel
        reply = await call.unary_unary(PREDICT)(request, timeout=timeout_s)
    return seldon_json.object_of(seldon_proto.decode_message(reply))


async def test_a_graph_mixes_rest_grpc_and_units_in_this_process(run: Run) -> None:
    router = HttpFarSide({"/route": lambda asked: b"[1]"})
    transformer = HttpFarSide({"/transform-input": rest_plus(10, "in"), "/transform-output": rest_plus(1000, "out")})
    models = {"/seldon.protos.Model/Predict": grpc_plus(100, "model")}
    combiner = {"/seldon.protos.Combiner/Aggregate": first_of_list}
    async with AsyncExitStack() as stack:
        at_router, at_transformer = [
            await stack.enter_async_context(http_far_side(app)) for app in (router, transformer)
        ]
        at_models, at_combiner = [await stack.enter_async_context(grpc_far_side(each)) for each in (models, combiner)]
        running = await run(f"""
        {{{remote("t", "REST", at_transformer, "methods: [TRANSFORM_INPUT, TRANSFORM_OUTPUT]")}, children: [
          {{{remote("r", "REST", at_router, "type: ROUTER")}, children: [
            {{name: never, type: MODEL, code: Fail}},
            {{{remote("c", "GRPC", at_combiner, "type: COMBINER")}, children: [
              {{{remote("m", "GRPC", at_models)}}}, {{name: here, type: MODEL, code: Add}}]}}]}}]}}
        """)
        reply = await ask(running, rows([1.0, 2.0]))
    assert reply["data"]["ndarray"] == [[1111.0, 1112.0]]
    assert reply["meta"]["routing"] == {"t": -1, "r": 1, "c": -1, "m": -1, "here": -1}
    assert reply["meta"]["tags"] == {"in": 10, "model": 100, "out": 1000}


async def first_of_list(request: bytes, call: Any) -> bytes:
    messages = seldon_proto.decode_message_list(request)
    assert len(messages) == 2
    return seldon_proto.encode_message(messages[0])


async def test_feedback_reaches_remote_units_along_the_routing(run: Run) -> None:
    heard: list[str] = []

    def listen(asked: Asked) -> bytes:
        heard.append(asked.headers["seldon-puid"])
        return b'{"meta":{}}'

    async with http_far_side(HttpFarSide({"/send-feedback": listen})) as port:
        running = await run(f"{{{remote('m', 'REST', port)}}}")
        assert await tell(running, {"reward": 1.0, "response": {"meta": {"routing": {"m": -1}}}}) is not None
    assert heard == ["the-puid"]


REFUSAL = b'{"status":{"code":-1,"info":"bad shape","reason":"MICROSERVICE_BAD_DATA","status":1}}'


async def test_a_rest_caller_gets_status_body_and_content_type_of_a_unit_over_rest_unchanged(serve: Serve) -> None:
    app = HttpFarSide({"/predict": lambda asked: (418, b"application/vnd.tea+json", REFUSAL)})
    async with http_far_side(app) as port:
        server = await serve(document=document(f"{{{remote('m', 'REST', port)}}}"))
        reply = await by_rest(server, headers={"seldon-puid": "mine"})
    assert (reply.status_code, reply.content) == (418, REFUSAL)
    assert reply.headers["content-type"] == "application/vnd.tea+json"
    assert reply.headers["seldon-puid"] == app.asked[0].headers["seldon-puid"] == "mine"


@pytest.mark.parametrize("status", [201, 204, 404, 503, 599])
async def test_any_status_but_200_is_passed_on(serve: Serve, status: int) -> None:
    async with http_far_side(HttpFarSide({"/predict": lambda asked: (status, b"text/plain", b"")})) as port:
        server = await serve(document=document(f"{{{remote('m', 'REST', port)}}}"))
        reply = await by_rest(server)
    assert (reply.status_code, reply.content) == (status, b"")


async def test_a_grpc_caller_gets_code_and_text_of_a_unit_over_grpc_unchanged(serve: Serve) -> None:
    async def refuse(request: bytes, call: Any) -> bytes:
        await call.abort(grpc.StatusCode.DATA_LOSS, "Exception calling application: boo")
        return b""

    async with grpc_far_side({"": refuse}) as port:
        server = await serve(document=document(f"{{{remote('m', 'GRPC', port)}}}"))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await by_grpc(server)
        over_rest = await by_rest(server)
    assert (refused.value.code(), refused.value.details()) == (
        grpc.StatusCode.DATA_LOSS,
        "Exception calling application: boo",
    )
    assert over_rest.status_code == 500
    expected = f'unit "m": grpc://127.0.0.1:{port}: DATA_LOSS: Exception calling application: boo'
    assert over_rest.json()["status"]["info"] == expected


async def test_a_grpc_caller_gets_the_code_that_the_http_status_of_a_unit_means(serve: Serve) -> None:
    async with http_far_side(HttpFarSide({"/predict": lambda asked: (400, b"application/json", REFUSAL)})) as port:
        server = await serve(document=document(f"{{{remote('m', 'REST', port)}}}"))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await by_grpc(server)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == f'unit "m": http://127.0.0.1:{port}/predict: HTTP 400: bad shape'


@pytest.mark.parametrize("kind", ["REST", "GRPC"])
async def test_the_annotation_limits_each_call(serve: Serve, kind: str) -> None:
    async with socket_far_side(say_nothing) as port:
        graph = f"{{{remote('m', kind, port)}}}"
        key = "seldon.io/rest-timeout" if kind == "REST" else "seldon.io/grpc-timeout"
        server = await serve(document=document(graph, **{key: "200"}))
        async with asyncio.timeout(5):
            reply = await by_rest(server)
    assert reply.status_code == 504 or kind == "GRPC"
    assert 'unit "m"' in reply.json()["status"]["info"]


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("kind", ["REST", "GRPC"])
async def test_the_callers_own_deadline_ends_the_call_to_the_unit(serve: Serve, kind: str) -> None:
    gone = asyncio.Event()

    async def until_gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_http(reader)
        await reader.read()
        gone.set()

    async def until_cancelled(request: bytes, call: Any) -> bytes:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            gone.set()
            raise
        return b""

    far = socket_far_side(until_gone) if kind == "REST" else grpc_far_side({"": until_cancelled})
    async with far as port:
        server = await serve(document=document(f"{{{remote('m', kind, port)}}}"))
        with pytest.raises(grpc.aio.AioRpcError) as late:
            await by_grpc(server, timeout_s=0.3)
        assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.wait_for(gone.wait(), 5)


@pytest.mark.parametrize("kind", ["REST", "GRPC"])
async def test_ready_says_which_unit_cannot_be_reached(serve: Serve, kind: str) -> None:
    nobody = port_of_nobody()
    server = await serve(document=document(f"{{{remote('m', kind, nobody)}}}"))
    async with httpx.AsyncClient() as client:
        away = await client.get(server.url + "/ready")
        assert (await client.get(server.url + "/live")).status_code == 200
        far = (
            http_far_side(HttpFarSide({}))
            if kind == "REST"
            else grpc_far_side({"/seldon.protos.Model/Predict": grpc_plus(1, "x")})
        )
        async with far as port:
            near = await serve(document=document(f"{{{remote('m', kind, port)}}}"))
            there = await client.get(near.url + "/ready")
    assert away.status_code == 503
    assert f"127.0.0.1:{nobody}" in away.json()["status"]["info"]
    assert 'unit "m"' in away.json()["status"]["info"]
    assert there.status_code == 200


@pytest.mark.parametrize("full", [False, True])
async def test_ready_asks_for_the_units_health_where_told_to(serve: Serve, full: bool) -> None:
    app = HttpFarSide({"/health/status": lambda asked: (500, b"application/json", REFUSAL)})
    async with http_far_side(app) as port, httpx.AsyncClient() as client:
        server = await serve(document=document(f"{{{remote('m', 'REST', port)}}}"), full_health_checks=full)
        reply = await client.get(server.url + "/ready")
    assert reply.status_code == (503 if full else 200)
    assert len(app.asked) == full


@pytest.mark.parametrize("full", [False, True])
async def test_ready_does_not_wait_for_a_unit_that_says_nothing(serve: Serve, full: bool) -> None:
    async with socket_far_side(say_nothing) as port, httpx.AsyncClient() as client:
        server = await serve(document=document(f"{{{remote('m', 'GRPC', port)}}}"), full_health_checks=full)
        reply = await client.get(server.url + "/ready", timeout=4)
    assert reply.status_code == 503
    assert 'unit "m"' in reply.json()["status"]["info"]


async def test_the_graphs_metadata_has_that_of_its_remote_units(serve: Serve) -> None:
    app = HttpFarSide({"/metadata": lambda asked: b'{"name":"far","versions":["2"],"platform":"elsewhere"}'})
    async with http_far_side(app) as port, httpx.AsyncClient() as client:
        server = await serve(document=document(f"{{{remote('m', 'REST', port)}}}"))
        reply = await client.get(server.url + "/api/v1.0/metadata")
    assert reply.json()["models"]["m"] == {"name": "far", "versions": ["2"], "platform": "elsewhere"}


# A microservice of Gaal's, in a process of its own.

DOUBLE = """
class Double:
    def predict(self, X, names): return X * 2
    def transform_input(self, X, names): return X + 1
    def tags(self): return {"who": "far"}
    def metrics(self): return [{"type": "COUNTER", "key": "calls", "value": 1}]
"""


@asynccontextmanager
async def microservice(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """Serves DOUBLE; gives the ports for REST and gRPC."""
    (folder / "Double.py").write_text(DOUBLE)
    ports = ("--http-port", "0", "--grpc-port", "0", "--metrics-port", "0", "--host", "127.0.0.1")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gaal", "microservice", "Double", *ports),
        cwd=folder,
        env={**environment(), "PREDICTIVE_UNIT_ID": "there", "PREDICTIVE_UNIT_IMAGE": "double:1"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).decode()
        found = re.findall(r"http://127\.0\.0\.1:(\d+)", line)
        yield int(found[0]), int(found[1])
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.communicate(), PATIENCE_S)


async def test_a_microservice_is_called_over_both(run: Run, tmp_path: Path) -> None:
    async with microservice(tmp_path) as (rest, grpc_port):
        running = await run(f"""
        {{{remote("t", "REST", rest, "type: TRANSFORMER")}, children: [
          {{{remote("m", "GRPC", grpc_port)}, children: [{{name: here, type: MODEL, code: Add}}]}}]}}
        """)
        reply = await ask(running, rows([1, 2]))
    assert reply["data"]["ndarray"] == [[5, 7]]
    assert reply["meta"]["tags"] == {"who": "far"}
    assert reply["meta"]["requestPath"]["there"] == "double:1"
    assert [metric["key"] for metric in reply["meta"]["metrics"]] == ["calls", "calls"]


# TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def files(authority: trustme.CA, folder: Path) -> dict[str, str]:
    """The paths of the authority's certificate, and of a certificate for localhost with its key."""
    issued = authority.issue_cert("localhost", "127.0.0.1")
    paths = {name: str(folder / f"{name}.pem") for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(paths["ca"])
    issued.private_key_pem.write_to_path(paths["key"])
    Path(paths["cert"]).write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    return paths


def far_side_by_tls(kind: str, paths: dict[str, str]) -> Any:
    if kind == "REST":
        app = HttpFarSide({"/predict": rest_plus(1, "far")})
        return http_far_side(app, tls_cert=Path(paths["cert"]), tls_key=Path(paths["key"]))
    pair = (Path(paths["key"]).read_bytes(), Path(paths["cert"]).read_bytes())
    return grpc_far_side({"": grpc_plus(1, "far")}, credentials=grpc.ssl_server_credentials([pair]))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("kind", ["REST", "GRPC"])
async def test_a_unit_is_called_over_tls_where_the_annotation_says_so(
    serve: Serve, kind: str, host: str, authority: trustme.CA, tmp_path: Path
) -> None:
    paths = files(authority, tmp_path)
    async with far_side_by_tls(kind, paths) as port:
        graph = f"{{{remote('m', kind, port, host=host)}}}"
        server = await serve(document=document(graph, **{"gaal.dev/tls.m": "true", "gaal.dev/tls-ca.m": paths["ca"]}))
        reply = await by_rest(server)
    assert reply.json()["data"]["ndarray"] == [[2.0, 3.0]]


@pytest.mark.parametrize("kind", ["REST", "GRPC"])
async def test_a_certificate_of_somebody_else_is_refused(
    serve: Serve, kind: str, authority: trustme.CA, tmp_path: Path
) -> None:
    paths = files(authority, tmp_path)
    other = str(tmp_path / "other.pem")
    trustme.CA().cert_pem.write_to_path(other)
    async with far_side_by_tls(kind, paths) as port:
        graph = f"{{{remote('m', kind, port)}}}"
        server = await serve(document=document(graph, **{"gaal.dev/tls.m": "true", "gaal.dev/tls-ca.m": other}))
        reply = await by_rest(server)
    assert reply.status_code == 503
    assert 'unit "m"' in reply.json()["status"]["info"]
    assert "certificate" in reply.json()["status"]["info"].lower()


@pytest.mark.parametrize("kind", ["REST", "GRPC"])
async def test_a_file_of_authorities_that_is_none_stops_the_server_at_the_start(
    serve: Serve, kind: str, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    annotations = {"gaal.dev/tls.m": "true", "gaal.dev/tls-ca.m": str(tmp_path / "ca.pem")}
    with pytest.raises(ComponentLoadError, match=r'unit "m": gaal.dev/tls-ca.m: .*ca.pem'):
        await serve(document=document(f"{{{remote('m', kind, 1)}}}", **annotations))


@pytest.mark.parametrize(
    "annotations", [{"gaal.dev/tls.m": "yes"}, {"gaal.dev/tls-ca.m": "ca.pem"}, {"gaal.dev/tls.n": "true"}]
)
async def test_annotations_of_tls_are_checked(serve: Serve, annotations: dict[str, str]) -> None:
    text = document(f"{{{remote('m', 'REST', 1)}}}", **annotations)
    if "gaal.dev/tls.n" in annotations:
        [deployment] = loads(text, "the test's document")
        assert any("gaal.dev/tls.n" in warning for warning in deployment.warnings)
        return
    with pytest.raises(GraphError, match=r"gaal\.dev/tls"):
        await serve(document=text)
