"""Files, folders and texts: what can be wrong before a document is understood."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gaal.errors import GraphError, Violation
from gaal.graph import rules
from gaal.graph.load import load, loads

HEAD = "apiVersion: machinelearning.seldon.io/v1\nkind: SeldonDeployment\n"


def deployment(name: str, graph: str = "{name: m, implementation: SIMPLE_MODEL}") -> str:
    return f"{HEAD}metadata: {{name: {name}}}\nspec:\n  predictors:\n  - name: p\n    graph: {graph}\n"


def violations_of(text: str, source: str = "d.yaml") -> tuple[Violation, ...]:
    with pytest.raises(GraphError) as raised:
        loads(text, source)
    assert raised.value.source == source
    return raised.value.violations


def test_a_file_may_hold_several_deployments(tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text(f"---\n{deployment('a')}---\n{deployment('b')}---\n")
    assert [each.name for each in load(file)] == ["a", "b"]


def test_a_folder_is_read_in_the_order_of_the_names(tmp_path: Path) -> None:
    (tmp_path / "2.yml").write_text(deployment("b"))
    (tmp_path / "1.yaml").write_text(deployment("c"))
    (tmp_path / "3.json").write_text(
        '{"apiVersion": "machinelearning.seldon.io/v1alpha3", "kind": "SeldonDeployment", "metadata": {"name": "a"},'
        '\t"spec": {"predictors": [{"name": "p", "graph": {"name": "m", "implementation": "SIMPLE_MODEL"}}]}}'
    )
    (tmp_path / "notes.txt").write_text("{")
    (tmp_path / "0.yaml").mkdir()
    assert [each.name for each in load(tmp_path)] == ["c", "b", "a"]


def test_other_kinds_are_skipped_in_a_folder_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: Service\n---\n" + deployment("a"))
    (tmp_path / "request.json").write_text("[1]")
    [found] = load(tmp_path)
    assert found.warnings == (
        f"a.yaml: document 1: kind: {rules.OTHER_KIND}; known are SeldonDeployment (got 'Service')",
        f"request.json: document: {rules.NEEDS_MAPPING} (got '[1]')",
    )


def test_other_kinds_are_refused_in_a_file() -> None:
    [violation] = violations_of("kind: Service\n---\n" + deployment("a"))
    assert violation.path == "document 1: kind"
    assert violation.rule.startswith(rules.KIND)


def test_a_list_of_deployments_is_read_as_its_items() -> None:
    items = deployment("a").replace("\n", "\n  ")
    assert loads(f"kind: List\nitems:\n- {items}", "list.yaml")[0].name == "a"


def test_two_deployments_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(deployment("same"))
    (tmp_path / "b.yaml").write_text(deployment("same"))
    with pytest.raises(GraphError) as raised:
        load(tmp_path)
    assert raised.value.violations == (
        Violation(
            "b.yaml: metadata.name",
            f"{rules.DUPLICATE_DEPLOYMENT}; it is also at a.yaml: metadata.name",
            "default/same",
        ),
    )


def test_the_violations_of_all_files_of_a_folder_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [")
    (tmp_path / "b.yaml").write_text(deployment("b", "{name: m, type: MODLE, implementation: SKLEARN}"))
    with pytest.raises(GraphError) as raised:
        load(tmp_path)
    assert [each.path.split(":")[0] for each in raised.value.violations] == ["a.yaml", "b.yaml", "b.yaml"]


def test_an_empty_folder_and_an_empty_file_have_no_deployment(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    for path in (tmp_path, tmp_path / "empty.yaml"):
        with pytest.raises(GraphError, match=rules.NO_DEPLOYMENT):
            load(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=f"{tmp_path}/none.yaml.*\n.*{rules.UNREADABLE}: No such file"):
        load(tmp_path / "none.yaml")


def test_bytes_that_are_no_utf8_are_placed(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_bytes(b"kind: a\nname: \xff")
    with pytest.raises(GraphError) as raised:
        load(tmp_path / "d.yaml")
    assert raised.value.violations == (Violation("line 2, column 7", rules.NOT_UTF8),)


def test_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text(deployment("a"), encoding="utf-8-sig")
    assert load(tmp_path / "d.yaml")[0].name == "a"


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text("#" * (4 * 1024 * 1024 + 1))
    with pytest.raises(GraphError, match=rules.TOO_LONG):
        load(tmp_path / "d.yaml")
    assert violations_of("#" * (4 * 1024 * 1024 + 1))[0].rule == rules.TOO_LONG


@pytest.mark.parametrize(
    ("text", "source", "path", "rule"),
    [
        ("a: b: c", "d.yaml", "line 1, column 5", rules.SYNTAX),
        ("a: 1\nb: [", "d.yaml", "line 3, column 1", rules.SYNTAX),
        ("a: *nothing", "d.yaml", "line 1, column 4", rules.SYNTAX),
        ("[a]: b", "d.yaml", "line 1, column 1", rules.SYNTAX),
        ("a: \x07", "d.yaml", "line 1, column 4", rules.SYNTAX),
        ("a: \ud800", "d.yaml", "line 1, column 4", rules.NOT_UTF8),
        ('{"a": 1,\n "b"}', "d.json", "line 2, column 5", rules.SYNTAX),
        ("a: {b: 1, b: 2}", "d.yaml", "a.b", rules.DUPLICATE_KEY),
        ('{"a": [{"b": 1, "b": 2}]}', "d.json", "a[0].b", rules.DUPLICATE_KEY),
        ("[" * 10_000, "d.yaml", "line 1, column 201", rules.TOO_DEEP),
        ("[" * 10_000 + "]" * 10_000, "d.json", "document", rules.TOO_DEEP),
        ('{"a":' * 300 + "1" + "}" * 300, "d.json", "a" + ".a" * 199, rules.TOO_DEEP),
        ("- a\n" * 60_000, "d.yaml", "line 50000, column 3", rules.TOO_MANY_VALUES),
        ("a: &a\n  b: [*a]", "d.yaml", "a.b[0]", rules.CYCLE),
    ],
)
def test_a_text_that_cannot_be_read_is_placed(text: str, source: str, path: str, rule: str) -> None:
    [violation] = violations_of(text, source)
    assert violation.path == path
    assert violation.rule.startswith(rule)


def test_a_graph_that_contains_itself_is_a_cycle() -> None:
    text = deployment("a", "&root {name: m, implementation: SIMPLE_MODEL, children: [*root]}")
    assert violations_of(text) == (Violation("spec.predictors[0].graph.children[0]", rules.CYCLE),)


def test_a_billion_laughs_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    started = time.perf_counter()
    [violation] = violations_of("\n".join(lines))
    assert violation.rule == rules.TOO_MANY_VALUES
    assert time.perf_counter() - started < 2


def test_anchors_and_merges_are_resolved() -> None:
    text = deployment("a", "{<<: *unit, name: m, children: [{<<: [*unit, {name: other}]}]}")
    [found] = loads(f"x-unit: &unit {{implementation: SIMPLE_MODEL, name: c}}\n{text}", "d.yaml")
    assert [unit.name for unit in found.predictors[0].graph.walk()] == ["m", "c"]


def test_dates_and_quoted_numbers_are_texts() -> None:
    text = deployment("a").replace("{name: a}", '{name: a, labels: {since: 2020-01-01, n: "1", o: !!str 2, p: !x 3}}')
    assert loads(text, "d.yaml")[0].name == "a"


def test_a_deep_graph_is_loaded() -> None:
    graph = "{name: leaf, implementation: SIMPLE_MODEL}"
    for depth in range(90):
        graph = f"{{name: m{depth}, implementation: SIMPLE_MODEL, children: [{graph}]}}"
    assert sum(1 for _ in loads(deployment("a", graph), "d.yaml")[0].predictors[0].graph.walk()) == 91


def test_a_wrong_type_at_the_bottom_of_a_deep_graph_is_placed() -> None:
    graph = "{name: leaf, implementation: SIMPLE_MODEL, children: 5}"
    for depth in range(90):
        graph = f"{{name: m{depth}, implementation: SIMPLE_MODEL, children: [{graph}]}}"
    path = "spec.predictors[0].graph" + ".children[0]" * 90 + ".children"
    assert violations_of(deployment("a", graph)) == (Violation(path, rules.NEEDS_LIST, 5),)


@pytest.mark.parametrize("text", [deployment("a"), "a: [", "a: *b", "a: \x07", "a: {b: 1, b: 2}"])
def test_documents_are_read_without_the_c_library_too(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_c = outcome(text)
    monkeypatch.setattr("gaal.graph.text._Loader", yaml.SafeLoader)
    assert outcome(text) == with_c


def outcome(text: str) -> list[str]:
    """The names of the deployments, or the rules that are broken."""
    try:
        return [each.name for each in loads(text, "d.yaml")]
    except GraphError as error:
        return [violation.rule.split(":")[0] for violation in error.violations]


def test_thousands_of_violations_are_found_in_seconds() -> None:
    graph = f"{{name: m, implementation: SIMPLE_MODEL, methods: [{', '.join(str(n) for n in range(20_000))}]}}"
    started = time.perf_counter()
    assert len(violations_of(deployment("a", graph))) == 20_000
    assert time.perf_counter() - started < 5


FIELDS = st.sampled_from(
    [
        *("apiVersion", "kind", "metadata", "spec", "name", "predictors", "graph", "children", "type", "methods"),
        *("implementation", "parameters", "value", "endpoint", "service_host", "httpPort", "componentSpecs"),
        *("containers", "command", "env", "annotations", "traffic", "shadow", "logger"),
    ]
)
WORDS = st.sampled_from(["MODEL", "ROUTER", "SIMPLE_MODEL", "RANDOM_ABTEST", "m", "ratioA", "INT", "sh", "-c", "$X '"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)
UNITS = st.recursive(
    st.dictionaries(FIELDS, JUNK, max_size=4),
    lambda inner: st.fixed_dictionaries({"name": WORDS, "children": st.lists(inner, max_size=3)}),
    max_leaves=5,
)


def loaded_or_refused(text: str, source: str) -> bool:
    """Whether a text is loaded, or refused with violations that can be printed. Anything else is raised."""
    try:
        return len(loads(text, source)) > 0
    except GraphError as error:
        return len(error.violations) > 0 and len(str(error).encode()) > 0


@given(st.text())
def test_any_text_is_loaded_or_refused(text: str) -> None:
    assert loaded_or_refused(text, "d.yaml")
    assert loaded_or_refused(text, "d.json")


@given(st.text(alphabet="&*a!|>{}[]:,-?#%@`'\"\\ \n\t<~0.x"))
def test_any_yaml_like_text_is_loaded_or_refused(text: str) -> None:
    assert loaded_or_refused(text, "d.yaml")


@given(st.dictionaries(FIELDS, JUNK), UNITS, JUNK)
@settings(deadline=2000)
def test_any_document_is_loaded_or_refused(spec: dict[str, object], graph: object, metadata: object) -> None:
    document = {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": metadata,
        "spec": {**spec, "predictors": [{"name": "p", "graph": graph, **spec}]},
    }
    assert loaded_or_refused(json.dumps(document), "d.json")
