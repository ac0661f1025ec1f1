from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from iris_pipelines import document_module

import seldon.rpc.seldon_pb2 as seldon_pb2
from seldon.rpc import seldon_pb2_grpc

PACKAGE = Path(__file__).parents[2] / "src" / "seldon"

FIELDS = {
    "ClassificationRequest": {"meta": 1, "data": 2},
    "ClassificationRequestMeta": {"puid": 1},
    "ClassificationReply": {"meta": 1, "predictions": 2, "custom": 3},
    "ClassificationReplyMeta": {"puid": 1, "modelName": 2, "variation": 3},
    "ClassificationResult": {"prediction": 1, "predictedClass": 2, "confidence": 3},
    "DefaultCustomPredictRequest": {"values": 1},
}


class Echo(seldon_pb2.ClassifierServicer, seldon_pb2.SeldonServicer):
    """Answers with the puid it got, and with the token in the place of the model's name."""

    def Predict(self, request: Any, context: Any) -> Any:
        token = dict(context.invocation_metadata()).get("oauth_token", "")
        return seldon_pb2.ClassificationReply(meta={"puid": request.meta.puid, "modelName": token})


@pytest.fixture(scope="module")
def channel() -> Iterator[grpc.Channel]:
    server = grpc.server(ThreadPoolExecutor(2))
    seldon_pb2.add_ClassifierServicer_to_server(Echo(), server)
    seldon_pb2.add_SeldonServicer_to_server(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    server.stop(0).wait()


@pytest.mark.parametrize("name", FIELDS)
def test_messages_have_the_published_fields(name: str) -> None:
    descriptor = getattr(seldon_pb2, name).DESCRIPTOR
    assert descriptor.full_name == f"io.seldon.api.rpc.{name}"
    assert {field.name: field.number for field in descriptor.fields} == FIELDS[name]


def test_a_message_of_the_users_own_generated_code_goes_into_a_request() -> None:
    generated = document_module("iris_pb2")
    data = any_pb2.Any()
    data.Pack(generated.IrisPredictRequest(f1=1.0, f2=0.2))
    request = seldon_pb2.ClassificationRequest(meta=seldon_pb2.ClassificationRequestMeta(puid="12345"), data=data)

    again = seldon_pb2.ClassificationRequest.FromString(request.SerializeToString())

    unpacked = generated.IrisPredictRequest()
    assert again.data.Unpack(unpacked)
    assert unpacked.f1 == 1.0
    assert again.data.type_url == "type.googleapis.com/io.seldon.microservice.iris.IrisPredictRequest"
    assert isinstance(again.data, any_pb2.Any)


def test_a_stub_takes_the_timeout_by_place_and_metadata_as_bytes(channel: grpc.Channel) -> None:
    stub = seldon_pb2.ClassifierStub(channel)
    request = seldon_pb2.ClassificationRequest(meta=seldon_pb2.ClassificationRequestMeta(puid="12345"))
    reply = stub.Predict(request, 999, metadata=[(b"oauth_token", "abc")])
    assert (reply.meta.puid, reply.meta.modelName) == ("12345", "abc")


def test_a_method_that_a_servicer_leaves_out_is_unimplemented(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        seldon_pb2_grpc.SeldonStub(channel).Classify(seldon_pb2.ClassificationRequest())
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_stubs_and_servicers_are_in_both_modules() -> None:
    assert {getattr(seldon_pb2, name) is getattr(seldon_pb2_grpc, name) for name in seldon_pb2_grpc.__all__} == {True}
    assert set(seldon_pb2.__all__) == {"DESCRIPTOR", *FIELDS, *seldon_pb2_grpc.__all__}


OTHER_FILE_FIRST = """
from google.protobuf import any_pb2, descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from gaal.protocols.descriptors import file_by_name

file = FileDescriptorProto.FromString(file_by_name("seldon.proto")[0])
{change}
other = descriptor_pool.Default().AddSerializedFile(file.SerializeToString())

import seldon.rpc.seldon_pb2 as seldon_pb2

assert seldon_pb2.DESCRIPTOR.name == file.name
data = any_pb2.Any()
data.Pack(seldon_pb2.DefaultCustomPredictRequest(values=[1, 2]))
request = seldon_pb2.ClassificationRequest(data=data)
payload = seldon_pb2.DefaultCustomPredictRequest()
assert seldon_pb2.ClassificationRequest.FromString(request.SerializeToString()).data.Unpack(payload)
assert list(payload.values) == [1, 2]
"""


@pytest.mark.parametrize(
    "change",
    [
        "",
        "del file.message_type[-1], file.service[1:]",  # as the document has it
        "del file.service[0]; file.name = 'protos/seldon.proto'",  # as it was released, from another folder
    ],
    ids=["identical", "documented", "released"],
)
def test_another_package_may_have_brought_the_messages_already(change: str) -> None:
    subprocess.run([sys.executable, "-c", OTHER_FILE_FIRST.format(change=change)], check=True, timeout=60)


def test_generated_code_with_the_same_file_may_come_later() -> None:
    script = """
import seldon.rpc.seldon_pb2
from google.protobuf import descriptor_pool
from gaal.protocols.descriptors import file_by_name
descriptor_pool.Default().AddSerializedFile(file_by_name("seldon.proto")[0])
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("seldon", {"numpy", "google", "gaal", "joblib", "grpc"}),
        ("seldon.microservice", {"numpy", "google", "gaal", "joblib", "grpc", "flask", "sklearn"}),
        ("seldon.rpc.seldon_pb2", {"numpy", "grpc", "pandas", "sklearn"}),
        ("seldon.microservice.rpc", {"pandas", "sklearn", "flask"}),
        ("seldon.pipeline.util", {"sklearn", "flask", "grpc", "joblib", "fsspec"}),
        ("seldon.xgb", {"xgboost", "flask", "grpc"}),
    ],
)
def test_a_module_imports_only_what_it_needs(module: str, heavy: set[str]) -> None:
    script = f"import {module}, sys; print([name for name in sys.modules if '.' not in name])"
    done = subprocess.run([sys.executable, "-c", script], check=True, timeout=60, capture_output=True, text=True)
    assert heavy & set(ast.literal_eval(done.stdout)) == set()


def test_only_the_command_line_knows_this_package_which_uses_little_of_gaal() -> None:
    def imported(folder: Path) -> set[str]:
        trees = [ast.parse(path.read_text()) for path in folder.rglob("*.py")]
        nodes = [node for tree in trees for node in ast.walk(tree)]
        plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}

    assert {name for name in imported(PACKAGE) if name.split(".")[0] == "gaal"} == {
        "gaal.errors",
        "gaal.protocols.descriptors",
    }
    rooms = [path for path in (PACKAGE.parent / "gaal").iterdir() if path.is_dir()]
    assert {room.name for room in rooms if any(name.startswith("seldon.") for name in imported(room))} <= {"cli"}


@pytest.mark.parametrize("module", ["keras", "vw", "tensorflow_wrapper"])
def test_a_wrapper_that_is_not_offered_says_what_to_use(module: str) -> None:
    with pytest.raises(ImportError, match=f"seldon.{module} is not supported: .* Write a class with predict_proba"):
        __import__(f"seldon.{module}")
