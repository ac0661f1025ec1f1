"""Units that stand at servers of models, in V2 and in TensorFlow Serving's protocol, in graphs that are served."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import numpy as np
import pytest
from far_sides import Asked, HttpFarSide, http_far_side, port_of_nobody
from serving import Serve, Server

from gaal.errors import GraphError
from gaal.graph import rules
from gaal.graph.load import loads

FAR = """
import numpy as np

class Model:
    def predict(self, X, names, meta=None):
        if isinstance(X, dict):
            return {name: array + 1 for name, array in X.items()}
        if X.dtype.kind in "if" and X.min() < 0:
            raise ValueError("no negative flowers")
        return X * 2

    def tags(self):
        return {"far": "yes"}

    def init_metadata(self):
        return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]}
"""

WAYS = [(protocol, kind) for protocol in ("v2", "tensorflow") for kind in ("REST", "GRPC")]
ways = pytest.mark.parametrize(("protocol", "kind"), WAYS)


def document(protocol: str, kind: str, port: int, unit: str = "type: MODEL", **annotations: str) -> str:
    endpoint = f"endpoint: {{service_host: 127.0.0.1, service_port: {port}, type: {kind}}}"
    return f"""
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {{name: near, annotations: {json.dumps(annotations)}}}
spec:
  protocol: {protocol}
  predictors:
  - name: main
    graph: {{name: model, {unit}, {endpoint}}}
"""


async def near_and_far(serve: Serve, protocol: str, kind: str, unit: str = "type: MODEL") -> Server:
    far = await serve(FAR)
    return await serve(document=document(protocol, kind, far.port, unit))


async def post(server: Server, path: str, body: Any) -> httpx.Response:
    async with httpx.AsyncClient(timeout=20) as client:
        return await client.post(server.url + path, json=body)


TYPES = "type.googleapis.com/tensorflow.serving"
PREDICTIONS = "/api/v1.0/predictions"


@pytest.mark.parametrize(("protocol", "kind"), [*WAYS, ("kfserving", "REST")])
async def test_a_unit_elsewhere_is_asked_in_its_protocol(serve: Serve, protocol: str, kind: str) -> None:
    server = await near_and_far(serve, protocol, kind)
    request = {"data": {"ndarray": [[1.5, 2]]}, "meta": {"puid": "mine", "tags": {"near": 1}}}
    reply = (await post(server, PREDICTIONS, request)).json()
    assert reply["data"].get("ndarray", reply["data"].get("tensor", {}).get("values")) in ([[3, 4]], [3, 4])
    assert reply["meta"]["puid"] == "mine"
    assert reply["meta"]["tags"]["near"] == 1
    assert ("far" in reply["meta"]["tags"]) == (protocol != "tensorflow")  # which has no word for tags
    assert reply["meta"]["requestPath"] == {"model": "UNKNOWN_IMPLEMENTATION"}


@ways
async def test_several_tensors_go_there_and_back_by_name(serve: Serve, protocol: str, kind: str) -> None:
    server = await near_and_far(serve, protocol, kind)
    inputs = [
        {"name": "a", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]},
        {"name": "b", "datatype": "FP32", "shape": [1, 1], "data": [3]},
    ]
    reply = (await post(server, "/v2/models/near/infer", {"inputs": inputs})).json()
    assert {each["name"]: each["data"] for each in reply["outputs"]} == {"a": [2, 3], "b": [4]}


@ways
@pytest.mark.parametrize("unit", ["type: TRANSFORMER", "type: OUTPUT_TRANSFORMER"])
async def test_a_transformer_elsewhere_predicts(serve: Serve, protocol: str, kind: str, unit: str) -> None:
    server = await near_and_far(serve, protocol, kind, unit)
    reply = await post(server, "/v1/models/near:predict", {"instances": [[1, 2]]})
    assert reply.json() == {"predictions": [[2, 4]]}


@ways
async def test_metadata_and_health_come_from_there(serve: Serve, protocol: str, kind: str) -> None:
    server = await near_and_far(serve, protocol, kind)
    async with httpx.AsyncClient(base_url=server.url) as client:
        metadata = (await client.get("/v2/models/model")).json()
        assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
        assert (await client.get("/ready")).status_code == 200
        assert (await client.get("/v2/models/model/ready")).status_code == 200
        assert (await client.get("/api/v1.0/status/model")).json()["strData"] == "healthy"


@ways
async def test_what_is_refused_there_is_said_here(serve: Serve, protocol: str, kind: str) -> None:
    server = await near_and_far(serve, protocol, kind)
    reply = await post(
        server, "/v2/models/near/infer", {"inputs": [{"name": "a", "datatype": "FP32", "shape": [1], "data": [-1]}]}
    )
    assert reply.status_code == 500
    assert reply.json()["error"].startswith('unit "model": ')
    assert "no negative flowers" in reply.json()["error"]


@ways
async def test_a_model_that_is_not_there_is_not_found(serve: Serve, protocol: str, kind: str) -> None:
    parameters = "parameters: [{name: model_name, value: other, type: STRING}]"
    server = await near_and_far(serve, protocol, kind, f"type: MODEL, {parameters}")
    reply = await post(
        server, "/v2/models/near/infer", {"inputs": [{"name": "a", "datatype": "FP32", "shape": [1], "data": [1]}]}
    )
    assert (reply.status_code, "there is no model other" in reply.json()["error"]) == (404, True)


@ways
async def test_a_server_that_is_not_there_is_unavailable(serve: Serve, protocol: str, kind: str) -> None:
    server = await serve(document=document(protocol, kind, port_of_nobody()))
    reply = await post(server, PREDICTIONS, {"data": {"ndarray": [[1]]}})
    assert (reply.status_code, reply.json()["status"]["info"].startswith('unit "model": ')) == (503, True)
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/v2/models/near/ready")).status_code == 503
        assert (await client.get("/v1/models/near")).json()["ready"] is False


async def test_feedback_ends_where_a_server_has_no_word_for_it(serve: Serve) -> None:
    server = await near_and_far(serve, "v2", "REST")
    feedback = {"request": {"data": {"ndarray": [[1]]}}, "reward": 1}
    assert (await post(server, "/api/v1.0/feedback", feedback)).status_code == 200


@pytest.mark.parametrize(
    ("unit", "path"),
    [
        ("implementation: TRITON_SERVER", "/v2/models/model/infer"),
        ("implementation: HUGGINGFACE_SERVER", "/v2/models/model/infer"),
        ("implementation: TENSORFLOW_SERVER", "/v1/models/model:predict"),
    ],
)
async def test_a_prepackaged_server_at_an_endpoint_is_asked_in_its_own_protocol(
    serve: Serve, unit: str, path: str
) -> None:
    v2 = {"model_name": "model", "outputs": [{"name": "y", "datatype": "INT64", "shape": [1], "data": [7]}]}
    reply = json.dumps({**v2, "predictions": [7]} if "v1" not in path else {"predictions": [7]}).encode()
    far = HttpFarSide({path: lambda asked: reply})
    async with http_far_side(far) as port:
        server = await serve(document=document("seldon", "REST", port, unit))
        got = await post(server, "/v1/models/near:predict", {"instances": [[1, 2]]})
    assert got.json() == {"predictions": [7]}
    assert [asked.path for asked in far.asked] == [path]


async def test_an_annotation_says_what_a_unit_speaks_and_parameters_which_model(serve: Serve) -> None:
    def answer(asked: Asked) -> bytes:
        return json.dumps({"outputs": {"y": asked.json["instances"], "z": [1]}}).encode()

    parameters = ", ".join(
        f"{{name: {name}, value: {value}, type: STRING}}"
        for name, value in (
            ("model_name", "a/b"),
            ("model_version", '"2"'),
            ("signature_name", "s"),
            ("model_output", "y"),
        )
    )
    far = HttpFarSide({"/v1/models/a/b/versions/2:predict": answer})
    async with http_far_side(far) as port:
        unit = f"type: MODEL, parameters: [{parameters}]"
        annotated = {"gaal.dev/protocol.model": "tensorflow"}
        server = await serve(document=document("v2", "REST", port, unit, **annotated))
        got = await post(server, "/v1/models/near:predict", {"instances": [[1, 2]]})
    assert got.json() == {"predictions": [[1, 2]]}
    assert far.asked[0].json["signature_name"] == "s"


@pytest.mark.parametrize(
    "unit", ["type: ROUTER, children: [{name: x, implementation: SIMPLE_MODEL}]", "type: COMBINER"]
)
def test_a_server_of_models_can_neither_route_nor_combine(unit: str) -> None:
    with pytest.raises(GraphError, match=rules.NO_SUCH_CALL):
        loads(document("v2", "REST", 1, unit), "test")


def test_a_unit_speaks_a_known_protocol() -> None:
    annotated = {"gaal.dev/protocol.model": "soap"}
    with pytest.raises(GraphError, match=rules.UNIT_PROTOCOL):
        loads(document("seldon", "REST", 1, **annotated), "test")


@pytest.mark.parametrize("transport", ["rest", "grpc"])
async def test_parameters_alone_make_tensorflow_server_a_proxy(serve: Serve, transport: str) -> None:
    far = await serve(FAR)
    given = {
        "rest_endpoint": far.url,
        "grpc_endpoint": far.address,
        "model_name": "one",
        "signature_name": "serving_default",
        "model_input": "x",
        "model_output": "outputs",
    }
    parameters = [{"name": name, "type": "STRING", "value": value} for name, value in given.items()]
    server = await serve(document=proxy(transport, parameters))
    reply = await post(server, PREDICTIONS, {"data": {"tensor": {"shape": [1, 2], "values": [1.5, 2]}}})
    assert reply.json()["data"]["tensor"] == {"shape": [1, 2], "values": [3, 4]}
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/api/v1.0/status/model")).json()["strData"] == "healthy"


def proxy(transport: str, parameters: list[dict[str, str]]) -> str:
    graph = {"name": "model", "implementation": "TENSORFLOW_SERVER", "parameters": parameters}
    spec = {"transport": transport, "predictors": [{"name": "main", "graph": graph}]}
    head = {"apiVersion": "machinelearning.seldon.io/v1", "kind": "SeldonDeployment", "metadata": {"name": "near"}}
    return json.dumps({**head, "spec": spec})


async def test_a_whole_request_as_custom_data_goes_and_comes_back_as_it_is(serve: Serve) -> None:
    far = await serve(FAR)
    server = await serve(document=proxy("grpc", [{"name": "grpc_endpoint", "type": "STRING", "value": far.address}]))
    tensor = {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": "1"}, {"size": "2"}]}, "floatVal": [1.5, 2]}
    request = {"@type": f"{TYPES}.PredictRequest", "modelSpec": {"name": "one"}, "inputs": {"x": tensor}}
    reply = (await post(server, PREDICTIONS, {"customData": request})).json()
    assert reply["customData"]["@type"] == f"{TYPES}.PredictResponse"
    assert reply["customData"]["modelSpec"]["name"] == "one"
    [output] = reply["customData"]["outputs"].values()
    assert base64.b64decode(output["tensorContent"]) == np.array([3, 4], "<f4").tobytes()
    assert reply["meta"]["requestPath"] == {"model": "TENSORFLOW_SERVER"}


async def test_a_proxy_to_nobody_says_where_it_looked(serve: Serve) -> None:
    at = f"http://127.0.0.1:{port_of_nobody()}"
    server = await serve(document=proxy("rest", [{"name": "rest_endpoint", "type": "STRING", "value": at}]))
    reply = await post(server, PREDICTIONS, {"data": {"ndarray": [[1]]}})
    assert reply.status_code == 503
    assert reply.json()["status"]["info"].startswith(f'unit "model": {at}/v1/models/model:predict: ')
