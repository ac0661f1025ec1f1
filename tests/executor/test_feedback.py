"""Feedback goes back along the way that the prediction took, children first."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from running import Run, rows, tell

from gaal.errors import ComponentError, MessageError

GRAPH = """
name: router
type: ROUTER
code: Listen
parameters: [{name: name, type: STRING, value: router}]
children:
- {name: a, type: MODEL, code: Listen, parameters: [{name: name, type: STRING, value: a}]}
- {name: b, type: MODEL, code: Listen, parameters: [{name: name, type: STRING, value: b}]}
"""


def feedback(routing: dict[str, int] | None = None, **parts: Any) -> dict[str, Any]:
    response = {"meta": {"routing": routing}} if routing is not None else {"meta": {}}
    return {"request": rows([1]), "response": response, "reward": 0.5, **parts}


async def names_that_heard(run: Run, routing: dict[str, int] | None) -> list[tuple[str, float, int | None]]:
    running = await run(GRAPH)
    await tell(running, feedback(routing))
    return list(sys.modules["unit_code"].Listen.heard)


async def test_it_reaches_the_branch_that_was_taken_and_then_the_router(run: Run) -> None:
    assert await names_that_heard(run, {"router": 1}) == [("b", 0.5, None), ("router", 0.5, 1)]


async def test_without_routing_it_reaches_all_children(run: Run) -> None:
    heard = await names_that_heard(run, None)
    assert sorted(heard[:2], key=str) == [("a", 0.5, None), ("b", 0.5, None)]
    assert heard[2] == ("router", 0.5, None)


async def test_minus_one_reaches_all_children(run: Run) -> None:
    assert len(await names_that_heard(run, {"router": -1})) == 3


async def test_minus_two_reaches_no_child(run: Run) -> None:
    assert await names_that_heard(run, {"router": -2}) == [("router", 0.5, -2)]


@pytest.mark.parametrize("branch", [2, -3])
async def test_a_branch_that_is_not_there_is_the_callers_error(run: Run, branch: int) -> None:
    running = await run(GRAPH)
    with pytest.raises(MessageError, match=rf'response.meta.routing\["router"\]: .*2 children, got {branch}'):
        await tell(running, feedback({"router": branch}))


async def test_the_root_units_answer_is_the_reply(run: Run) -> None:
    code = """
class Answer:
    def predict(self, X, names): return X
    def send_feedback(self, X, names, reward, truth, routing): return [reward, float(truth[0][0])]
"""
    running = await run("{name: m, type: MODEL, code: Answer}", code)
    reply = await tell(running, {**feedback(), "truth": rows([7])})
    assert reply == {"data": {"names": [], "ndarray": [0.5, 7.0]}, "meta": {"puid": "the-puid"}}


async def test_a_method_without_an_answer_replies_with_empty_data_of_the_requests_kind(run: Run) -> None:
    running = await run("{name: m, type: MODEL, code: Add}")
    reply = await tell(running, feedback())
    assert reply is not None
    assert reply["data"]["ndarray"] == []
    reply = await tell(running, {"request": {"data": {"tensor": {"shape": [1], "values": [1]}}}, "reward": 1})
    assert reply is not None
    assert reply["data"]["tensor"]["shape"] == [0]


async def test_a_root_that_takes_no_feedback_has_no_reply(run: Run) -> None:
    graph = "{name: t, type: TRANSFORMER, code: Add, children: [{name: m, type: MODEL, code: Listen}]}"
    running = await run(graph)
    assert await tell(running, feedback()) is None
    assert [name for name, *_ in sys.modules["unit_code"].Listen.heard] == ["?"]


async def test_send_feedback_among_the_methods_adds_to_the_type(run: Run) -> None:
    graph = "{name: t, type: TRANSFORMER, methods: [SEND_FEEDBACK], code: Listen}"
    running = await run(graph)
    assert await tell(running, feedback()) is not None
    assert len(sys.modules["unit_code"].Listen.heard) == 1


async def test_an_error_of_a_child_is_told_and_the_parent_hears_nothing(run: Run) -> None:
    code = """
class Fail:
    def predict(self, X, names): return X
    def send_feedback(self, X, names, reward, truth, routing): raise ValueError("deaf")
class Listen:
    heard = []
    def route(self, X, names): return 0
    def send_feedback(self, X, names, reward, truth, routing): Listen.heard.append(1)
"""
    graph = "{name: r, type: ROUTER, code: Listen, children: [{name: m, type: MODEL, code: Fail}]}"
    running = await run(graph, code)
    with pytest.raises(ComponentError, match=r'unit "m": send_feedback: ValueError: deaf'):
        await tell(running, feedback({"r": 0}))
    assert sys.modules["unit_code"].Listen.heard == []


async def test_features_and_truth_come_from_data_alone(run: Run) -> None:
    code = """
heard = []
class Listen:
    def predict(self, X, names): return X
    def send_feedback(self, features, feature_names, reward, truth, routing):
        heard.append((features.tolist(), list(feature_names), truth.tolist()))
"""
    running = await run("{name: m, type: MODEL, code: Listen}", code)
    await tell(running, {"request": {"strData": "x"}, "reward": 1, "truth": {"jsonData": [1]}})
    await tell(running, {"request": {"data": {"names": ["f"], "ndarray": [[1]]}}, "reward": 1, "truth": rows([2])})
    assert sys.modules["unit_code"].heard == [([], [], []), ([[1]], ["f"], [[2]])]
