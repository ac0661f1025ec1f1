"""The Classifier API over gRPC, as clients of Seldon Server call it."""

from __future__ import annotations

import asyncio
import gc
import re
import weakref
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from classifier_sides import RestModel, reply_of, rpc_model
from far_sides import grpc_far_side, http_far_side, port_of_nobody
from grpc_clients import predict as seldon_core_predict
from samples import TWO_DEPLOYMENTS
from seldon_servers import (
    CLASSIFY,
    PREDICT,
    SeldonServer,
    Start,
    rest,
    row_type,
    rpc,
    served,
    starter,
    until,
    variations,
)

from gaal.protocols.descriptors import message_class
from gaal.storage.records import Limits

UNKNOWN_CLIENT = "Could not determine client from oauth_token"
HEX_PUID = re.compile(r"[0-9a-f]{40}")


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with starter(tmp_path) as found:
        yield found


@pytest.fixture
async def server(start: Start) -> SeldonServer:
    return await start()


async def refusal(call: Any) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value.code().name, raised.value.details() or ""


@pytest.mark.parametrize(("method", "by"), [(PREDICT, "h2corn"), (CLASSIFY, "hypercorn")])
async def test_a_deployment_answers_with_a_prediction_for_each_class(start: Start, method: str, by: str) -> None:
    server = await start(by=by)
    await server.add()
    reply = await server.call([0.5, 0.0], method=method, puid="12345")
    assert (reply.meta.puid, reply.meta.modelName, reply.meta.variation) == ("12345", "model", "default")
    assert [(each.prediction, each.predictedClass, each.confidence) for each in reply.predictions] == [
        (0.5, "setosa", 0.5),
        (0.25, "versicolor", 0.25),
        (0.25, "virginica", 0.25),
    ]
    assert not reply.HasField("custom")


async def test_a_token_may_come_as_bearer_too(server: SeldonServer) -> None:
    token = await server.add()
    server.tokens.clear()
    assert (await server.call(authorization=f"Bearer {token}")).predictions


async def test_the_key_of_the_metadata_may_be_bytes(server: SeldonServer) -> None:
    token = await server.add()
    request = message_class("io.seldon.api.rpc.ClassificationRequest")().SerializeToString()
    with pytest.raises(grpc.aio.AioRpcError):  # there are no features; the call gets in nevertheless
        await server.raw()(request, metadata=[(b"oauth_token", token)])


async def test_a_call_without_a_token_that_counts_is_refused_in_the_words_of_the_original(server: SeldonServer) -> None:
    await server.add()
    server.tokens["other"] = "0" * 26
    server.tokens["empty"] = ""
    for client in ("nobody", "other", "empty"):
        assert await refusal(server.call(client=client)) == ("PERMISSION_DENIED", UNKNOWN_CLIENT)
    server.store.clients.remove_key("ALLTEST")

    async def is_refused() -> bool:
        try:
            await server.call()
        except grpc.aio.AioRpcError as error:
            return (error.code().name, error.details()) == ("PERMISSION_DENIED", UNKNOWN_CLIENT)
        return False

    await until(is_refused)


async def test_a_token_for_reading_predicts_nothing(server: SeldonServer) -> None:
    await server.add(scope="readonly")
    code, text = await refusal(server.call())
    assert code == "PERMISSION_DENIED"
    assert "readonly" in text


async def test_a_client_over_its_limit_is_told_when_to_come_again(server: SeldonServer) -> None:
    await server.add(limits=Limits(rate_per_s=0.01, burst=1))
    await server.call()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.call()
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    trailers: Any = raised.value.trailing_metadata()
    assert "retry-after" in dict(trailers)


async def test_a_puid_is_made_where_the_client_gives_none_and_is_told_in_the_header_too(server: SeldonServer) -> None:
    await server.add()
    made = {(await server.call()).meta.puid for _ in range(20)}
    assert len(made) == 20
    assert all(HEX_PUID.fullmatch(each) for each in made)
    request: Any = message_class("io.seldon.api.rpc.ClassificationRequest")()
    request.data.Pack(message_class("io.seldon.api.rpc.DefaultCustomPredictRequest")(values=[1.0]))
    call = server.raw()(request.SerializeToString(), metadata=[("oauth_token", server.tokens["test"])])
    reply: Any = message_class("io.seldon.api.rpc.ClassificationReply").FromString(await call)
    assert dict(await call.initial_metadata())["seldon-puid"] == reply.meta.puid


@pytest.mark.parametrize("puid", ["ü\n", "x" * 1000, "\x00"])
async def test_an_odd_puid_comes_back_as_it_is(server: SeldonServer, puid: str) -> None:
    await server.add()
    assert (await server.call(puid=puid)).meta.puid == puid


async def test_what_is_no_request_is_an_invalid_argument(server: SeldonServer) -> None:
    token = await server.add()
    code, text = await refusal(server.raw()(b"\xff\xff", metadata=[("oauth_token", token)]))
    assert code == "INVALID_ARGUMENT"
    assert "ClassificationRequest" in text


async def test_an_answer_that_is_not_one_row_says_so(start: Start) -> None:
    server = await start("class Model:\n    def predict(self, X, names): return [[1, 2], [3, 4]]")
    await server.add()
    code, text = await refusal(server.call())
    assert code == "INTERNAL"
    assert "one row" in text


async def test_a_client_without_strategy_is_told_so_where_there_are_several_deployments(start: Start) -> None:
    server = await start(document=TWO_DEPLOYMENTS)
    await server.add()
    code, text = await refusal(server.call())
    assert code == "FAILED_PRECONDITION"
    assert "client test has no strategy" in text
    assert (await server.call(seldon="one")).meta.modelName == "first"
    assert (await refusal(server.call(seldon="three")))[0] == "NOT_FOUND"


async def test_a_client_that_may_see_one_deployment_alone_asks_that_one(start: Start) -> None:
    document = TWO_DEPLOYMENTS.replace("spec:", 'spec:\n  annotations: {gaal.dev/clients: "friend"}', 1)
    server = await start(document=document)
    await server.add()
    assert (await server.call()).meta.modelName == "second"
    assert (await refusal(server.call(seldon="one")))[0] == "NOT_FOUND"


async def test_an_anonymous_server_answers_calls_without_a_token(start: Start) -> None:
    server = await start(anonymous=True)
    reply = await server.call(client="")
    assert (reply.meta.modelName, reply.meta.variation) == ("model", "default")
    server.tokens["wrong"] = "0" * 26
    assert await refusal(server.call(client="wrong")) == ("PERMISSION_DENIED", UNKNOWN_CLIENT)


async def test_the_seldon_core_api_stands_beside_it(start: Start) -> None:
    server = await start(anonymous=True)
    reply = await seldon_core_predict(server.channel, data={"ndarray": [[0.5]]})
    assert list(reply.data.names) == ["setosa", "versicolor", "virginica"]


async def test_a_microservice_answers_under_its_own_model_name_and_the_label_of_the_variation(start: Start) -> None:
    server = await start()
    await server.add()
    methods = {PREDICT: rpc_model("model_xgb")}
    async with grpc_far_side(methods) as rpc_port, http_far_side(RestModel("model_rest")) as rest_port:
        await server.set_strategy("test", variations(xgboostrpc=rpc(rpc_port)))
        reply = await server.call([0.25, 0.0])
        assert (reply.meta.modelName, reply.meta.variation) == ("model_xgb", "xgboostrpc")
        assert [each.prediction for each in reply.predictions] == [0.25, 0.0]

        await server.set_strategy("test", variations(iris=rest(rest_port)))
        reply = await server.call([0.25, 0.0])
        assert (reply.meta.modelName, reply.meta.variation) == ("model_rest", "iris")
        assert [each.predictedClass for each in reply.predictions] == ["class-0", "class-1"]


async def test_variations_share_and_a_key_sticks(start: Start) -> None:
    server = await start()
    await server.add()
    async with grpc_far_side({PREDICT: rpc_model("a")}) as a, grpc_far_side({PREDICT: rpc_model("b")}) as b:
        await server.set_strategy("test", variations(a=rpc(a), b=rpc(b), c=served("here/one")))
        found = {(await server.call()).meta.variation for _ in range(60)}
        assert found == {"a", "b", "c"}
        sticky = {(await server.call(gaal_sticky_key="ann")).meta.variation for _ in range(10)}
        assert len(sticky) == 1


async def test_an_algorithm_that_fails_or_says_nothing_leaves_it_to_the_next(start: Start) -> None:
    async def nothing(request: bytes, call: Any) -> bytes:
        return b""

    server = await start()
    await server.add()
    async with grpc_far_side({PREDICT: nothing}) as empty:
        await server.set_strategy("test", {"algorithms": [rpc(port_of_nobody()), rpc(empty), served("one")]})
        reply = await server.call()
        assert (reply.meta.modelName, len(reply.predictions)) == ("model", 3)
        await server.set_strategy("test", {"algorithms": [rpc(port_of_nobody()), rpc(empty)]})
        assert not (await server.call(puid="7")).predictions
        await server.set_strategy("test", {"algorithms": [rpc(empty), rpc(port_of_nobody())]})
        assert (await refusal(server.call()))[0] == "UNAVAILABLE"


async def test_what_a_handler_of_a_microservice_raises_is_internal_and_not_told(start: Start) -> None:
    async def fail(request: bytes, call: Any) -> bytes:
        raise NameError("name 'context' is not defined")

    server = await start()
    await server.add()
    async with grpc_far_side({PREDICT: fail}) as port:
        await server.set_strategy("test", variations(x=rpc(port)))
        code, text = await refusal(server.call())
    assert code == "INTERNAL"
    assert "context" not in text


async def test_the_deadline_of_the_caller_goes_before_that_of_the_server(start: Start) -> None:
    cancelled = asyncio.Event()

    async def hang(request: bytes, call: Any) -> bytes:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError

    server = await start()
    await server.add()
    async with grpc_far_side({PREDICT: hang}) as port:
        await server.set_strategy("test", variations(x=rpc(port)))
        assert (await refusal(server.call(timeout_s=0.2)))[0] == "DEADLINE_EXCEEDED"
        async with asyncio.timeout(2):
            await cancelled.wait()


async def test_two_clients_never_see_each_others_strategies_or_deployments(start: Start) -> None:
    document = TWO_DEPLOYMENTS.replace("spec:", 'spec:\n  annotations: {gaal.dev/clients: "ann"}', 1)
    server = await start(document=document)
    await server.add("ann")
    await server.add("bob")
    async with grpc_far_side({PREDICT: rpc_model("ann's")}) as ann, grpc_far_side({PREDICT: rpc_model("bob's")}) as bob:
        await server.set_strategy("ann", variations(of_ann=[rpc(ann)], more=served("one")))
        await server.set_strategy("bob", variations(of_bob=rpc(bob)))
        for client, expected in (("ann", {"ann's", "first"}), ("bob", {"bob's"})):
            calls = [server.call(client=client) for _ in range(40)]
            assert {reply.meta.modelName for reply in await asyncio.gather(*calls)} == expected
        await server.set_strategy("bob", variations(of_ann=served("one")))
        assert {(await server.call(client="bob")).meta.modelName for _ in range(5)} == {"bob's"}


async def test_two_clients_have_different_types_of_the_same_name(start: Start) -> None:
    server = await start("class Model:\n    def predict(self, X, names): return X")
    for client, fields in (("ann", ("a", "b")), ("bob", ("x",))):
        await server.add(client)
        await server.register(row_type(client, *fields))
    row = message_class("google.protobuf.Any")(type_url="type.googleapis.com/own.Row", value=b"\x0d\x00\x00\x00\x40")
    for client, expected in (("ann", [2.0, 0.0]), ("bob", [2.0])):
        reply = await server.call(row, client)
        assert [each.prediction for each in reply.predictions] == expected

    ok = await server.post({"data": {"a": 1, "b": 0}}, "ann")
    assert [each["prediction"] for each in ok.json()["predictions"]] == [1.0, 0.0]
    refused = await server.post({"data": {"a": 1, "b": 0}}, "bob")
    assert (refused.status_code, refused.json()["error_id"]) == (400, 38)
    assert refused.json()["error_msg"] == "data: own.Row has no field 'a'; it has x"


async def test_a_change_under_load_loses_no_call(start: Start) -> None:
    server = await start()
    await server.add()
    done = asyncio.Event()
    answered: Counter[str] = Counter()

    async def ask() -> None:
        while not done.is_set():
            answered[(await server.call()).meta.variation] += 1

    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(grpc_far_side({PREDICT: rpc_model(f"m{n}")})) for n in range(2)]
        await server.set_strategy("test", variations(first=rpc(ports[0])))
        asking = [asyncio.create_task(ask()) for _ in range(8)]
        for number in range(9):
            before = answered.total()
            await server.set_strategy("test", variations(**{f"v{number}": rpc(ports[number % 2])}))
            async with asyncio.timeout(5):
                while answered.total() < before + 20:  # noqa: ASYNC110
                    await asyncio.sleep(0)
        done.set()
        await asyncio.gather(*asking)
    assert answered.keys() - {"first"} == {f"v{number}" for number in range(9)}


async def test_the_default_strategy_opens_no_deployment_to_those_it_is_not_for(start: Start) -> None:
    document = TWO_DEPLOYMENTS.replace("spec:", 'spec:\n  annotations: {gaal.dev/clients: "ann"}', 1)
    server = await start(document=document)
    await server.add("ann")
    await server.add("bob")
    await server.set_strategy("", {"algorithms": [served("one")]})
    assert (await server.call(client="ann")).meta.modelName == "first"
    code, text = await refusal(server.call(client="bob"))
    assert code == "NOT_FOUND"
    assert "one" not in text.split()


async def test_a_token_for_one_deployment_gets_no_answer_of_another(start: Start) -> None:
    server = await start(document=TWO_DEPLOYMENTS)
    await server.add("ann", "deployment:here/one")
    await server.set_strategy("ann", {"algorithms": [served("one")]})
    assert (await server.call(client="ann")).meta.modelName == "first"
    async with grpc_far_side({PREDICT: rpc_model()}) as port:
        for algorithm in (served("two"), rpc(port)):
            await server.set_strategy("ann", {"algorithms": [algorithm]})
            assert (await refusal(server.call(client="ann")))[0] == "PERMISSION_DENIED"


async def test_nothing_stays_of_a_strategy_that_was_replaced(start: Start) -> None:
    server = await start()
    await server.add()
    async with grpc_far_side({PREDICT: rpc_model()}) as port:
        await server.set_strategy("test", variations(x=rpc(port)))
        await server.call()
        strategy = server.strategies.of("test")
        assert strategy is not None
        replaced = weakref.ref(strategy.choose().algorithms[0])
        del strategy
        await server.set_strategy("test", variations(x=served("one")))
        await server.call()

    async def is_gone() -> bool:
        gc.collect()
        return replaced() is None

    await until(is_gone)


async def test_calls_are_counted_by_deployment_and_by_microservice(start: Start) -> None:
    server = await start()
    await server.add()
    await server.call()
    async with grpc_far_side({PREDICT: rpc_model()}) as port:
        await server.set_strategy("test", variations(x=rpc(port)))
        await server.call()
    lines = [line for line in server.metrics().splitlines() if "requests_seconds_count" in line and PREDICT in line]
    assert len(lines) == 2
    assert {re.search(r'deployment_name="([^"]*)"', line)[1] for line in lines} == {"one", "127.0.0.1"}  # type: ignore[index]
    assert not [line for line in lines if "test" in line]


async def test_a_default_reply_of_a_microservice_that_is_empty_is_still_a_reply(start: Start) -> None:
    async def bare(request: bytes, call: Any) -> bytes:
        return reply_of([0.0], model_name="")

    server = await start()
    await server.add()
    async with grpc_far_side({PREDICT: bare}) as port:
        await server.set_strategy("test", variations(iris=rpc(port)))
        reply = await server.call(puid="7")
    assert (reply.meta.puid, reply.meta.modelName, reply.meta.variation) == ("7", "127.0.0.1", "iris")
    assert [each.prediction for each in reply.predictions] == [0.0]
