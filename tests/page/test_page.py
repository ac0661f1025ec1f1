"""Seldon Server's page on gRPC, typed from the top to the bottom against `gaal serve --seldon-server-ports`.

The commands stand here as they stand there. What differs is said: /seldon-data is a folder of the test's, the client is
made first (there it was made when Seldon was installed), and what stands for the page's image is registered.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from gaal_command import gaal_serve
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from typist import PROJECT, Typist, install, seldon_server_ports

from gaal.gateway.proto_sources import read_source
from gaal.protocols.proto_types import read_file_set

MAKE_CLIENT = "seldon-cli client --action setup --db-name ClientDB --client-name test"
CREATE_JAR = "create-proto-jar.sh /seldon-data/rpc/proto/iris.proto /seldon-data/rpc/jar/iris.jar"
SET_RPC = (
    "seldon-cli rpc --action set --client-name test --jar /seldon-data/rpc/jar/iris.jar "
    "--request-class io.seldon.microservice.iris.IrisPredictRequest"
)
ADD_IMAGE = "gaal image add seldonio/iris_xgboost_rpc:2.1 examples/iris-classifier"
START = "start-microservice --type prediction --client test -i xgboostrpc seldonio/iris_xgboost_rpc:2.1 rpc 1.0"
ASK_REST = (
    "seldon-cli --quiet api --client-name test --endpoint /js/predict "
    """--json '{"data":{"f1":1,"f2":2.7,"f3":5.3,"f4":1.9}}'"""
)
LIST_KEYS = "seldon-cli keys --action list --client-name test"
ASK_RPC = "python iris_rpc_client.py --host localhost --http-port 30015 --key KEY --secret SECRET"

CLASSES = ["Iris-setosa", "Iris-versicolor", "Iris-virginica"]
PAGE_REST = [0.0025230366736650467, 0.0035000948701053858, 0.9939768314361572]
PAGE_RPC = [0.992686629295, 0.00392687413841, 0.00338655733503]
NEAR = 0.02
"""How far the probabilities of a model that was trained today may be from the page's."""


@pytest.fixture
def typist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typist:
    """Somebody with the programs installed, the example's folder, and iris.proto where the page has it."""
    install(tmp_path / "bin")
    monkeypatch.setenv("GAAL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    example = tmp_path / "examples" / "iris-classifier"
    shutil.copytree(PROJECT / "examples" / "iris-classifier", example, ignore=shutil.ignore_patterns("iris-pipeline"))
    (tmp_path / "seldon-data" / "rpc" / "proto").mkdir(parents=True)
    shutil.copy(example / "iris.proto", tmp_path / "seldon-data" / "rpc" / "proto")
    return Typist(tmp_path, tmp_path / "bin", tmp_path / "seldon-data")


async def test_the_page_works_as_it_is_typed(typist: Typist) -> None:
    example = typist.folder / "examples" / "iris-classifier"
    await typist.type("python iris_pipeline.py", example)
    with seldon_server_ports():
        async with gaal_serve(["--seldon-server-ports"], typist.folder):
            await typist.type(MAKE_CLIENT)
            await typist.type(CREATE_JAR)
            await typist.type(SET_RPC)
            await typist.type(ADD_IMAGE)
            assert "xgboostrpc is ready" in await typist.type(START)
            check_rest(await typist.type(ASK_REST))
            key = json.loads((await typist.type(LIST_KEYS)).splitlines()[-1])[0]
            command = ASK_RPC.replace("KEY", key["key"]).replace("SECRET", key["secret"])
            check_rpc(await typist.type(command, example))


@pytest.mark.parametrize("command", [MAKE_CLIENT, START, ASK_REST, LIST_KEYS, ASK_RPC])
def test_the_readme_of_the_example_has_the_commands(command: str) -> None:
    assert command in (PROJECT / "examples" / "iris-classifier" / "README.md").read_text().splitlines()


async def test_the_example_s_classes_are_those_of_its_proto() -> None:
    folder = PROJECT / "examples" / "iris-classifier"
    # In a process of its own: the default descriptor pool takes a file name once.
    code = "import iris_pb2; print(iris_pb2.DESCRIPTOR.serialized_pb.hex())"
    asked = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=folder, stdout=asyncio.subprocess.PIPE)
    out, _ = await asked.communicate()
    [file] = read_file_set(read_source(folder / "iris.proto")).file
    for field in file.message_type[0].field:
        field.ClearField("json_name")  # which generated code leaves out
    assert FileDescriptorProto.FromString(bytes.fromhex(out.decode())) == file


def check_rest(out: str) -> None:
    """The reply has the form of the page's, with numbers near its numbers."""
    assert out.count("\n") == 1
    reply = json.loads(out)
    assert list(reply) == ["meta", "predictions", "custom"]
    assert list(reply["meta"]) == ["puid", "modelName", "variation"]
    assert re.fullmatch("[0-9a-f]{40}", reply["meta"]["puid"])
    assert (reply["meta"]["modelName"], reply["meta"]["variation"]) == ("model_xgb", "xgboostrpc")
    assert all(list(each) == ["prediction", "predictedClass", "confidence"] for each in reply["predictions"])
    assert [each["predictedClass"] for each in reply["predictions"]] == CLASSES
    assert [each["prediction"] for each in reply["predictions"]] == pytest.approx(PAGE_REST, abs=NEAR)
    assert all(each["prediction"] == each["confidence"] for each in reply["predictions"])
    assert reply["custom"] is None


def check_rpc(out: str) -> None:
    """As the page's, and with the puid that the client has sent, which the page's server lost."""
    token, _, reply = out.partition("\n")
    assert re.fullmatch("[0-9a-v]{26}", token)
    assert reply.startswith('meta {\n  puid: "12345"\n  modelName: "model_xgb"\n  variation: "xgboostrpc"\n}\n')
    assert re.findall(r'predictedClass: "(.*)"', reply) == CLASSES
    predictions = [float(each) for each in re.findall(r"prediction: (.*)", reply)]
    assert predictions == pytest.approx(PAGE_RPC, abs=NEAR)
    assert predictions == [float(each) for each in re.findall(r"confidence: (.*)", reply)]
