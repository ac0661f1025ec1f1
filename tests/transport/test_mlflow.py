"""MLflow's scoring API over real sockets, by plain requests and by MLflow's own client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import numpy as np
import pytest
from samples import ECHO, TWO_DEPLOYMENTS
from serving import Serve

SEEN = """
class Model:
    def predict(self, X, names, meta=None):
        if isinstance(X, dict):
            return X
        return {"rows": X.tolist(), "names": list(names), "type": str(X.dtype), "tags": meta.get("tags", {})}
"""


@pytest.mark.parametrize(
    ("body", "rows", "names"),
    [
        ({"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2.5], [3, 4]]}}, [[1, 2.5], [3, 4]], ["a", "b"]),
        ({"dataframe_split": {"columns": ["a", "b"], "index": [0], "data": [[1, "x"]]}}, [[1, "x"]], ["a", "b"]),
        ({"dataframe_split": {"data": [[1, 2]]}}, [[1, 2]], []),
        ({"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}}, [[1], [2]], ["a"]),
        ({"dataframe_records": [{"a": 1, "b": 2}, {"b": 4, "a": 3}]}, [[1, 2], [3, 4]], ["a", "b"]),
        ({"dataframe_records": [{"a": 1}, {"b": "x"}]}, [[1, None], [np.nan, "x"]], ["a", "b"]),
        ({"instances": [[1, 2], [3, 4]]}, [[1, 2], [3, 4]], []),
        ({"instances": [{"a": 1, "b": 2}]}, [[1, 2]], ["a", "b"]),
        ({"inputs": [[1, 2]]}, [[1, 2]], []),
        ({"inputs": {"a": [1, 2], "b": [3, 4]}}, [[1, 3], [2, 4]], ["a", "b"]),
        ("a,b\n1,x\n2,y\n", [[1, "x"], [2, "y"]], ["a", "b"]),
        ("a,b\n1,0.5\n2,\n", [[1, 0.5], [2, np.nan]], ["a", "b"]),
    ],
)
async def test_every_form_reaches_the_component(contract: Serve, body: Any, rows: Any, names: list[str]) -> None:
    server = await contract(SEEN)
    sent: dict[str, Any] = {"json": body}
    if isinstance(body, str):
        sent = {"content": body.encode(), "headers": {"content-type": "text/csv; charset=utf-8"}}
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.post("/invocations", **sent)
    assert reply.status_code == 200
    seen = json.loads(reply.text)["predictions"]
    np.testing.assert_equal(seen["rows"], rows)
    assert seen["names"] == names


async def test_params_are_tags(contract: Serve) -> None:
    server = await contract(SEEN)
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.post("/invocations", json={"inputs": [1], "params": {"top_k": 3}})
    assert reply.json()["predictions"]["tags"] == {"top_k": 3}


async def test_several_inputs_come_back_by_name(contract: Serve) -> None:
    server = await contract(SEEN)
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.post("/invocations", json={"inputs": {"a": [[1, 2]], "b": [3]}})
    assert reply.json() == {"predictions": {"a": [[1, 2]], "b": [3]}}


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code", "text"),
    [
        (b"{}", "application/json", 400, "BAD_REQUEST", "body: must have one of dataframe_split, dataframe_records"),
        (b'{"inputs": [1], "instances": [1]}', "application/json", 400, "BAD_REQUEST", "body: must have one of"),
        (
            b'{"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}',
            "application/json",
            400,
            "BAD_REQUEST",
            "dataframe_split.data[0]: must have the 1 values of the columns (got [1, 2])",
        ),
        (
            b'{"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}',
            "application/json",
            400,
            "BAD_REQUEST",
            "dataframe_split.columns: every column must have a name of its own",
        ),
        (b'{"dataframe_records": []}', "application/json", 400, "BAD_REQUEST", "dataframe_records: must be an array"),
        (b"a,b\n", "text/csv", 400, "BAD_REQUEST", "CSV: must have a header and at least one row"),
        (b"a,b\n1\n", "text/csv", 400, "BAD_REQUEST", "CSV.data[0]: must have the 2 values of the columns"),
        (b'a\n"b', "text/csv", 400, "BAD_REQUEST", "malformed CSV"),
        (b"\xff\n1", "text/csv", 400, "BAD_REQUEST", "malformed CSV"),
        (b"x", "image/png", 415, "BAD_REQUEST", "Content-Type: must be application/json or text/csv, got 'image/png'"),
    ],
)
async def test_a_request_that_breaks_a_rule_is_refused(
    contract: Serve, body: bytes, content_type: str, status: int, code: str, text: str
) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.post("/invocations", content=body, headers={"content-type": content_type})
    assert (reply.status_code, reply.json()["error_code"]) == (status, code)
    assert reply.json()["message"].startswith(text)


async def test_one_of_several_deployments_is_named_by_the_path_or_a_header(serve: Serve) -> None:
    server = await serve(ECHO, TWO_DEPLOYMENTS)
    async with httpx.AsyncClient(base_url=server.url) as client:
        rows = {"inputs": [[1.0]]}
        assert (await client.post("/seldon/there/two/invocations", json=rows)).status_code == 200
        assert (await client.post("/invocations", json=rows, headers={"seldon": "one"})).status_code == 200
        nowhere = await client.post("/invocations", json=rows)
    assert (nowhere.status_code, nowhere.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_the_client_of_mlflow_is_answered(serve: Serve) -> None:
    pandas = pytest.importorskip("pandas")
    client_module = pytest.importorskip("mlflow.pyfunc.scoring_server.client")
    server = await serve(ECHO)

    def ask() -> Any:
        client = client_module.ScoringServerClient("127.0.0.1", server.port)
        client.ping()
        return client.invoke(pandas.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})).get_predictions().to_numpy().tolist()

    assert await asyncio.to_thread(ask) == [[1, 0.5], [2, 1.5]]
