"""Each rule: a document that breaks it, the place that the violation names, and the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gaal.errors import GraphError, Violation
from gaal.graph import names, rules
from gaal.graph.deployment import Deployment
from gaal.graph.load import loads

Load = Callable[..., Deployment]

GRAPH = "spec.predictors[0].graph"
MODEL = "{name: m, implementation: SIMPLE_MODEL}"
CHILDREN = "children: [{name: a, implementation: SIMPLE_MODEL}, {name: b, implementation: SIMPLE_MODEL}]"


def violations_of(load_graph: Load, graph: str, **parts: str) -> tuple[Violation, ...]:
    with pytest.raises(GraphError) as raised:
        load_graph(graph, **parts)
    return raised.value.violations


UNIT_RULES = [
    ("{implementation: SIMPLE_MODEL}", "name", rules.REQUIRED, None),
    ("{name: a/b, implementation: SIMPLE_MODEL}", "name", rules.NAME, "a/b"),
    ("{name: 5, implementation: SIMPLE_MODEL}", "name", rules.NEEDS_TEXT, 5),
    ("{name: m, type: MODLE}", "type", rules.UNIT_TYPE + '; did you mean "MODEL"?', "MODLE"),
    ("{name: m, type: model}", "type", rules.UNIT_TYPE + '; did you mean "MODEL"?', "model"),
    (
        "{name: m, implementation: RANDOM_ABTST}",
        "implementation",
        rules.IMPLEMENTATION + '; did you mean "RANDOM_ABTEST"?',
        "RANDOM_ABTST",
    ),
    ("{name: m, implementation: MY_SERVER}", "implementation", rules.IMPLEMENTATION, "MY_SERVER"),
    (
        "{name: m, implementation: SIMPLE_MODEL, methods: [TRANSFORM_IN, ROUTE], children: [{name: c}]}",
        "methods[0]",
        rules.METHOD + '; did you mean "TRANSFORM_INPUT"?',
        "TRANSFORM_IN",
    ),
    ("{name: m, type: UNKNOWN_TYPE}", "type", rules.NO_METHODS, "UNKNOWN_TYPE"),
    ("{name: m, type: ROUTER}", "children", rules.NO_CHILDREN, None),
    ("{name: m, type: MODEL, methods: [ROUTE]}", "children", rules.NO_CHILDREN, None),
    ("{name: m, implementation: SIMPLE_ROUTER}", "children", rules.NO_CHILDREN, None),
    ("{name: m, implementation: RANDOM_ABTEST}", "children", rules.ABTEST_CHILDREN + ", got 0", None),
    ("{name: m, implementation: SKLEARN_SERVER}", "modelUri", rules.MODEL_URI, None),
    ("{name: m, type: MODEL}", "", rules.NO_CODE, "m"),
    ("{name: m, methods: [AGGREGATE]}", "", rules.NO_CODE, "m"),
    ("{name: m, endpoint: {type: HTTP, service_host: h}}", "endpoint.type", rules.ENDPOINT_TYPE, "HTTP"),
    ("{name: m, endpoint: {service_host: h, httpPort: 65536}}", "endpoint.httpPort", rules.PORT, 65536),
    ("{name: m, endpoint: {service_host: h, grpcPort: -1}}", "endpoint.grpcPort", rules.PORT, -1),
    ("{name: m, endpoint: {service_host: h, httpPort: '1'}}", "endpoint.httpPort", rules.NEEDS_INTEGER, "1"),
    ("{name: m, implementation: SIMPLE_MODEL, logger: {url: u}}", "logger.mode", rules.LOGGER_MODE, ""),
    ("{name: m, implementation: SIMPLE_MODEL, logger: {mode: every}}", "logger.mode", rules.LOGGER_MODE, "every"),
    ("{name: m, implementation: SIMPLE_MODEL, children: {name: c}}", "children", rules.NEEDS_LIST, "{'name': 'c'}"),
    ("{name: m, implementation: SIMPLE_MODEL, children: [c]}", "children[0]", rules.NEEDS_MAPPING, "c"),
    (
        f"{{name: m, implementation: AVERAGE_COMBINER, {CHILDREN.replace('b', 'a')}}}",
        "children[1].name",
        rules.DUPLICATE_UNIT + f"; it is also at {GRAPH}.children[0].name",
        "a",
    ),
]


@pytest.mark.parametrize(("graph", "path", "rule", "value"), UNIT_RULES)
def test_a_unit_keeps_the_rules(load_graph: Load, graph: str, path: str, rule: str, value: Any) -> None:
    first = violations_of(load_graph, graph)[0]
    assert first.path == (f"{GRAPH}.{path}" if path else GRAPH)
    assert first.rule.startswith(rule)
    assert first.value == value


PARAMETERS = [
    ("{value: '1', type: INT}", "name", rules.REQUIRED, None),
    ("{name: a, type: INT}", "value", rules.REQUIRED, None),
    ("{name: a, value: '1'}", "type", rules.REQUIRED, None),
    ("{name: a, value: 1, type: INT}", "value", rules.NEEDS_TEXT, 1),
    (
        "{name: a, value: x, type: INT}",
        "value",
        f"{rules.PARAMETER}: Bad model parameter: a with value x can't be parsed as a INT",
        "x",
    ),
    (
        "{name: a, value: x, type: FOO}",
        "type",
        f"{rules.PARAMETER}: Bad model parameter type: FOO valid are INT, FLOAT, DOUBLE, STRING, BOOL",
        "FOO",
    ),
    ("{name: ratioA, value: '1.5', type: FLOAT}", "value", rules.ABTEST_RATIO, "1.5"),
    ("{name: ratioA, value: '-0.1', type: FLOAT}", "value", rules.ABTEST_RATIO, "-0.1"),
    ("{name: ratioA, value: nan, type: FLOAT}", "value", rules.ABTEST_RATIO, "nan"),
    ("{name: ratioA, value: half, type: STRING}", "value", rules.ABTEST_RATIO, "half"),
]


@pytest.mark.parametrize(("parameter", "key", "rule", "value"), PARAMETERS)
def test_a_parameter_keeps_the_rules(load_graph: Load, parameter: str, key: str, rule: str, value: Any) -> None:
    graph = f"{{name: m, implementation: RANDOM_ABTEST, parameters: [{parameter}], {CHILDREN}}}"
    assert violations_of(load_graph, graph) == (Violation(f"{GRAPH}.parameters[0].{key}", rule, value),)


PREDICTOR = "{name: q, graph: {name: m, implementation: SIMPLE_MODEL}"
WHOLE = [
    ({"metadata": "{name: null}"}, "metadata.name", rules.REQUIRED, None),
    ({"metadata": "{name: Iris_1}"}, "metadata.name", rules.KUBERNETES_NAME, "Iris_1"),
    ({"metadata": "{namespace: a/b}"}, "metadata.namespace", rules.KUBERNETES_NAME, "a/b"),
    ({"spec": "{protocol: v3}"}, "spec.protocol", rules.PROTOCOL, "v3"),
    ({"spec": "{transport: http}"}, "spec.transport", rules.TRANSPORT, "http"),
    ({"spec": "{serverType: rcp}"}, "spec.serverType", rules.SERVER_TYPE + '; did you mean "rpc"?', "rcp"),
    (
        {"spec": "{serverType: kafka}"},
        "spec.predictors[0].svcOrchSpec.env",
        rules.KAFKA_ENV + "; missing: KAFKA_BROKER, KAFKA_INPUT_TOPIC, KAFKA_OUTPUT_TOPIC",
        None,
    ),
    (
        {"spec": "{annotations: {seldon.io/rest-timeout: '-5'}}"},
        'spec.annotations["seldon.io/rest-timeout"]',
        rules.TIMEOUT,
        "-5",
    ),
    (
        {"metadata": "{annotations: {seldon.io/grpc-timeout: 5s}}"},
        'metadata.annotations["seldon.io/grpc-timeout"]',
        rules.TIMEOUT,
        "5s",
    ),
    ({"spec": "{predictors: []}"}, "spec.predictors", rules.NO_PREDICTOR, None),
    ({"spec": "{predictors: {}}"}, "spec.predictors", rules.NEEDS_LIST, "{}"),
    ({"spec": "{predictors: [{name: q}]}"}, "spec.predictors[0].graph", rules.REQUIRED, None),
    ({"predictor": "{name: ''}"}, "spec.predictors[0].name", rules.REQUIRED, None),
    ({"predictor": "{name: a b}"}, "spec.predictors[0].name", rules.NAME, "a b"),
    ({"predictor": "{traffic: 50}"}, "spec.predictors[0].traffic", rules.TRAFFIC_SINGLE, 50),
    ({"predictor": "{traffic: 101}"}, "spec.predictors[0].traffic", rules.TRAFFIC_RANGE, 101),
    ({"predictor": "{traffic: '50'}"}, "spec.predictors[0].traffic", rules.NEEDS_INTEGER, "50"),
    ({"predictor": "{shadow: 'yes'}"}, "spec.predictors[0].shadow", rules.NEEDS_BOOLEAN, "yes"),
    ({"predictor": "{shadow: true}"}, "spec.predictors[0].shadow", rules.ONLY_SHADOW, True),
    ({"predictor": "{labels: {version: 2}}"}, "spec.predictors[0].labels.version", rules.NEEDS_TEXT, 2),
    (
        {"spec": f"{{predictors: [{PREDICTOR}, traffic: 60}}, {PREDICTOR}, traffic: 40}}]}}"},
        "spec.predictors[1].name",
        rules.DUPLICATE_PREDICTOR + "; it is also at spec.predictors[0].name",
        "q",
    ),
    (
        {"spec": "{annotations: {gaal.dev/placement.m: workr}}"},
        'spec.annotations["gaal.dev/placement.m"]',
        rules.PLACEMENT + '; did you mean "worker"?',
        "workr",
    ),
    (
        {"spec": "{annotations: {gaal.dev/placement.m: remote}}"},
        'spec.annotations["gaal.dev/placement.m"]',
        rules.REMOTE_ENDPOINT,
        "remote",
    ),
    (
        {"spec": "{annotations: {gaal.dev/protocol.m: classifyer}}"},
        'spec.annotations["gaal.dev/protocol.m"]',
        rules.UNIT_PROTOCOL + '; did you mean "classifier"?',
        "classifyer",
    ),
    (
        {"spec": "{annotations: {gaal.dev/protocol.m: classifier}}"},
        'spec.annotations["gaal.dev/protocol.m"]',
        rules.CLASSIFIER_UNIT,
        "classifier",
    ),
    *(
        (
            {"spec": f"{{annotations: {{gaal.dev/{key}.m: '{value}'}}}}"},
            f'spec.annotations["gaal.dev/{key}.m"]',
            rule,
            value,
        )
        for key, rule, values in (
            ("replicas", rules.REPLICAS, ("0", "65", "two", "-1", "")),
            ("idempotent", rules.IDEMPOTENT, ("yes", "True")),
            ("batch", rules.BATCH, ("64", "max=1", "max=10001", "max=-2", "on", "")),
            ("threads", rules.THREADS, ("0", "65", "two")),
            ("queue", rules.QUEUE, ("0", "1000001", "-1", "")),
            ("hang-timeout", rules.TIMEOUT, ("1.5", "-1", "30s")),
        )
        for value in values
    ),
    (
        {"predictor": "{annotations: {gaal.dev/component.m: 'a b'}}"},
        'spec.predictors[0].annotations["gaal.dev/component.m"]',
        rules.COMPONENT,
        "a b",
    ),
]


@pytest.mark.parametrize(("parts", "path", "rule", "value"), WHOLE)
def test_a_deployment_keeps_the_rules(
    load_graph: Load, parts: dict[str, str], path: str, rule: str, value: Any
) -> None:
    found = violations_of(load_graph, MODEL, **parts)
    assert any(each.path == path and each.rule.startswith(rule) and each.value == value for each in found)


def predictors(*extras: str) -> str:
    each = [f"{{name: p{index}, graph: {MODEL}{extra}}}" for index, extra in enumerate(extras)]
    return f"{{predictors: [{', '.join(each)}]}}"


@pytest.mark.parametrize(
    ("extras", "violation"),
    [
        (
            (", traffic: 60", ", traffic: 30"),
            Violation("spec.predictors", rules.TRAFFIC_SUM + "; the sum is 90", [60, 30]),
        ),
        (("", ""), Violation("spec.predictors", rules.TRAFFIC_SUM + "; the sum is 0", [0, 0])),
        (("", ", shadow: true, traffic: 120"), Violation("spec.predictors[1].traffic", rules.TRAFFIC_RANGE, 120)),
        (
            (", traffic: 100", ", shadow: true", ", shadow: true"),
            Violation("spec.predictors[2].shadow", rules.SEVERAL_SHADOWS, True),
        ),
        (
            (
                ", traffic: 50, annotations: {seldon.io/svc-name: s}",
                ", traffic: 50, annotations: {seldon.io/svc-name: s}",
            ),
            Violation(
                'spec.predictors[1].annotations["seldon.io/svc-name"]',
                rules.DUPLICATE_SERVICE + '; it is also at spec.predictors[0].annotations["seldon.io/svc-name"]',
                "s",
            ),
        ),
    ],
)
def test_predictors_keep_the_rules_together(load_graph: Load, extras: tuple[str, ...], violation: Violation) -> None:
    assert violations_of(load_graph, MODEL, spec=predictors(*extras)) == (violation,)


@pytest.mark.parametrize("n_children", [1, 3])
def test_an_abtest_has_two_children(load_graph: Load, n_children: int) -> None:
    children = ", ".join(f"{{name: c{index}, implementation: SIMPLE_MODEL}}" for index in range(n_children))
    graph = f"{{name: m, implementation: RANDOM_ABTEST, children: [{children}]}}"
    rule = f"{rules.ABTEST_CHILDREN}, got {n_children}"
    assert violations_of(load_graph, graph) == (Violation(f"{GRAPH}.children", rule),)


def test_a_predictor_without_engine_has_one_unit(load_graph: Load) -> None:
    path = 'spec.predictors[0].annotations["seldon.io/no-engine"]'
    found = violations_of(
        load_graph,
        f"{{name: m, implementation: AVERAGE_COMBINER, {CHILDREN}}}",
        predictor="{annotations: {seldon.io/no-engine: 'true'}}",
    )
    assert found == (Violation(path, rules.NO_ENGINE, "true"),)


def test_some_servers_do_not_speak_tensorflow(load_graph: Load) -> None:
    graph = "{name: m, implementation: XGBOOST_SERVER, modelUri: 'file:///m'}"
    found = violations_of(load_graph, graph, spec="{protocol: tensorflow}")
    assert found == (Violation(f"{GRAPH}.implementation", rules.TENSORFLOW_PROTOCOL, "XGBOOST_SERVER"),)


@pytest.mark.parametrize("name", names.SPOKEN)
def test_a_server_that_runs_elsewhere_must_be_named(load_graph: Load, name: str) -> None:
    at = f"{GRAPH}.implementation"
    assert violations_of(load_graph, f"{{name: m, implementation: {name}}}") == (Violation(at, rules.FAR_SIDE, name),)
    loads_itself = f"{rules.FAR_SIDE}; it loads gs://m by itself, not Gaal"
    found = violations_of(load_graph, f"{{name: m, implementation: {name}, modelUri: gs://m}}")
    assert found == (Violation(at, loads_itself, name),)
    load_graph(f"{{name: m, implementation: {name}, modelUri: gs://m, endpoint: {{service_host: far}}}}")
    load_graph(f"{{name: m, implementation: {name}}}", metadata="{annotations: {gaal.dev/component.m: C}}")


def test_all_violations_are_reported_at_once(load_graph: Load) -> None:
    graph = """
        name: router
        type: ROUTR
        methods: [9]
        children:
        - {name: one, type: MODLE}
        - {name: two, implementation: SKLEARN_SERVER}
        - {name: two, children: x, implementation: SIMPLE_MODEL, parameters: [{name: a, value: x, type: INT}]}
        """
    found = violations_of(load_graph, graph, predictor="{traffic: high}", spec="{protocol: soap}")
    assert {each.path for each in found} == {
        f"{GRAPH}.type",
        f"{GRAPH}.methods[0]",
        f"{GRAPH}.children[0].type",
        f"{GRAPH}.children[0]",
        f"{GRAPH}.children[1].modelUri",
        f"{GRAPH}.children[2].name",
        f"{GRAPH}.children[2].children",
        f"{GRAPH}.children[2].parameters[0].value",
        "spec.predictors[0].traffic",
        "spec.protocol",
    }


def test_a_value_of_a_wrong_type_does_not_break_further_rules(load_graph: Load) -> None:
    found = violations_of(load_graph, "{name: m, type: MODEL}", predictor="{componentSpecs: [{spec: []}]}")
    assert found == (Violation("spec.predictors[0].componentSpecs[0].spec", rules.NEEDS_MAPPING, "[]"),)


WARNINGS = [
    (f"{{name: m, implementation: SIMPLE_MODEL, {CHILDREN}}}", "", f"{GRAPH}.children: {rules.FIRST_CHILD}"),
    ("{name: m, implementation: AVERAGE_COMBINER}", "", f"{GRAPH}.children: {rules.COMBINER_CHILDREN}"),
    (
        "{name: m, implementation: SIMPLE_MODEL, modeluri: u}",
        "",
        f"{GRAPH}.modeluri: {rules.UNKNOWN_FIELD}; did you mean \"modelUri\"? (got 'u')",
    ),
    (
        "{name: m, endpoint: {service_host: h, type: GRPC}}",
        "",
        f"{GRAPH}.endpoint.type: {rules.MIXED_ENDPOINTS} (got 'GRPC')",
    ),
    (
        "{name: m, implementation: SIMPLE_MODEL, parameters: "
        "[{name: a, value: '1', type: INT}, {name: a, value: '2', type: INT}]}",
        "",
        f"{GRAPH}.parameters[1].name: {rules.DUPLICATE_PARAMETER}; it is also at {GRAPH}.parameters[0].name (got 'a')",
    ),
    (
        "{name: model, implementation: SIMPLE_MODEL}",
        "{annotations: {gaal.dev/replicas.model: '2', gaal.dev/placement.model: thread}}",
        f"spec.annotations[\"gaal.dev/replicas.model\"]: {rules.NO_WORKERS} (got '2')",
    ),
    (
        "{name: model, implementation: SIMPLE_MODEL}",
        "{annotations: {gaal.dev/idempotent.modle: 'true'}}",
        f'spec.annotations["gaal.dev/idempotent.modle"]: {rules.UNKNOWN_UNIT}; did you mean "model"?',
    ),
    (
        "{name: model, implementation: SIMPLE_MODEL}",
        "{annotations: {gaal.dev/placement.modle: inline}}",
        f'spec.annotations["gaal.dev/placement.modle"]: {rules.UNKNOWN_UNIT}; did you mean "model"?',
    ),
    (MODEL, "{predictrs: []}", f"spec.predictrs: {rules.UNKNOWN_FIELD}; did you mean \"predictors\"? (got '[]')"),
]


@pytest.mark.parametrize(("graph", "spec", "warning"), WARNINGS)
def test_what_is_odd_is_warned_of(load_graph: Load, graph: str, spec: str, warning: str) -> None:
    assert load_graph(graph, spec=spec).warnings == (warning,)


@pytest.mark.parametrize("api_version", ["machinelearning.seldon.io/v2", "apps/v1", ""])
def test_the_api_version_is_a_known_one(api_version: str) -> None:
    text = f"""{{"kind": "SeldonDeployment", "apiVersion": "{api_version}", "metadata": {{"name": "d"}},
        "spec": {{"predictors": [{{"name": "p", "graph": {{"name": "m", "implementation": "SIMPLE_MODEL"}}}}]}}}}"""
    with pytest.raises(GraphError) as raised:
        loads(text, "d.json")
    [violation] = raised.value.violations
    assert violation.path == "apiVersion"
    assert violation.rule.startswith(rules.API_VERSION)
