"""`gaal check` and the two testers as commands: what they print, and with which status they end."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from gaal_command import environment
from serving import Serve
from typer.testing import CliRunner, Result

from gaal.cli.main import app
from gaal.contracts import rules
from gaal.graph import lint

PROJECT = Path(__file__).parents[2]
SCRIPTS: Mapping[str, str] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
PATIENCE_S = 60

CONTRACT = {
    "features": [{"name": "x", "dtype": "FLOAT", "ftype": "continuous", "range": [0, 1], "repeat": 2}],
    "targets": [{"name": "class", "dtype": "FLOAT", "ftype": "continuous", "range": [0, 1], "repeat": 2}],
}
ECHO = """
class Model:
    def predict(self, X, names): return X
    def send_feedback(self, X, names, reward, truth, routing): pass
"""
TOO_BIG = "class Model:\n    def predict(self, X, names): return X + 5\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "contract.json").write_text(json.dumps(CONTRACT))
    return tmp_path


def command(name: str) -> list[str]:
    """The way to run an installed command by its entry function."""
    module, _, function = SCRIPTS[name].partition(":")
    return [sys.executable, "-c", f"from {module} import {function}; {function}()"]


async def ended(folder: Path, *arguments: object, name: str = "gaal") -> tuple[int | None, str, str]:
    """Exit status, stdout and stderr of a command."""
    process = await asyncio.create_subprocess_exec(
        *command(name),
        *map(str, arguments),
        cwd=folder,
        env=environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert "Traceback" not in err.decode()
    return process.returncode, out.decode(), err.decode()


async def test_a_model_that_keeps_its_contract_ends_with_status_0(serve: Serve, folder: Path) -> None:
    served = await serve(ECHO)

    status, out, err = await ended(folder, "check", "contract.json", served.url, "-n", 3, "-b", 2, "--seed", 7)

    assert (status, err) == (0, "")
    assert out == "contract.json: 3 of 3 requests, the contract is kept; --seed 7 asks the same again\n"


async def test_a_broken_rule_is_told_with_target_rule_value_and_an_example(serve: Serve, folder: Path) -> None:
    served = await serve(TOO_BIG)

    status, out, _ = await ended(folder, "check", "contract.json", served.url, "-n", 3, "-b", 2, "--seed", 7)

    first, second, asked, came, last = out.splitlines()
    assert status == 1
    assert first.startswith(f"contract.json: class:0: {rules.IN_RANGE}; 0 to 1 (got 5.")
    assert first.endswith("; request 1, row 0, column 0; 6 times in 3 requests")
    assert second.startswith("contract.json: class:1: ")
    assert asked.startswith('request 1: {"data":{"names":["x1","x2"],"ndarray":[[')
    assert came.startswith('reply 1: {"data":')
    assert last == "contract.json: 3 of 3 requests, 2 rules broken; --seed 7 asks the same again"


async def test_the_same_seed_asks_the_same(serve: Serve, folder: Path) -> None:
    served = await serve(ECHO)

    outs = [(await ended(folder, "check", "contract.json", served.url, "-p", "--seed", seed))[1] for seed in (1, 1, 2)]
    requests = [out.splitlines()[0] for out in outs]

    assert requests[0] == requests[1] != requests[2]


@pytest.mark.parametrize("flags", [[], ["--grpc"], ["-t"], ["--grpc", "--tensor"]])
async def test_prnt_prints_every_request_and_reply(serve: Serve, folder: Path, flags: list[str]) -> None:
    served = await serve(ECHO)

    status, out, _ = await ended(folder, "check", "contract.json", served.url, "--prnt", "-n", 2, *flags)

    assert status == 0
    assert [line.partition(":")[0] for line in out.splitlines()[:4]] == ["request 1", "reply 1", "request 2", "reply 2"]
    assert ('"tensor"' in out) == ("-t" in flags or "--tensor" in flags)


async def test_strict_minds_the_warnings_of_a_contract(serve: Serve, folder: Path) -> None:
    served = await serve(ECHO)
    (folder / "odd.json").write_text(json.dumps(CONTRACT | {"more": 1}))

    status, out, _ = await ended(folder, "check", "odd.json", served.url, "--strict")

    assert status == 1
    warning, summary = out.splitlines()
    assert warning.startswith("odd.json: warning: more: unknown field, ignored")
    assert summary.startswith("odd.json: 1 of 1 request, the contract is kept")


async def test_a_terminal_gets_a_table(serve: Serve, folder: Path) -> None:
    served = await serve(TOO_BIG)
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *command("gaal"),
        *("check", "contract.json", served.url, "-p"),
        cwd=folder,
        env={**environment(), "COLUMNS": "120"},
        stdout=theirs,
    )
    os.close(theirs)
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 1
    shown = os.read(ours, 65536).decode()
    os.close(ours)

    for word in ("target", "rule", "value", "where", "how often", "class:1", "━"):
        assert word in shown


def invoked(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """`gaal` in this very process, which is all that a test needs where nothing is loaded or asked."""
    monkeypatch.chdir(folder)
    return CliRunner().invoke(app, arguments)


def deployment(graph: dict[str, Any], **spec: Any) -> str:
    document = {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": "d"},
        "spec": {"predictors": [{"name": "p", "graph": graph}], **spec},
    }
    return json.dumps(document)


SIMPLE = {"name": "m", "implementation": "SIMPLE_MODEL"}
GRAPH = "spec.predictors[0].graph"

DOCUMENTS: list[tuple[str, list[str], int, str]] = [
    (deployment(SIMPLE), [], 0, "file.json: all is well\n"),
    (
        deployment(SIMPLE | {"logger": {"mode": "all"}}),
        [],
        0,
        f"file.json: warning: {GRAPH}.logger: {lint.UNSERVED_LOGGER} (got 'all')\nfile.json: 0 errors, 1 warning\n",
    ),
    (
        deployment(SIMPLE | {"color": "red"}),
        ["--strict"],
        1,
        f"file.json: warning: {GRAPH}.color: unknown field, ignored; known are",
    ),
    (deployment(SIMPLE | {"type": "MODLE"}, transport="http"), [], 1, "file.json: error: spec.transport: "),
    (
        deployment(SIMPLE | {"children": [{**SIMPLE, "name": "a"}, {**SIMPLE, "name": "b"}]}),
        [],
        0,
        f"file.json: warning: {GRAPH}.children[1]: {lint.UNUSED_REPLY} (got 'b')\nfile.json: 0 errors, 1 warning\n",
    ),
    ("{", [], 2, "file.json: error: line 1, column 2: the text must be valid YAML or JSON"),
    (json.dumps(CONTRACT), [], 0, "file.json: all is well\n"),
    (json.dumps(CONTRACT | {"more": 1}), ["--strict"], 1, "file.json: warning: more: unknown field, ignored"),
    (json.dumps({"features": []}), [], 1, f"file.json: error: features: {rules.NO_FEATURE}"),
    ("[5]", [], 1, "file.json: error: document: "),
]


@pytest.mark.parametrize(("content", "flags", "expected", "told"), DOCUMENTS)
def test_the_first_argument_says_what_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, flags: list[str], expected: int, told: str
) -> None:
    (tmp_path / "file.json").write_text(content)

    result = invoked(tmp_path, monkeypatch, "check", "file.json", *flags)

    assert (result.exit_code, result.stderr) == (expected, "")
    assert result.stdout.startswith(told)


def test_a_folder_is_checked_file_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text(deployment(SIMPLE | {"logger": {"mode": "all"}}))
    (tmp_path / "b.json").write_text(json.dumps({"kind": "Service"}))

    result = invoked(tmp_path, monkeypatch, "check", ".")

    assert result.exit_code == 0
    assert f".: warning: a.json: {GRAPH}.logger: " in result.stdout
    assert ".: warning: b.json: kind: not a SeldonDeployment, skipped" in result.stdout


CHAIN = {"name": "t", "type": "TRANSFORMER", "children": [{"name": "m", "type": "MODEL"}]}
CODE = {"gaal.dev/component.t": "code:T", "gaal.dev/component.m": "code:M"}
METADATA = """
class T:
    def transform_input(self, X, names): return X
    def init_metadata(self): return {"outputs": [{"messagetype": "tensor", "schema": {"names": ["a"], "shape": [3]}}]}

class M:
    def predict(self, X, names): return X
    def init_metadata(self): return {"inputs": [{"messagetype": "tensor", "schema": {"names": ["a"], "shape": [4]}}]}
"""


async def test_load_asks_the_components_what_they_take_and_give(tmp_path: Path) -> None:
    (tmp_path / "chain.json").write_text(deployment(CHAIN, annotations=CODE))
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "code.py").write_text(METADATA)

    unloaded = await ended(tmp_path, "check", "chain.json")
    status, out, _ = await ended(tmp_path, "check", "chain.json", "--load", "--app-dir", "modules", "--strict")

    assert unloaded == (0, "chain.json: all is well\n", "")
    assert status == 1
    rule = f'{lint.EDGE_SHAPE}; unit "t" gives [3]'
    assert out.startswith(f"chain.json: warning: {GRAPH}.children[0]: {rule} (got '[4]')")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (METADATA.replace("class M:", "class N:"), "module code has no M"),
        (METADATA.replace('{"inputs": [', '{"inputs": 5, "outputs": ['), "inputs"),
        (METADATA + "    def load(self): raise OSError('no weights')\n", "OSError: no weights"),
    ],
)
async def test_a_component_that_does_not_load_is_an_error_at_its_unit(tmp_path: Path, changed: str, told: str) -> None:
    (tmp_path / "chain.json").write_text(deployment(CHAIN, annotations=CODE))
    (tmp_path / "code.py").write_text(changed)

    status, out, _ = await ended(tmp_path, "check", "chain.json", "--load")

    assert status == 1
    assert out.startswith(f"chain.json: error: {GRAPH}.children[0]: {lint.NOT_LOADED} (got ")
    assert told in out


async def test_load_loads_models_too(tmp_path: Path) -> None:
    unit = {"name": "m", "implementation": "SKLEARN_SERVER", "modelUri": "model.joblib"}
    document = {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": "iris"},
        "spec": {"predictors": [{"name": "p", "graph": unit}]},
    }
    (tmp_path / "iris.json").write_text(json.dumps(document))
    assert await ended(tmp_path, "check", "iris.json") == (0, "iris.json: all is well\n", "")
    status, out, _ = await ended(tmp_path, "check", "iris.json", "--load")
    assert status == 1
    assert "SKLEARN_SERVER: model.joblib: there is no such file or folder" in out


MISTYPED: list[tuple[list[str], str]] = [
    (["missing.json"], ""),
    (["contract.json", "ftp://x"], "url: must be such as"),
    (["contract.json", "http://127.0.0.1:1", "--endpoint", "explain"], "--endpoint: must be one of predict, "),
    (
        ["contract.json", "http://127.0.0.1:1", "--endpoint", "transform-input"],
        "transform-input: only the internal API",
    ),
    (["contract.json", "http://127.0.0.1:1", "-n", "0"], "-n"),
    (["texts.json", "http://127.0.0.1:1", "-t"], "--tensor: must not be given where features have texts (got ['x'])"),
    (["contract.json", "http://127.0.0.1:1", "--internal", "--deployment", "d"], "--deployment: the internal API"),
    (["document.json", "http://127.0.0.1:1"], "URL: only a contract is tried on a server"),
    ([".", "http://127.0.0.1:1"], "URL: only a contract is tried on a server"),
]


@pytest.mark.parametrize(("arguments", "told"), MISTYPED)
def test_what_cannot_be_read_or_done_ends_with_status_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    (folder / "document.json").write_text(deployment(SIMPLE))
    texts = {"features": [{"name": "x", "dtype": "STRING", "ftype": "categorical", "values": ["a"]}]}
    (folder / "texts.json").write_text(json.dumps(texts))

    result = invoked(folder, monkeypatch, "check", *arguments)

    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize(
    "flags", [[], ["--endpoint", "send-feedback", "--grpc"], ["-t", "-b", 3, "-n", 2, "-p", "--log-level", "warning"]]
)
async def test_the_api_tester_asks_a_deployment_behind_its_prefix(serve: Serve, folder: Path, flags: list[Any]) -> None:
    served = await serve(ECHO)
    place = ["contract.json", "127.0.0.1", served.port, "one", "--namespace", "here"]

    status, out, err = await ended(folder, *place, *flags, name="seldon-core-api-tester")

    assert (status, err) == (0, ""), out
    assert "the contract is kept" in out


async def test_the_api_testers_deployment_is_mymodel_unless_named(serve: Serve, folder: Path) -> None:
    served = await serve(ECHO)

    status, out, _ = await ended(folder, "contract.json", "127.0.0.1", served.port, name="seldon-core-api-tester")

    assert status == 1
    assert "/seldon/mymodel/api/v1.0/predictions" in out


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("seldon-core-microservice-tester", "predict"),
        ("seldon-core-microservice-tester", "transform-input"),
        ("seldon-core-tester", "send-feedback"),
    ],
)
async def test_the_microservice_tester_asks_the_internal_api(folder: Path, name: str, endpoint: str) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = [
            line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        ]
        asked.append(head.split(b" ")[1] + b" " + await reader.readexactly(int(length)))
        body = b'{"data":{"names":["t:0","t:1"],"ndarray":[[0.5,0.25]]},"meta":{}}'
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n")
        writer.write(b"content-length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        flags = ["--endpoint", endpoint, "--prnt"]
        status, out, _ = await ended(folder, "contract.json", "127.0.0.1", port, *flags, name=name)

    assert status == 0, out
    [only] = asked
    assert only.startswith(f"/{endpoint} json=%7B".encode())


async def test_the_microservice_tester_finds_the_same_over_rest_and_grpc(folder: Path) -> None:
    (folder / "Model.py").write_text(TOO_BIG)
    ports = ["--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"]
    microservice = await asyncio.create_subprocess_exec(
        *command("gaal"),
        *("microservice", "Model", "--host", "127.0.0.1", *ports),
        cwd=folder,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    assert microservice.stdout is not None
    try:
        ready = await asyncio.wait_for(microservice.stdout.readline(), PATIENCE_S)
        rest, grpc = (int(port) for port in re.findall(rb"http://127\.0\.0\.1:(\d+) ", ready))
        for port, flags in ((rest, []), (grpc, ["--grpc"])):
            arguments = ["contract.json", "127.0.0.1", port, "--seed", "1", *flags]
            status, out, _ = await ended(folder, *arguments, name="seldon-core-microservice-tester")
            assert status == 1
            assert out.startswith(f"contract.json: class:0: {rules.IN_RANGE}; 0 to 1 (got 5.512")
    finally:
        microservice.terminate()
        await asyncio.wait_for(microservice.communicate(), PATIENCE_S)


@pytest.mark.parametrize("name", ["seldon-core-microservice-tester", "seldon-core-api-tester"])
async def test_a_tester_says_what_is_wrong_and_ends_with_status_2(folder: Path, name: str) -> None:
    for arguments, told in (
        (["contract.json", "127.0.0.1", "65536"], "65535"),
        (["contract.json", "127.0.0.1", "1", "--endpoint", "explain"], "--endpoint: must be one of"),
        (["contract.json", "127.0.0.1", "1", "--log-level", "loud"], "--log-level: must be one of DEBUG, "),
        (["contract.json"], "Missing argument"),
    ):
        status, _, err = await ended(folder, *arguments, name=name)
        assert status == 2
        assert told in err
