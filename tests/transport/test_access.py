"""What a server that asks for tokens lets through, and what it says to everybody else."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio
import httpx
import pytest
from far_sides import HttpFarSide, http_far_side
from grpc_clients import method, predict
from guarded import PREDICTIONS, ROW, Guard, Guarded, add_client, bearer, guard_factory
from samples import SLOW, TWO_DEPLOYMENTS
from serving import ONE_MODEL

from gaal.protocols.descriptors import message_class
from gaal.storage.records import Client, Key, Limits

OF_ONE_CLIENT = TWO_DEPLOYMENTS.replace("spec:", 'spec:\n  annotations: {gaal.dev/clients: "test, friend"}', 1)
OPEN_PATHS = ("/ready", "/live", "/ping", "/health/status")
CLOSED_PATHS = ("/metrics", "/prometheus", "/docs", "/openapi.json", "/api/v1.0/metadata", "/nowhere")


@pytest.fixture
async def guard(tmp_path: Any) -> Any:
    async with guard_factory(tmp_path) as factory:
        yield factory


@pytest.fixture(params=["h2corn", "hypercorn"])
async def guarded(guard: Guard, request: pytest.FixtureRequest) -> Guarded:
    return await guard(by=request.param)


def reason(response: httpx.Response) -> str:
    told: str = response.json()["status"]["reason"]
    return told


async def test_a_token_is_taken_from_the_header_the_query_and_a_form(guarded: Guarded) -> None:
    token = await guarded.token(add_client(guarded.store))

    assert (await guarded.predict(token)).status_code == 200
    lower = {"authorization": f"bearer {token}"}
    assert (await guarded.http.post(PREDICTIONS, json=ROW, headers=lower)).status_code == 200
    assert (await guarded.http.post(PREDICTIONS, params={"oauth_token": token}, json=ROW)).status_code == 200
    form = {"oauth_token": token, "json": '{"data":{"ndarray":[[1]]}}'}
    assert (await guarded.http.post(PREDICTIONS, data=form)).json()["data"]["ndarray"] == [[1]]


async def test_a_unit_elsewhere_never_sees_the_token(guard: Guard) -> None:
    reply = b'{"data": {"ndarray": [[1]]}}'
    far = HttpFarSide({"/predict": lambda asked: reply})
    async with http_far_side(far) as port:
        endpoint = f"endpoint: {{type: REST, service_host: 127.0.0.1, service_port: {port}}}"
        document = ONE_MODEL.replace("type: MODEL}", f"type: MODEL, {endpoint}}}").replace(
            "gaal.dev/component.model", "x"
        )
        guarded = await guard(document=document)
        token = await guarded.token(add_client(guarded.store))
        assert (await guarded.predict(token)).status_code == 200
        async with guarded.server.channel() as channel:
            await predict(channel, metadata=(("oauth_token", token),), **tensor())

    assert [{"authorization", "oauth_token"} & asked.headers.keys() for asked in far.asked] == [set(), set()]
    assert all(token not in str(asked.headers) for asked in far.asked)


async def test_without_a_token_that_counts_nobody_gets_in(guarded: Guarded) -> None:
    missing, unknown = await guarded.predict(None), await guarded.predict("0" * 26)

    assert (missing.status_code, reason(missing)) == (401, "TOKEN_MISSING")
    assert missing.json()["status"].keys() == {"code", "info", "reason", "status"}
    assert missing.headers["www-authenticate"] == 'Bearer realm="gaal"'
    assert (unknown.status_code, reason(unknown)) == (401, "TOKEN_UNKNOWN")
    assert unknown.headers["www-authenticate"] == 'Bearer realm="gaal", error="invalid_token"'
    for odd in ("x", "a.b.c", "ü" * 13, "0" * 5000):
        assert (await guarded.http.post(PREDICTIONS, params={"oauth_token": odd}, json=ROW)).status_code == 401
    assert (await guarded.http.post(PREDICTIONS, data={"json": "{}"})).status_code == 401
    assert (await guarded.http.post(PREDICTIONS, auth=("ALLTEST", "x"), json=ROW)).status_code == 401


async def test_a_stranger_s_body_is_read_to_its_end_and_not_kept(guarded: Guarded) -> None:
    response = await guarded.http.post(PREDICTIONS, content=b"x" * 3_000_000)

    assert (response.status_code, reason(response)) == (401, "TOKEN_MISSING")
    assert (await guarded.http.get("/live")).status_code == 200


@pytest.mark.parametrize("path", OPEN_PATHS)
async def test_probes_need_no_token(guarded: Guarded, path: str) -> None:
    assert (await guarded.http.get(path)).status_code == 200


@pytest.mark.parametrize("path", CLOSED_PATHS)
async def test_everything_else_does(guarded: Guarded, path: str) -> None:
    assert (await guarded.http.get(path)).status_code == 401


async def test_a_browser_s_preflight_passes(guarded: Guarded) -> None:
    response = await guarded.http.options(PREDICTIONS)

    assert response.status_code == 200
    assert "Authorization" in response.headers["access-control-allow-headers"]


async def test_readonly_reads_and_predicts_nothing(guarded: Guarded) -> None:
    token = await guarded.token(add_client(guarded.store, scope="readonly"))

    for path in ("/metrics", "/docs", "/openapi.json", "/api/v1.0/metadata"):
        assert (await guarded.http.get(path, headers=bearer(token))).status_code == 200
    refused = await guarded.predict(token)
    assert (refused.status_code, reason(refused)) == (403, "SCOPE_NOT_ALLOWED")
    assert refused.headers["www-authenticate"] == 'Bearer realm="gaal", error="insufficient_scope"'


async def test_the_scope_js_grants_nothing_here(guarded: Guarded) -> None:
    client = add_client(guarded.store)
    odd = Key("ODD", client.client, "js", "SECRET")
    guarded.store.clients.add_key(odd)
    token = await guarded.token(odd)

    assert (await guarded.predict(token)).status_code == 403
    assert (await guarded.http.get("/metrics", headers=bearer(token))).status_code == 403


@pytest.mark.parametrize(("scope", "own"), [("deployment:here/one", "ONLY"), ("all", "OTHER")])
async def test_a_deployment_that_is_not_the_caller_s_is_not_there(guard: Guard, scope: str, own: str) -> None:
    guarded = await guard(document=OF_ONE_CLIENT if scope == "all" else TWO_DEPLOYMENTS)
    visible, hidden = ("two", "one") if scope == "all" else ("one", "two")
    paths = {"one": "/seldon/here/one", "two": "/seldon/there/two"}
    token = await guarded.token(add_client(guarded.store, "stranger", scope))

    assert (await guarded.predict(token, paths[visible] + PREDICTIONS)).status_code == 200
    lost = await guarded.predict(token, paths[hidden] + PREDICTIONS)
    nowhere = await guarded.predict(token, "/seldon/none" + PREDICTIONS)
    assert lost.status_code == nowhere.status_code == 404
    told = nowhere.json()["status"]["info"].replace("/seldon/none", paths[hidden])
    assert lost.json()["status"]["info"] == told
    assert paths[hidden] not in nowhere.text
    unit = await guarded.http.get(f"{paths[hidden]}/api/v1.0/metadata/second", headers=bearer(token))
    assert unit.status_code == 404
    document = (await guarded.http.get("/openapi.json", headers=bearer(token))).text
    assert paths[visible] in document
    assert paths[hidden] not in document
    assert (await guarded.http.get("/metrics", headers=bearer(token))).status_code == 403


async def test_those_whom_the_annotation_names_see_the_deployment(guard: Guard) -> None:
    guarded = await guard(document=OF_ONE_CLIENT)
    token = await guarded.token(add_client(guarded.store, "friend"))

    assert (await guarded.predict(token, "/seldon/here/one" + PREDICTIONS)).status_code == 200
    assert (await guarded.http.get("/metrics", headers=bearer(token))).status_code == 200


async def test_reading_and_one_deployment_together(guard: Guard) -> None:
    guarded = await guard(document=TWO_DEPLOYMENTS)
    token = await guarded.token(add_client(guarded.store, scope="readonly deployment:here/one"))

    assert (await guarded.predict(token, "/seldon/here/one" + PREDICTIONS)).status_code == 200
    assert (await guarded.predict(token, "/seldon/there/two" + PREDICTIONS)).status_code == 403
    there = await guarded.http.get("/seldon/there/two/api/v1.0/metadata", headers=bearer(token))
    assert there.status_code == 200


# gRPC ----------------------------------------------------------------------------------------------------------------


def tensor() -> dict[str, Any]:
    data = message_class("seldon.protos.DefaultData")
    return {"data": data(tensor={"shape": [1, 1], "values": [1.0]})}


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


@pytest.mark.parametrize("key", ["oauth_token", "authorization"])
async def test_a_call_brings_its_token_in_the_metadata(guarded: Guarded, key: str) -> None:
    token = await guarded.token(add_client(guarded.store))
    async with guarded.server.channel() as channel:
        given = ((key, f"Bearer {token}" if key == "authorization" else token),)
        reply = await predict(channel, metadata=given, **tensor())
        assert list(reply.data.tensor.values) == [1.0]

        missing = await refusal(predict(channel, **tensor()))
        unknown = await refusal(predict(channel, metadata=(("oauth_token", "1" * 26),), **tensor()))
    assert missing.code() is unknown.code() is grpc.StatusCode.UNAUTHENTICATED
    assert (missing.details() or "").startswith("a token must be given")
    assert unknown.details() == "the token is not known"


async def test_readonly_reads_over_grpc_too(guarded: Guarded) -> None:
    token = await guarded.token(add_client(guarded.store, scope="readonly"))
    mine = (("oauth_token", token),)
    async with guarded.server.channel() as channel:
        request = message_class("seldon.protos.SeldonModelMetadataRequest")()
        graph = method(
            channel,
            "/seldon.protos.Seldon/GraphMetadata",
            "seldon.protos.SeldonModelMetadataRequest",
            "seldon.protos.SeldonGraphMetadata",
        )
        assert (await graph(request, metadata=mine)).name == "main"
        refused = await refusal(predict(channel, metadata=mine, **tensor()))
    assert refused.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_deployment_of_others_is_not_there_over_grpc(guard: Guard) -> None:
    guarded = await guard(document=OF_ONE_CLIENT)
    token = await guarded.token(add_client(guarded.store, "stranger"))
    async with guarded.server.channel() as channel:
        mine = (("oauth_token", token), ("namespace", "there"), ("seldon", "two"))
        await predict(channel, metadata=mine, **tensor())
        theirs = (("oauth_token", token), ("namespace", "here"), ("seldon", "one"))
        refused = await refusal(predict(channel, metadata=theirs, **tensor()))
        nameless = await refusal(predict(channel, metadata=(("oauth_token", token),), **tensor()))
    assert refused.code() is nameless.code() is grpc.StatusCode.NOT_FOUND
    assert refused.details() == "there is no deployment here/one: those served are there/two"
    assert "here/one" not in (nameless.details() or "")


async def test_health_is_open_and_reflection_is_not(guarded: Guarded) -> None:
    token = await guarded.token(add_client(guarded.store, scope="readonly"))
    health = "grpc.health.v1.HealthCheck"
    package = "grpc.reflection.v1.ServerReflection"
    request = message_class(f"{package}Request")(list_services="")

    async with guarded.server.channel() as channel:
        check = method(channel, "/grpc.health.v1.Health/Check", f"{health}Request", f"{health}Response")
        assert (await check(message_class(f"{health}Request")())).status == 1
        info = channel.stream_stream(
            f"/{package}/ServerReflectionInfo",
            message_class(f"{package}Request").SerializeToString,
            message_class(f"{package}Response").FromString,
        )
        refused = await refusal(info(iter([request])).read())
        assert refused.code() is grpc.StatusCode.UNAUTHENTICATED
        reply: Any = await info(iter([request]), metadata=(("oauth_token", token),)).read()
    assert "seldon.protos.Seldon" in [each.name for each in reply.list_services_response.service]


# Limits --------------------------------------------------------------------------------------------------------------


async def test_a_client_over_its_rate_is_told_when_to_come_again(guarded: Guarded) -> None:
    token = await guarded.token(add_client(guarded.store, limits=Limits(rate_per_s=0.1, burst=2)))
    free = await guarded.token(add_client(guarded.store, "free"))

    replies = [await guarded.predict(token) for _ in range(3)]

    assert [each.status_code for each in replies] == [200, 200, 429]
    assert reason(replies[2]) == "TOO_MANY_REQUESTS"
    assert 1 <= int(replies[2].headers["retry-after"]) <= 10
    assert (await guarded.predict(free)).status_code == 200
    async with guarded.server.channel() as channel:
        refused = await refusal(predict(channel, metadata=(("oauth_token", token),), **tensor()))
    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    trailers: Any = dict(refused.trailing_metadata())  # type: ignore[arg-type]
    assert 1 <= int(trailers["retry-after"]) <= 10
    assert 1 <= int(trailers["grpc-retry-pushback-ms"]) <= 10_000


async def test_no_more_requests_are_under_way_than_allowed(guard: Guard) -> None:
    guarded = await guard(SLOW)
    token = await guarded.token(add_client(guarded.store, limits=Limits(max_concurrent=1)))
    slow = asyncio.create_task(guarded.predict(token))
    await guarded.server.components.started.wait()

    assert (await guarded.predict(token)).status_code == 429

    slow.cancel()
    await guarded.server.components.cancelled.wait()
    guarded.server.components.started.clear()
    again = asyncio.create_task(guarded.predict(token))
    await guarded.server.components.started.wait()
    again.cancel()


async def test_a_limit_is_in_force_soon_after_it_was_set(guarded: Guarded) -> None:
    token = await guarded.token(add_client(guarded.store))
    assert (await guarded.predict(token)).status_code == 200

    guarded.store.clients.update(Client("test", limits=Limits(rate_per_s=0.001, burst=1)))
    await guarded.accounts.refresh_clients()

    assert [(await guarded.predict(token)).status_code for _ in range(2)] == [200, 429]
