"""Each finding about a document that breaks no rule: the place that it names, the rule, and the value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gaal.errors import Violation
from gaal.graph import lint, rules
from gaal.graph.load import check, check_text

GRAPH = "spec.predictors[0].graph"
EXAMPLES = Path(__file__).parents[2] / "examples"


def document(graph: str, predictor: str = "{}", spec: str = "{}") -> dict[str, Any]:
    """A deployment of one predictor. `code: true` at a unit stands for code that an annotation names."""
    root = yaml.safe_load(graph)
    annotations = {f"gaal.dev/component.{unit['name']}": "m:C" for unit in units(root) if unit.pop("code", False)}
    return {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": "d"},
        "spec": {
            "annotations": annotations,
            "predictors": [{"name": "p", "graph": root, **yaml.safe_load(predictor)}],
            **yaml.safe_load(spec),
        },
    }


def units(unit: dict[str, Any]) -> list[dict[str, Any]]:
    return [unit, *(below for child in unit.get("children", []) for below in units(child))]


def findings(written: dict[str, Any], loaded: lint.Known | None = None) -> list[Violation]:
    [checked] = check_text(yaml.safe_dump(written), "test.yaml")
    return list(lint.findings(checked.document, loaded))


A, B = "{name: a, implementation: SIMPLE_MODEL}", "{name: b, implementation: SIMPLE_MODEL}"
TWO = f"children: [{A}, {B}]"
RATIO = "parameters: [{{name: ratioA, value: '{}', type: FLOAT}}]"

UNITS: list[tuple[str, list[tuple[str, str, Any]]]] = [
    # Units that nothing reaches.
    (f"{{name: m, code: true, type: MODEL, {TWO}}}", [(".children[1]", lint.UNUSED_REPLY, "b")]),
    (f"{{name: t, code: true, type: TRANSFORMER, {TWO}}}", [(".children[1]", lint.UNUSED_REPLY, "b")]),
    (f"{{name: c, implementation: AVERAGE_COMBINER, {TWO}}}", []),
    (f"{{name: m, code: true, type: MODEL, methods: [AGGREGATE], {TWO}}}", []),
    (f"{{name: r, implementation: SIMPLE_ROUTER, {TWO}}}", [(".children[1]", lint.NEVER_CHOSEN, "b")]),
    (
        f"{{name: r, implementation: RANDOM_ABTEST, {RATIO.format(1)}, {TWO}}}",
        [(".children[1]", lint.NEVER_CHOSEN, "b")],
    ),
    (
        f"{{name: r, implementation: RANDOM_ABTEST, {RATIO.format('0.0')}, {TWO}}}",
        [(".children[0]", lint.NEVER_CHOSEN, "a")],
    ),
    (f"{{name: r, implementation: RANDOM_ABTEST, {RATIO.format(0.5)}, {TWO}}}", []),
    (f"{{name: r, implementation: RANDOM_ABTEST, {TWO}}}", []),
    (f"{{name: r, implementation: SIMPLE_ROUTER, code: true, {TWO}}}", []),  # the code takes its place
    # The arity of routers.
    (f"{{name: r, code: true, type: ROUTER, children: [{A}]}}", [(".children", lint.ONE_BRANCH, "a")]),
    (f"{{name: r, implementation: SIMPLE_ROUTER, children: [{A}]}}", [(".children", lint.ONE_BRANCH, "a")]),
    # The way of feedback.
    (f"{{name: r, code: true, methods: [ROUTE], {TWO}}}", [(".methods", lint.DEAF_ROUTER, ["ROUTE"])]),
    (f"{{name: r, code: true, methods: [ROUTE, SEND_FEEDBACK], {TWO}}}", []),
    (
        f"{{name: r, code: true, type: ROUTER, children: [{A}, {{name: t, code: true, type: TRANSFORMER}}]}}",
        [(".children[1]", lint.NO_FEEDBACK_BELOW, "t")],
    ),
    (
        f"{{name: r, code: true, type: ROUTER, children: [{A}, "
        f"{{name: t, code: true, type: TRANSFORMER, children: [{B}]}}]}}",
        [],
    ),
    (
        "{name: r, implementation: SIMPLE_ROUTER, children: ["
        + A
        + ", {name: t, code: true, type: TRANSFORMER, methods: [SEND_FEEDBACK]}]}",
        [(".children[1]", lint.NEVER_CHOSEN, "t"), (".children[1]", lint.UNREACHED_FEEDBACK, "t")],
    ),
    # What this version does not do.
    (
        "{name: m, implementation: TEMPO_SERVER, modelUri: 'file:///m'}",
        [(".implementation", lint.UNSERVED_IMPLEMENTATION, "TEMPO_SERVER")],
    ),
    ("{name: m, implementation: TEMPO_SERVER, code: true}", []),
    (
        "{name: m, implementation: SIMPLE_MODEL, logger: {mode: all, url: 'http://l'}}",
        [(".logger", lint.UNSERVED_LOGGER, "all")],
    ),
]


@pytest.mark.parametrize(("graph", "expected"), UNITS)
def test_a_unit_is_looked_over(graph: str, expected: list[tuple[str, str, Any]]) -> None:
    found = [(each.path.removeprefix(GRAPH), each.rule, each.value) for each in findings(document(graph))]

    assert found == expected


DEPLOYMENTS: list[tuple[str, str, list[Violation]]] = [
    ("{}", "{protocol: v2}", []),
    (
        "{svcOrchSpec: {env: [{name: KAFKA_BROKER}, {name: KAFKA_INPUT_TOPIC}, {name: KAFKA_OUTPUT_TOPIC}]}}",
        "{serverType: kafka}",
        [Violation("spec.serverType", lint.UNSERVED_SERVER_TYPE, "kafka")],
    ),
    (
        "{explainer: {type: AnchorTabular}}",
        "{}",
        [Violation("spec.predictors[0].explainer", lint.UNSERVED_EXPLAINER, "AnchorTabular")],
    ),
]


@pytest.mark.parametrize(("predictor", "spec", "expected"), DEPLOYMENTS)
def test_a_deployment_is_looked_over(predictor: str, spec: str, expected: list[Violation]) -> None:
    assert findings(document(A, predictor, spec)) == expected


def with_second(graph: str, **fields: Any) -> dict[str, Any]:
    """A deployment whose first predictor has all the traffic; the second one is given."""
    written = document(graph)
    second = {**written["spec"]["predictors"][0], "name": "q", **fields}
    written["spec"]["predictors"] = [
        {"name": "p", "traffic": 100, "graph": {"name": "z", "implementation": "SIMPLE_MODEL"}},
        second,
    ]
    return written


def test_a_predictor_without_traffic_is_never_asked() -> None:
    found = findings(with_second("{name: t, code: true, type: TRANSFORMER, methods: [SEND_FEEDBACK]}", traffic=0))

    assert found == [
        Violation("spec.predictors[1].traffic", lint.NO_TRAFFIC, 0),
        Violation("spec.predictors[1].graph", lint.UNREACHED_FEEDBACK, "t"),
    ]


def test_a_shadow_hears_no_feedback() -> None:
    found = findings(with_second(f"{{name: r, code: true, type: ROUTER, {TWO}}}", shadow=True))

    assert found == [Violation("spec.predictors[1].graph", lint.UNREACHED_FEEDBACK, "r")]


def array(*names: str, shape: list[int] | None = None, messagetype: str = "tensor") -> dict[str, Any]:
    schema = {"names": list(names), **({} if shape is None else {"shape": shape})}
    return {"messagetype": messagetype, "schema": schema}


def v2(datatype: str, *shape: int) -> dict[str, Any]:
    return {"name": "t", "datatype": datatype, "shape": list(shape)}


CHAIN = "{name: t, code: true, type: TRANSFORMER, children: [{name: m, code: true, type: MODEL}]}"

EDGES: list[tuple[list[Any], list[Any], list[tuple[str, str, Any]]]] = [
    ([array("a", "b")], [array("a", "b", messagetype="ndarray")], []),
    ([array("a")], [array("b")], [(lint.EDGE_NAMES, "['a']", "['b']")]),
    ([array(shape=[1, 3])], [array(shape=[1, 4])], [(lint.EDGE_SHAPE, "[1, 3]", "[1, 4]")]),
    ([array(shape=[3])], [array(shape=[1, 3])], [(lint.EDGE_SHAPE, "[3]", "[1, 3]")]),
    ([array(shape=[-1, 3])], [array(shape=[8, 3])], []),
    ([array("a", shape=[2])], [array()], []),
    ([array("a")], [{"messagetype": "strData"}], [(lint.EDGE_KIND, "array", "strData")]),
    ([{"messagetype": "jsonData", "schema": {"type": "object"}}], [{"messagetype": "jsonData"}], []),
    ([v2("FP32", 2)], [v2("INT8", 3)], [(lint.EDGE_KIND, "FP32", "INT8"), (lint.EDGE_SHAPE, "[2]", "[3]")]),
    ([array("a"), array("b")], [array("a")], [(lint.EDGE_NUMBER, "2", 1)]),
    ([], [array("a")], []),
    ([array("a")], [], []),
]


def edge_findings(graph: str, metadata: Mapping[str, Mapping[str, Any]], **parts: str) -> list[tuple[str, str, Any]]:
    loaded = {(0, name): each for name, each in metadata.items()}
    found = findings(document(graph, **parts), loaded)
    return [(each.path.removeprefix(GRAPH), each.rule, each.value) for each in found]


@pytest.mark.parametrize(("given", "taken", "expected"), EDGES)
def test_neighbours_fit_where_both_say_what_they_are(
    given: list[Any], taken: list[Any], expected: list[tuple[str, str, Any]]
) -> None:
    found = edge_findings(CHAIN, {"t": {"outputs": given}, "m": {"inputs": taken}})

    told = [(".children[0]", f'{rule}; unit "t" gives {gives}', takes) for rule, gives, takes in expected]
    assert found == told


def test_what_goes_through_a_router_reaches_its_children() -> None:
    graph = (
        "{name: t, code: true, type: TRANSFORMER, children: [{name: r, code: true, type: ROUTER, children: "
        "[{name: a, code: true, type: MODEL}, {name: b, code: true, type: MODEL}]}]}"
    )
    metadata = {"t": {"outputs": [array("x")]}, "r": {"inputs": [array("y")]}, "b": {"inputs": [array("z")]}}

    assert [path for path, _, _ in edge_findings(graph, metadata)] == [".children[0]", ".children[0].children[1]"]


@pytest.mark.parametrize("root", ["COMBINER", "OUTPUT_TRANSFORMER"])
def test_what_children_answer_goes_to_the_combiner_or_output_transformer(root: str) -> None:
    models = "{name: a, code: true, type: MODEL}, {name: b, code: true, type: MODEL}"
    children = f"{{name: r, code: true, type: ROUTER, children: [{models}]}}"
    metadata = {
        "c": {"inputs": [array("x")]},
        "a": {"outputs": [array("x")]},
        "b": {"outputs": [array("y")]},
    }

    [(path, rule, value)] = edge_findings(f"{{name: c, code: true, type: {root}, children: [{children}]}}", metadata)

    assert (path, rule, value) == ("", f"{lint.EDGE_NAMES}; unit \"b\" gives ['y']", "['x']")


def test_the_children_of_an_average_agree_with_the_first_of_them() -> None:
    children = "{name: a, code: true, type: MODEL}, {name: b, code: true, type: MODEL}"
    metadata = {"a": {"outputs": [array(shape=[1, 3])]}, "b": {"outputs": [array(shape=[1, 2])]}}

    found = edge_findings(f"{{name: c, implementation: AVERAGE_COMBINER, children: [{children}]}}", metadata)

    assert found == [("", f'{lint.EDGE_SHAPE}; unit "b" gives [1, 2]', "[1, 3]")]


def container(name: str, metadata: str) -> str:
    env = [{"name": "MODEL_METADATA", "value": metadata}]
    return yaml.safe_dump({"componentSpecs": [{"spec": {"containers": [{"name": name, "env": env}]}}]})


def test_the_containers_metadata_goes_before_that_of_the_component() -> None:
    predictor = container("m", "inputs: [{messagetype: tensor, schema: {names: [b]}}]")
    metadata = {"t": {"outputs": [array("b")]}, "m": {"inputs": [array("a")]}}

    assert edge_findings(CHAIN, metadata) != []
    assert edge_findings(CHAIN, metadata, predictor=predictor) == []


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ("[1]", "the document"),
        ("{", "line 2, column 1"),
        ("inputs: 5", "inputs"),
        ("inputs: [5]", "inputs[0]"),
        ("inputs: [{messagetype: tensor, schema: 5}]", "inputs[0].schema"),
        ("inputs: [{messagetype: tensor, schema: {names: 5}}]", "inputs[0].schema.names"),
        ("outputs: [{messagetype: tensor, schema: {shape: [a]}}]", "outputs[0].schema.shape"),
        ("outputs: [{name: x, datatype: FP32, shape: 5}]", "outputs[0].shape"),
    ],
)
def test_metadata_of_another_form_is_told_with_its_place(written: str, wrong: str) -> None:
    [found] = findings(document(CHAIN, predictor=container("m", written)))

    assert found.path == "spec.predictors[0].componentSpecs[0].spec.containers[0].env"
    assert found.rule.startswith(f"{lint.METADATA}; wrong is {wrong}")
    assert found.value == "m"


def test_every_unit_has_its_place() -> None:
    [checked] = check_text(yaml.safe_dump(document(f"{{name: r, implementation: SIMPLE_ROUTER, {TWO}}}")), "test")

    assert lint.unit_places(checked.document) == {
        (0, "r"): GRAPH,
        (0, "a"): f"{GRAPH}.children[0]",
        (0, "b"): f"{GRAPH}.children[1]",
    }


def test_the_warnings_that_a_finding_replaces_are_warnings() -> None:
    [checked] = check_text(yaml.safe_dump(document(f"{{name: m, code: true, type: MODEL, {TWO}}}")), "test")

    assert [each.rule for each in checked.warnings] == list(lint.REPLACED_WARNINGS) == [rules.FIRST_CHILD]
    assert list(checked.deployment.warnings) == [str(each) for each in checked.warnings]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/deployment.yaml")), ids=lambda path: path.parent.name)
def test_the_examples_have_nothing_to_be_found(path: Path) -> None:
    for each in check(path):
        assert list(lint.findings(each.document)) == []
        assert each.warnings == ()
