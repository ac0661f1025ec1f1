"""The REST paths of Seldon Server, as its clients, its command line and its pages ask them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from classifier_sides import RestModel, rpc_model
from far_sides import grpc_far_side, http_far_side, port_of_nobody
from samples import TWO_DEPLOYMENTS
from seldon_servers import PREDICT, SeldonServer, Start, rest, rpc, served, starter, variations
from serving import SERVERS

from gaal.storage.records import Key, Limits

REQUEST = {"data": [0.5, 1]}
HEX_PUID = re.compile(r"[0-9a-f]{40}")
POLYGLOT = "alert(1)//"


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with starter(tmp_path) as found:
        yield found


@pytest.fixture
async def server(start: Start) -> SeldonServer:
    found = await start()
    await found.add()
    return found


def unwrapped(response: httpx.Response, callback: str = "j") -> Any:
    text = response.text
    assert text.startswith(f"{callback}(")
    assert text.endswith(")")
    assert response.headers["content-type"].startswith("application/javascript")
    return json.loads(text[len(callback) + 1 : -1])


def refusal(response: httpx.Response) -> tuple[int, int]:
    """The HTTP status, which the body must tell too, and the number of the error."""
    bean = response.json()
    assert set(bean) == {"error_id", "error_msg", "http_response"}
    assert bean["http_response"] == response.status_code
    return response.status_code, bean["error_id"]


@pytest.mark.parametrize("by", SERVERS)
async def test_a_prediction_has_its_fields_in_the_order_of_the_original(start: Start, by: str) -> None:
    server = await start(by=by)
    await server.add()
    response = await server.post({"meta": {"puid": "12345"}, "data": {"f1": 0.5, "f2": 0}})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["seldon-puid"] == "12345"
    assert response.text == (
        '{"meta":{"puid":"12345","modelName":"model","variation":"default"},"predictions":['
        '{"prediction":0.5,"predictedClass":"setosa","confidence":0.5},'
        '{"prediction":0.25,"predictedClass":"versicolor","confidence":0.25},'
        '{"prediction":0.25,"predictedClass":"virginica","confidence":0.25}],"custom":null}'
    )


async def test_a_token_is_taken_from_the_query_and_from_the_header(server: SeldonServer) -> None:
    token = server.tokens.pop("test")
    assert (await server.post(REQUEST, params={"oauth_token": token})).status_code == 200
    assert (await server.post(REQUEST, headers={"Authorization": f"Bearer {token}"})).status_code == 200
    assert refusal(await server.post(REQUEST)) == (401, 15)
    assert refusal(await server.post(REQUEST, params={"oauth_token": "0" * 26})) == (401, 7)


async def test_a_token_for_reading_predicts_nothing(server: SeldonServer) -> None:
    await server.add("reader", "readonly")
    assert refusal(await server.post(REQUEST, "reader")) == (403, 20)
    assert refusal(await server.post({"a": 1}, "reader", "/events")) == (403, 20)


async def test_a_client_over_its_limit_is_told_when_to_come_again(server: SeldonServer) -> None:
    await server.add("fast", limits=Limits(rate_per_s=0.01, burst=1))
    assert (await server.post(REQUEST, "fast")).status_code == 200
    response = await server.post(REQUEST, "fast")
    assert refusal(response)[0] == 429
    assert int(response.headers["retry-after"]) > 0


async def test_the_puid_is_that_of_the_body_else_the_parameter_else_a_new_one(server: SeldonServer) -> None:
    async def puid(body: Any = REQUEST, **options: Any) -> str:
        found: str = (await server.post(body, **options)).json()["meta"]["puid"]
        return found

    assert await puid({"meta": {"puid": 7}, **REQUEST}, params={"puid": "8"}) == "7"
    assert await puid(params={"puid": "8"}, headers={"seldon-puid": "9"}) == "8"
    assert await puid(headers={"seldon-puid": "9"}) == "9"
    assert HEX_PUID.fullmatch(await puid())
    assert await puid() != await puid()
    assert await puid(params={"puid": "ü\r\nx: y"}) == "ü\r\nx: y"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "the body is empty"),
        (b"{", "JSON"),
        (b"[1]", "request: must be a JSON object"),
        (b'{"f1": 1}', "the features must stand under data"),
        (b'{"data": [1], "more": 1}', "more"),
        (b'{"data": [1], "meta": {"puid": []}}', "meta.puid"),
    ],
)
async def test_a_body_that_is_no_request_is_error_38_with_the_reason(
    server: SeldonServer, body: bytes, text: str
) -> None:
    response = await server.post(body)
    assert refusal(response) == (400, 38)
    assert text in response.json()["error_msg"]


async def test_a_body_that_is_too_large_is_told_in_the_same_form(start: Start) -> None:
    server = await start(max_message_bytes=100)
    await server.add()
    assert refusal(await server.post(b" " * 101))[0] == 413


@pytest.mark.parametrize("path", ["/predict", "/events"])
async def test_another_method_than_post_is_error_11(server: SeldonServer, path: str) -> None:
    response = await server.http.get(path)
    assert refusal(response) == (405, 11)
    assert "POST" in response.headers["allow"]


async def test_a_client_without_strategy_is_error_37_where_there_are_several_deployments(start: Start) -> None:
    server = await start(document=TWO_DEPLOYMENTS)
    await server.add()
    assert refusal(await server.post(REQUEST)) == (500, 37)
    assert (await server.post(REQUEST, headers={"seldon": "two"})).json()["meta"]["modelName"] == "second"
    assert refusal(await server.post(REQUEST, headers={"seldon": "three"})) == (404, 21)


async def test_a_page_gets_a_script_without_a_semicolon(server: SeldonServer) -> None:
    response = await server.script(json='{"data":{"f1":1,"f2":2.7,"f3":5.3,"f4":1.9}}')
    assert response.status_code == 200
    assert [each["prediction"] for each in unwrapped(response)["predictions"]] == [1, 0, 0]
    dotted = await server.script(json='{"data": [0.5]}', jsonpCallback="a.b$._c1")
    assert unwrapped(dotted, "a.b$._c1")["custom"] is None


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_any_method_will_do_for_a_page_and_a_form_too(server: SeldonServer, method: str) -> None:
    fields = {"jsonpCallback": "j", "consumer_key": "JSTEST", "json": '{"data": [0.5]}'}
    response = await server.http.request(method, "/js/predict", params=fields)
    assert unwrapped(response)["predictions"]
    if method != "GET":
        response = await server.http.request(method, "/js/predict", data=fields)
        assert unwrapped(response)["predictions"]


@pytest.mark.parametrize("callback", [POLYGLOT, "a-b", "", "1a", "a..b", "a b", "é", "x" * 200, "j\n"])
async def test_a_callback_that_is_no_name_of_a_function_never_gets_into_a_script(
    server: SeldonServer, callback: str
) -> None:
    response = await server.script(json='{"data": [0.5]}', jsonpCallback=callback)
    assert refusal(response) == (400, 38)
    assert response.headers["content-type"] == "application/json"


async def test_a_page_must_name_a_callback(server: SeldonServer) -> None:
    assert refusal(await server.script(json='{"data": [0.5]}', jsonpCallback=None)) == (400, 38)


async def test_errors_for_a_page_are_scripts_with_their_status(server: SeldonServer) -> None:
    cases: list[tuple[dict[str, Any], int, int]] = [
        ({"consumer_key": None}, 401, 16),
        ({"consumer_key": "NONE"}, 401, 3),
        ({"consumer_key": "ALLTEST"}, 401, 3),
    ]
    for parameters, status, error_id in cases:
        response = await server.script(json='{"data": [0.5]}', **parameters)
        assert (response.status_code, unwrapped(response)["error_id"]) == (status, error_id)
    response = await server.script(json="{")
    assert (response.status_code, unwrapped(response)["error_id"]) == (400, 38)


async def test_a_key_for_certain_pages_is_taken_from_them_alone(server: SeldonServer) -> None:
    server.store.clients.add_key(Key("JSPAGES", "test", "js", referrers=("example.com",)))
    for referrer, status in ((None, 403), ("https://evil.com/example.com", 403), ("https://www.example.com/x", 200)):
        headers = {} if referrer is None else {"Referer": referrer}
        response = await server.http.get(
            "/js/predict",
            params={"jsonpCallback": "j", "consumer_key": "JSPAGES", "json": '{"data": [0.5]}'},
            headers=headers,
        )
        assert response.status_code == status
        if status == 403:
            assert unwrapped(response)["error_id"] == 20


async def test_parameters_without_json_are_the_features(start: Start) -> None:
    model = RestModel()
    server = await start()
    await server.add()
    async with http_far_side(model) as port:
        await server.set_strategy("test", variations(x=rest(port)))
        features = {"f1": "1", "f2": "2.50", "f3": "1e999", "f4": "blue", "twice": ["1", "2"]}
        reserved = {"jsonpCallback": "j", "consumer_key": "JSTEST", "puid": "7", "client": "x", "timestamp": "1"}
        response = await server.http.get("/js/predict", params={**features, **reserved, "sticky": "ann"})
    assert unwrapped(response)["error_id"] == 13  # "blue" is no prediction of the test's microservice
    [(method, client, request)] = model.asked
    assert (method, client) == ("GET", "test")
    assert request == {"meta": {"puid": "7"}, "data": {"f1": 1, "f2": 2.5, "f3": "1e999", "f4": "blue"}}


async def test_a_page_without_features_is_refused(server: SeldonServer) -> None:
    assert unwrapped(await server.script())["error_id"] == 38


async def test_the_same_sticky_key_gets_the_same_variation(start: Start) -> None:
    server = await start()
    await server.add()
    await server.set_strategy("test", variations(a=served("one"), b=served("one"), c=served("here/one")))

    def label(response: httpx.Response) -> str:
        found: str = json.loads(response.text.removeprefix("j(").removesuffix(")"))["meta"]["variation"]
        return found

    by_chance = {label(await server.post(REQUEST)) for _ in range(60)}
    assert by_chance == {"a", "b", "c"}
    sticky = {label(await server.post(REQUEST, headers={"gaal-sticky-key": "ann"})) for _ in range(10)}
    sticky |= {label(await server.script(json='{"data": [0.5]}', sticky="ann")) for _ in range(10)}
    assert len(sticky) == 1


async def test_an_event_is_stored_before_it_is_answered(server: SeldonServer) -> None:
    before = int(time.time())
    response = await server.post({"type": "click", "puid": "7", "client": "forged"}, path="/events")
    assert response.status_code == 200
    event = json.loads(response.json()["json"])
    assert before <= event.pop("timestamp") <= time.time()
    assert event == {"type": "click", "puid": "7", "client": "test"}
    [stored] = server.store.events.recent("test", 10)
    assert stored.json == response.json()["json"]


async def test_an_event_of_a_page_may_be_parameters(server: SeldonServer) -> None:
    response = await server.script("/js/event/new", type="click", timestamp="1479000000", puid="7")
    event = json.loads(unwrapped(response)["json"])
    assert event == {"type": "click", "timestamp": 1479000000, "client": "test"}
    response = await server.script("/js/event/new", json='{"puid": "7"}')
    assert json.loads(unwrapped(response)["json"])["puid"] == "7"
    assert len(server.store.events.recent("test", 10)) == 2


@pytest.mark.parametrize(
    "event", [[], 1, {"timestamp": "now"}, {"timestamp": 1.5}, {"timestamp": True}, {"timestamp": None}]
)
async def test_an_event_that_is_none_is_error_38(server: SeldonServer, event: Any) -> None:
    assert refusal(await server.post(event, path="/events")) == (400, 38)
    assert server.store.events.recent("test", 10) == []


async def test_an_anonymous_server_predicts_without_a_token_and_keeps_no_events_of_nobody(start: Start) -> None:
    server = await start(anonymous=True)
    assert (await server.post(REQUEST)).json()["meta"]["modelName"] == "model"
    assert unwrapped(await server.script(json='{"data": [0.5]}', consumer_key=None))["predictions"]
    assert refusal(await server.post(REQUEST, params={"oauth_token": "0" * 26})) == (401, 7)
    assert refusal(await server.post({"a": 1}, path="/events")) == (401, 15)


async def test_an_rpc_microservice_answers_a_rest_client(start: Start) -> None:
    server = await start()
    await server.add()
    async with grpc_far_side({PREDICT: rpc_model("model_xgb")}) as port:
        await server.set_strategy("test", variations(xgboostrpc=rpc(port)))
        reply = (await server.post({"data": [0.5, 0]})).json()
        assert reply["meta"]["modelName"] == "model_xgb"
        assert reply["meta"]["variation"] == "xgboostrpc"
        assert reply["predictions"][1] == {"prediction": 0.0, "predictedClass": "1", "confidence": 0.0}
        refused = await server.post({"data": {"f1": 1}})
    assert refusal(refused) == (400, 38)
    assert "must be an array of numbers" in refused.json()["error_msg"]


async def test_a_microservice_that_is_gone_is_503(start: Start) -> None:
    server = await start()
    await server.add()
    for algorithm in (rpc(port_of_nobody()), rest(port_of_nobody())):
        await server.set_strategy("test", variations(x=algorithm))
        assert refusal(await server.post(REQUEST)) == (503, 13)


async def test_requests_are_counted_by_the_deployment_that_answered(server: SeldonServer) -> None:
    await server.post(REQUEST)
    await server.script(json='{"data": [0.5]}')
    await server.post(b"{")
    lines = [line for line in server.metrics().splitlines() if "server_requests_seconds_count" in line]
    services = {re.search(r'service="([^"]*)"', line)[1] for line in lines}  # type: ignore[index]
    assert services == {"predict", "js-predict"}
    assert all('deployment_name="one"' in line for line in lines)


async def test_two_clients_never_see_each_others_events_and_strategies(server: SeldonServer) -> None:
    await server.add("bob")
    await server.set_strategy("test", variations(of_test=served("one")))
    assert (await server.post(REQUEST)).json()["meta"]["variation"] == "of_test"
    assert (await server.post(REQUEST, "bob")).json()["meta"]["variation"] == "default"
    await server.post({"a": 1}, path="/events")
    assert server.store.events.recent("bob", 10) == []
