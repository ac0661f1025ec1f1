"""The pages of the protocols beside Seldon's are true: their examples and their tables of paths."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from serving import Serve

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("open-inference.md", "tensorflow-serving.md")

IRIS = """
import numpy as np

class Model:
    def predict(self, X, names=None):
        assert X.shape[1] == 4
        return np.tile([0.97, 0.02, 0.01], (len(X), 1))
"""

SERVED = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: iris}
spec:
  annotations: {gaal.dev/component.iris: "model_code:Model"}
  predictors: [{name: iris, graph: {name: iris, type: MODEL}}]
"""


@pytest.mark.parametrize("page", PAGES)
async def test_the_example_is_answered_as_the_page_says(serve: Serve, page: str) -> None:
    example = re.search(r"```\nPOST (\S+)\n(\{.*?\})\n\n(\{.*?\})\n```", (DOCS / page).read_text(), re.DOTALL)
    assert example is not None
    path, request, reply = example.groups()
    server = await serve(IRIS, SERVED)
    async with httpx.AsyncClient(base_url=server.url) as client:
        got = (await client.post(path, json=json.loads(request))).json()
    told = json.loads(re.sub(r'"id": "[^"]*", "parameters": \{…\},', "", reply))
    assert {key: value for key, value in got.items() if key not in ("id", "parameters")} == told


@pytest.mark.parametrize("page", PAGES)
async def test_every_path_of_the_tables_is_served(serve: Serve, page: str) -> None:
    text = (DOCS / page).read_text()
    asked = set(re.findall(r"`(GET|POST) (/[^`]*)`", text))
    assert len(asked) >= 8
    server = await serve(IRIS, SERVED)
    async with httpx.AsyncClient(base_url=server.url) as client:
        for method, path in asked:
            reply = await client.request(method, path.replace("{m}", "iris"), content=b"{}")
            expected = (200,) if method == "GET" or path.endswith("index") else (200, 400, 405)
            assert reply.status_code in expected, (method, path, reply.text)
