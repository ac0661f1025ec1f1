"""TensorFlow Serving's and KServe's V1 API over real sockets."""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from gaal_command import environment
from grpc_clients import method
from samples import ECHO
from serving import Serve

from gaal.protocols.descriptors import message_class, method_classes
from gaal.protocols.tensorflow_tensor import array_of_tensor_proto, tensor_proto_of

SUM = """
class Model:
    class_names = ["low", "high"]

    def predict(self, X, names):
        if isinstance(X, dict):
            return {"sum": sum(array.sum(axis=-1) for array in X.values())}
        return X

    def init_metadata(self):
        return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]}
"""

TWO_VERSIONS = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: one, namespace: here}
spec:
  annotations: {gaal.dev/component.first: "model_code:First", gaal.dev/component.second: "model_code:Second"}
  predictors:
  - {name: old, traffic: 100, labels: {version: "3"}, graph: {name: first, type: MODEL}}
  - {name: canary, traffic: 0, graph: {name: second, type: MODEL}}
"""
FIRST_AND_SECOND = """
class First:
    def predict(self, X, names):
        return [1]

class Second:
    def predict(self, X, names):
        return [2]
"""


@pytest.mark.parametrize("prefix", ["", "/seldon/here/one"])
@pytest.mark.parametrize("name", ["/one:predict", "/model:predict", "/one/:predict", ":predict", "/:predict"])
async def test_a_model_answers_under_every_name_it_has(contract: Serve, prefix: str, name: str) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url + prefix) as client:
        reply = await client.post(f"/v1/models{name}", json={"instances": [[1, 2]]})
    assert (reply.status_code, reply.json()) == (200, {"predictions": [[1, 2]]})


async def test_predictions_come_by_rows_and_by_columns(contract: Serve) -> None:
    server = await contract(SUM)
    async with httpx.AsyncClient(base_url=server.url) as client:
        rows = {"instances": [{"a": [1, 2], "b": [3]}]}
        assert (await client.post("/v1/models/one:predict", json=rows)).json() == {"predictions": [6]}
        columns = {"signature_name": "serving_default", "inputs": {"a": [[1, 2]], "b": [[3]]}}
        assert (await client.post("/v1/models/one:predict", json=columns)).json() == {"outputs": [6]}


async def test_examples_are_classified_and_regressed(contract: Serve) -> None:
    server = await contract(SUM)
    async with httpx.AsyncClient(base_url=server.url) as client:
        examples = {"examples": [{"a": 0.25, "b": 0.75}]}
        reply = await client.post("/v1/models/one:classify", json=examples)
        assert reply.json() == {"result": [[["low", 0.25], ["high", 0.75]]]}
        reply = await client.post("/v1/models/one:regress", json={"examples": [{"a": 2.5}, {"a": 3}]})
        assert reply.json() == {"result": [2.5, 3]}


async def test_status_and_metadata_have_what_clients_of_both_look_for(contract: Serve) -> None:
    server = await contract(SUM)
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/")).json() == {"status": "alive"}
        assert (await client.get("/v1/models")).json() == {"models": ["one"]}
        status = (await client.get("/v1/models/one")).json()
        assert (status["name"], status["ready"]) == ("one", True)
        state = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        assert status["model_version_status"] == [state]
        metadata = (await client.get("/v1/models/one/metadata")).json()
        assert metadata["model_spec"] == {"name": "one", "signature_name": "", "version": "1"}
        signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
        assert (list(signature["inputs"]), signature["method_name"]) == (["x"], "tensorflow/serving/predict")


async def test_versions_are_predictors_by_number_and_by_label(contract: Serve) -> None:
    server = await contract(FIRST_AND_SECOND, TWO_VERSIONS)
    async with httpx.AsyncClient(base_url=server.url) as client:

        async def ask(which: str) -> Any:
            return (await client.post(f"/v1/models/one{which}:predict", json={"instances": [0]})).json()

        assert await ask("") == {"predictions": [1]}
        assert await ask("/versions/3") == {"predictions": [1]}
        assert await ask("/versions/2") == {"predictions": [2]}
        assert await ask("/labels/canary") == {"predictions": [2]}
        assert await ask("/versions/7") == {"error": "model one has no version 7: there is 3, canary"}
        status = (await client.get("/v1/models/one")).json()["model_version_status"]
        assert [each["version"] for each in status] == ["3", "2"]
        one = (await client.get("/v1/models/one/labels/canary")).json()["model_version_status"]
        assert [each["version"] for each in one] == ["2"]
        assert (await client.get("/v1/models/one/versions/2/metadata")).json()["model_spec"]["version"] == "2"


@pytest.mark.parametrize(
    ("verb", "path", "status", "text"),
    [
        ("POST", "/v1/models/other:predict", 404, "there is no model other"),
        ("POST", "/v1/models/one:explain", 404, "there is nothing at /v1/models/one:explain"),
        ("GET", "/v1/models/one/nothing", 404, "there is nothing at /v1/models/one/nothing"),
        ("GET", "/v1/models/one:predict", 405, "/v1/models/one:predict: must be asked with POST"),
        ("POST", "/v1/models/one:predict", 400, "body: must have either instances or inputs (got [])"),
    ],
)
async def test_errors_have_the_form_of_both(contract: Serve, verb: str, path: str, status: int, text: str) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.request(verb, path, json={})
    assert (reply.status_code, list(reply.json())) == (status, ["error"])
    assert reply.json()["error"].startswith(text)


PREDICTIONS, MODELS = "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"


async def call(channel: grpc.aio.Channel, service: str, name: str, **fields: Any) -> Any:
    request, reply = (each.DESCRIPTOR.full_name for each in method_classes(service)[name])
    return await method(channel, f"/{service}/{name}", request, reply)(message_class(request)(**fields))


async def test_the_services_answer(contract: Serve) -> None:
    server = await contract(SUM)
    x = tensor_proto_of(np.array([[1, 2]], "f4"))
    y = tensor_proto_of(np.array([[1]], "f4"))
    async with server.channel() as channel:
        one = await call(channel, PREDICTIONS, "Predict", model_spec={"name": "one"}, inputs={"x": x})
        assert array_of_tensor_proto(one.outputs["outputs"]).tolist() == [[1, 2]]
        assert (one.model_spec.version.value, one.model_spec.signature_name) == (1, "serving_default")
        two = await call(channel, PREDICTIONS, "Predict", inputs={"x": x, "y": y}, output_filter=["sum"])
        assert array_of_tensor_proto(two.outputs["sum"]).tolist() == [4]
        status = await call(channel, MODELS, "GetModelStatus", model_spec={"name": "one"})
        assert [(each.version, each.state) for each in status.model_version_status] == [(1, 30)]
        with pytest.raises(grpc.aio.AioRpcError, match="metadata_field: must be signature_def") as raised:
            await call(channel, PREDICTIONS, "GetModelMetadata", model_spec={"name": "one"})
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.skipif(
    find_spec("tensorflow_serving") is None or find_spec("tensorflow") is not None,
    reason="needs tensorflow-serving-api, installed without its dependencies",
)
async def test_the_stubs_of_tensorflow_serving_are_answered(serve: Serve, tmp_path: Path) -> None:
    server = await serve(SUM)
    folder = tmp_path / "generated"
    folder.mkdir()
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("tensorflow_client.py")),
        server.address,
        str(folder),
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(client.communicate(), 60)
    assert client.returncode == 0
    assert json.loads(output) == {
        "output": ["outputs", 1, [1, 2], np.array([1.5, 2], "<f4").tobytes().hex()],
        "spec": ["one", 1, "serving_default"],
        "inputs": ["x"],
        "states": [[1, 30]],
        "refused": "NOT_FOUND",
    }
