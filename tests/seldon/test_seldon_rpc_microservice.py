from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pandas as pd
import pytest
from google.protobuf import any_pb2
from iris_pipelines import DOCUMENT, VIRGINICA, document_module, free_port, iris_rows, process, saved_in, trained
from sklearn.linear_model import LogisticRegression

from gaal.errors import MessageError
from gaal.protocols.descriptors import message_class
from seldon.microservice.rpc import CustomDataHandler, DefaultCustomDataHandler, RpcClassifier
from seldon.microservice.rpc_server import rpc_server
from seldon.pipeline.util import PipelineWrapper
from seldon.rpc import seldon_pb2
from seldon.sklearn_estimator import SKLearnClassifier

SECRET = "hunter2"
CODES = grpc.StatusCode


class Fixed:
    """A pipeline that gives the same probabilities to every row."""

    classes_ = ("no", "yes")

    def predict_proba(self, features: Any) -> Any:
        return np.array([[0.25, 0.75]] * len(features))


@pytest.fixture
def serve() -> Iterator[Callable[..., grpc.Channel]]:
    """Serves a pipeline until the test ends: `channel = serve(pipeline, handler)`."""
    with ExitStack() as stack:

        def start(pipeline: Any, handler: CustomDataHandler | None = None, name: str = "the-model") -> grpc.Channel:
            servicer = RpcClassifier(pipeline, name, handler or DefaultCustomDataHandler())
            _, port = stack.enter_context(rpc_server(servicer, "127.0.0.1", 0))
            return stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))

        yield start


@pytest.fixture
def document_handler() -> CustomDataHandler:
    """The handler of the document, as it stands there."""
    handler: CustomDataHandler = document_module("iris_rpc_microservice").IrisCustomDataHandler()
    return handler


def request_of(payload: Any = None) -> Any:
    data = any_pb2.Any()
    data.Pack(seldon_pb2.DefaultCustomPredictRequest(values=[1, 2, 3, 4]) if payload is None else payload)
    return seldon_pb2.ClassificationRequest(data=data)


def predict(channel: grpc.Channel, request: Any = None) -> Any:
    return seldon_pb2.ClassifierStub(channel).Predict(request_of() if request is None else request, 10)


def refusal(channel: grpc.Channel, request: Any = None) -> tuple[grpc.StatusCode, str | None]:
    with pytest.raises(grpc.RpcError) as refused:
        predict(channel, request)
    return refused.value.code(), refused.value.details()


def test_both_names_of_the_service_answer_the_same(serve: Callable[..., grpc.Channel]) -> None:
    channel = serve(Fixed())
    reply = predict(channel)
    assert reply == seldon_pb2.SeldonStub(channel).Classify(request_of(), 10)
    assert [(each.prediction, each.predictedClass, each.confidence) for each in reply.predictions] == [
        (0.25, "no", 0.25),
        (0.75, "yes", 0.75),
    ]
    assert reply.meta.modelName == "the-model"
    assert not reply.HasField("custom")


def test_the_documents_handler_and_the_iris_pipeline_answer(
    serve: Callable[..., grpc.Channel], document_handler: CustomDataHandler
) -> None:
    row = document_module("iris_pb2").IrisPredictRequest(f1=1, f2=2.7, f3=5.3, f4=1.9)
    reply = predict(serve(trained(), document_handler), request_of(row))
    assert [each.predictedClass for each in reply.predictions] == ["Iris-setosa", "Iris-versicolor", "Iris-virginica"]
    assert max(reply.predictions, key=lambda each: each.prediction).predictedClass == "Iris-virginica"
    assert sum(each.prediction for each in reply.predictions) == pytest.approx(1)


def test_the_documents_handler_answers_bad_data_as_it_meant_to(
    serve: Callable[..., grpc.Channel], document_handler: CustomDataHandler, caplog: pytest.LogCaptureFixture
) -> None:
    """Its branch for bad data uses a name that is not there, and raises a NameError."""
    assert refusal(serve(Fixed(), document_handler)) == (CODES.INTERNAL, "Invalid data")
    assert "NameError" in caplog.text


@pytest.mark.parametrize(
    ("payload", "got"),
    [
        (seldon_pb2.ClassificationRequestMeta(puid="1"), "io.seldon.api.rpc.ClassificationRequestMeta"),
        (None, "nothing"),
    ],
)
def test_the_default_handler_says_what_it_takes(serve: Callable[..., grpc.Channel], payload: Any, got: str) -> None:
    request = seldon_pb2.ClassificationRequest() if payload is None else request_of(payload)
    code, text = refusal(serve(Fixed()), request)
    assert code is CODES.INVALID_ARGUMENT
    assert text == f"data: a message of type io.seldon.api.rpc.DefaultCustomPredictRequest is needed, got {got}"


def test_bytes_that_are_no_message_are_the_callers_fault(serve: Callable[..., grpc.Channel]) -> None:
    request = request_of()
    request.data.value = b"\x0a\xff"
    assert refusal(serve(Fixed()), request) == (CODES.INVALID_ARGUMENT, "Invalid data")


class Raises(CustomDataHandler):
    def getData(self, request: Any) -> Any:
        raise ValueError(SECRET)


class SetsCode(CustomDataHandler):
    def getData(self, request: Any, context: Any) -> Any:  # type: ignore[override]
        context.set_code(CODES.INVALID_ARGUMENT)
        context.set_details("f1 is missing")
        raise ValueError(SECRET)


class SetsOnlyCode(CustomDataHandler):
    def getData(self, request: Any, ctx: Any) -> Any:  # type: ignore[override]
        ctx.set_code(CODES.OUT_OF_RANGE)
        raise ValueError(SECRET)


class Aborts(CustomDataHandler):
    def getData(self, request: Any, context: Any = None) -> Any:
        context.abort(CODES.FAILED_PRECONDITION, "not today")


class Refuses(CustomDataHandler):
    def getData(self, request: Any) -> Any:
        raise MessageError("f1: a number is needed")


class Unwritten(CustomDataHandler):
    pass


@pytest.mark.parametrize(
    ("handler", "code", "text"),
    [
        (Raises(), CODES.INTERNAL, "Invalid data"),
        (Unwritten(), CODES.INTERNAL, "Invalid data"),
        (SetsCode(), CODES.INVALID_ARGUMENT, "f1 is missing"),
        (SetsOnlyCode(), CODES.OUT_OF_RANGE, "Invalid data"),
        (Aborts(), CODES.FAILED_PRECONDITION, "not today"),
        (Refuses(), CODES.INVALID_ARGUMENT, "f1: a number is needed"),
    ],
)
def test_a_handler_that_raises_gets_its_code_or_internal_and_leaks_nothing(
    serve: Callable[..., grpc.Channel], handler: CustomDataHandler, code: grpc.StatusCode, text: str
) -> None:
    assert refusal(serve(Fixed(), handler)) == (code, text)


class WithOption(CustomDataHandler):
    def getData(self, request: Any, columns: tuple[str, ...] = ("a", "b")) -> Any:
        return pd.DataFrame([[1, 2]], columns=list(columns))


def test_a_second_argument_that_is_no_context_is_left_alone(serve: Callable[..., grpc.Channel]) -> None:
    assert len(predict(serve(Fixed(), WithOption())).predictions) == 2


class FailingPipeline(Fixed):
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def predict_proba(self, features: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", [ValueError(SECRET), np.empty((0, 2)), [[0.5, float("nan")]], None])
def test_a_pipeline_that_fails_is_internal_and_leaks_nothing(serve: Callable[..., grpc.Channel], answer: Any) -> None:
    assert refusal(serve(FailingPipeline(answer))) == (CODES.INTERNAL, "Prediction failed")


def test_only_the_first_row_is_answered(serve: Callable[..., grpc.Channel]) -> None:
    assert len(predict(serve(FailingPipeline([[0.1, 0.9], [0.8, 0.2]]))).predictions) == 2


class Named:
    """An estimator with a name for one of its classes."""

    def predict_proba(self, features: Any) -> Any:
        return [[0.5, 0.25, 0.25]]

    def get_class_id_map(self) -> dict[int, str]:
        return {1: "one"}


def test_a_class_without_a_name_has_its_number(serve: Callable[..., grpc.Channel]) -> None:
    assert [each.predictedClass for each in predict(serve(Named())).predictions] == ["0", "one", "2"]


def test_what_cannot_predict_probabilities_is_not_served() -> None:
    with pytest.raises(TypeError, match="model 'm': a pipeline that is served needs predict_proba, got object"):
        RpcClassifier(object(), "m", DefaultCustomDataHandler())


class Crowded(Fixed):
    """Notes how many threads are in it at once, and lets each wait for a second one."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0

    def predict_proba(self, features: Any) -> Any:
        self.inside += 1
        self.most = max(self.most, self.inside)
        threading.Event().wait(0.01)
        self.inside -= 1
        return super().predict_proba(features)


class Meeting(CustomDataHandler):
    """Lets nobody through until two threads are in it."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2)

    def getData(self, request: Any) -> Any:
        self.barrier.wait(10)
        return np.array([[1.0]])


def test_one_thread_at_a_time_is_in_the_pipeline_and_several_in_the_handler(serve: Callable[..., grpc.Channel]) -> None:
    crowded = Crowded()
    stub = seldon_pb2.ClassifierStub(serve(crowded, Meeting()))
    calls = [stub.Predict.future(request_of(), 20) for _ in range(8)]
    assert {len(call.result().predictions) for call in calls} == {2}
    assert crowded.most == 1


def test_health_is_told_of_the_server_and_of_both_services(serve: Callable[..., grpc.Channel]) -> None:
    request, reply = (message_class(f"grpc.health.v1.HealthCheck{kind}") for kind in ("Request", "Response"))
    check = serve(Fixed()).unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=request.SerializeToString,
        response_deserializer=reply.FromString,
    )
    for service in ("", "io.seldon.api.rpc.Classifier", "io.seldon.api.rpc.Seldon"):
        answer: Any = check(request(service=service), timeout=10)
        assert answer.status == 1
    with pytest.raises(grpc.RpcError) as refused:
        check(request(service="nobody"), timeout=10)
    assert refused.value.code() is CODES.NOT_FOUND


def test_a_port_that_is_taken_is_an_error() -> None:
    classifier = RpcClassifier(Fixed(), "m", DefaultCustomDataHandler())
    with (
        rpc_server(classifier, "127.0.0.1", 0) as (_, port),
        pytest.raises(RuntimeError, match="bind"),
        rpc_server(classifier, "127.0.0.1", port),
    ):
        raise AssertionError("not reached")


def test_the_documents_microservice_serves_the_documents_client(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As its files stand in the document, in a process, from a folder on disk, until SIGTERM."""
    port = free_port()
    script = str(DOCUMENT / "iris_rpc_microservice.py")
    with process(script, "--model-name", "model_xgb", "--pipeline", saved_in(tmp_path), port=port) as running:
        client = document_module("iris_rpc_client").IrisRpcClient("localhost", "http", 0, port)
        client.callRpc("a-token")

        running.send_signal(signal.SIGTERM)

        assert running.wait(20) == 0
    printed = capsys.readouterr().out
    assert 'modelName: "model_xgb"' in printed
    assert 'predictedClass: "Iris-versicolor"' in printed


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_call_under_way_is_answered_when_the_microservice_is_stopped(stop: signal.Signals) -> None:
    port = free_port()
    with process("-c", SLOW, port=port) as running:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = seldon_pb2.ClassifierStub(channel).Predict.future(request_of(), 20)
            assert running.stdout is not None
            assert running.stdout.readline() == "asked\n"
            running.send_signal(stop)
            assert call.result().predictions[0].prediction == 1.0
        assert running.wait(20) == 0


SLOW = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests themselves run in the background
from seldon.microservice import Microservices

class Slow:
    def predict_proba(self, features):
        print("asked", flush=True)
        time.sleep(0.5)
        return [[1.0]]

microservices = Microservices()
microservices._pipeline = lambda folder: Slow()
microservices.create_prediction_rpc_microservice("nowhere", "slow")
"""


def test_the_script_serves_a_pipeline_over_lists_of_numbers(tmp_path: Path) -> None:
    port, rows = free_port(), iris_rows()
    classifier = SKLearnClassifier(LogisticRegression(max_iter=500)).fit(
        rows.drop(columns="name").to_numpy(), rows["name"]
    )
    PipelineWrapper(str(tmp_path)).save_pipeline(classifier, str(tmp_path / "p"))
    arguments = ["--model_name", "flowers", "--pipeline", str(tmp_path / "p")]
    with (
        process("-m", "seldon.microservice.serve_rpc", *arguments, port=port),
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        reply = predict(channel, request_of(seldon_pb2.DefaultCustomPredictRequest(values=VIRGINICA.values())))
    assert reply.meta.modelName == "flowers"
    assert max(reply.predictions, key=lambda each: each.prediction).predictedClass == "Iris-virginica"


def test_the_script_takes_both_spellings_and_refuses_others(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seldon.microservice.serve_rpc"]
    done = subprocess.run([*command, "--pipe", "x"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--model-name/--model_name, --pipeline" in done.stderr
    done = subprocess.run(
        [*command, "--model_name", "m", "--pipeline", str(tmp_path), "--aws_key", "k", "--aws-secret", "s"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert f"FileNotFoundError: {tmp_path}: there is no file 'p' in this folder" in done.stderr
