"""How a component is asked by its internal API: the form with the field `json`, and the internal gRPC services."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import grpc
import numpy as np
import orjson
import pytest
from made_contracts import contract, feature

from gaal.client.errors import BadReply, CallFailed, Unavailable
from gaal.contracts import rules
from gaal.contracts.asking import ComponentServer, DeploymentServer
from gaal.contracts.trial import ENDPOINTS, Endpoint, Plan, exchanges
from gaal.errors import MessageError, SettingsError
from gaal.messages import Feedback, Kind, Message, Payload
from gaal.protocols import seldon_proto

MESSAGE = Message(Payload(Kind.NDARRAY, [[1, 2]], ["a", "b"]))
PATHS = {"predict": "/predict", "transform-input": "/transform-input", "send-feedback": "/send-feedback"}
METHODS = {
    "predict": "/seldon.protos.Model/Predict",
    "transform-input": "/seldon.protos.Generic/TransformInput",
    "send-feedback": "/seldon.protos.Generic/SendFeedback",
}

Answer = tuple[int, str, bytes]


class Wrapper:
    """Keeps what it is asked, and answers by `answer(path, asked)`."""

    def __init__(self, answer: Callable[[Any], Answer]) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        wrapper = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                [text] = parse_qs(body.decode(), strict_parsing=True)["json"]
                asked = orjson.loads(text)
                wrapper.asked.append((self.path, self.headers["content-type"], asked))
                status, content_type, reply = answer(asked)
                self.send_response(status)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def wrapper() -> Iterator[Callable[[Callable[[Any], Answer]], Wrapper]]:
    started: list[Wrapper] = []

    def start(answer: Callable[[Any], Answer]) -> Wrapper:
        started.append(Wrapper(answer))
        threading.Thread(target=started[-1].server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return started[-1]

    yield start
    for each in started:
        each.server.shutdown()
        each.server.server_close()


def echo(asked: Any) -> Answer:
    return 200, "application/json", orjson.dumps(asked)


@pytest.fixture
def grpc_echo() -> Iterator[tuple[str, list[str]]]:
    """The URL of a gRPC server that answers every method with what came, and the methods it was asked."""
    asked: list[str] = []

    class Everything(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # the stubs know more than the class
        def service(self, details: grpc.HandlerCallDetails) -> Any:
            asked.append(details.method)
            if details.method.endswith("SendFeedback"):
                answer = seldon_proto.encode_message(MESSAGE)
                return grpc.unary_unary_rpc_method_handler(lambda request, context: answer)
            return grpc.unary_unary_rpc_method_handler(lambda request, context: request)

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Everything()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}", asked
    server.stop(None).wait()


def ask(server: ComponentServer, endpoint: Endpoint) -> Message:
    match endpoint:
        case "predict":
            return server.predict(MESSAGE)
        case "transform-input":
            return server.transform_input(MESSAGE)
        case "send-feedback":
            return server.send_feedback(Feedback(MESSAGE, reward=1.0))


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_rest_posts_a_form_to_the_path_of_the_method(wrapper: Callable[..., Wrapper], endpoint: Endpoint) -> None:
    served = wrapper(echo)
    with ComponentServer(served.url) as server:
        ask(server, endpoint)

    [(path, content_type, asked)] = served.asked
    assert (path, content_type) == (PATHS[endpoint], "application/x-www-form-urlencoded")
    message = asked["request"] if endpoint == "send-feedback" else asked
    assert message["data"] == {"names": ["a", "b"], "ndarray": [[1, 2]]}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_grpc_calls_the_internal_services(grpc_echo: tuple[str, list[str]], endpoint: Endpoint) -> None:
    url, asked = grpc_echo
    with ComponentServer(url, grpc=True) as server:
        reply = ask(server, endpoint)

    assert asked == [METHODS[endpoint]]
    assert reply.payload is not None
    assert reply.payload.value == [[1.0, 2.0]]


def test_the_wrappers_own_errors_are_told_in_its_words(wrapper: Callable[..., Wrapper]) -> None:
    body = orjson.dumps(
        {"status": {"code": -1, "info": "no such thing", "reason": "MICROSERVICE_BAD_DATA", "status": 1}}
    )
    served = wrapper(lambda asked: (400, "application/json", body))

    with ComponentServer(served.url) as server, pytest.raises(CallFailed, match="400: no such thing"):
        server.predict(MESSAGE)


def test_an_error_page_is_told_by_its_status(wrapper: Callable[..., Wrapper]) -> None:
    served = wrapper(lambda asked: (502, "text/html", b"<html>"))

    with ComponentServer(served.url) as server, pytest.raises(CallFailed, match="502: Bad Gateway"):
        server.predict(MESSAGE)


@pytest.mark.parametrize(
    "reply", [b"<html>", b"", b'{"data": {"ndarray": 5}}', b'{"data": {"tensor": {"shape": [2]}}}']
)
def test_what_is_no_message_breaks_a_rule(wrapper: Callable[..., Wrapper], reply: bytes) -> None:
    served = wrapper(lambda asked: (200, "application/json", reply))

    with ComponentServer(served.url) as server:
        found = list(exchanges(contract(feature("y")), server, Plan(n_requests=2), np.random.default_rng(1)))

    assert [[each.rule for each in exchange.broken] for exchange in found] == [[rules.MESSAGE]] * 2
    with ComponentServer(served.url) as server, pytest.raises(BadReply):
        server.predict(MESSAGE)


def test_the_replies_of_transformers_are_held_against_the_targets_too(wrapper: Callable[..., Wrapper]) -> None:
    served = wrapper(echo)
    made = contract(feature("x", range=[5, 6]), features=[feature("x", range=[0, 1])])

    with ComponentServer(served.url) as server:
        [exchange] = exchanges(made, server, Plan("transform-input"), np.random.default_rng(1))

    assert [each.rule for each in exchange.broken] == [f"{rules.IN_RANGE}; 5 to 6"]


def test_feedback_to_a_component_brings_a_response_and_a_truth_from_the_targets(
    wrapper: Callable[..., Wrapper],
) -> None:
    served = wrapper(lambda asked: (200, "application/json", b'{"meta": {}}'))
    made = contract(feature("y", dtype="INT", range=[3, 3]), features=[feature(dtype="INT", range=[7, 7])])

    with ComponentServer(served.url) as server:
        [exchange] = exchanges(made, server, Plan("send-feedback"), np.random.default_rng(1))

    [(_, _, told)] = served.asked
    assert exchange.broken == []
    assert {key: told[key]["data"]["ndarray"] for key in ("request", "response", "truth")} == {
        "request": [[7]],
        "response": [[3]],
        "truth": [[3]],
    }
    assert told["reward"] == 1.0


@pytest.mark.parametrize("grpc", [False, True])
def test_a_server_that_is_not_there_is_unavailable(grpc: bool) -> None:
    with (
        ComponentServer("http://127.0.0.1:1", grpc=grpc, timeout_s=5) as server,
        pytest.raises(Unavailable),
    ):
        server.predict(MESSAGE)


def test_an_address_that_is_none_is_a_mistyped_setting() -> None:
    with pytest.raises(SettingsError, match="url"):
        ComponentServer("ftp://host")


def test_the_external_api_has_no_transform_input() -> None:
    with DeploymentServer("http://127.0.0.1:1") as server, pytest.raises(MessageError, match="internal API"):
        server.transform_input(MESSAGE)
