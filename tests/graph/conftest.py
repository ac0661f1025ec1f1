"""Deployment documents from their interesting parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from gaal.graph.deployment import Deployment
from gaal.graph.load import loads

Load = Callable[..., Deployment]


@pytest.fixture
def load_graph() -> Load:
    """Load a deployment `d` with one predictor `p`, from YAML of its graph and of further fields."""

    def load(graph: str, predictor: str = "", spec: str = "", metadata: str = "") -> Deployment:
        return loads(document(graph, predictor, spec, metadata), "test.yaml")[0]

    return load


def document(graph: str, predictor: str, spec: str, metadata: str) -> str:
    first: dict[str, Any] = {"name": "p", "graph": yaml.safe_load(graph), **(yaml.safe_load(predictor) or {})}
    return yaml.safe_dump(
        {
            "apiVersion": "machinelearning.seldon.io/v1",
            "kind": "SeldonDeployment",
            "metadata": {"name": "d", **(yaml.safe_load(metadata) or {})},
            "spec": {"predictors": [first], **(yaml.safe_load(spec) or {})},
        }
    )
