"""The rows of docs/compatibility.md about what Gaal does, tried on a server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from serving import Serve, Server

from gaal.errors import ComponentLoadError

PROBE = """
import numpy as np
from seldon_core.flask_utils import SeldonMicroserviceException

n_calls = 0

class Model:
    def predict(self, X, names):
        global n_calls
        n_calls += 1
        if not isinstance(X, str):
            return X
        match X:
            case "none": return None
            case "type error": raise TypeError("inside the code")
            case "refuse": raise SeldonMicroserviceException("no thanks", status_code=418, reason="TEAPOT")
            case "float32": return np.array([0.1], dtype=np.float32)
            case "nan": return np.array([np.nan, np.inf])
            case "big": return np.array([2**53 + 1])
        return X

    def route_raw(self, message):
        return {"data": {"ndarray": []}}

class Router:
    def __init__(self, branch):
        self.branch = branch

    def route(self, X, names):
        return np.int64(1) if self.branch == 1 else self.branch
"""

ROUTED = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {{name: routed}}
spec:
  annotations:
    gaal.dev/component.router: "model_code:{router}"
    gaal.dev/component.a: "model_code:Model"
    gaal.dev/component.b: "model_code:Model"
  predictors:
  - name: main
    graph:
      name: router
      type: ROUTER
      parameters: {parameters}
      children: [{{name: a, type: MODEL}}, {{name: b, type: MODEL}}]
"""


class Caller:
    """Asks a server over REST."""

    def __init__(self, server: Server, client: httpx.AsyncClient) -> None:
        self.server = server
        self.client = client

    async def predict(self, body: Any, content_type: str | None = "application/json") -> httpx.Response:
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        headers = {"content-type": content_type} if content_type else {}
        return await self.client.post("/api/v1.0/predictions", content=content, headers=headers)

    async def feedback(self, body: Any) -> httpx.Response:
        return await self.client.post("/api/v1.0/feedback", json=body)


@pytest.fixture
async def probe(serve: Serve) -> AsyncIterator[Caller]:
    server = await serve(PROBE)
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        yield Caller(server, client)


async def routed(serve: Serve, router: str, branch: int | None = None) -> Server:
    parameters = "[]" if branch is None else f'[{{name: branch, value: "{branch}", type: INT}}]'
    return await serve(PROBE, ROUTED.format(router=router, parameters=parameters))


async def test_an_unknown_path_and_a_wrong_method_have_their_own_status(probe: Caller) -> None:
    missing = await probe.client.get("/nothing")
    wrong = await probe.client.get("/api/v1.0/predictions")

    assert (missing.status_code, missing.json()["status"]["reason"]) == (404, "NOT_FOUND")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST, OPTIONS")
    assert wrong.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/ping", "/ready", "/live", "/health/status", "/metrics", "/prometheus"])
async def test_what_probes_ask_is_there(probe: Caller, path: str) -> None:
    assert (await probe.client.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["status", "metadata", "health/status"])
async def test_the_old_version_has_the_paths_of_the_new_one(probe: Caller, path: str) -> None:
    assert (await probe.client.get(f"/api/v0.1/{path}")).status_code == 200


async def test_bodies_of_many_content_types_are_taken_and_others_named(probe: Caller) -> None:
    assert (await probe.predict('{"strData": "<&>"}', None)).json()["strData"] == "<&>"
    assert (await probe.predict("hello", "text/plain")).json()["strData"] == "hello"
    assert (await probe.predict(b"\x00\x01", "application/octet-stream")).json()["binData"] == "AAE="
    assert (await probe.predict("x", "application/pdf")).status_code == 415


async def test_puid_routing_and_path_are_always_told(probe: Caller) -> None:
    meta = (await probe.predict({"strData": "x"})).json()["meta"]

    assert meta["puid"]
    assert meta["routing"] == {"model": -1}
    assert meta["requestPath"] == {"model": "model_code:Model"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"data": {"ndarry": [[1]]}}, "did you mean ndarray?"),
        ({"data": {"tensor": {"shape": [2, 2], "values": [1]}}}, "shape"),
        ({}, "must have one of"),
        ("", "empty"),
        ("{bad", "malformed JSON"),
    ],
)
async def test_what_is_no_message_is_refused_with_the_place(probe: Caller, body: Any, told: str) -> None:
    refused = await probe.predict(body)

    assert refused.status_code == 400
    assert told in refused.json()["status"]["info"]


@pytest.mark.parametrize(
    ("asked", "values"), [("float32", [0.10000000149011612]), ("nan", ["NaN", "Infinity"]), ("big", [2**53 + 1])]
)
async def test_numbers_are_written_in_full(probe: Caller, asked: str, values: list[Any]) -> None:
    assert (await probe.predict({"strData": asked})).json()["data"]["tensor"]["values"] == values


async def test_numbers_are_read_in_both_forms_and_integers_beyond_64_bits_as_doubles(probe: Caller) -> None:
    bare = await probe.predict('{"data": {"ndarray": [[NaN, 1]]}}')
    quoted = await probe.predict({"data": {"tensor": {"shape": [2], "values": ["NaN", 1]}}})
    huge = await probe.predict('{"data": {"ndarray": [18446744073709551616]}}')

    assert bare.json()["data"]["ndarray"] == [["NaN", 1.0]]
    assert quoted.json()["data"]["tensor"]["values"] == ["NaN", 1.0]
    assert huge.json()["data"]["ndarray"] == [2.0**64]


async def test_custom_data_works_over_rest(probe: Caller) -> None:
    custom = {"@type": "type.googleapis.com/seldon.protos.Tensor", "shape": [1]}

    assert (await probe.predict({"customData": custom})).json()["customData"] == custom


async def test_a_wrong_kind_of_answer_is_the_components_fault(probe: Caller) -> None:
    failed = await probe.predict({"strData": "none"})

    assert failed.status_code == 500
    assert 'unit "model"' in failed.json()["status"]["info"]
    assert "Unknown data type returned as payload (must be list or np array):None" in failed.json()["status"]["info"]


async def test_a_type_error_inside_the_code_runs_it_once(probe: Caller) -> None:
    failed = await probe.predict({"strData": "type error"})

    assert failed.json()["status"]["info"] == 'unit "model": predict: TypeError: inside the code'
    assert probe.server.components.n_calls == 1


async def test_a_refusal_has_one_form_with_code_info_reason_and_status(probe: Caller) -> None:
    refused = await probe.predict({"strData": "refuse"})

    assert refused.status_code == 418
    told = {"code": 418, "info": 'unit "model": no thanks', "reason": "TEAPOT", "status": "FAILURE"}
    assert refused.json() == {"status": told}


async def test_unknown_fields_in_feedback_are_ignored(probe: Caller) -> None:
    assert (await probe.feedback({"reward": 1, "bogus": 2})).status_code == 200


async def test_a_branch_that_is_not_there_is_an_error(serve: Serve) -> None:
    server = await routed(serve, "Router", branch=7)
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        failed = await client.post("/api/v1.0/predictions", json={"strData": "x"})
        refused = await client.post("/api/v1.0/feedback", json={"response": {"meta": {"routing": {"router": 5}}}})

    assert failed.status_code == 500
    assert failed.json()["status"]["info"] == 'unit "router": invalid routing: branch 7 of 2 children'
    assert refused.status_code == 400
    assert 'routing["router"]' in refused.json()["status"]["info"]


@pytest.mark.parametrize(
    ("router", "branch", "told"),
    [("Router", 1, "Routing response must be int"), ("Model", None, "route: ValueError: the reply must hold a number")],
)
async def test_what_is_no_branch_is_an_error(serve: Serve, router: str, branch: int | None, told: str) -> None:
    server = await routed(serve, router, branch)
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        failed = await client.post("/api/v1.0/predictions", json={"strData": "x"})

    assert failed.status_code >= 400
    assert told in failed.json()["status"]["info"]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("class Model: pass", "a MODEL needs a method predict"),
        ("class Model:\n def load(self): raise NotImplementedError\n def predict(self, X, names): return X", "NotImpl"),
    ],
)
async def test_a_class_that_cannot_answer_is_not_loaded(serve: Serve, code: str, told: str) -> None:
    with pytest.raises(ComponentLoadError, match=told):
        await serve(code)
