"""SIMPLE_MODEL, SIMPLE_ROUTER, RANDOM_ABTEST, AVERAGE_COMBINER."""

from __future__ import annotations

import pytest
from running import Run, ask, predict, rows

from gaal.errors import ComponentError, ComponentLoadError

AVERAGE = "{name: avg, implementation: AVERAGE_COMBINER, children: [%s]}"


async def test_a_simple_model_answers_three_classes(run: Run) -> None:
    reply = await ask(await run("{name: s, implementation: SIMPLE_MODEL}"), rows([1]))
    assert reply["data"] == {
        "names": ["class0", "class1", "class2"],
        "tensor": {"shape": [1, 3], "values": [0.1, 0.9, 0.5]},
    }
    assert reply["status"]["status"] == "SUCCESS"
    assert reply["meta"]["requestPath"] == {"s": "SIMPLE_MODEL"}


async def test_a_simple_router_takes_the_first_child(run: Run) -> None:
    graph = """
    {name: r, implementation: SIMPLE_ROUTER, children: [
      {name: a, implementation: SIMPLE_MODEL}, {name: b, implementation: SIMPLE_MODEL}]}
    """
    assert (await ask(await run(graph), rows([1])))["meta"]["routing"] == {"r": 0, "a": -1}


@pytest.mark.parametrize(("ratio", "expected"), [("0", 0.0), ("0.25", 0.25), ("1", 1.0), (None, 0.5)])
async def test_an_ab_test_sends_its_share_to_the_first_branch(run: Run, ratio: str | None, expected: float) -> None:
    parameters = f"parameters: [{{name: ratioA, type: FLOAT, value: '{ratio}'}}]," if ratio is not None else ""
    graph = f"""
    {{name: ab, implementation: RANDOM_ABTEST, {parameters} children: [
      {{name: a, implementation: SIMPLE_MODEL}}, {{name: b, implementation: SIMPLE_MODEL}}]}}
    """
    running = await run(graph)
    branches = [(await predict(running, rows([1]))).meta.routing["ab"] for _ in range(2000)]
    assert set(branches) <= {0, 1}
    # Five standard deviations of 2,000 coins, and nothing at all for a coin that has no choice.
    assert abs(branches.count(0) / 2000 - expected) <= 5 * (expected * (1 - expected) / 2000) ** 0.5


async def test_the_average_is_taken_element_by_element(run: Run) -> None:
    code = """
class Times:
    def __init__(self, n): self.n = n
    def predict(self, X, names): return X * self.n
    def class_names(self): return [f"by-{self.n}"]
"""
    children = ", ".join(
        f"{{name: m{n}, code: Times, parameters: [{{name: n, type: INT, value: '{n}'}}]}}" for n in (1, 2, 6)
    )
    reply = await ask(await run(AVERAGE % children, code), rows([1.0], [2.0]))
    assert reply["data"] == {"names": ["by-1"], "ndarray": [[3.0], [6.0]]}


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ("[1.0, 2.0]", "must answer numbers in two dimensions, got float64 in 1"),
        ("[['a']]", "must answer numbers in two dimensions, got <U1 in 2"),
        ("'text'", "answered no data"),
        ("[[1.0], [2.0]]", r"child 1 answered shape \(2, 1\), the first one \(1, 3\)"),
    ],
)
async def test_what_cannot_be_averaged_is_an_error(run: Run, returned: str, says: str) -> None:
    code = f"class Odd:\n    def predict(self, X, names): return {returned}\n"
    graph = AVERAGE % "{name: s, implementation: SIMPLE_MODEL}, {name: o, code: Odd}"
    with pytest.raises(ComponentError, match=f'unit "avg": .*{says}'):
        await predict(await run(graph, code), rows([1]))


async def test_an_implementation_that_this_version_does_not_run_is_said_at_load(run: Run) -> None:
    with pytest.raises(ComponentLoadError, match="does not run the implementation TEMPO_SERVER"):
        await run("{name: s, implementation: TEMPO_SERVER, modelUri: 'file:///model'}")
