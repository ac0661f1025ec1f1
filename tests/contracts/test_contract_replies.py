"""Each rule for replies, broken by a model that is really served."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from made_contracts import categorical, contract, feature
from serving import Serve, Server

from gaal.contracts import rules
from gaal.contracts.asking import DeploymentServer
from gaal.contracts.contract import Contract
from gaal.contracts.replies import Broken
from gaal.contracts.trial import Exchange, Plan, exchanges
from gaal.messages import Feedback, Kind

CODE = """
import numpy as np

class Model:
    def predict(self, X, names):
        return {reply}

    def class_names(self):
        return {names}
"""

UNIT = feature("y", range=[0, 1])


async def tried(served: Server, made: Contract, plan: Plan, *, grpc: bool = False) -> list[Exchange]:
    def run() -> list[Exchange]:
        with DeploymentServer(served.url, grpc=grpc) as server:
            return list(exchanges(made, server, plan, np.random.default_rng(1)))

    return await asyncio.to_thread(run)


async def broken_by(
    serve: Serve, reply: str, *targets: dict[str, Any], names: Sequence[str] = (), plan: Plan | None = None
) -> Sequence[Broken]:
    """What is broken by the reply of a model to a request of two rows."""
    served = await serve(CODE.format(reply=reply, names=list(names)))
    [exchange] = await tried(served, contract(*targets), plan or Plan(n_rows=2))
    return exchange.broken


BROKEN: list[tuple[str, list[dict[str, Any]], list[Broken]]] = [
    ("'text'", [UNIT], [Broken("", "reply", rules.ARRAY, "strData")]),
    ("{'y': 1}", [UNIT], [Broken("", "reply", rules.ARRAY, "jsonData")]),
    ("[[1, 2], [3]]", [UNIT], [Broken("", "data.ndarray", rules.RAGGED)]),
    ("np.array([1, 2])", [UNIT, feature("z")], [Broken("", "data.ndarray", rules.DIMENSIONS, [2])]),
    ("np.array([[1]])", [UNIT], [Broken("", "data.ndarray", rules.ROWS + "; 2 expected", 1)]),
    ("np.array([[1, 2], [3, 4]])", [UNIT], [Broken("", "data.ndarray", rules.COLUMNS + "; 1 expected", 2)]),
    (
        "np.ones((2, 1, 3))",
        [feature("y", shape=[1, 4])],
        [Broken("", "data.ndarray", rules.INNER_SHAPE + "; [4] expected", [3])],
    ),
    ("[['a'], [True]]", [UNIT], [Broken("y", "row 0, column 0", rules.NUMBER, "a", 2)]),
    ("np.array([[0.5], [np.nan]])", [UNIT], [Broken("y", "row 1, column 0", rules.FINITE, math.nan)]),
    ("np.array([[np.inf], [-np.inf]])", [feature("y")], [Broken("y", "row 0, column 0", rules.FINITE, "Infinity", 2)]),
    ("np.array([[1.5], [2.0]])", [feature("y", dtype="INT")], [Broken("y", "row 0, column 0", rules.WHOLE, 1.5)]),
    ("np.array([[0.5], [1.1]])", [UNIT], [Broken("y", "row 1, column 0", rules.IN_RANGE + "; 0 to 1", 1.1)]),
    ("np.array([[-0.1], [1]])", [UNIT], [Broken("y", "row 0, column 0", rules.IN_RANGE + "; 0 to 1", -0.1)]),
    ("[['a'], ['c']]", [categorical("y", ["a", "b"])], [Broken("y", "row 1, column 0", rules.ONE_OF, "c")]),
    (
        "np.array([[True], [False]])",
        [categorical("y", [0, 1])],
        [Broken("y", "row 0, column 0", rules.ONE_OF, True, 2)],
    ),
    (
        "np.array([[0, 7, 2], [0, 8, 9]])",
        [UNIT, feature("z", shape=[2], range=[0, 5])],
        [Broken("z", "row 0, column 1", rules.IN_RANGE + "; 0 to 5", 7, 3)],
    ),
    (
        "np.array([[[0, 1]], [[0, 4]]])",
        [feature("y", shape=[1, 2], range=[0, 3])],
        [Broken("y", "row 1, column 0, [1]", rules.IN_RANGE + "; 0 to 3", 4)],
    ),
]


@pytest.mark.parametrize(("reply", "targets", "expected"), BROKEN)
async def test_a_reply_that_breaks_a_rule_is_found_out(
    serve: Serve, reply: str, targets: list[dict[str, Any]], expected: list[Broken]
) -> None:
    assert repr(await broken_by(serve, reply, *targets)) == repr(expected)  # NaN is not equal to itself


KEPT: list[tuple[str, list[dict[str, Any]]]] = [
    ("np.array([[0.5], [1.0]])", [UNIT]),
    ("np.array([0.5, 1.0])", [UNIT]),
    ("np.array([[0.5], [1 + 1e-7]], dtype=np.float32)", [UNIT]),
    ("np.array([[2.0], [3.0]])", [feature("y", dtype="INT")]),
    (
        "np.array([['a', 1, 0.5], ['b', 2, 1]], dtype=object)",
        [categorical("y", ["a", "b"]), categorical("k", [1, 2]), UNIT | {"name": "z"}],
    ),
    ("np.ones((2, 2, 3))", [feature("y", shape=[2, 3])]),
    ("'whatever'", []),
]


@pytest.mark.parametrize(("reply", "targets"), KEPT)
async def test_a_reply_that_keeps_the_contract_is_let_through(
    serve: Serve, reply: str, targets: list[dict[str, Any]]
) -> None:
    assert await broken_by(serve, reply, *targets) == []


@pytest.mark.parametrize(
    ("names", "targets", "expected"),
    [
        (["y", "q"], [UNIT, feature("z")], [Broken("z", "data.names[1]", rules.NAME, "q")]),
        (["y"], [UNIT, feature("z")], [Broken("", "data.names", rules.N_NAMES + "; 2 expected", 1)]),
        (["y", "z"], [UNIT, feature("z")], []),
        (["t:0", "t:1"], [UNIT, feature("z")], []),
        ([], [UNIT, feature("z")], []),
        (["setosa", "virginica"], [feature("class", repeat=2)], []),
        (["a", "b"], [feature("pair", shape=[2])], []),
    ],
)
async def test_names_that_a_component_gives_are_those_of_the_targets(
    serve: Serve, names: list[str], targets: list[dict[str, Any]], expected: list[Broken]
) -> None:
    assert await broken_by(serve, "np.ones((2, 2))", *targets, names=names) == expected


@pytest.mark.parametrize("grpc", [False, True])
@pytest.mark.parametrize("kind", [Kind.TENSOR, Kind.NDARRAY])
async def test_rest_and_grpc_tensor_and_ndarray_find_the_same(serve: Serve, grpc: bool, kind: Kind) -> None:
    served = await serve(CODE.format(reply="X * 0 + 2", names=[]))
    plan = Plan(n_requests=3, n_rows=2, kind=kind)
    found = await tried(served, contract(UNIT), plan, grpc=grpc)

    [request] = {
        each.request.payload.kind for each in found if not isinstance(each.request, Feedback) and each.request.payload
    }
    assert request is kind
    assert [each.number for each in found] == [1, 2, 3]
    expected = Broken("y", "row 0, column 0", f"{rules.IN_RANGE}; 0 to 1", 2.0, 2)
    assert [list(each.broken) for each in found] == [[expected]] * 3


@pytest.mark.parametrize("grpc", [False, True])
async def test_a_model_that_fails_is_told_with_its_own_words_and_asked_again(serve: Serve, grpc: bool) -> None:
    served = await serve(CODE.format(reply="1 / 0", names=[]))
    first, second = await tried(served, contract(UNIT), Plan(n_requests=2), grpc=grpc)

    assert (first.reply, second.number) == (None, 2)
    [broken] = first.broken
    assert broken.rule == rules.ANSWER
    assert "ZeroDivisionError" in broken.value
    assert broken.value.startswith("INTERNAL: " if grpc else "500: ")


async def test_nobody_is_asked_again_who_does_not_answer() -> None:
    def run() -> list[Exchange]:
        with DeploymentServer("http://127.0.0.1:1") as server:
            return list(exchanges(contract(UNIT), server, Plan(n_requests=9), np.random.default_rng(1)))

    [only] = await asyncio.to_thread(run)

    assert [each.rule for each in only.broken] == [rules.ANSWER]


LEARNER = """
heard = []

class Model:
    def predict(self, X, names):
        return X

    def send_feedback(self, X, names, reward, truth, routing):
        heard.append((X.tolist(), reward, truth.tolist()))
"""


async def test_feedback_follows_a_prediction_and_brings_its_routing(serve: Serve) -> None:
    served = await serve(LEARNER)
    plan = Plan("send-feedback", n_rows=2)
    made = contract(feature("y", range=[3, 3]), features=[feature(range=[7, 7])])

    [exchange] = await tried(served, made, plan)

    assert exchange.broken == []
    assert served.components.heard == [([[7.0], [7.0]], 1.0, [[3.0], [3.0]])]


async def test_a_contract_of_texts_is_sent_as_ndarray_even_where_a_tensor_is_asked_for(serve: Serve) -> None:
    served = await serve(CODE.format(reply="X", names=[]))
    made = contract(categorical("y", ["a"]), features=[categorical("x", ["a"])])

    [exchange] = await tried(served, made, Plan(kind=Kind.TENSOR))

    assert exchange.broken == []
