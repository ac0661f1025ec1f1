"""The Open Inference Protocol V2 over REST, over a real socket, with Triton's client and with plain requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http  # type: ignore[import-untyped]
from samples import ECHO, TWO_DEPLOYMENTS
from serving import Serve, Server
from tritonclient.http import InferInput, InferRequestedOutput
from tritonclient.http.aio import InferenceServerClient  # type: ignore[import-untyped]
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]

from gaal import __version__
from gaal.messages import Array

SUM = """
import numpy as np

class Model:
    def predict(self, X, names, meta=None):
        if isinstance(X, dict):
            return {"sum": sum(array.sum(axis=-1) for array in X.values()), "n": np.array([len(X)])}
        return X

    def tags(self):
        return {"by": "model"}

    def init_metadata(self):
        return {"platform": "test", "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]}
"""

REFUSING = """
from seldon_core.flask_utils import SeldonMicroserviceException

class Model:
    def predict_raw(self, message):
        if message["data"]["tensor"]["values"][0] == 0:
            raise SeldonMicroserviceException("not zero", status_code=422, reason="ZERO")
        return {"status": {"code": 403, "info": "not this one"}}
"""


def infer_input(name: str, array: Array, datatype: str, binary: bool = True) -> InferInput:
    made = InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


@pytest.fixture
async def triton(serve: Serve) -> AsyncIterator[InferenceServerClient]:
    server = await serve(SUM)
    async with InferenceServerClient(server.address) as client:
        yield client


ARRAYS = {
    "BOOL": np.array([[True, False]]),
    **{f"UINT{bits}": np.array([[1, 2]], f"u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.array([[-1, 2]], f"i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.array([[0.5, -1e4]], f"f{bits // 8}") for bits in (16, 32, 64)},
    "BYTES": np.array([[b"a", b""]], dtype=object),
}


FORMS = [(datatype, binary) for datatype in ARRAYS for binary in (True, False) if binary or datatype != "FP16"]


@pytest.mark.parametrize(("datatype", "binary"), FORMS)
async def test_every_datatype_comes_back_to_tritonclient(
    triton: InferenceServerClient, datatype: str, binary: bool
) -> None:
    array = ARRAYS[datatype]
    result = await triton.infer(
        "one",
        [infer_input("x", array, datatype, binary)],
        outputs=[InferRequestedOutput("y", binary_data=binary)],
        request_id="7",
    )
    returned = result.as_numpy("y")
    if datatype == "BYTES" and not binary:
        returned = np.char.encode(returned.astype(str))  # of JSON, this client makes str objects
    assert np.array_equal(returned, array)
    assert result.get_response()["id"] == "7"
    assert result.get_output("y")["datatype"] == datatype
    assert result.get_response()["parameters"]["by"] == "model"


async def test_several_inputs_reach_a_component_as_a_dict(triton: InferenceServerClient) -> None:
    inputs = [infer_input("a", np.ones((1, 3), "f4"), "FP32"), infer_input("b", np.ones((1, 2), "f4"), "FP32")]
    result = await triton.infer("one", inputs)
    assert (result.as_numpy("sum").tolist(), result.as_numpy("n").tolist()) == ([5], [2])
    result = await triton.infer("one", inputs, outputs=[InferRequestedOutput("n")])
    assert result.as_numpy("sum") is None
    with pytest.raises(InferenceServerException, match=r"outputs\[0\].name: must be one of sum, n \(got 'other'\)"):
        await triton.infer("one", inputs, outputs=[InferRequestedOutput("other")])


async def test_tritonclient_finds_what_it_asks_of_server_and_models(triton: InferenceServerClient) -> None:
    assert await triton.is_server_live()
    assert await triton.is_server_ready()
    assert (await triton.get_server_metadata())["version"] == __version__
    assert await triton.is_model_ready("one")
    assert await triton.is_model_ready("one", "main")
    assert await triton.get_model_metadata("one") == {
        "name": "one",
        "versions": ["main"],
        "platform": "test",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [],
    }
    assert await triton.get_model_repository_index() == [
        {"name": "one", "version": "main", "state": "READY", "reason": ""}
    ]
    with pytest.raises(InferenceServerException, match="this server's models are those that it was started with"):
        await triton.load_model("other")


async def test_a_compressed_request_and_reply_fit_tritonclient(triton: InferenceServerClient) -> None:
    array = np.zeros((100, 4), "f4")
    result = await triton.infer(
        "one",
        [infer_input("x", array, "FP32")],
        request_compression_algorithm="gzip",
        response_compression_algorithm="gzip",
    )
    assert result.as_numpy("output-0").shape == (100, 4)


async def test_the_blocking_tritonclient_is_answered(serve: Serve) -> None:
    server = await serve(ECHO)

    def ask() -> Any:
        client = tritonclient.http.InferenceServerClient(server.address)
        try:
            result = client.infer("one", [infer_input("x", np.arange(4, dtype="i8"), "INT64")])
            return result.as_numpy("output-0").tolist()
        finally:
            client.close()

    assert await asyncio.to_thread(ask) == [0, 1, 2, 3]


ROW = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 2], "data": [1, 2]}]}
OUTPUT = {"name": "output-0", "datatype": "FP64", "shape": [1, 2], "data": [1.0, 2.0]}


@pytest.mark.parametrize("prefix", ["", "/seldon/here/one", "/seldon/one"])
@pytest.mark.parametrize("name", ["/one", "/model", "/one/versions/main", ""])
async def test_a_model_answers_under_every_name_it_has(contract: Serve, prefix: str, name: str) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url + prefix) as client:
        reply = await client.post(f"/v2/models{name}/infer", json=ROW, headers={"Seldon-Puid": "mine"})
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    model = "model" if name == "/model" else "one"
    expected = {"model_name": model, "model_version": "main", "id": "mine", "outputs": [OUTPUT]}
    assert reply.json() == expected
    assert reply.headers["seldon-puid"] == "mine"


async def test_the_servers_own_paths_answer(contract: Serve) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/v2")).json()["name"] == "gaal"
        assert (await client.get("/v2/health/live")).json() == {"live": True}
        assert (await client.get("/v2/health/ready")).json() == {"ready": True}
        assert (await client.get("/v2/models")).json() == {"models": ["one"]}
        assert (await client.get("/v2/models/one/ready")).json() == {"name": "one", "ready": True}
        assert (await client.options("/v2/models/one/infer")).status_code == 200
        assert (await client.post("/v2/repository/index", json={"ready": True})).json()[0]["state"] == "READY"
        server.app.stop_being_ready()
        stopping = await client.get("/v2/health/ready")
        assert (stopping.status_code, stopping.json()) == (503, {"error": "the server is stopping"})


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("POST", "/v2/models/other/infer", 404, "there is no model other: the deployment is one, its units are model"),
        ("POST", "/v2/models/one/versions/2/infer", 404, "model one has no version 2: there is main"),
        ("GET", "/v2/models/one/versions/2/ready", 404, "model one has no version 2: there is main"),
        ("GET", "/v2/models/one/infer", 405, "/v2/models/one/infer: must be asked with POST, OPTIONS, got GET"),
        ("GET", "/v2/nothing", 404, "there is nothing at /v2/nothing"),
        ("GET", "/v2/models/one/nothing", 404, "there is nothing at /v2/models/one/nothing"),
        ("POST", "/v2/repository/models/x/load", 405, "load x: this server's models are those that it was started"),
    ],
)
async def test_errors_have_the_form_of_v2(contract: Serve, method: str, path: str, status: int, text: str) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.request(method, path, json=ROW)
    assert (reply.status_code, list(reply.json())) == (status, ["error"])
    assert reply.json()["error"].startswith(text)


async def test_bodies_that_break_a_rule_are_refused(contract: Serve) -> None:
    server = await contract(ECHO, max_message_bytes=10_000)
    async with httpx.AsyncClient(base_url=server.url) as client:
        path = "/v2/models/one/infer"
        empty = await client.post(path, json={"inputs": []})
        assert (empty.status_code, empty.json()["error"]) == (400, "inputs: must have at least one tensor (got [])")
        broken = await client.post(path, content=b"{")
        assert (broken.status_code, broken.json()["error"].startswith("malformed JSON")) == (400, True)
        large = await client.post(path, content=b" " * 20_000)
        assert (large.status_code, large.json()["error"].startswith("the body must have at most")) == (413, True)


async def test_what_a_component_refuses_has_the_form_of_v2(serve: Serve) -> None:
    server = await serve(REFUSING)
    async with httpx.AsyncClient(base_url=server.url) as client:
        for value, status, text in ((0.0, 422, "not zero"), (1.0, 403, "not this one")):
            request = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [value]}]}
            reply = await client.post("/v2/models/one/infer", json=request)
            assert reply.status_code == status
            assert text in reply.json()["error"]


async def infer(server: Server, path: str, headers: Sequence[tuple[str, str]] = ()) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.url) as client:
        return await client.post(path, json=ROW, headers=list(headers))


async def test_one_of_several_deployments_is_found_by_name_prefix_and_headers(serve: Serve) -> None:
    server = await serve(ECHO, TWO_DEPLOYMENTS)
    async with httpx.AsyncClient(base_url=server.url) as client:
        names = (await client.get("/v2/models")).json()["models"]
    assert (await infer(server, f"/v2/models/{names[0]}/infer")).json()["model_name"] == names[0]
    assert (await infer(server, f"/seldon/{names[1]}/v2/models/infer")).json()["model_name"] == names[1]
    told = await infer(server, "/v2/models/infer", [("seldon", names[1])])
    assert told.json()["model_name"] == names[1]
    assert (await infer(server, "/v2/models/infer")).status_code == 404
    wrong = await infer(server, f"/v2/models/{names[0]}/infer", [("namespace", "nowhere")])
    assert (wrong.status_code, "nowhere" in wrong.json()["error"]) == (404, True)


async def test_requests_are_counted_as_those_of_other_protocols_are(contract: Serve) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        await client.post("/v2/models/one/infer", json=ROW)
        await client.get("/v2/models/one")
        await client.get("/v2/models/one/ready")
        text = (await client.get("/metrics")).text
    for service, method in (("predictions", "post"), ("metadata", "get"), ("status", "get")):
        labels = (
            f'deployment_name="one",predictor_name="main",predictor_version="",service="{service}",method="{method}"'
        )
        assert f'seldon_api_executor_server_requests_seconds_count{{{labels},code="200"}} 1' in text


CHAINED = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {{name: chained}}
spec:
  protocol: {protocol}
  annotations: {{gaal.dev/component.scale: "model_code:Scale", gaal.dev/component.model: "model_code:Model"}}
  predictors:
  - name: main
    graph: {{name: scale, type: TRANSFORMER, children: [{{name: model, type: MODEL}}]}}
"""
SCALE_AND_SUM = """
class Scale:
    def transform_input(self, X, names):
        return {name: array * 2 for name, array in X.items()}

class Model:
    def predict(self, X, names):
        return X["a"].sum(axis=1) + X["b"].sum(axis=1)
"""


@pytest.mark.parametrize("protocol", ["seldon", "v2", "kfserving"])
async def test_the_outputs_of_a_unit_are_the_inputs_of_the_next(serve: Serve, protocol: str) -> None:
    server = await serve(SCALE_AND_SUM, CHAINED.format(protocol=protocol))
    async with InferenceServerClient(server.address) as client:
        inputs = [infer_input("a", np.ones((1, 3), "f4"), "FP32"), infer_input("b", np.ones((1, 2), "f4"), "FP32")]
        result = await client.infer("chained", inputs)
    assert result.as_numpy("output-0").tolist() == [10.0]
