"""`gaal serve` as a command: what it serves, what it says when it cannot, and with which status it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from gaal_command import READY, environment

from gaal import __version__ as gaal_version

MODEL = "class Model:\n    def predict(self, X, names): return X\n"
REQUEST = b'{"data":{"ndarray":[[1,2]]}}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Model.py").write_text(MODEL)
    return tmp_path


@contextmanager
def gaal(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "gaal", "serve", *arguments]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    """The address that a server says it serves on, once it does."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith(READY), process.stderr.read() if process.stderr else line
    return line.removeprefix("Gaal is serving on ").strip()


def ended(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command that is expected to end by itself."""
    with gaal(folder, *arguments) as process:
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def post(url: str, body: bytes = REQUEST) -> object:
    request = urllib.request.Request(f"{url}/api/v1.0/predictions", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        data: dict[str, object] = orjson.loads(reply.read())["data"]
        return data.get("ndarray", data)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("target", ["Model", "Model:Model", "Model.Model"])
def test_a_bare_class_is_served(folder: Path, target: str) -> None:
    with gaal(folder, target, "--port", "0") as process:
        assert post(url_of(process)) == [[1, 2]]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_modules_are_looked_for_in_the_app_dir(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with gaal(elsewhere, "Model", "--app-dir", str(folder), "--port", "0") as process:
        assert post(url_of(process)) == [[1, 2]]


def test_a_folder_of_documents_is_served_each_under_its_name(folder: Path) -> None:
    documents = folder / "documents"
    documents.mkdir()
    for name in ("one", "two"):
        (documents / f"{name}.yaml").write_text(
            f"""
            apiVersion: machinelearning.seldon.io/v1
            kind: SeldonDeployment
            metadata: {{name: {name}}}
            spec: {{predictors: [{{name: p, graph: {{name: m, implementation: SIMPLE_MODEL}}}}]}}
            """
        )
    with gaal(folder, "documents", "Model", "--port", "0") as process:
        url = url_of(process)
        for name in ("one", "two", "model"):
            assert post(f"{url}/seldon/default/{name}")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            post(url)


def test_an_unreadable_document_lists_every_violation_and_ends_with_status_2(folder: Path) -> None:
    (folder / "bad.yaml").write_text(
        """
        apiVersion: machinelearning.seldon.io/v1
        kind: SeldonDeployment
        metadata: {name: bad}
        spec:
          predictors:
          - name: p
            graph: {name: m, type: MODELL, children: [{name: m, implementation: SIMPLE_MODEL}]}
        """
    )
    port = free_port()
    status, out, err = ended(folder, "bad.yaml", "--port", str(port))
    assert status == 2
    assert out == ""
    assert "spec.predictors[0].graph.type" in err
    assert "MODEL" in err.split("graph.type")[1].splitlines()[0]
    assert "spec.predictors[0].graph.children[0].name" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("class Model:\n    def load(self): raise OSError('no such weights')", "OSError: no such weights"),
        ("class Model: pass", "a MODEL needs a method predict"),
    ],
)
def test_a_component_that_cannot_be_loaded_says_why_and_the_port_never_opens(
    folder: Path, code: str, cause: str
) -> None:
    (folder / "Model.py").write_text(code)
    port = free_port()
    status, out, err = ended(folder, "Model", "--port", str(port))
    assert status == 1
    assert out == ""
    assert 'unit "model": Model' in err
    assert cause in err
    assert "Traceback" not in err
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "TARGET: at least one must be given"),
        (["no/such/thing"], "TARGET: must be a SeldonDeployment or model file, a folder of them, or a class"),
        (["missing.yaml"], "missing.yaml"),
        (["Model", "--port", "x"], "--port: must be a whole number from 0 to 65535 (got 'x')"),
        (["Model", "--workers", "0"], "--workers: must be a whole number from 1 to 1024 (got '0')"),
        (["Model", "Model"], "TARGET: each deployment may be served once"),
    ],
)
def test_a_mistyped_command_is_told_what_is_wrong_and_ends_with_status_2(
    folder: Path, arguments: list[str], says: str
) -> None:
    status, _, err = ended(folder, *arguments)
    assert status == 2
    assert says in err
    assert "Traceback" not in err


def test_a_port_that_is_taken_is_said(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, _, err = ended(folder, "Model", "--port", str(taken.getsockname()[1]))
    assert status == 2
    assert "must be an address of this machine that is free" in err


def test_reload_brings_in_what_has_changed(folder: Path) -> None:
    with gaal(folder, "Model", "--port", "0", "--log-level", "info") as process:
        url = url_of(process)
        (folder / "Model.py").write_text(MODEL.replace("return X", "return X * 10"))
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        while "ended with status 0" not in process.stderr.readline():  # the old worker, which had the old code
            pass
        assert post(url) == [[10, 20]]


def test_a_model_that_takes_the_worker_down_is_back_soon(folder: Path) -> None:
    (folder / "Model.py").write_text(
        "import os\nclass Model:\n    def predict(self, X, names):\n"
        "        if X[0][0] == 0: os.abort()\n        return X\n"
    )
    with gaal(folder, "Model", "--port", "0") as process:
        url = url_of(process)
        with pytest.raises(OSError):  # noqa: PT011 – how a connection breaks is the kernel's choice
            post(url, b'{"data":{"ndarray":[[0]]}}')
        assert post(url) == [[1, 2]]


def test_the_version_is_told() -> None:
    command = [sys.executable, "-m", "gaal", "--version"]
    out = subprocess.run(command, env=environment(), check=True, capture_output=True, text=True).stdout
    assert out == f"gaal {gaal_version}\n"
