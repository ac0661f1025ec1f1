"""A unit behind the internal gRPC API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal

import grpc
import pytest
from far_sides import Call, Talk, grpc_far_side, http_far_side, http_reply, port_of_nobody, socket_far_side

from gaal.components.remote_grpc import GrpcUnit
from gaal.errors import (
    ComponentAnswered,
    ComponentError,
    ComponentRejected,
    DeadlineExceeded,
    GaalError,
    MessageError,
    RemoteStatus,
    Unavailable,
)
from gaal.executor.context import Context
from gaal.executor.node import ALL_BRANCHES
from gaal.messages import Encoding, Feedback, Message, ModelMetadata
from gaal.protocols import seldon_json, seldon_proto
from gaal.transport.grpc import GrpcServer
from gaal.transport.grpc_microservice import InternalServices
from gaal.transport.in_flight import InFlight

REQUEST = {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}}


def message(value: Any = None) -> Message:
    return seldon_json.message_of(value or REQUEST)


def context(headers: dict[bytes, bytes] | None = None, encoding: Encoding = Encoding.JSON) -> Context:
    return Context("the-puid", encoding, headers)


def encoded(value: Any) -> bytes:
    return seldon_proto.encode_message(message(value))


@asynccontextmanager
async def grpc_unit(target: str | int, timeout_s: float | None = 5.0, **options: Any) -> AsyncIterator[GrpcUnit]:
    unit = GrpcUnit("u", f"127.0.0.1:{target}" if isinstance(target, int) else target, timeout_s, **options)
    await unit.start()
    try:
        yield unit
    finally:
        await unit.close()


@asynccontextmanager
async def answering(call: Call, method: str = "", **options: Any) -> AsyncIterator[GrpcUnit]:
    async with grpc_far_side({method: call}) as port, grpc_unit(port, **options) as unit:
        yield unit


async def echo(request: bytes, call: Any) -> bytes:
    return request


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("predict", "Model/Predict"),
        ("transform_input", "Transformer/TransformInput"),
        ("transform_output", "OutputTransformer/TransformOutput"),
    ],
)
async def test_each_call_has_the_method_that_seldon_core_calls(method: str, path: str) -> None:
    async with answering(echo, f"/seldon.protos.{path}") as unit:
        reply = await getattr(unit, method)(message(), context())
    assert seldon_json.object_of(reply)["data"] == {"names": ["a", "b"], "ndarray": [[1.0, 2.0]]}


async def test_the_reply_belongs_to_the_family_of_the_request() -> None:
    async with answering(echo) as unit:
        assert (await unit.predict(message(), context())).encoding is Encoding.JSON
        assert (await unit.predict(message(), context(encoding=Encoding.PROTO))).encoding is Encoding.PROTO


async def test_a_combiner_gets_a_list_of_messages() -> None:
    async def first(request: bytes, call: Any) -> bytes:
        return seldon_proto.encode_message(seldon_proto.decode_message_list(request)[1])

    async with answering(first, "/seldon.protos.Combiner/Aggregate") as unit:
        reply = await unit.aggregate([message(), message({"strData": "x"})], context())
    assert reply.payload is not None
    assert reply.payload.value == "x"


async def test_feedback_goes_to_the_service_model_of_every_unit() -> None:
    rewards: list[float] = []

    async def listen(request: bytes, call: Any) -> bytes:
        rewards.append(seldon_proto.decode_feedback(request).reward)
        return b""

    async with answering(listen, "/seldon.protos.Model/SendFeedback") as unit:
        await unit.send_feedback(Feedback(request=message(), reward=0.5), context())
    assert rewards == [0.5]


@pytest.mark.parametrize(
    ("reply", "branch"),
    [({"data": {"ndarray": [[1]]}}, 1), ({"data": {"tensor": {"values": [2]}}}, 2), ({"strData": "x"}, ALL_BRANCHES)],
)
async def test_a_route_is_the_first_number_of_the_reply(reply: Any, branch: int) -> None:
    async def route(request: bytes, call: Any) -> bytes:
        return encoded(reply)

    async with answering(route, "/seldon.protos.Router/Route") as unit:
        assert await unit.route(message(), context()) == branch


async def test_metadata_is_that_of_the_model() -> None:
    async def metadata(request: bytes, call: Any) -> bytes:
        return seldon_proto.encode_model_metadata(ModelMetadata(name="m", versions=["1"]))

    async with answering(metadata, "/seldon.protos.Model/Metadata") as unit:
        assert (await unit.metadata()).name == "m"


async def test_a_server_without_health_checks_is_healthy_when_it_answers() -> None:
    async with answering(echo, "/seldon.protos.Model/Predict") as unit:
        assert (await unit.health(context())).payload is not None
        await unit.reachable()


async def test_a_server_that_says_that_it_is_not_serving_is_unavailable() -> None:
    async def not_serving(request: bytes, call: Any) -> bytes:
        return b"\x08\x02"

    async with answering(not_serving, "/grpc.health.v1.Health/Check") as unit:
        with pytest.raises(Unavailable, match="not serving"):
            await unit.health(context())


async def test_metadata_goes_along_but_for_what_belongs_to_one_call() -> None:
    got: dict[str, Any] = {}

    async def keep(request: bytes, call: Any) -> bytes:
        got.update(dict(call.invocation_metadata()))
        return request

    came = {
        b"authorization": b"Bearer x",
        b"seldon-puid": b"another",
        b"trace-bin": b"AAEC",
        b"te": b"trailers",
        b"grpc-timeout": b"9S",
        b"grpc-encoding": b"gzip",
        b"content-type": b"application/grpc+proto",
        b"user-agent": b"someone",
        b"gaal-codec": b"json",
        b"x!odd": b"1",
        b"x-not-ascii": b"gr\xc3\xbcn",
        b"connection": b"x-hop",
        b"x-hop": b"1",
    }
    async with answering(keep) as unit:
        await unit.predict(message(), context(came))
    agent = got.pop("user-agent")
    assert got == {"seldon-puid": "the-puid", "authorization": "Bearer x", "trace-bin": b"\x00\x01\x02"}
    assert "someone" not in agent


async def test_an_error_of_the_far_side_is_kept_with_its_code_and_text() -> None:
    async def refuse(request: bytes, call: Any) -> bytes:
        await call.abort(grpc.StatusCode.UNKNOWN, "Exception calling application: boo")
        return b""

    async with answering(refuse) as unit:
        with pytest.raises(RemoteStatus, match=r'unit "u": grpc://127.0.0.1:\d+: UNKNOWN: Exception') as refused:
            await unit.predict(message(), context())
    assert (refused.value.grpc_code, refused.value.text) == (2, "Exception calling application: boo")


async def garbage(request: bytes, call: Any) -> bytes:
    return b"\xff\xff\xff\xff"


async def large(request: bytes, call: Any) -> bytes:
    return encoded({"strData": "x" * 20_000_000})


async def hang(request: bytes, call: Any) -> bytes:
    await asyncio.Event().wait()
    return b""


@pytest.mark.parametrize(
    ("call", "error", "cause"),
    [
        (garbage, ComponentError, "the reply is not what the protocol says: malformed protobuf"),
        (large, ComponentError, "the reply must have at most 1000000 bytes"),
        (hang, DeadlineExceeded, "no reply within 0.3 s"),
    ],
)
async def test_a_far_side_that_misbehaves_gets_an_error_with_unit_address_and_cause(
    call: Call, error: type[GaalError], cause: str
) -> None:
    async with answering(call, timeout_s=0.3, max_reply_bytes=1_000_000) as unit:
        with pytest.raises(error) as failed:
            await unit.predict(message(), context())
    assert str(failed.value).startswith('unit "u": grpc://127.0.0.1:')
    assert cause in str(failed.value)


async def say_html(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.write(http_reply(b"<html>hello", "text/html"))
    await writer.drain()
    await reader.read()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("talk", "error"), [(say_html, Unavailable), (hang_up, Unavailable), (say_nothing, DeadlineExceeded)]
)
async def test_a_far_side_that_speaks_no_grpc_gets_an_error_within_the_timeout(
    talk: Talk, error: type[GaalError]
) -> None:
    async with socket_far_side(talk) as port, grpc_unit(port, timeout_s=0.5) as unit, asyncio.timeout(2):
        with pytest.raises(error, match=rf'unit "u": grpc://127.0.0.1:{port}: '):
            await unit.predict(message(), context())


@pytest.mark.parametrize(("status", "error"), [(200, GaalError), (404, GaalError), (503, Unavailable)])
async def test_a_web_server_that_speaks_http2_gets_an_error(status: int, error: type[GaalError]) -> None:
    async def website(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"<html>hello", "more_body": False})

    async with http_far_side(website) as port, grpc_unit(port) as unit, asyncio.timeout(2):
        with pytest.raises(error, match=rf'unit "u": grpc://127.0.0.1:{port}: '):
            await unit.predict(message(), context())


async def test_nobody_there_is_unavailable() -> None:
    port = port_of_nobody()
    async with grpc_unit(port) as unit:
        with pytest.raises(Unavailable, match=rf'unit "u": grpc://127.0.0.1:{port}: .*refused'):
            await unit.predict(message(), context())
        with pytest.raises(Unavailable, match="cannot connect"):
            await unit.reachable()


async def test_a_server_that_stops_during_a_call_is_unavailable() -> None:
    reached = asyncio.Event()

    async def wait(request: bytes, call: Any) -> bytes:
        reached.set()
        await asyncio.Event().wait()
        return b""

    async with AsyncExitStack() as stack:
        far = await stack.enter_async_context(AsyncExitStack())
        port = await far.enter_async_context(grpc_far_side({"": wait}))
        unit = await stack.enter_async_context(grpc_unit(port))
        call = asyncio.create_task(unit.predict(message(), context()))
        await reached.wait()
        await far.aclose()
        with pytest.raises(Unavailable, match=rf'unit "u": grpc://127.0.0.1:{port}: '):
            await call


async def test_closing_the_unit_ends_its_calls_with_an_error() -> None:
    reached = asyncio.Event()

    async def wait(request: bytes, call: Any) -> bytes:
        reached.set()
        await asyncio.Event().wait()
        return b""

    async with grpc_far_side({"": wait}) as port:
        async with grpc_unit(port) as unit:
            call = asyncio.create_task(unit.predict(message(), context()))
            await reached.wait()
        with pytest.raises(Unavailable, match="being closed"):
            await call


async def test_a_server_that_came_back_is_called_without_an_error() -> None:
    async with grpc_far_side({"": echo}) as port:
        pass
    async with AsyncExitStack() as stack:
        unit = await stack.enter_async_context(grpc_unit(port))
        await stack.enter_async_context(grpc_far_side({"": echo}, f"127.0.0.1:{port}"))
        await unit.predict(message(), context())


async def test_cancelling_the_call_cancels_it_on_the_far_side() -> None:
    reached, gone = asyncio.Event(), asyncio.Event()

    async def wait(request: bytes, call: Any) -> bytes:
        reached.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            gone.set()
            raise
        return b""

    async with answering(wait, timeout_s=None) as unit:
        call = asyncio.create_task(unit.predict(message(), context()))
        await reached.wait()
        call.cancel()
        await asyncio.wait_for(gone.wait(), 5)


async def test_the_timeout_goes_along() -> None:
    left: list[float] = []

    async def keep(request: bytes, call: Any) -> bytes:
        left.append(call.time_remaining())
        return request

    async with answering(keep, timeout_s=3.0) as unit:
        await unit.predict(message(), context())
    assert 2 < left[0] < 3.5


async def test_addresses_take_turns_and_one_that_dies_is_passed_over() -> None:
    counts = {"first": 0, "second": 0}

    def counted(name: str) -> Call:
        async def count(request: bytes, call: Any) -> bytes:
            counts[name] += 1
            return request

        return count

    async with grpc_far_side({"": counted("first")}) as port, AsyncExitStack() as stack:
        second = await stack.enter_async_context(AsyncExitStack())
        await second.enter_async_context(grpc_far_side({"": counted("second")}, f"127.0.0.2:{port}"))
        unit = await stack.enter_async_context(grpc_unit(f"ipv4:127.0.0.1:{port},127.0.0.2:{port}"))
        while not all(counts.values()):  # until both are connected
            await unit.predict(message(), context())
        before = dict(counts)
        for _ in range(20):
            await unit.predict(message(), context())
        assert {name: counts[name] - before[name] for name in counts} == {"first": 10, "second": 10}
        await second.aclose()
        n_second = counts["second"]
        for _ in range(20):
            await unit.predict(message(), context())
        assert counts["second"] == n_second


# Between Gaal and Gaal.


class Far:
    """A unit that does what the test says; its own messages are Gaal's."""

    immediate = False

    def __init__(self, error: GaalError | None = None) -> None:
        self.error = error
        self.asked: list[Message] = []

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def predict(self, message: Message, context: Context, /) -> Message:
        self.asked.append(message)
        if self.error is not None:
            raise self.error
        return message

    transform_input = transform_output = predict

    async def route(self, message: Message, context: Context, /) -> int:
        return 1

    async def aggregate(self, messages: Any, context: Context, /) -> Message:
        return await self.predict(messages[0], context)

    async def send_feedback(self, feedback: Feedback, context: Context, /) -> Message:
        return Message(encoding=context.encoding)

    async def metadata(self) -> ModelMetadata:
        return ModelMetadata(name="far")

    async def health(self, context: Context) -> Message:
        return message({"strData": "quite well"})

    async def reachable(self) -> None: ...


@asynccontextmanager
async def gaal_unit(far: Far, codec: Literal["proto", "json"]) -> AsyncIterator[GrpcUnit]:
    server = GrpcServer(InternalServices(far, "u").methods(), InFlight(lambda n: None), [], 1_000_000)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await server(dict(scope["headers"]), scope, receive, send)

    async with http_far_side(app) as port, grpc_unit(port, codec=codec) as unit:
        yield unit


async def test_between_gaal_and_gaal_integers_stay_integers() -> None:
    far = Far()
    async with gaal_unit(far, "json") as unit:
        reply = await unit.predict(message({"jsonData": {"n": 2**60, "x": [1, 2.5]}}), context())
        assert far.asked[0].encoding is Encoding.JSON
        assert seldon_json.object_of(reply)["jsonData"] == {"n": 2**60, "x": [1, 2.5]}
        by_proto = await unit.predict(message(), context(encoding=Encoding.PROTO))
        assert far.asked[1].encoding is by_proto.encoding is Encoding.PROTO


@pytest.mark.parametrize("codec", ["json", "proto"])
@pytest.mark.parametrize(
    "error",
    [
        ComponentError("u", "predict: ValueError: bü 100%"),
        ComponentRejected("u", "no", 418, "TEAPOT"),
        MessageError("data: must be 2-D"),
        Unavailable('unit "u": full'),
        DeadlineExceeded('unit "u": late'),
    ],
)
async def test_between_gaal_and_gaal_an_error_is_the_same_here_as_there(
    error: GaalError, codec: Literal["proto", "json"]
) -> None:
    async with gaal_unit(Far(error), codec) as unit:
        with pytest.raises(type(error)) as raised:
            await unit.predict(message(), context())
    assert str(raised.value) == str(error)
    assert raised.value.reason == error.reason
    assert getattr(raised.value, "http_status", None) == getattr(error, "http_status", None)


async def test_between_gaal_and_gaal_a_refusal_with_a_reply_keeps_it() -> None:
    refusal = ComponentAnswered("u", message({"strData": "no", "status": {"code": 418}}), 418)
    async with gaal_unit(Far(refusal), "json") as unit:
        with pytest.raises(ComponentAnswered) as raised:
            await unit.predict(message(), context())
    assert raised.value.http_status == 418
    assert seldon_json.object_of(raised.value.reply)["strData"] == "no"


@pytest.mark.parametrize("codec", ["json", "proto"])
async def test_between_gaal_and_gaal_the_unit_itself_is_asked_for_its_health(codec: Literal["proto", "json"]) -> None:
    async with gaal_unit(Far(), codec) as unit:
        reply = await unit.health(context())
        assert await unit.route(message(), context()) == 1
    assert reply.payload is not None
    assert reply.payload.value == "quite well"
