from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from gaal.errors import GraphError
from gaal.graph import rules
from gaal.graph.deployment import Deployment, Parameter, PredictiveUnit

Load = Callable[..., Deployment]


def unit_of(load_graph: Load, container: str, graph: str = "{name: m, type: MODEL}", spec: str = "") -> PredictiveUnit:
    predictor = f"{{componentSpecs: [{{spec: {{containers: [{container}]}}}}]}}"
    return load_graph(graph, predictor=predictor, spec=spec).predictors[0].graph


COMMANDS: list[tuple[list[str], str]] = [
    (["seldon-core-microservice", "IrisClassifier"], "IrisClassifier"),
    (["seldon-core-microservice", "IrisClassifier", "REST", "--service-type", "MODEL"], "IrisClassifier"),
    (["seldon-core-microservice", "--service-type", "MODEL", "REST", "models.iris.Iris"], "models.iris:Iris"),
    (["/usr/bin/seldon-core-microservice", "--workers=2", "--tracing", "Iris", "GRPC"], "Iris"),
    (["seldon-core-microservice", "--persistence", "0", "Iris", "--debug", "true"], "Iris"),
    (["gaal", "microservice", "pkg.mod:Class", "--http-port", "9000"], "pkg.mod:Class"),
    (["python", "-m", "seldon_core.microservice", "Iris", "REST"], "Iris"),
    (["tini", "--", "seldon-core-microservice", "Iris"], "Iris"),
    (["sh", "-c", "seldon-core-microservice Iris --service-type MODEL"], "Iris"),
    (["/bin/bash", "-ec", "cd /app\nexport A=b\nexec seldon-core-microservice Iris > log; echo done"], "Iris"),
    (["sh", "-c", "pip install x && exec gaal microservice \\\n  a.b:C"], "a.b:C"),
    (["sh", "-c", "NAME=Iris; exec seldon-core-microservice ${NAME}"], "Iris"),
    (["sh", "-c", "exec seldon-core-microservice $MODEL --service-type $TYPE"], "FromEnv"),
    (["seldon-core-microservice", "$(MODEL)"], "FromEnv"),
]


@pytest.mark.parametrize(("command", "component"), COMMANDS)
def test_the_command_of_the_container_names_the_class(load_graph: Load, command: list[str], component: str) -> None:
    env = "[{name: MODEL, value: FromEnv}, {name: TYPE, value: MODEL}]"
    unit = unit_of(load_graph, f"{{name: m, command: {json.dumps(command)}, env: {env}}}")
    assert unit.component == component


def test_the_arguments_continue_the_command(load_graph: Load) -> None:
    container = "{name: m, command: [sh, -c], args: ['seldon-core-microservice Iris REST']}"
    assert unit_of(load_graph, container).component == "Iris"


def test_the_env_model_name_names_the_class(load_graph: Load) -> None:
    unit = unit_of(load_graph, "{name: m, image: 'a/b:1', env: [{name: MODEL_NAME, value: pkg.Iris}]}")
    assert (unit.component, unit.image, unit.env) == ("pkg:Iris", "a/b:1", {"MODEL_NAME": "pkg.Iris"})


def test_the_command_wins_over_the_env(load_graph: Load) -> None:
    container = "{name: m, args: [seldon-core-microservice, A], env: [{name: MODEL_NAME, value: B}]}"
    assert unit_of(load_graph, container).component == "A"


@pytest.mark.parametrize("flag", ["--parameters '{}' Iris", "Iris --parameters='{}'"])
def test_the_command_gives_the_parameters(load_graph: Load, flag: str) -> None:
    parameters = '[{"name":"a","value":"1","type":"INT"}]'
    script = json.dumps("seldon-core-microservice " + flag.replace("{}", parameters))
    unit = unit_of(load_graph, f"{{name: m, command: [sh, -c, {script}]}}")
    assert (unit.component, unit.parameters) == ("Iris", (Parameter("a", "1", "INT"),))


def test_the_graph_gives_the_parameters_otherwise(load_graph: Load) -> None:
    graph = "{name: m, type: MODEL, parameters: [{name: a, value: '1', type: INT}]}"
    unit = unit_of(load_graph, "{name: m, env: [{name: MODEL_NAME, value: Iris}]}", graph)
    assert unit.parameters == (Parameter("a", "1", "INT"),)


def test_parameters_of_a_command_are_checked(load_graph: Load) -> None:
    container = "{name: m, command: [seldon-core-microservice, Iris, --parameters, '[{']}"
    with pytest.raises(GraphError) as raised:
        unit_of(load_graph, container)
    [violation] = raised.value.violations
    assert violation.path == "spec.predictors[0].componentSpecs[0].spec.containers[0]"
    assert violation.rule.startswith(rules.PARAMETER)


def test_an_annotation_wins_over_the_container(load_graph: Load) -> None:
    container = "{name: m, command: [seldon-core-microservice, Iris]}"
    unit = unit_of(load_graph, container, spec="{annotations: {gaal.dev/component.m: 'a.b:C'}}")
    assert unit.component == "a.b:C"


def test_the_innermost_annotation_counts(load_graph: Load) -> None:
    annotations = [f"{{annotations: {{gaal.dev/component.m: {name}}}}}" for name in ("A", "B", "C")]
    unit = "{name: m, type: MODEL}"
    inner = load_graph(unit, predictor=annotations[0], spec=annotations[1], metadata=annotations[2])
    middle = load_graph(unit, spec=annotations[1], metadata=annotations[2])
    outer = load_graph(unit, metadata=annotations[2])
    assert [each.predictors[0].graph.component for each in (inner, middle, outer)] == ["A", "B", "C"]


def test_an_annotation_puts_code_in_the_place_of_a_server_or_a_remote_unit(load_graph: Load) -> None:
    spec = "{annotations: {gaal.dev/component.m: C}}"
    server = load_graph("{name: m, implementation: SKLEARN_SERVER}", spec=spec).predictors[0].graph
    remote = load_graph("{name: m, endpoint: {service_host: h}}", spec=spec).predictors[0].graph
    assert (server.implementation, server.component) == ("UNKNOWN_IMPLEMENTATION", "C")
    assert (remote.endpoint, remote.component) == (None, "C")


@pytest.mark.parametrize(
    "container",
    [
        "{name: other, command: [seldon-core-microservice, Iris]}",
        "{name: m, image: 'a/b:1'}",
        "{name: m, command: [python, serve.py, Iris]}",
        "{name: m, command: [seldon-core-microservice, $UNSET]}",
        "{name: m, command: [seldon-core-microservice, --workers, '2']}",
        '{name: m, command: [sh, -c, "seldon-core-microservice \'open"]}',
        "{name: m, command: [sh, -c]}",
        "{name: m, env: [{name: MODEL_NAME, value: 'not a class'}]}",
    ],
)
def test_a_unit_without_code_is_told_the_three_ways(load_graph: Load, container: str) -> None:
    with pytest.raises(GraphError) as raised:
        unit_of(load_graph, container)
    [violation] = raised.value.violations
    assert (violation.path, violation.rule, violation.value) == ("spec.predictors[0].graph", rules.NO_CODE, "m")
    assert all(way in violation.rule for way in ("command", "MODEL_NAME", "gaal.dev/component"))


@pytest.mark.parametrize(
    "graph",
    [
        "{name: m, implementation: SIMPLE_MODEL}",
        "{name: m, implementation: XGBOOST_SERVER, modelUri: 'file:///m'}",
        "{name: m, type: MODEL, endpoint: {service_host: h}}",
    ],
)
def test_some_units_need_no_code(load_graph: Load, graph: str) -> None:
    assert load_graph(graph).predictors[0].graph.component is None
