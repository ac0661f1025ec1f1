from __future__ import annotations

import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from gaal.errors import NotFound
from gaal.protocols.descriptors import (
    file_by_name,
    file_containing_symbol,
    message_class,
    method_classes,
    service_names,
)

ROOT = Path(__file__).parents[2]


def shipped() -> dict[str, FileDescriptorProto]:
    compiled = files("gaal.protocols").joinpath("proto", "descriptors.binpb").read_bytes()
    return {file.name: file for file in FileDescriptorSet.FromString(compiled).file}


def test_the_shipped_descriptors_are_what_the_sources_compile_to(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools")
    out = tmp_path / "descriptors.binpb"
    subprocess.run(
        [ROOT / "scripts/compile-protos", out], check=True, timeout=60, env={**os.environ, "PYTHON": sys.executable}
    )
    compiled = {file.name: file for file in FileDescriptorSet.FromString(out.read_bytes()).file}
    assert compiled.keys() == shipped().keys()
    for name, file in compiled.items():
        # The well-known types come with the compiler, and differ between its versions.
        assert name.startswith("google/protobuf/") or file == shipped()[name]


def test_all_services_of_the_protocol_are_there_with_all_their_methods() -> None:
    methods = {name: set(method_classes(name)) for name in service_names() if name.startswith("seldon.protos.")}
    assert methods == {
        "seldon.protos.Generic": {"TransformInput", "TransformOutput", "Route", "Aggregate", "SendFeedback"},
        "seldon.protos.Model": {"Predict", "SendFeedback", "Metadata"},
        "seldon.protos.Router": {"Route", "SendFeedback"},
        "seldon.protos.Transformer": {"TransformInput"},
        "seldon.protos.OutputTransformer": {"TransformOutput"},
        "seldon.protos.Combiner": {"Aggregate"},
        "seldon.protos.Seldon": {"Predict", "SendFeedback", "ModelMetadata", "GraphMetadata"},
    }


def test_the_classifier_has_the_name_that_was_documented_and_the_one_that_was_released() -> None:
    methods = {name: set(method_classes(name)) for name in service_names() if name.startswith("io.seldon.")}
    assert methods == {"io.seldon.api.rpc.Classifier": {"Predict"}, "io.seldon.api.rpc.Seldon": {"Classify"}}
    assert FileDescriptorProto.FromString(file_containing_symbol("io.seldon.api.rpc.Seldon")[0]).name == "seldon.proto"


def test_methods_know_their_message_classes() -> None:
    request, reply = method_classes("seldon.protos.Combiner")["Aggregate"]
    assert request is message_class("seldon.protos.SeldonMessageList")
    assert reply is message_class("seldon.protos.SeldonMessage")


@pytest.mark.parametrize(
    ("message", "field", "number"),
    [
        ("seldon.protos.SeldonMessage", "customData", 7),
        ("seldon.protos.SeldonModelMetadata", "custom", 6),
        ("io.seldon.api.rpc.ClassificationRequest", "data", 2),
        ("io.seldon.api.rpc.ClassificationReply", "custom", 3),
        ("io.seldon.api.rpc.ClassificationReplyMeta", "variation", 3),
        ("io.seldon.api.rpc.ClassificationResult", "confidence", 3),
        ("io.seldon.api.rpc.DefaultCustomPredictRequest", "values", 1),
        ("tensorflow.TensorProto", "half_val", 13),
        ("tensorflow.TensorProto", "uint64_val", 17),
        ("grpc.health.v1.HealthCheckResponse", "status", 1),
        ("grpc.reflection.v1.ServerReflectionResponse", "error_response", 7),
        ("grpc.reflection.v1alpha.ServerReflectionRequest", "list_services", 7),
    ],
)
def test_fields_have_their_published_numbers(message: str, field: str, number: int) -> None:
    assert message_class(message).DESCRIPTOR.fields_by_name[field].number == number


FOREIGN_DEFAULT_POOL = """
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto

default = descriptor_pool.Default()
for name, package, message in [
    ("prediction.proto", "seldon.protos", "SeldonMessage"),
    ("tensorflow/core/framework/types.proto", "tensorflow", "Elsewhere"),
    ("tensorflow/core/framework/tensor.proto", "tensorflow", "TensorProto"),
    ("grpc/health/v1/health.proto", "grpc.health.v1", "HealthCheckRequest"),
]:
    file = FileDescriptorProto(name=name, package=package, syntax="proto3")
    file.message_type.add(name=message).field.add(name="elsewhere", number=1, type=9, label=1)
    default.Add(file)

from gaal.protocols import seldon_proto
from gaal.protocols.descriptors import message_class, pool

assert "elsewhere" in default.FindMessageTypeByName("seldon.protos.SeldonMessage").fields_by_name
assert "elsewhere" not in message_class("seldon.protos.SeldonMessage").DESCRIPTOR.fields_by_name
assert message_class("tensorflow.TensorProto").DESCRIPTOR.file.pool is pool()
assert seldon_proto.decode_message(bytes.fromhex("2a0161")).payload.value == "a"
"""


def test_the_default_pool_may_hold_other_files_of_the_same_names() -> None:
    """As in a process with TensorFlow or seldon_core, where other definitions stand under these names."""
    subprocess.run([sys.executable, "-c", FOREIGN_DEFAULT_POOL], check=True, timeout=60)


def test_threads_that_come_first_at_once_get_the_same_pool() -> None:
    script = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from gaal.protocols.descriptors import message_class

barrier = Barrier(8)
with ThreadPoolExecutor(8) as threads:
    found = threads.map(lambda _: (barrier.wait(), message_class("seldon.protos.SeldonMessage"))[1], range(8))
    assert len(set(found)) == 1
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_the_wire_view_reads_and_writes_the_same_bytes() -> None:
    message: Any = message_class("seldon.protos.SeldonMessage")()
    message.data.names.append("a")
    message.data.tensor.shape.extend([1, 2])
    message.data.tensor.values.extend([1.5, -2.0])
    message.meta.tags["t"].number_value = 3
    view: Any = message_class("gaal.wire.SeldonMessage").FromString(message.SerializeToString())
    assert view.data.tensor.values == [np.array([1.5, -2.0], "<f8").tobytes()]
    assert view.SerializeToString() == message.SerializeToString()


def test_reflection_gets_a_file_with_all_that_it_imports() -> None:
    names = [FileDescriptorProto.FromString(file).name for file in file_by_name("prediction.proto")]
    assert names[0] == "prediction.proto"
    assert set(names) == {
        "prediction.proto",
        "google/protobuf/any.proto",
        "google/protobuf/empty.proto",
        "google/protobuf/struct.proto",
        "tensorflow/core/framework/tensor.proto",
        "tensorflow/core/framework/resource_handle.proto",
        "tensorflow/core/framework/tensor_shape.proto",
        "tensorflow/core/framework/types.proto",
    }


@pytest.mark.parametrize(
    "symbol",
    [
        "seldon.protos.Seldon",
        "seldon.protos.Seldon.Predict",
        "seldon.protos.SeldonMessage",
        "seldon.protos.SeldonMessage.binData",
        "seldon.protos.Status.StatusFlag",
    ],
)
def test_reflection_finds_the_file_of_a_symbol(symbol: str) -> None:
    assert file_containing_symbol(symbol) == file_by_name("prediction.proto")


@pytest.mark.parametrize("symbol", ["", "seldon", "seldon.protos.Nothing", "seldon.protos.Seldon.Nothing"])
def test_an_unknown_symbol_is_not_found(symbol: str) -> None:
    with pytest.raises(NotFound, match="no protobuf file defines"):
        file_containing_symbol(symbol)


def test_unknown_names_are_not_found() -> None:
    with pytest.raises(NotFound, match=r"no protobuf message is called 'seldon\.Nothing'"):
        message_class("seldon.Nothing")
    with pytest.raises(NotFound, match=r"no protobuf file is called 'nothing\.proto'"):
        file_by_name("nothing.proto")
    with pytest.raises(NotFound, match=r"no protobuf service is called 'Nothing'"):
        method_classes("Nothing")
