"""The pipeline of the Iris example, trained on the real data, and processes that serve it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.datasets import load_iris
from sklearn.pipeline import Pipeline

import seldon.pipeline.auto_transforms as pauto
import seldon.pipeline.basic_transforms as bt
import seldon.pipeline.util as sutl
import seldon.xgb as xg

DOCUMENT = Path(__file__).parents[2] / "examples" / "iris-classifier"
"""The files of Seldon Server's page on gRPC. Its code is as it stands there, but that print is a function."""

VIRGINICA = {"f1": 1, "f2": 2.7, "f3": 5.3, "f4": 1.9}
"""The row of the document, which is a virginica for sure."""


def iris_rows() -> pd.DataFrame:
    iris = load_iris()
    rows = pd.DataFrame(iris.data, columns=["f1", "f2", "f3", "f4"])
    return rows.assign(name=[f"Iris-{iris.target_names[target]}" for target in iris.target])


@cache
def trained() -> Any:
    """By the steps of the Iris example, names in their old spelling included."""
    name_id = bt.Feature_id_transform(
        min_size=0, exclude_missing=True, zero_based=True, input_feature="name", output_feature="nameId"
    )
    auto = pauto.Auto_transform(max_values_numeric_categorical=2, exclude=["nameId", "name"])
    xgb = xg.XGBoostClassifier(
        target="nameId", target_readable="name", excluded=["name"], learning_rate=0.1, silent=0, n_jobs=1
    )
    return Pipeline([("tName", name_id), ("tAuto", auto), ("xgb", xgb)]).fit(iris_rows())


def saved_in(folder: Path) -> str:
    sutl.Pipeline_wrapper(work_folder=str(folder)).save_pipeline(trained(), str(folder / "pipeline"))
    return str(folder / "pipeline")


def document_module(name: str) -> Any:
    """`iris_rpc_microservice` or `iris_rpc_client` as they stand in the document, or their `iris_pb2`."""
    sys.path.insert(0, str(DOCUMENT))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(DOCUMENT))


@contextmanager
def process(*command: str, port: int) -> Iterator[subprocess.Popen[str]]:
    """A microservice in a process of its own, which listens when the block begins."""
    variables = {**os.environ, "GAAL_MICROSERVICE_PORT": str(port), "GAAL_MICROSERVICE_HOST": "127.0.0.1"}
    with subprocess.Popen(
        [sys.executable, *command], env=variables, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            await_listening(port, running)
            yield running
        finally:
            running.kill()
            running.communicate()


def await_listening(port: int, running: subprocess.Popen[str], within_s: float = 30.0) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until and running.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    running.kill()
    raise AssertionError(running.communicate())


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
