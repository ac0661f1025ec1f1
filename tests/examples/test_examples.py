"""Every folder of `examples/` does what its README and its reply.json promise, over REST and over gRPC."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from gaal_command import gaal_serve, run_python
from google.protobuf.json_format import MessageToDict, ParseDict
from replies import differences

from gaal.protocols.descriptors import message_class

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
FOLDERS = sorted(path.parent.name for path in EXAMPLES.glob("*/deployment.yaml"))
needs_xgboost = pytest.mark.skipif(find_spec("xgboost") is None, reason="the extra xgboost is not installed")


def _marked(folder: str) -> Any:
    return pytest.param(folder, marks=needs_xgboost) if folder == "iris" else folder


@pytest.fixture(params=[_marked(folder) for folder in FOLDERS])
async def served(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Path, str]]:
    """An example's folder, and the address at which it is served."""
    folder = EXAMPLES / request.param
    if request.param == "iris":
        await run_python("train.py", folder=folder)
    async with gaal_serve(["deployment.yaml"], folder) as address:
        yield folder, address


def read(path: Path) -> Any:
    return json.loads(path.read_text())


async def ask_rest(address: str, path: str, body: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=30) as client:
        return await client.post(path, json=body)


async def ask_grpc(address: str, body: Any) -> Mapping[str, Any]:
    message = message_class("seldon.protos.SeldonMessage")
    async with grpc.aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        call = channel.unary_unary(
            "/seldon.protos.Seldon/Predict",
            request_serializer=message.SerializeToString,
            response_deserializer=message.FromString,
        )
        return MessageToDict(await call(ParseDict(body, message()), timeout=30))


async def test_the_reply_is_the_promised_one(served: tuple[Path, str]) -> None:
    folder, address = served
    request, promised = read(folder / "request.json"), read(folder / "reply.json")

    by_rest = await ask_rest(address, "/api/v1.0/predictions", request)
    by_grpc = await ask_grpc(address, request)

    assert differences(by_rest.json(), promised) == []
    assert differences(by_grpc, promised, proto=True) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_readme_shows_the_promised_reply(folder: str) -> None:
    [shown] = re.findall(r"```json\n(.*?)```", (EXAMPLES / folder / "README.md").read_text(), re.DOTALL)

    assert json.loads(shown) == read(EXAMPLES / folder / "reply.json")


def test_the_index_names_every_example() -> None:
    listed = re.findall(r"\]\((\w+)/README.md\)", (EXAMPLES / "README.md").read_text())

    assert sorted(listed) == FOLDERS


@needs_xgboost
async def test_the_iris_class_is_served_without_a_document_and_answers_its_client() -> None:
    folder = EXAMPLES / "iris"
    await run_python("train.py", folder=folder)
    promised = read(folder / "reply.json")["data"]

    async with gaal_serve(["IrisClassifier"], folder) as address:
        output = await run_python("client.py", address, "request.json", folder=folder)

    by_rest, by_grpc = (json.loads(text) for text in re.split(r"^REST:|^gRPC:", output, flags=re.MULTILINE)[1:])
    assert differences(by_rest["data"], promised) == []
    assert differences(by_grpc["data"], promised) == []


@needs_xgboost
async def test_the_demo_shows_both_replies_and_the_page_of_seldon_server_and_ends() -> None:
    output = await run_python("demo.py", "--once", "--port", "0", folder=EXAMPLES / "iris")

    own, page = output.split("Seldon Server's page")
    assert own.count("Iris-virginica") == 2
    assert page.count("Iris-virginica") == 2
    assert 'puid: "12345"' in page


async def test_the_transformer_refuses_columns_that_it_does_not_know() -> None:
    async with gaal_serve(["deployment.yaml"], EXAMPLES / "transform") as address:
        refused = await ask_rest(address, "/api/v1.0/predictions", {"data": {"names": ["bmi"], "ndarray": [[32.1]]}})

    assert refused.status_code == 400
    assert "the columns must be age, sex, bmi" in refused.json()["status"]["info"]


async def test_both_models_of_the_ab_test_get_their_share() -> None:
    request = read(EXAMPLES / "abtest" / "request.json")
    async with gaal_serve(["deployment.yaml"], EXAMPLES / "abtest") as address:
        replies = [await ask_rest(address, "/api/v1.0/predictions", request) for _ in range(60)]

    n_careful = [reply.json()["meta"]["routing"]["ab-test"] for reply in replies].count(0)
    assert 20 <= n_careful <= 58  # 42 are expected; outside by chance once in fifty million times


async def test_the_router_learns_from_feedback_which_forecast_to_trust() -> None:
    request = read(EXAMPLES / "router" / "request.json")
    async with gaal_serve(["deployment.yaml"], EXAMPLES / "router") as address:
        for branch, reward in [(0, 0.1), (1, 0.0), (2, 1.0)]:
            told = {"request": request, "response": {"meta": {"routing": {"bandit": branch}}}, "reward": reward}
            reply = await ask_rest(address, "/api/v1.0/feedback", told)
            assert reply.status_code == 200
        taken = [
            (await ask_rest(address, "/api/v1.0/predictions", request)).json()["meta"]["routing"]["bandit"]
            for _ in range(50)
        ]
        async with httpx.AsyncClient(trust_env=False) as client:
            learnt = (await client.get(f"http://{address}/api/v1.0/status/bandit")).json()["jsonData"]

    assert taken.count(2) > 35
    assert learnt == {"tries": [1, 1, 1], "meanRewards": [0.1, 0.0, 1.0]}


async def test_the_nested_graph_sends_clear_cases_to_the_quick_model_and_feedback_the_same_way() -> None:
    request = read(EXAMPLES / "nested" / "request.json")
    request["data"]["ndarray"] = request["data"]["ndarray"][:1]
    async with gaal_serve(["deployment.yaml"], EXAMPLES / "nested") as address:
        clear = (await ask_rest(address, "/api/v1.0/predictions", request)).json()
        feedback = {"response": {"meta": clear["meta"]}, "reward": 1.0}
        heard = (await ask_rest(address, "/api/v1.0/feedback", feedback)).json()

    assert clear["meta"]["routing"] == {"report": -1, "standardise": -1, "triage": 0, "quick": -1}
    assert clear["jsonData"]["findings"] == [{"finding": "malignant", "probability": 0.999}]
    assert heard["jsonData"] == {"right": 1, "wrong": 0}
