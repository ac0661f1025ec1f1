"""Classifier microservices at units of a graph."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from classifier_sides import CLASSIFY, FLOATS, PREDICT, RestModel, reply_of, request_of, rpc_model
from far_sides import grpc_far_side, http_far_side, http_reply, port_of_nobody, read_http, socket_far_side
from running import Run, ask, predict, rows, tell

from gaal.components.classifier_grpc import ClassifierGrpcUnit
from gaal.components.classifier_rest import MAX_QUERY_BYTES, ClassifierRestUnit
from gaal.components.microservice_addresses import MicroserviceAddress
from gaal.errors import ComponentError, ComponentRejected, DeadlineExceeded, GaalError, RemoteStatus, Unavailable
from gaal.executor.context import Context
from gaal.executor.node import Node
from gaal.messages import Message
from gaal.protocols import classifier

MAX_REPLY_BYTES = 1_000_000


def features(*values: float, puid: str = "") -> Message:
    return classifier.decode_proto(request_of(values, puid))


def predictions(reply: Message) -> list[tuple[float, str]]:
    found = classifier.classification_of(reply)
    return [(each.prediction, each.predicted_class) for each in found.predictions]


@asynccontextmanager
async def started(unit: Node) -> AsyncIterator[Node]:
    await unit.start()
    try:
        yield unit
    finally:
        await unit.close()


def rest_unit(port: int, **options: Any) -> Any:
    options = {"client": "test", "max_reply_bytes": MAX_REPLY_BYTES, **options}
    return started(ClassifierRestUnit("u", MicroserviceAddress("127.0.0.1", port), **options))


def rpc_unit(port: int, **options: Any) -> Any:
    options = {"max_reply_bytes": MAX_REPLY_BYTES, **options}
    return started(ClassifierGrpcUnit("u", MicroserviceAddress("127.0.0.1", port), **options))


async def asked(unit: Node, message: Message) -> Message:
    return await unit.predict(message, Context("the-puid"))


async def test_a_rest_microservice_is_asked_with_get_and_its_numbers_may_be_texts() -> None:
    model = RestModel("model_xgb")
    async with http_far_side(model) as port, rest_unit(port) as unit:
        message = classifier.decode_json(b'{"data": {"f1": 1, "f2": "a+b & c%2B"}}')
        await asked(unit, classifier.decode_json(b'{"data": {"f1": 0, "f2": 2.5}}'))
        reply = await asked(unit, classifier.decode_json(b'{"meta": {"puid": 7}, "data": [0.25, 0]}'))
        with pytest.raises(ComponentError):
            await asked(unit, message)
    assert model.asked == [
        ("GET", "test", {"meta": {"puid": "the-puid"}, "data": {"f1": 0, "f2": 2.5}}),
        ("GET", "test", {"meta": {"puid": "7"}, "data": [0.25, 0]}),
        ("GET", "test", {"meta": {"puid": "the-puid"}, "data": {"f1": 1, "f2": "a+b & c%2B"}}),
    ]
    assert predictions(reply) == [(0.25, "class-0"), (0.0, "class-1")]
    assert classifier.classification_of(reply).model_name == "model_xgb"


async def test_json_that_is_too_long_for_a_url_is_posted_as_a_form() -> None:
    model = RestModel()
    async with http_far_side(model) as port, rest_unit(port) as unit:
        reply = await asked(unit, features(*range(MAX_QUERY_BYTES)))
    [(method, client, request)] = model.asked
    assert (method, client, len(request["data"])) == ("POST", "test", MAX_QUERY_BYTES)
    assert len(predictions(reply)) == MAX_QUERY_BYTES


@pytest.mark.parametrize("method", [PREDICT, CLASSIFY])
async def test_an_rpc_microservice_may_have_either_method_and_that_is_remembered(method: str) -> None:
    asked_for: list[str] = []

    async def unknown(request: bytes, call: Any) -> bytes:
        asked_for.append("other")
        await call.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        raise AssertionError

    async with grpc_far_side({"": unknown, method: rpc_model("model_xgb", 1)}) as port, rpc_unit(port) as unit:
        for _ in range(3):
            reply = await asked(unit, features(0.5, 0))
    assert predictions(reply) == [(1.5, "0"), (1.0, "1")]
    assert classifier.classification_of(reply).model_name == "model_xgb"
    assert len(asked_for) == (0 if method == PREDICT else 1)


async def test_a_microservice_with_neither_method_is_said_to_have_none() -> None:
    async with grpc_far_side({"/x/Y": rpc_model()}) as port, rpc_unit(port) as unit:
        with pytest.raises(ComponentError, match="has neither"):
            await asked(unit, features(1))


async def test_the_very_any_that_came_goes_to_an_rpc_microservice() -> None:
    seen: list[Any] = []

    async def keep(request: bytes, call: Any) -> bytes:
        seen.append(request)
        return reply_of([1])

    message = features(1, 2, puid="12345")
    async with grpc_far_side({PREDICT: keep}) as port, rpc_unit(port) as unit:
        await asked(unit, message)
        await asked(unit, message.copy())
    assert seen == [request_of([1, 2], "12345")] * 2
    assert FLOATS.encode() in seen[0]


async def test_the_headers_of_the_caller_and_with_them_its_token_stay_here() -> None:
    seen: list[Any] = []

    async def keep(request: bytes, call: Any) -> bytes:
        seen.extend(key for key, _ in call.invocation_metadata())
        return reply_of([1])

    headers = {b"authorization": b"Bearer x", b"oauth_token": b"x"}
    async with grpc_far_side({PREDICT: keep}) as port, rpc_unit(port) as unit:
        await unit.predict(features(1), Context("the-puid", headers=headers))
    assert "seldon-puid" in seen
    assert not {"authorization", "oauth_token"} & set(seen)


@pytest.mark.parametrize("kind", [rest_unit, rpc_unit])
async def test_nobody_there_is_unavailable(kind: Any) -> None:
    async with kind(port_of_nobody()) as unit:
        with pytest.raises(Unavailable, match=r'unit "u": .*127\.0\.0\.1'):
            await asked(unit, features(1))
        with pytest.raises(Unavailable):
            await unit.health(Context(""))


@pytest.mark.parametrize("kind", [rest_unit, rpc_unit])
async def test_a_microservice_that_hangs_runs_out_of_time(kind: Any) -> None:
    async def hang(*_: Any) -> Any:
        await asyncio.Event().wait()

    async with socket_far_side(hang) as port, kind(port, timeout_s=0.1) as unit:
        with pytest.raises((DeadlineExceeded, Unavailable)):
            await asked(unit, features(1))

    async with grpc_far_side({"": hang}) as port, rpc_unit(port, timeout_s=0.1) as unit:
        with pytest.raises(DeadlineExceeded, match=r"no reply within 0\.1 s"):
            await asked(unit, features(1))


@pytest.mark.parametrize(
    "body", [b"", b"no JSON", b"[]", b'{"predictions": 1}', b'{"predictions": [{"prediction": "x"}]}']
)
async def test_garbage_over_rest_is_the_microservices_fault(body: bytes) -> None:
    async def garbage(reader: Any, writer: Any) -> None:
        await read_http(reader)
        writer.write(http_reply(body))
        await writer.drain()

    async with socket_far_side(garbage) as port, rest_unit(port) as unit:
        with pytest.raises(ComponentError, match=r'unit "u": http://127\.0\.0\.1:.*/predict: '):
            await asked(unit, features(1))


async def test_garbage_over_rpc_is_the_microservices_fault() -> None:
    async def garbage(request: bytes, call: Any) -> bytes:
        return b"\xff\xff"

    async with grpc_far_side({"": garbage}) as port, rpc_unit(port) as unit:
        with pytest.raises(ComponentError, match="not what the protocol says"):
            await asked(unit, features(1))


@pytest.mark.parametrize(
    ("status", "error"), [("500 X", ComponentError), ("404 X", ComponentError), ("400 X", ComponentRejected)]
)
async def test_a_refusal_over_rest_says_the_status_and_none_of_the_words(status: str, error: type[GaalError]) -> None:
    async def refuse(reader: Any, writer: Any) -> None:
        await read_http(reader)
        writer.write(http_reply(b'{"status": {"info": "a secret"}}', status=status))
        await writer.drain()

    async with socket_far_side(refuse) as port, rest_unit(port) as unit:
        with pytest.raises(error) as raised:
            await asked(unit, features(1))
    assert f"HTTP {status[:3]}" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "json" not in str(raised.value)


async def test_what_a_handler_raised_over_rpc_is_not_told() -> None:
    async def fail(request: bytes, call: Any) -> bytes:
        raise ValueError("a secret")

    async with grpc_far_side({"": fail}) as port, rpc_unit(port) as unit:
        with pytest.raises(ComponentError, match="the microservice failed") as raised:
            await asked(unit, features(1))
    assert "secret" not in str(raised.value)


async def test_what_a_handler_says_on_purpose_over_rpc_is_told() -> None:
    async def refuse(request: bytes, call: Any) -> bytes:
        await call.abort(grpc.StatusCode.INVALID_ARGUMENT, "Invalid data")
        raise AssertionError

    async with grpc_far_side({"": refuse}) as port, rpc_unit(port) as unit:
        with pytest.raises(RemoteStatus) as raised:
            await asked(unit, features(1))
    assert (raised.value.grpc_code, raised.value.text) == (3, "Invalid data")


class Processes:
    """The processes of a microservice, as the store would tell; None before it knows of any."""

    def __init__(self, *ports: int) -> None:
        self.now: Sequence[str] | None = None
        self.set(*ports)

    def set(self, *ports: int) -> None:
        self.now = [f"127.0.0.1:{port}" for port in ports]

    def __call__(self) -> Sequence[str] | None:
        return self.now


@pytest.mark.parametrize("kind", ["rest", "rpc"])
async def test_the_processes_of_a_microservice_take_turns_and_may_change(kind: str) -> None:
    processes = Processes()
    address = MicroserviceAddress("iris", 5000, processes)
    unit: Any
    if kind == "rest":
        unit = ClassifierRestUnit("u", address, max_reply_bytes=MAX_REPLY_BYTES)
    else:
        unit = ClassifierGrpcUnit("u", address)

    def serve(name: str) -> Any:
        return http_far_side(RestModel(name)) if kind == "rest" else grpc_far_side({PREDICT: rpc_model(name)})

    async def names(n: int) -> list[str]:
        return [classifier.classification_of(await asked(unit, features(1))).model_name for _ in range(n)]

    async with started(unit), serve("a") as a, serve("b") as b, serve("c") as c:
        with pytest.raises(Unavailable, match="no process of the microservice is ready"):
            await asked(unit, features(1))
        processes.set(a)
        assert await names(2) == ["a", "a"]
        processes.set(a, b)
        async with asyncio.timeout(5):
            while set(await names(4)) != {"a", "b"}:
                pass
        processes.set(c, port_of_nobody())
        assert set(await names(6)) == {"c"}


async def test_calls_under_way_end_where_they_began_when_the_processes_change() -> None:
    going_on, may_end = asyncio.Event(), asyncio.Event()

    async def slow(request: bytes, call: Any) -> bytes:
        going_on.set()
        await may_end.wait()
        return reply_of([1], "old")

    processes = Processes()
    unit = ClassifierGrpcUnit("u", MicroserviceAddress("iris", 5000, processes))
    async with started(unit), grpc_far_side({"": slow}) as old, grpc_far_side({"": rpc_model("new")}) as new:
        processes.set(old)
        call = asyncio.create_task(asked(unit, features(1)))
        await going_on.wait()
        processes.set(new)
        assert classifier.classification_of(await asked(unit, features(1))).model_name == "new"
        may_end.set()
        assert classifier.classification_of(await call).model_name == "old"


def remote(name: str, kind: str, port: int) -> str:
    return f"name: {name}, type: MODEL, endpoint: {{service_host: 127.0.0.1, service_port: {port}, type: {kind}}}"


@pytest.mark.parametrize("kind", ["REST", "GRPC"])
async def test_such_a_unit_stands_in_a_graph_beside_others(run: Run, kind: str) -> None:
    side: Any = http_far_side(RestModel()) if kind == "REST" else grpc_far_side({PREDICT: rpc_model()})
    async with side as port:
        running = await run(
            f"""
            {{name: mean, implementation: AVERAGE_COMBINER, children: [
              {{name: here, type: MODEL, code: Add}}, {{{remote("far", kind, port)}}}]}}
            """,
            annotations={"gaal.dev/protocol.far": "classifier"},
        )
        assert (await ask(running, rows([1.0, 2.0])))["data"]["ndarray"] == [[1.5, 2.5]]
        reply = await predict(running, rows([3.0]))
        assert predictions(reply)[0][0] == 3.5
        await tell(running, {"request": rows([1.0]), "reward": 1.0})
        assert (await running.unit_metadata("far")).name == "far"
        await running.check_health(Context(""))
