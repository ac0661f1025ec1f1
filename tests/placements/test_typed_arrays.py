"""What came in V2 is the same for a unit wherever it stands."""

from __future__ import annotations

import httpx
import pytest
from serving import Serve

CODE = """
class Model:
    def predict(self, X, names):
        if isinstance(X, dict):
            return {"types": [str(type(X[name].flat[0]).__name__) + "/" + str(X[name].dtype) for name in sorted(X)]}
        return {"types": [str(type(X.flat[0]).__name__) + "/" + str(X.dtype)]}
"""

DOCUMENT = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {{name: one}}
spec:
  annotations: {{gaal.dev/component.model: "model_code:Model", gaal.dev/placement.model: {placement}}}
  predictors: [{{name: main, graph: {{name: model, type: MODEL}}}}]
"""

FLOATS = {"name": "a", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
BYTES = {"name": "b", "datatype": "BYTES", "shape": [1], "data": ["x"]}


@pytest.mark.parametrize("placement", ["inline", "thread", "worker"])
async def test_a_unit_gets_the_types_that_came(serve: Serve, placement: str) -> None:
    server = await serve(CODE, DOCUMENT.format(placement=placement))
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        one = (await client.post("/v2/models/one/infer", json={"inputs": [FLOATS]})).json()
        two = (await client.post("/v2/models/one/infer", json={"inputs": [FLOATS, BYTES]})).json()
    assert one["outputs"][0]["data"] == ["float32/float32"]
    assert two["outputs"][0]["data"] == ["float32/float32", "bytes/object"]
