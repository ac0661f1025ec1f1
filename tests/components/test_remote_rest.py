"""A unit behind the internal REST API."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from far_sides import (
    Answer,
    Asked,
    HttpFarSide,
    Talk,
    http_far_side,
    http_reply,
    port_of_nobody,
    read_http,
    socket_far_side,
)

from gaal.components.remote_rest import RestUnit
from gaal.errors import ComponentError, DeadlineExceeded, GaalError, RemoteReply, Unavailable
from gaal.executor.context import Context
from gaal.executor.node import ALL_BRANCHES
from gaal.messages import Encoding, Feedback, Message
from gaal.protocols import seldon_json, seldon_proto

REQUEST = {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}}
REPLY = b'{"data":{"names":["t:0"],"ndarray":[[7]]},"meta":{"tags":{"by":"far"}}}'


def message(value: Any = None) -> Message:
    return seldon_json.message_of(value or REQUEST)


def context(headers: dict[bytes, bytes] | None = None, encoding: Encoding = Encoding.JSON) -> Context:
    return Context("the-puid", encoding, headers)


@asynccontextmanager
async def rest_unit(
    port: int, host: str = "127.0.0.1", timeout_s: float | None = 5.0, max_reply_bytes: int = 1_000_000, **options: Any
) -> AsyncIterator[RestUnit]:
    unit = RestUnit("u", host, port, timeout_s, max_reply_bytes=max_reply_bytes, **options)
    await unit.start()
    try:
        yield unit
    finally:
        await unit.close()


@asynccontextmanager
async def answering(**answers: Callable[[Asked], bytes | Answer]) -> AsyncIterator[tuple[RestUnit, HttpFarSide]]:
    """A unit whose far side answers at these paths; `transform_input` is /transform-input."""
    app = HttpFarSide({f"/{name.replace('_', '-')}": answer for name, answer in answers.items()})
    async with http_far_side(app) as port, rest_unit(port) as unit:
        yield unit, app


@pytest.mark.parametrize("method", ["predict", "transform_input", "transform_output"])
async def test_a_message_goes_to_the_path_of_the_call_and_the_reply_comes_back_as_it_is(method: str) -> None:
    async with answering(**{method: lambda asked: REPLY}) as (unit, far):
        reply = await getattr(unit, method)(message(), context())
    assert far.asked[0].json == {**REQUEST, "meta": {}}
    assert seldon_json.object_of(reply) == {
        "data": {"names": ["t:0"], "ndarray": [[7]]},
        "meta": {"tags": {"by": "far"}},
    }


async def test_the_reply_to_a_request_by_protobuf_counts_as_one_by_protobuf() -> None:
    asked = seldon_proto.decode_message(seldon_proto.encode_message(message()))
    async with answering(predict=lambda asked: REPLY) as (unit, far):
        reply = await unit.predict(asked, context(encoding=Encoding.PROTO))
    assert reply.encoding is Encoding.PROTO
    assert far.asked[0].json["data"] == {"names": ["a", "b"], "ndarray": [[1.0, 2.0]]}


async def test_a_combiner_gets_a_list_of_messages() -> None:
    async with answering(aggregate=lambda asked: REPLY) as (unit, far):
        await unit.aggregate([message(), message({"strData": "x"})], context())
    assert [list(each) for each in far.asked[0].json["seldonMessages"]] == [["data", "meta"], ["strData", "meta"]]


async def test_feedback_goes_to_send_feedback() -> None:
    async with answering(send_feedback=lambda asked: b"{}") as (unit, far):
        reply = await unit.send_feedback(Feedback(request=message(), reward=0.5), context())
    assert far.asked[0].json["reward"] == 0.5
    assert reply.payload is None


@pytest.mark.parametrize(
    ("answer", "branch"),
    [
        (b'{"data":{"ndarray":[1]}}', 1),
        (b'{"data":{"ndarray":[[2,9]]}}', 2),
        (b'{"data":{"tensor":{"shape":[1,1],"values":[1.9]}}}', 1),
        (b'{"data":{"ndarray":[-2]}}', -2),
        (b'{"strData":"x"}', ALL_BRANCHES),
        (b"[1]", 1),
        (b" [3, 4]", 3),
    ],
)
async def test_a_route_is_the_first_number_of_a_message_or_of_a_bare_array(answer: bytes, branch: int) -> None:
    async with answering(route=lambda asked: answer) as (unit, _):
        assert await unit.route(message(), context()) == branch


@pytest.mark.parametrize("answer", [b"[]", b"[true]", b'["1"]', b'{"data":{"ndarray":[]}}', b'{"branch":1}', b"1"])
async def test_a_route_that_is_none_is_the_units_fault(answer: bytes) -> None:
    async with answering(route=lambda asked: answer) as (unit, _):
        with pytest.raises(ComponentError, match=r'unit "u": http://127.0.0.1:\d+/route: '):
            await unit.route(message(), context())


async def test_metadata_is_asked_with_get() -> None:
    async with answering(metadata=lambda asked: b'{"name":"m","versions":["1"],"custom":{"a":"b"}}') as (unit, far):
        metadata = await unit.metadata()
    assert (metadata.name, list(metadata.versions), metadata.custom) == ("m", ["1"], {"a": "b"})
    assert far.asked[0].body == b""


async def test_health_has_two_paths() -> None:
    app = HttpFarSide({"/api/v1.0/health/status": lambda asked: b'{"strData":"fine"}'})
    async with http_far_side(app) as port, rest_unit(port) as unit:
        assert (await unit.health(context())).payload.value == "fine"  # type: ignore[union-attr]
    assert [asked.path for asked in app.asked] == ["/health/status", "/api/v1.0/health/status"]


async def test_all_headers_but_those_of_one_body_or_connection_go_along() -> None:
    came = {
        b"authorization": b"Bearer x",
        b"x-own": b"gr\xc3\xbcn",
        b"seldon-puid": b"another",
        b"connection": b"keep-alive, x-hop",
        b"x-hop": b"1",
        b"content-type": b"application/x-www-form-urlencoded",
        b"content-length": b"999",
        b"content-encoding": b"gzip",
        b"accept-encoding": b"br",
        b"host": b"edge",
        b"grpc-timeout": b"1S",
        b"te": b"trailers",
        b"transfer-encoding": b"chunked",
        b"expect": b"100-continue",
    }
    async with answering(predict=lambda asked: REPLY) as (unit, far):
        await unit.predict(message(), context(came))
    got = far.asked[0].headers
    assert got["seldon-puid"] == "the-puid"
    assert (got["authorization"], got["x-own"]) == ("Bearer x", "grün")
    assert (got["content-type"], got["accept-encoding"]) == ("application/json", "identity")
    assert got["content-length"] == str(len(far.asked[0].body))
    assert got["host"].startswith("127.0.0.1:")
    assert not {"x-hop", "content-encoding", "grpc-timeout", "te", "transfer-encoding", "expect"} & set(got)


async def test_connections_are_kept_for_the_next_call() -> None:
    connections: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        while True:
            await read_http(reader)
            writer.write(http_reply(REPLY))

    async with socket_far_side(talk) as port, rest_unit(port) as unit:
        for _ in range(5):
            await unit.predict(message(), context())
    assert len(connections) == 1


async def test_an_error_of_the_far_side_is_kept_with_its_status_and_body() -> None:
    body = b'{"status":{"code":-1,"info":"bad shape","reason":"MICROSERVICE_BAD_DATA","status":1}}'
    async with answering(predict=lambda asked: (418, b"application/json", body)) as (unit, _):
        with pytest.raises(RemoteReply, match=r"/predict: HTTP 418: bad shape$") as refused:
            await unit.predict(message(), context())
    assert (refused.value.http_status, refused.value.body) == (418, body)
    assert refused.value.content_type == "application/json"


def saying(*parts: bytes, then_wait: bool = False) -> Talk:
    """A far side that reads a request and says these bytes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_http(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then_wait:
            await asyncio.Event().wait()

    return talk


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(
    ("talk", "error", "cause"),
    [
        (saying(http_reply(b"<html>hello", "text/html")), ComponentError, "must be application/json, and is text/html"),
        (saying(http_reply(b"\x00\x01", "application/octet-stream")), ComponentError, "and is application/octet-st"),
        (saying(http_reply(b"")), ComponentError, "the reply is empty"),
        (saying(http_reply(b'{"data":')), ComponentError, "the reply is not what the protocol says"),
        (saying(http_reply(b"[1,2]")), ComponentError, "must be a JSON object"),
        (saying(http_reply(b"\xff\xfe")), ComponentError, "the reply is not what the protocol says"),
        (saying(http_reply(b"", status="302 Found\r\nlocation: /x")), ComponentError, "a redirection to /x"),
        (saying(b"SSH-2.0-OpenSSH_9.6\r\n"), ComponentError, "the reply is no HTTP"),
        (saying(b"\x00\x01\x02\x03" * 100), ComponentError, "the reply is no HTTP"),
        (saying(http_reply(b" " * 2_000_000)), ComponentError, "at most 1000000 bytes, got 2000000"),
        (
            saying(HEAD + b"transfer-encoding: chunked\r\n\r\n", *[b"186a0\r\n" + b" " * 100_000 + b"\r\n"] * 30),
            ComponentError,
            "at most 1000000 bytes",
        ),
        (saying(HEAD + b'content-length: 100\r\n\r\n{"a"'), Unavailable, "the reply broke off after 4 bytes"),
        (saying(), Unavailable, "the connection broke before the reply came"),
        (saying(HEAD + b"content-length: 100\r\n\r\n", then_wait=True), DeadlineExceeded, "no reply within 0.3 s"),
        (saying(then_wait=True), DeadlineExceeded, "no reply within 0.3 s"),
    ],
)
async def test_a_far_side_that_misbehaves_gets_an_error_with_unit_address_and_cause(
    talk: Talk, error: type[GaalError], cause: str
) -> None:
    async with socket_far_side(talk) as port, rest_unit(port, timeout_s=0.3) as unit:
        with pytest.raises(error) as failed:
            await unit.predict(message(), context())
    assert str(failed.value).startswith(f'unit "u": http://127.0.0.1:{port}/predict: ')
    assert cause in str(failed.value)


async def test_a_reply_that_drips_ends_with_the_timeout() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_http(reader)
        writer.write(HEAD + b"content-length: 1000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with socket_far_side(drip) as port, rest_unit(port, timeout_s=0.3) as unit:
        started = time.perf_counter()
        with pytest.raises(DeadlineExceeded, match=r"no reply within 0\.3 s"):
            await unit.predict(message(), context())
    assert time.perf_counter() - started < 1


async def test_nobody_there_is_unavailable_at_once() -> None:
    port = port_of_nobody()
    async with rest_unit(port) as unit:
        with pytest.raises(Unavailable, match=rf'unit "u": http://127.0.0.1:{port}/predict: .*refused'):
            await unit.predict(message(), context())
        with pytest.raises(Unavailable, match="refused"):
            await unit.reachable()


async def test_a_name_that_nobody_knows_is_unavailable() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    async with rest_unit(9000, host="nowhere", resolve=unknown) as unit:
        with pytest.raises(Unavailable, match=r'"u": http://nowhere:9000/predict: the name cannot be resolved: Name'):
            await unit.predict(message(), context())


async def test_cancelling_the_call_closes_its_connection() -> None:
    reached, gone = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_http(reader)
        reached.set()
        assert await reader.read() == b""
        gone.set()

    async with socket_far_side(talk) as port, rest_unit(port, timeout_s=None) as unit:
        call = asyncio.create_task(unit.predict(message(), context()))
        await reached.wait()
        call.cancel()
        await asyncio.wait_for(gone.wait(), 5)


async def test_what_may_have_run_is_not_sent_again() -> None:
    requests: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append((await read_http(reader))[1])
        if len(requests) == 1:
            writer.write(http_reply(REPLY))
            requests.append((await read_http(reader))[1])  # taken over the connection that was kept, and not answered

    async with socket_far_side(talk) as port, rest_unit(port) as unit:
        await unit.predict(message(), context())
        with pytest.raises(Unavailable, match="the connection broke before the reply came"):
            await unit.predict(message(), context())
    assert len(requests) == 2


async def test_a_connection_that_the_peer_closed_meanwhile_is_replaced() -> None:
    closed = asyncio.Event()
    connections: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        await read_http(reader)
        writer.write(http_reply(REPLY))
        await writer.drain()
        writer.close()
        closed.set()

    async with socket_far_side(talk) as port, rest_unit(port) as unit:
        for n_calls in range(1, 20):
            closed.clear()
            await unit.predict(message(), context())
            assert len(connections) == n_calls
            await closed.wait()
            await asyncio.sleep(0)


class Name:
    """A host name whose addresses the test decides."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.n_lookups = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.n_lookups += 1
        return list(self.addresses)


def counting(counts: dict[str, int], name: str) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_http(reader)
            counts[name] = counts.get(name, 0) + 1
            writer.write(http_reply(REPLY))

    return talk


async def test_the_addresses_behind_a_name_take_turns_and_one_that_dies_is_passed_over() -> None:
    counts: dict[str, int] = {}
    name = Name("127.0.0.1", "127.0.0.2")
    async with (
        socket_far_side(counting(counts, "first")) as port,
        rest_unit(port, host="pair", resolve=name) as unit,
    ):
        async with socket_far_side(counting(counts, "second"), "127.0.0.2", port):
            for _ in range(20):
                await unit.predict(message(), context())
            assert counts == {"first": 10, "second": 10}
        # The connection that was kept to the second one is closed now: no call fails for it.
        for _ in range(20):
            await unit.predict(message(), context())
    assert counts == {"first": 30, "second": 10}


async def test_a_name_is_looked_up_again_when_its_address_died() -> None:
    counts: dict[str, int] = {}
    name = Name("127.0.0.1")
    async with (
        socket_far_side(counting(counts, "moved"), "127.0.0.3") as port,
        rest_unit(port, host="moving", resolve=name) as unit,
    ):
        async with socket_far_side(counting(counts, "old"), "127.0.0.1", port):
            await unit.predict(message(), context())
        name.addresses = ["127.0.0.3"]
        await unit.predict(message(), context())
    assert counts == {"old": 1, "moved": 1}
    assert name.n_lookups == 2
