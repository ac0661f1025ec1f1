from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from gaal.components.remote_model import FarModel, far_model
from gaal.errors import Violation
from gaal.graph import rules
from gaal.graph.deployment import Endpoint

from .conftest import Load
from .test_graph_rules import GRAPH, violations_of


def graph(endpoint: str = "{}", **parameters: str) -> str:
    given = [{"name": name, "type": "STRING", "value": value} for name, value in parameters.items()]
    return f"{{name: m, implementation: TENSORFLOW_SERVER, endpoint: {endpoint}, parameters: {json.dumps(given)}}}"


def rest(host: str, port: int, *, tls: bool = False) -> Endpoint:
    return Endpoint(host, port, 9500, "REST", is_tls=tls, protocol="tensorflow")


def grpc(host: str, port: int, *, tls: bool = False) -> Endpoint:
    return Endpoint(host, 9000, port, "GRPC", is_tls=tls, protocol="tensorflow")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (graph(rest_endpoint="http://tf:8501"), rest("tf", 8501)),
        (graph(rest_endpoint="http://0.0.0.0:2001/"), rest("0.0.0.0", 2001)),
        (graph(rest_endpoint="http://tf"), rest("tf", 80)),
        (graph(rest_endpoint="tf:8501"), rest("tf", 8501)),
        (graph(rest_endpoint="https://tf.example.org"), rest("tf.example.org", 443, tls=True)),
        (graph(rest_endpoint="http://[::1]:8501"), rest("::1", 8501)),
        (graph(grpc_endpoint="tf:8500"), grpc("tf", 8500)),
        (graph(grpc_endpoint="grpcs://tf:8500"), grpc("tf", 8500, tls=True)),
        (graph(grpc_endpoint="tf:8500", rest_endpoint="http://tf:8501"), rest("tf", 8501)),
        (graph("{type: GRPC}", grpc_endpoint="tf:8500", rest_endpoint="https://tf"), grpc("tf", 8500)),
        (graph("{service_host: near, service_port: 1}", rest_endpoint="https://tf"), rest("near", 1)),
    ],
)
def test_parameters_name_where_tensorflow_serving_stands(load_graph: Load, written: str, expected: Endpoint) -> None:
    deployment = load_graph(written)
    assert deployment.predictors[0].graph.endpoint == expected
    assert deployment.warnings == ()


def test_of_two_places_the_transport_chooses(load_graph: Load) -> None:
    written = graph(grpc_endpoint="tf:8500", rest_endpoint="http://tf:8501")
    assert load_graph(written, spec="{transport: grpc}").predictors[0].graph.endpoint == grpc("tf", 8500)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rest_endpoint", "tf"),
        ("rest_endpoint", "grpc://tf:8500"),
        ("rest_endpoint", "http://tf:8501/v1"),
        ("rest_endpoint", "http://user:secret@tf:8501"),
        ("rest_endpoint", "http://tf:0"),
        ("grpc_endpoint", "http://tf:8500"),
        ("grpc_endpoint", "tf:99999"),
    ],
)
def test_a_place_that_is_no_address_is_refused(load_graph: Load, name: str, value: str) -> None:
    at = f"{GRAPH}.parameters[0].value"
    found = violations_of(load_graph, graph(**{name: value}))
    assert found == (Violation(at, rules.FAR_SIDE_ADDRESS, value.replace("user:secret@", "…@")),)


def test_these_parameters_mean_nothing_to_another_implementation(load_graph: Load) -> None:
    written = graph(rest_endpoint="http://tf:8501").replace("TENSORFLOW", "TRITON")
    assert violations_of(load_graph, written) == (
        Violation(f"{GRAPH}.implementation", rules.FAR_SIDE, "TRITON_SERVER"),
    )


def test_the_example_of_the_page_names_its_server(load_graph: Load) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "remote-units.md").read_text()
    [text] = re.findall(r"```yaml\n(graph:.*?)```", page, re.DOTALL)
    unit = load_graph(json.dumps(yaml.safe_load(text)["graph"])).predictors[0].graph
    assert unit.endpoint == rest("tf.internal", 8501)
    assert far_model(unit) == FarModel("digits", "TENSORFLOW_SERVER", "mnist", signature="predict_images")
