"""The file of servers by configuration, and documents that name them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from gaal.errors import GraphError, Violation
from gaal.graph import lint, rules, servers
from gaal.graph.deployment import Parameter, Placement, PredictiveUnit, UnitType
from gaal.graph.load import check_text, loads
from gaal.graph.servers import CustomServer, read_servers

from .conftest import document

RANKER = CustomServer(
    "acme.servers:Ranker",
    (Parameter("top", "3", "INT"), Parameter("scale", "0.5", "DOUBLE"), Parameter("loud", "true", "BOOL")),
    Placement.WORKER,
    "acme[torch]",
)
IN_FORCE = {"CUSTOM_INFERENCE_SERVER": RANKER, "TEMPO_SERVER": CustomServer("Tempo")}


def unit(graph: str, annotations: str = "{}") -> PredictiveUnit:
    written = document(graph, "", "", f"{{annotations: {annotations}}}")
    return loads(written, "test", IN_FORCE)[0].predictors[0].graph


@pytest.mark.parametrize("write", [partial(yaml.safe_dump, sort_keys=False), json.dumps])
def test_the_file_is_yaml_or_json(tmp_path: Path, write: Any) -> None:
    given = {"top": 3, "scale": 0.5, "loud": True}
    ranker = {"component": "acme.servers:Ranker", "parameters": given, "placement": "worker", "extra": "acme[torch]"}
    file = tmp_path / "servers"
    file.write_text(write({"CUSTOM_INFERENCE_SERVER": ranker, "TEMPO_SERVER": {"component": "Tempo"}}))
    assert read_servers(file) == IN_FORCE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", [Violation("document", rules.NEEDS_MAPPING, "[]")]),
        ("A: {component: C}\n---\nB: {component: C}", [Violation("document", rules.NEEDS_MAPPING, None)]),
        ("SKLEARN_SERVER: {component: C}", [Violation("document", servers.NAME, "SKLEARN_SERVER")]),
        ("SIMPLE_MODEL: {component: C}", [Violation("document", servers.NAME, "SIMPLE_MODEL")]),
        ("my server: {component: C}", [Violation("document", servers.NAME, "my server")]),
        ("A: C", [Violation("A", rules.NEEDS_MAPPING, "C")]),
        ("A: {}", [Violation("A.component", rules.REQUIRED)]),
        ("A: {component: a/b}", [Violation("A.component", rules.COMPONENT, "a/b")]),
        (
            "A: {component: C, paramters: {}}",
            [Violation("A", servers.FIELD + '; did you mean "parameters"?', "paramters")],
        ),
        ("A: {component: C, placement: remote}", [Violation("A.placement", servers.PLACEMENT, "remote")]),
        ("A: {component: C, extra: 1}", [Violation("A.extra", rules.NEEDS_TEXT, 1)]),
        ("A: {component: C, parameters: [1]}", [Violation("A.parameters", rules.NEEDS_MAPPING, "[1]")]),
        ("A: {component: C, parameters: {a: []}}", [Violation("A.parameters", servers.PARAMETER, "{'a': []}")]),
    ],
)
def test_all_that_is_wrong_in_it_is_said(tmp_path: Path, text: str, expected: list[Violation]) -> None:
    file = tmp_path / "servers.yaml"
    file.write_text(text)
    with pytest.raises(GraphError) as raised:
        read_servers(file)
    assert list(raised.value.violations) == expected


def test_a_document_may_name_a_server_that_is_in_force() -> None:
    given = "[{name: top, type: INT, value: '5'}, {name: own, type: STRING, value: x}]"
    found = unit(f"{{name: m, implementation: CUSTOM_INFERENCE_SERVER, modelUri: s3://m, parameters: {given}}}")
    assert (found.type, found.component, found.placement) == (UnitType.MODEL, RANKER.component, Placement.WORKER)
    assert (found.model_uri, found.extra) == ("s3://m", "acme[torch]")
    assert found.parameters == (
        *RANKER.parameters[1:],
        Parameter("top", "5", "INT"),
        Parameter("own", "x", "STRING"),
    )


def test_what_the_document_says_goes_before_the_configuration() -> None:
    graph = "{name: m, implementation: CUSTOM_INFERENCE_SERVER}"
    assert unit(graph, "{gaal.dev/placement.m: thread}").placement is Placement.THREAD
    by_code = unit(graph, "{gaal.dev/component.m: Mine}")
    assert (by_code.component, by_code.implementation, by_code.parameters) == ("Mine", "UNKNOWN_IMPLEMENTATION", ())
    elsewhere = unit("{name: m, implementation: CUSTOM_INFERENCE_SERVER, endpoint: {service_host: far}}")
    assert elsewhere.component is None
    assert elsewhere.endpoint is not None


def test_a_server_of_gaals_list_that_it_does_not_run_may_be_a_class() -> None:
    assert unit("{name: m, implementation: TEMPO_SERVER}").component == "Tempo"
    [checked] = check_text(document("{name: m, implementation: TEMPO_SERVER}", "", "", ""), "test", IN_FORCE)
    assert list(lint.findings(checked.document, servers=IN_FORCE)) == []


def test_other_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(GraphError) as raised:
        unit("{name: m, implementation: ZZZ}")
    [violation] = raised.value.violations
    assert violation.rule.startswith(rules.IMPLEMENTATION + "; known are UNKNOWN_IMPLEMENTATION, ")
    assert violation.rule.endswith(", TEMPO_SERVER, CUSTOM_INFERENCE_SERVER")
    with pytest.raises(GraphError, match=rules.IMPLEMENTATION):
        loads(document("{name: m, implementation: CUSTOM_INFERENCE_SERVER}", "", "", ""), "test")
