"""What docs/seldon-package.md says is there, and its code runs."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import re
from pathlib import Path

import grpc
import pytest
from google.protobuf import any_pb2
from iris_pipelines import VIRGINICA, document_module, iris_rows

from seldon.microservice import Microservices
from seldon.microservice.address import HOST_VARIABLE, PORT_VARIABLE
from seldon.microservice.rpc import RpcClassifier
from seldon.microservice.rpc_server import rpc_server
from seldon.pipeline.util import PipelineWrapper
from seldon.rpc import seldon_pb2

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "seldon-package.md").read_text()
TRAINING, HANDLER = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def rows_of(header: str) -> dict[str, str]:
    """The rest of each row of the table that begins with `header`, by its first cell."""
    table = re.search(rf"^\| {re.escape(header)} \|.*?\n\|[-|]+\n(.*?)(\n\n|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert table is not None, header
    cells = [line.strip("|").split("|", 1) for line in table[1].splitlines()]
    return {first.strip().strip("`"): rest for first, rest in cells}


MODULES = {module: set(re.findall(r"`(\w+)`", names)) for module, names in rows_of("module | names").items()}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_the_names_of_the_page_and_no_others(module: str) -> None:
    there = importlib.import_module(module)
    assert set(there.__all__) == MODULES[module]
    assert all(hasattr(there, name) for name in MODULES[module])


def test_the_page_has_every_module_with_names_to_import() -> None:
    folder = ROOT / "src" / "seldon"
    offering = {path for path in folder.rglob("*.py") if "__all__ = " in path.read_text()}
    modules = {".".join(path.relative_to(folder.parent).with_suffix("").parts) for path in offering}
    assert {module.removesuffix(".__init__") for module in modules} == set(MODULES)


def test_what_is_not_offered_is_on_the_page() -> None:
    folder = ROOT / "src" / "seldon"
    refusing = {f"seldon.{path.stem}" for path in folder.glob("*.py") if "raise ImportError" in path.read_text()}
    assert refusing == set(rows_of("module | why it is not here"))


def test_the_methods_of_microservices_are_those_of_the_page() -> None:
    methods = {name: value for name, value in vars(Microservices).items() if name.startswith("create_")}
    signatures = {
        f"{name}({', '.join(list(inspect.signature(method).parameters)[1:])})" for name, method in methods.items()
    }
    assert signatures == set(rows_of("method of `Microservices`"))


@pytest.mark.parametrize("script", rows_of("script"))
def test_a_script_has_the_flags_of_the_page_in_both_spellings(script: str) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit):
        importlib.import_module(f"seldon.microservice.{script}").main(["--help"])
    flags = set(re.findall(r"--[a-z-]+", rows_of("script")[script]))
    spellings = flags | {f"--{flag[2:].replace('-', '_')}" for flag in flags}
    assert set(re.findall(r"--[\w-]+", printed.getvalue())) == spellings | {"--help"}


def test_the_variables_are_those_of_the_page() -> None:
    assert set(rows_of("variable")) == {HOST_VARIABLE, PORT_VARIABLE}


def test_the_code_of_the_page_trains_and_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document_module("iris_pb2")
    monkeypatch.chdir(tmp_path)
    wrapper = PipelineWrapper(work_folder=str(tmp_path))
    wrapper.save_dataframe(iris_rows(), "events/rows.json")

    exec(compile(TRAINING, "seldon-package.md", "exec"), {})

    names: dict[str, object] = {}
    exec(compile(HANDLER, "seldon-package.md", "exec"), names)
    handler = names["IrisHandler"]
    assert isinstance(handler, type)
    data = any_pb2.Any()
    data.Pack(document_module("iris_pb2").IrisPredictRequest(**VIRGINICA))
    classifier = RpcClassifier(wrapper.load_pipeline("models"), "model_xgb", handler())
    with rpc_server(classifier, "127.0.0.1", 0) as (_, port), grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        reply = seldon_pb2.ClassifierStub(channel).Predict(seldon_pb2.ClassificationRequest(data=data), 10)
    assert reply.meta.modelName == "model_xgb"
    assert max(reply.predictions, key=lambda each: each.prediction).predictedClass == "Iris-virginica"
