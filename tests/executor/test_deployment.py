"""Several predictors behind one name: shares of the traffic, shadows, and where feedback goes."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import Any

import pytest
from running import Run, ask, predict, rows, tell

from gaal.executor.context import Context
from gaal.executor.deployment import MAX_SHADOW_CALLS
from gaal.executor.events import Silence
from gaal.graph.deployment import Deployment, Predictor
from gaal.protocols import seldon_json

CANARY = """
- {name: main, traffic: 75, graph: {name: old, type: MODEL, code: Old}}
- {name: canary, traffic: 25, graph: {name: new, type: MODEL, code: New}}
"""
SHADOWED = """
- {name: main, graph: {name: old, type: MODEL, code: Old}}
- {name: shadow, shadow: true, graph: {name: new, type: MODEL, code: New}}
"""
CODE = """
heard = []
class Old:
    def predict(self, X, names): return X
    def send_feedback(self, X, names, reward, truth, routing): heard.append("old")
class New:
    def predict(self, X, names): return X + 1
    def send_feedback(self, X, names, reward, truth, routing): heard.append("new")
"""


class Counted(Silence):
    """Counts what became of shadows."""

    def __init__(self) -> None:
        self.dropped = 0
        self.failed = asyncio.Event()

    def shadow_dropped(self, deployment: Deployment, predictor: Predictor) -> None:
        self.dropped += 1

    def shadow_failed(self, deployment: Deployment, predictor: Predictor) -> None:
        self.failed.set()


async def test_predictors_get_their_shares_of_the_traffic(run: Run) -> None:
    running = await run("", CODE, predictors=CANARY)
    chosen = Counter(running.choose().predictor.name for _ in range(4000))
    assert abs(chosen["canary"] / 4000 - 0.25) < 5 * (0.25 * 0.75 / 4000) ** 0.5
    assert chosen["main"] + chosen["canary"] == 4000


async def test_a_shadow_is_never_chosen(run: Run) -> None:
    running = await run("", CODE, predictors=SHADOWED)
    assert {running.choose().predictor.name for _ in range(100)} == {"main"}


async def test_a_shadow_gets_a_copy_of_each_request_and_its_reply_is_dropped(run: Run) -> None:
    code = """
import threading
seen, got = [], threading.Event()
class Old:
    def predict(self, X, names):
        X += 100
        return X
class New:
    def predict(self, X, names):
        seen.append(X.tolist())
        got.set()
        return X * 0
"""
    running = await run("", code, predictors=SHADOWED)
    assert (await ask(running, rows([1])))["data"]["ndarray"] == [[101]]
    assert await asyncio.to_thread(sys.modules["unit_code"].got.wait, 10)
    assert sys.modules["unit_code"].seen == [[[1]]]


async def test_a_shadow_that_fails_does_not_touch_the_caller(run: Run) -> None:
    code = CODE.replace("return X + 1", "raise ValueError('in the dark')")
    counted = Counted()
    running = await run("", code, predictors=SHADOWED, listener=counted)
    assert (await ask(running, rows([1])))["data"]["ndarray"] == [[1]]
    await asyncio.wait_for(counted.failed.wait(), 10)


async def test_a_shadow_that_is_too_slow_misses_requests_and_the_caller_does_not_wait(run: Run) -> None:
    code = CODE.replace("return X + 1", "hold.wait(30)").replace(
        "heard = []", "import threading\nhold = threading.Event()"
    )
    counted = Counted()
    running = await run("", code, predictors=SHADOWED, listener=counted)
    for _ in range(MAX_SHADOW_CALLS + 3):
        await predict(running, rows([1]))
    sys.modules["unit_code"].hold.set()
    assert counted.dropped == 3


@pytest.mark.parametrize("unit", ["old", "new"])
async def test_feedback_goes_to_the_predictor_that_the_response_went_through(run: Run, unit: str) -> None:
    running = await run("", CODE, predictors=CANARY)
    path = {unit: f"unit_code:{unit.capitalize()}"}
    for _ in range(20):
        await tell(running, {"request": rows([1]), "response": {"meta": {"requestPath": path}}, "reward": 1})
    assert set(sys.modules["unit_code"].heard) == {unit}


async def test_metadata_of_the_graph_follows_its_edges(run: Run) -> None:
    code = """
class Unit:
    def __init__(self, name): self.name = name
    def predict(self, X, names): return X
    def transform_input(self, X, names): return X
    def init_metadata(self):
        return {"name": self.name, "inputs": [{"messagetype": f"{self.name}-in"}],
                "outputs": [{"messagetype": f"{self.name}-out"}]}
"""
    graph = """
    {name: t, type: TRANSFORMER, code: Unit, parameters: [{name: name, type: STRING, value: t}], children: [
      {name: m, type: MODEL, code: Unit, parameters: [{name: name, type: STRING, value: m}]}]}
    """
    running = await run(graph, code)
    metadata: dict[str, Any] = seldon_json.graph_metadata_object(await running.metadata())
    assert metadata["name"] == "main"
    assert list(metadata["models"]) == ["m", "t"]
    assert metadata["graphinputs"] == [{"messagetype": "t-in"}]
    assert metadata["graphoutputs"] == [{"messagetype": "m-out"}]


async def test_health_asks_every_unit(run: Run) -> None:
    code = "class Ill:\n    def predict(self, X, names): return X\n    def health_status(self): raise OSError('ill')\n"
    running = await run("{name: m, type: MODEL, code: Ill}", code)
    with pytest.raises(Exception, match='unit "m": health_status: OSError: ill'):
        await running.check_health(Context("p"))
