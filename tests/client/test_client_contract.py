"""What both clients promise, over both transports, with Gaal's own server at the other end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from asking import CLIENTS, ask, free_port
from serving import Serve, Server

from gaal import errors as gaal_errors
from gaal.client import AsyncClient, Client, Reply, errors
from gaal.messages import Kind, Message, Payload

ECHO = """
import asyncio, time
from seldon_core.flask_utils import SeldonMicroserviceException

heard = []

class Model:
    def predict(self, X, names, meta=None):
        heard.append((X, list(names), meta))
        if isinstance(X, str):
            match X:
                case "refuse": raise SeldonMicroserviceException("no thanks", status_code=403, reason="NO_THANKS")
                case "break": raise ValueError("broken")
                case "sleep": time.sleep(0.3)
        return X

    def send_feedback(self, features, feature_names, reward, truth, routing):
        heard.append((features, reward, truth, routing))

    def tags(self):
        return {"colour": "blue"}

    def health_status(self):
        return "well"

    def init_metadata(self):
        return {"name": "echo", "versions": ["v1"], "platform": "none"}
"""

PATIENT = """
import asyncio
started, gone = asyncio.Event(), asyncio.Event()

class Model:
    async def predict(self, X, names):
        started.set()
        try:
            await asyncio.sleep(30)
        finally:
            gone.set()
"""

ROUTED = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: routed, namespace: there}
spec:
  annotations: {gaal.dev/component.a: "model_code:Model", gaal.dev/component.b: "model_code:Model"}
  predictors:
  - name: main
    graph: {name: ab, implementation: RANDOM_ABTEST, children: [{name: a, type: MODEL}, {name: b, type: MODEL}]}
---
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: other, namespace: there}
spec:
  annotations: {gaal.dev/component.model: "model_code:Model"}
  predictors: [{name: main, graph: {name: model, type: MODEL}}]
"""

AnyClient = Client | AsyncClient


class Maker:
    """Makes clients of one kind for one transport, and closes them."""

    def __init__(self, kind: type[AnyClient], transport: Literal["rest", "grpc"]) -> None:
        self.kind = kind
        self.transport = transport
        self.made: list[AnyClient] = []

    def __call__(self, url: str, **settings: Any) -> AnyClient:
        client = self.kind(url, transport=self.transport, **settings)
        self.made.append(client)
        return client


@pytest.fixture(params=CLIENTS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type[AnyClient]:
    made: type[AnyClient] = request.param
    return made


@pytest.fixture(params=["rest", "grpc"])
async def make(kind: type[AnyClient], request: pytest.FixtureRequest) -> AsyncIterator[Maker]:
    maker = Maker(kind, request.param)
    yield maker
    for client in maker.made:
        await ask(client, "close")


@pytest.fixture
async def server(serve: Serve) -> Server:
    return await serve(ECHO)


@pytest.fixture
def client(make: Maker, server: Server) -> AnyClient:
    return make(server.url)


@pytest.mark.parametrize("sent_as", ["tensor", "ndarray", "tftensor"])
async def test_an_array_goes_there_and_comes_back(client: AnyClient, sent_as: str) -> None:
    array = np.arange(6.0).reshape(2, 3)

    reply: Reply = await ask(client, "predict", array, kind=sent_as)

    assert np.array_equal(reply.data, array)
    assert reply.message.payload is not None
    assert reply.message.payload.kind.value == sent_as
    assert reply.names == ["t:0", "t:1", "t:2"]


async def test_a_tftensor_keeps_its_type(client: AnyClient) -> None:
    array = np.array([[2**53 + 1, 2]], dtype=np.int64)

    reply = await ask(client, "predict", array, kind="tftensor")

    assert reply.data.dtype == np.int64
    assert reply.data.tolist() == array.tolist()


@pytest.mark.parametrize(
    ("data", "is_kind"),
    [
        ("grüße", Kind.STR_DATA),
        (b"\x00\xff", Kind.BIN_DATA),
        ({"a": [1, None, {"b": "c"}]}, Kind.JSON_DATA),
        ([["a", "b"]], Kind.NDARRAY),
        ([[1.5, 2.5]], Kind.TENSOR),
    ],
)
async def test_whatever_is_at_hand_is_sent(client: AnyClient, data: Any, is_kind: Kind) -> None:
    reply = await ask(client, "predict", data)

    assert reply.message.payload.kind is is_kind
    assert (reply.data.tolist() if isinstance(reply.data, np.ndarray) else reply.data) == data


async def test_a_data_frame_brings_its_names_and_one_comes_back(client: AnyClient, server: Server) -> None:
    table = pd.DataFrame({"height": [1.0, 2.0], "weight": [3.0, 4.0]})

    reply = await ask(client, "predict", table)

    assert server.components.heard[-1][1] == ["height", "weight"]
    assert reply.dataframe().to_dict("list") == {"t:0": [1.0, 2.0], "t:1": [3.0, 4.0]}


async def test_a_whole_message_is_sent_as_it_is(client: AnyClient) -> None:
    reply = await ask(client, "predict", Message(Payload(Kind.STR_DATA, "as it is")))

    assert reply.data == "as it is"


async def test_meta_goes_there_and_comes_back(client: AnyClient) -> None:
    reply = await ask(client, "predict", [[1.0]], puid="my-own", tags={"shape": "round"})

    assert reply.puid == "my-own"
    assert reply.meta.tags == {"shape": "round", "colour": "blue"}
    assert reply.meta.routing == {"model": -1}
    assert reply.meta.request_path == {"model": "model_code:Model"}


async def test_feedback_brings_request_truth_and_reward(client: AnyClient, server: Server) -> None:
    reply = await ask(client, "predict", [[1.0, 2.0]])
    await ask(client, "feedback", reply, reward=0.5, truth=[[3.0]])

    features, reward, truth, _ = server.components.heard[-1]
    assert (features.tolist(), reward, truth.tolist()) == ([[1.0, 2.0]], 0.5, [[3.0]])


async def test_feedback_can_be_given_without_the_reply(make: Maker, serve: Serve) -> None:
    server = await serve(ECHO, ROUTED)
    client = make(server.url, deployment="routed", namespace="there")

    await ask(client, "feedback", request=[[7.0]], routing={"ab": 1}, reward=1)

    heard = server.components.heard
    assert [features.tolist() for features, *_ in heard] == [[[7.0]]]


async def test_a_deployment_is_found_by_its_name(make: Maker, serve: Serve) -> None:
    server = await serve(ECHO, ROUTED)
    by_name = make(server.url, deployment="routed", namespace="there")
    by_url = make(f"{server.url}/seldon/there/other")

    assert "ab" in (await ask(by_name, "predict", "x")).meta.routing
    assert (await ask(by_url, "metadata")).name == "main"
    with pytest.raises(errors.NotFound, match="routed") as caught:
        await ask(make(server.url, deployment="nobody", namespace="there"), "predict", "x")
    assert isinstance(caught.value, gaal_errors.NotFound)


async def test_metadata_of_the_graph_and_of_a_model(client: AnyClient) -> None:
    graph = await ask(client, "metadata")
    model = await ask(client, "model_metadata", "model")

    assert graph.models["model"].versions == model.versions == ("v1",)
    assert model.name == "echo"


async def test_metadata_of_no_unit_is_not_found(client: AnyClient) -> None:
    with pytest.raises(errors.NotFound, match="nobody"):
        await ask(client, "model_metadata", "nobody")


async def test_readiness_follows_the_server(client: AnyClient, server: Server) -> None:
    assert await ask(client, "ready") is True


async def test_nobody_is_not_ready(make: Maker) -> None:
    assert await ask(make(f"127.0.0.1:{free_port()}", n_retries=0), "ready") is False


async def test_what_the_server_refuses_is_raised_with_its_words(client: AnyClient) -> None:
    with pytest.raises(errors.PermissionDenied, match="no thanks") as caught:
        await ask(client, "predict", "refuse")

    assert caught.value.info == 'unit "model": no thanks'


async def test_a_model_that_breaks_is_the_servers_failure(client: AnyClient) -> None:
    with pytest.raises(errors.ServerFailed, match="ValueError: broken"):
        await ask(client, "predict", "break")


async def test_a_wrong_request_is_refused(client: AnyClient) -> None:
    with pytest.raises(errors.RequestRefused, match="must have one of"):
        await ask(client, "predict", Message())


async def test_a_deadline_ends_the_call(client: AnyClient) -> None:
    with pytest.raises(errors.DeadlineExceeded, match=r"reply within 0\.\d+ s") as caught:
        await ask(client, "predict", "sleep", timeout_s=0.1)

    assert isinstance(caught.value, gaal_errors.DeadlineExceeded)


async def test_a_reply_beyond_the_limit_is_not_taken(make: Maker, server: Server) -> None:
    client = make(server.url, max_reply_bytes=1_000_000)

    with pytest.raises(errors.ReplyTooLarge, match="at most 1000000 bytes"):
        await ask(client, "predict", b"x" * 2_000_000)


async def test_a_request_beyond_the_servers_limit_is_refused(make: Maker, serve: Serve) -> None:
    server = await serve(ECHO, max_message_bytes=1000)

    with pytest.raises(errors.Overloaded, match="1000"):
        await ask(make(server.url), "predict", "x" * 2000)


async def test_nobody_at_the_address_is_unavailable(make: Maker) -> None:
    with pytest.raises(errors.Unavailable, match="cannot connect") as caught:
        await ask(make(f"http://127.0.0.1:{free_port()}", n_retries=1), "predict", "x")

    assert caught.value.never_arrived
    assert isinstance(caught.value, gaal_errors.Unavailable)


async def test_a_server_that_comes_up_meanwhile_is_reached(make: Maker, serve: Serve) -> None:
    port = free_port()
    client = make(f"http://127.0.0.1:{port}", n_retries=20)
    asking = asyncio.ensure_future(ask(client, "metadata"))
    late = await serve(ECHO)
    async with relay(port, late.port):
        assert (await asking).name == "main"
        await ask(client, "close")


async def test_many_at_once(client: AnyClient) -> None:
    replies = await asyncio.gather(*(ask(client, "predict", [[float(i)]]) for i in range(40)))

    assert [reply.data[0][0] for reply in replies] == list(range(40))


async def test_a_closed_client_opens_again(client: AnyClient) -> None:
    await ask(client, "predict", "x")
    await ask(client, "close")

    assert (await ask(client, "predict", "y")).data == "y"


async def test_what_cannot_be_sent_is_said_before(client: AnyClient, server: Server) -> None:
    with pytest.raises(gaal_errors.MessageError, match="numbers only"):
        await ask(client, "predict", [["a"]], kind="tensor")
    assert server.components.heard == []


async def test_both_are_context_managers(server: Server) -> None:
    async with AsyncClient(server.url) as asking:
        assert (await asking.predict("x")).data == "x"

    def blocking() -> Any:
        with Client(server.url) as client:
            return client.predict("x").data

    assert await asyncio.to_thread(blocking) == "x"


@pytest.mark.parametrize("transport", ["rest", "grpc"])
async def test_a_call_that_is_cancelled_is_cancelled_at_the_server(
    transport: Literal["rest", "grpc"], serve: Serve
) -> None:
    server = await serve(PATIENT)
    async with AsyncClient(server.url, transport=transport) as client:
        asking = asyncio.create_task(client.predict("x"))
        await asyncio.wait_for(server.components.started.wait(), 10)
        asking.cancel()
        await asyncio.wait_for(server.components.gone.wait(), 10)
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_health_of_a_unit_is_told_over_rest(kind: type[AnyClient], server: Server) -> None:
    client = kind(server.url)
    assert (await ask(client, "health", "model")).data == "well"
    await ask(client, "close")
    with pytest.raises(gaal_errors.MessageError, match="REST only"):
        await ask(kind(server.url, transport="grpc"), "health", "model")


@asynccontextmanager
async def relay(port: int, to_port: int) -> AsyncIterator[None]:
    """Passes bytes on from one port to another, both ways."""
    tasks: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        answers, asks = await asyncio.open_connection("127.0.0.1", to_port)
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(_pump(reader, asks), _pump(answers, writer))
        for end in (asks, writer):
            end.transport.abort()

    listener = await asyncio.start_server(pass_on, "127.0.0.1", port)
    try:
        yield
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while chunk := await source.read(65536):
        sink.write(chunk)
        await sink.drain()
