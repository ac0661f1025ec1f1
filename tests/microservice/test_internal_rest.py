"""The rules of the internal REST API that no single recorded reply shows."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from gaal.executor.context import Context
from gaal.protocols import seldon_json

from .conftest import Start

ROW = '{"data":{"ndarray":[[1,2]]}}'


async def test_every_reply_is_json_and_open_to_other_origins(start: Start) -> None:
    served = await start("Echo")
    for reply in (await served.post("/predict", ROW), await served.post("/predict", "{")):
        assert reply.headers["content-type"] == "application/json"
        assert reply.headers["access-control-allow-origin"] == "*"


async def test_a_wrong_method_says_which_are_right(start: Start) -> None:
    served = await start("Echo")
    reply = await served.rest.get("/api/v1.0/feedback")
    assert reply.status_code == 405
    assert reply.headers["allow"] == "POST, OPTIONS"
    assert reply.json()["status"]["reason"] == "METHOD_NOT_ALLOWED"


async def test_a_method_that_raises_type_error_runs_once(start: Start) -> None:
    code = """
calls = []
class Model:
    def predict(self, X, names, meta=None):
        calls.append(1)
        raise TypeError("mine")
    def tags(self):
        return {}
"""
    served = await start(code=code)
    reply = await served.post("/predict", ROW)
    assert (reply.status_code, reply.json()["status"]["info"]) == (500, "mine")
    assert sys.modules["microservice_code"].calls == [1]


async def test_async_code_is_served(start: Start) -> None:
    code = """
class Model:
    async def predict(self, X, names, meta=None):
        return X
    async def health_status(self):
        return "well"
"""
    served = await start(code=code)
    assert (await served.post("/predict", ROW)).json()["data"]["ndarray"] == [[1, 2]]
    assert (await served.rest.get("/health/status")).json()["strData"] == "well"


async def test_a_request_that_takes_longer_than_the_annotation_ends_with_504(start: Start, tmp_path: Path) -> None:
    (tmp_path / "annotations").write_text('seldon.io/rest-timeout="50"\nother="a \\"b\\""\n')
    code = """
import asyncio
class Model:
    async def predict(self, X, names, meta=None):
        await asyncio.Event().wait()
"""
    served = await start(code=code)
    reply = await served.post("/predict", ROW)
    assert reply.status_code == 504
    assert reply.json()["status"]["code"] == -1


async def test_a_body_that_is_too_large_is_413(start: Start) -> None:
    served = await start("Echo", max_message_bytes="100")
    reply = await served.post("/predict", json.dumps({"strData": "x" * 200}))
    assert (reply.status_code, reply.json()["status"]["status"]) == (413, 1)


async def test_an_error_shows_no_more_than_a_thousand_characters_of_a_request(start: Start) -> None:
    served = await start("Echo")
    reply = await served.post("/predict", json.dumps({"secret": "x" * 5000}))
    assert reply.json()["status"]["info"].startswith("Invalid request data type: {'secret': 'xxx")
    assert len(reply.json()["status"]["info"]) == 1000


async def test_the_openapi_document_has_every_path_and_is_one(start: Start) -> None:
    served = await start("Echo")
    document = (await served.rest.get("/seldon.json")).json()
    validate(document)
    served_paths = set(vars(served.apps.rest)["_endpoints"]) - {"/seldon.json"}
    assert set(document["paths"]) == served_paths


@pytest.mark.parametrize("flag", ["yes", "no"])
async def test_a_boolean_parameter_is_read_as_its_words_say(start: Start, flag: str) -> None:
    code = """
class Model:
    def __init__(self, flag, count, rate):
        self.seen = {"flag": flag, "count": count, "rate": rate}
    def predict(self, X, names):
        return self.seen
"""
    parameters = [
        {"name": "flag", "value": flag, "type": "BOOL"},
        {"name": "count", "value": "3", "type": "INT"},
        {"name": "rate", "value": "0.5", "type": "DOUBLE"},
    ]
    served = await start(code=code, parameters=json.dumps(parameters))
    reply = await served.post("/predict", ROW)
    assert reply.json()["jsonData"] == {"flag": flag == "yes", "count": 3, "rate": 0.5}


async def test_a_router_may_answer_with_one_and_the_same_response(start: Start) -> None:
    code = """
from seldon_core.user_model import SeldonResponse
ANSWER = SeldonResponse(1, tags={"why": "because"})
class Model:
    def route(self, X, names):
        return ANSWER
"""
    served = await start(code=code)
    for _ in range(2):
        reply = await served.post("/route", ROW)
        assert reply.json() == {"data": {"names": ["t:0"], "ndarray": [[1]]}, "meta": {"tags": {"why": "because"}}}


async def test_the_branch_of_a_router_is_also_that_of_the_node(start: Start) -> None:
    served = await start("EchoAll")
    message = seldon_json.decode_message(ROW.encode())
    assert await served.node.route(message, Context("puid")) == 1


async def test_a_body_that_is_passed_through_must_be_answered_with_bytes(start: Start) -> None:
    code = """
class Model:
    def predict_raw(self, body):
        return 5
"""
    served = await start(code=code, environment={"PAYLOAD_PASSTHROUGH": "true"})
    reply = await served.post("/predict", ROW)
    assert (reply.status_code, reply.json()["status"]["reason"]) == (500, "MICROSERVICE_INTERNAL_ERROR")


async def test_a_handler_that_fails_leaves_the_error_as_it_is(start: Start) -> None:
    code = """
import flask
class Model:
    def __init__(self):
        self.model_error_handler = flask.Blueprint("errors", __name__)
        @self.model_error_handler.app_errorhandler(ValueError)
        def handle(error):
            raise RuntimeError("in the handler")
    def predict(self, X, names):
        raise ValueError("mine")
"""
    served = await start(code=code)
    reply = await served.post("/predict", ROW)
    assert (reply.status_code, reply.json()["status"]["info"]) == (500, "mine")
