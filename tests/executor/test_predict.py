"""The walk through a graph: what is asked of which unit, in which order, and what the reply tells of it."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from running import Run, ask, predict, rows

from gaal.errors import ComponentError, InvalidRouting
from gaal.messages import Message


def ndarray(reply: dict[str, Any]) -> Any:
    return reply["data"]["ndarray"]


@pytest.fixture(params=["thread", "inline"])
def placement(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_model_predicts(run: Run, placement: str) -> None:
    running = await run("{name: m, type: MODEL, code: Add}", placement=placement)
    assert await ask(running, rows([1, 2])) == {
        "data": {"names": ["t:0", "t:1"], "ndarray": [[2, 3]]},
        "meta": {"puid": "the-puid", "routing": {"m": -1}, "requestPath": {"m": "unit_code:Add"}},
    }


async def test_a_unit_without_type_methods_or_implementation_is_a_model(run: Run) -> None:
    assert ndarray(await ask(await run("{name: m, code: Add}"), rows([1]))) == [[2]]


async def test_a_chain_transforms_predicts_and_transforms_the_output(run: Run, placement: str) -> None:
    graph = """
    name: after
    type: OUTPUT_TRANSFORMER
    code: Add
    parameters: [{name: n, type: INT, value: '100'}]
    children:
    - name: before
      type: TRANSFORMER
      code: Add
      parameters: [{name: n, type: INT, value: '10'}]
      children: [{name: model, type: MODEL, code: Add}]
    """
    reply = await ask(await run(graph, placement=placement), rows([0]))
    assert ndarray(reply) == [[111]]
    assert reply["meta"]["routing"] == {"after": -1, "before": -1, "model": -1}
    assert set(reply["meta"]["requestPath"]) == {"after", "before", "model"}


async def test_an_output_transformer_without_children_gets_the_request_itself(run: Run) -> None:
    reply = await ask(await run("{name: out, type: OUTPUT_TRANSFORMER, code: Add}"), rows([1]))
    assert ndarray(reply) == [[2]]
    assert "routing" not in reply["meta"]


async def test_transform_input_among_the_methods_of_a_model_wins_over_predict(run: Run) -> None:
    code = """
class Both:
    def predict(self, X, names): return X * 0
    def transform_input(self, X, names): return X + 5
"""
    running = await run("{name: m, type: MODEL, methods: [TRANSFORM_INPUT], code: Both}", code)
    assert ndarray(await ask(running, rows([1]))) == [[6]]


async def test_methods_add_to_what_the_type_gives(run: Run) -> None:
    graph = """
    name: m
    type: MODEL
    methods: [TRANSFORM_OUTPUT]
    code: Add
    children: [{name: below, type: MODEL, code: Add}]
    """
    assert ndarray(await ask(await run(graph), rows([0]))) == [[3]]


ROUTED = """
name: router
type: ROUTER
code: Route
parameters: [{name: branch, type: INT, value: '%d'}]
children:
- {name: a, type: MODEL, code: Add}
- {name: b, type: MODEL, code: Add, parameters: [{name: n, type: INT, value: '10'}]}
"""


@pytest.mark.parametrize(("branch", "reply"), [(0, [[1]]), (1, [[10]]), (-1, [[1]]), (-2, [[0]])])
async def test_a_router_sends_the_message_to_the_branch_it_names(run: Run, branch: int, reply: Any) -> None:
    answered = await ask(await run(ROUTED % branch), rows([0]))
    assert ndarray(answered) == reply
    assert answered["meta"]["routing"]["router"] == branch


async def test_route_minus_two_returns_the_message_unchanged_and_calls_no_child(run: Run) -> None:
    reply = await ask(await run(ROUTED % -2), rows([0]))
    assert reply["meta"]["routing"] == {"router": -2}


async def test_route_minus_two_skips_the_combiner_but_not_the_output_transformer(run: Run) -> None:
    code = """
class All:
    def route(self, X, names): return -2
    def aggregate(self, Xs, names): raise ValueError("never")
    def transform_output(self, X, names): return X + 7
"""
    graph = """
    name: all
    type: ROUTER
    methods: [AGGREGATE, TRANSFORM_OUTPUT]
    code: All
    children: [{name: a, implementation: SIMPLE_MODEL}]
    """
    assert ndarray(await ask(await run(graph, code), rows([1]))) == [[8]]


@pytest.mark.parametrize("branch", [2, 99, -3])
async def test_a_route_out_of_range_is_an_error_that_names_the_router(run: Run, branch: int) -> None:
    with pytest.raises(InvalidRouting, match=rf'unit "router": invalid routing: branch {branch} of 2 children'):
        await predict(await run(ROUTED % branch), rows([0]))


async def test_a_combiner_gets_the_replies_of_all_children_in_their_order(run: Run, placement: str) -> None:
    code = """
class Add:
    def __init__(self, n): self.n = n
    def predict(self, X, names): return X + self.n
class Join:
    def aggregate(self, Xs, names): return [[float(X[0][0]) for X in Xs]]
"""
    children = ", ".join(
        f"{{name: m{n}, type: MODEL, code: Add, parameters: [{{name: n, type: INT, value: '{n}'}}]}}" for n in range(5)
    )
    running = await run(f"{{name: join, type: COMBINER, code: Join, children: [{children}]}}", code, placement)
    reply = await ask(running, rows([0]))
    assert ndarray(reply) == [[0.0, 1.0, 2.0, 3.0, 4.0]]
    assert reply["meta"]["routing"] == {"join": -1, **{f"m{n}": -1 for n in range(5)}}


async def test_a_combiner_also_combines_a_single_routed_child(run: Run) -> None:
    code = """
class Both:
    def route(self, X, names): return 1
    def aggregate(self, Xs, names): return sum(Xs) * 100
class Add:
    def __init__(self, n): self.n = n
    def predict(self, X, names): return X + self.n
"""
    graph = """
    name: both
    type: ROUTER
    methods: [AGGREGATE]
    code: Both
    children:
    - {name: a, type: MODEL, code: Add, parameters: [{name: n, type: INT, value: '1'}]}
    - {name: b, type: MODEL, code: Add, parameters: [{name: n, type: INT, value: '2'}]}
    """
    reply = await ask(await run(graph, code), rows([0]))
    assert ndarray(reply) == [[200]]
    assert reply["meta"]["routing"] == {"both": -1, "b": -1}


async def test_without_a_combiner_the_first_childs_reply_counts(run: Run) -> None:
    graph = """
    name: top
    type: TRANSFORMER
    code: Add
    children:
    - {name: a, type: MODEL, code: Add, parameters: [{name: n, type: INT, value: '1'}]}
    - {name: b, type: MODEL, code: Add, parameters: [{name: n, type: INT, value: '2'}]}
    """
    assert ndarray(await ask(await run(graph), rows([0]))) == [[2]]


async def test_of_several_errors_the_first_childs_is_told(run: Run, placement: str) -> None:
    graph = """
    name: sum
    type: COMBINER
    code: Sum
    children:
    - {name: a, type: MODEL, code: Add}
    - {name: b, type: MODEL, code: Fail, parameters: [{name: text, type: STRING, value: first}]}
    - {name: c, type: MODEL, code: Fail, parameters: [{name: text, type: STRING, value: second}]}
    """
    with pytest.raises(ComponentError, match=r'unit "b": predict: ValueError: first'):
        await predict(await run(graph, placement=placement), rows([0]))


async def test_a_child_that_writes_into_its_array_does_not_change_what_its_siblings_see(
    run: Run, placement: str
) -> None:
    code = """
class Overwrite:
    def predict(self, X, names):
        X += 1
        return X
class Pass:
    def transform_input(self, X, names): return X
class Sum:
    def aggregate(self, Xs, names): return sum(Xs)
"""
    graph = """
    name: pass
    type: TRANSFORMER
    code: Pass
    children:
    - name: sum
      type: COMBINER
      code: Sum
      children: [{name: a, type: MODEL, code: Overwrite}, {name: b, type: MODEL, code: Overwrite}]
    """
    assert ndarray(await ask(await run(graph, code, placement), rows([0.0]))) == [[2.0]]


async def test_an_array_that_one_unit_made_is_the_very_array_that_the_next_one_gets(run: Run, placement: str) -> None:
    code = """
import numpy as np
seen = []
class Make:
    def transform_input(self, X, names):
        made = np.ones((2, 2))
        seen.append(made)
        return made
class Look:
    def predict(self, X, names):
        seen.append(X)
        return X
"""
    graph = "{name: make, type: TRANSFORMER, code: Make, children: [{name: look, type: MODEL, code: Look}]}"
    reply: Message = await predict(await run(graph, code, placement), rows([0]))
    made, looked_at = sys.modules["unit_code"].seen
    assert made is looked_at
    assert reply.payload is not None
    assert reply.payload.array is made


async def test_children_on_threads_of_their_own_run_at_the_same_time(run: Run) -> None:
    code = """
import threading
met = threading.Barrier(2, timeout=10)
class Meet:
    def predict(self, X, names):
        met.wait()
        return X
class Sum:
    def aggregate(self, Xs, names): return sum(Xs)
"""
    graph = """
    {name: sum, type: COMBINER, code: Sum, children: [
      {name: a, type: MODEL, code: Meet}, {name: b, type: MODEL, code: Meet}]}
    """
    assert ndarray(await ask(await run(graph, code), rows([1]))) == [[2]]


async def test_the_clients_own_puid_is_the_replys(run: Run) -> None:
    running = await run("{name: m, type: MODEL, code: Add}")
    reply = await ask(running, {**rows([1]), "meta": {"puid": "mine"}})
    assert reply["meta"]["puid"] == "mine"


async def test_the_clients_routing_is_not_the_replys(run: Run) -> None:
    running = await run("{name: m, type: MODEL, code: Add}")
    reply = await ask(running, {**rows([1]), "meta": {"routing": {"other": 3}}})
    assert reply["meta"]["routing"] == {"m": -1}
