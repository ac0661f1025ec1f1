"""Requests that wait while a unit is busy are answered by one call, and nobody can tell from the replies."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import Run, ask, rows, runner
from serving import Serve

from gaal.errors import ComponentError, ComponentLoadError, GaalError, QueueFull
from gaal.executor.deployment import RunningDeployment
from gaal.executor.events import BATCHES, RecordMetrics, Silence
from gaal.graph.deployment import Deployment, PredictiveUnit, Predictor
from gaal.messages import Metric

MODEL = "{name: m, type: MODEL, code: Model}"

GATED = """
import threading
import numpy as np
calls = []
entered, gate = threading.Event(), threading.Event()

class Model:
    batch = True
    def predict(self, X, names):
        if X.dtype.kind == "f" and X.size and X.flat[0] == -1.0:   # the call that keeps the unit busy
            entered.set()
            gate.wait(10)
            return X
        calls.append(len(X))
        return self.answer(X)
    def answer(self, X):
        return X * 2
"""


class Running:
    """A graph over GATED whose unit is at a call, so that what comes now has to wait."""

    def __init__(self, running: RunningDeployment) -> None:
        self.running = running
        self.code: Any = sys.modules["unit_code"]

    async def hold(self) -> None:
        self._first = asyncio.ensure_future(ask(self.running, rows([-1.0])))
        await asyncio.to_thread(self.code.entered.wait, 10)

    async def release(self) -> None:
        self.code.gate.set()
        await self._first

    async def together(self, *requests: Any) -> list[Any]:
        """The replies to requests that all wait at once, in the order of the requests; errors among them."""
        await self.hold()
        waiting = [asyncio.ensure_future(ask(self.running, each)) for each in requests]
        await asyncio.sleep(0)  # each has been put into the queue
        await self.release()
        replies: list[Any] = await asyncio.gather(*waiting, return_exceptions=True)
        return replies


async def test_requests_that_wait_are_one_call_and_each_gets_its_own_rows_and_meta(run: Run) -> None:
    unit = Running(await run(MODEL, GATED))
    requests = [{**rows([float(n)], [n + 0.5]), "meta": {"puid": f"p{n}", "tags": {"n": n}}} for n in range(5)]
    replies = await unit.together(*requests)
    assert unit.code.calls == [10]
    for n, reply in enumerate(replies):
        assert reply["data"]["ndarray"] == [[n * 2.0], [n * 2 + 1.0]]
        assert (reply["meta"]["puid"], reply["meta"]["tags"]) == (f"p{n}", {"n": n})


async def test_a_unit_that_is_idle_takes_a_request_at_once(run: Run) -> None:
    unit = Running(await run(MODEL, GATED))
    for n in range(3):
        await ask(unit.running, rows([float(n)]))
    assert unit.code.calls == [1, 1, 1]


async def test_a_batch_has_at_most_so_many_rows_and_a_larger_request_stays_whole(run: Run) -> None:
    unit = Running(await run(MODEL, GATED, annotations={"gaal.dev/batch.m": "max=4"}))
    await unit.together(*(rows(*([[1.0]] * n)) for n in (1, 2, 2, 9)))
    assert unit.code.calls == [3, 2, 9]


async def test_only_requests_with_equal_names_type_and_row_shape_are_joined(run: Run) -> None:
    unit = Running(await run(MODEL, GATED))
    named = {"data": {"names": ["a"], "ndarray": [[1.0]]}}
    tensor = {"data": {"tensor": {"shape": [2, 1], "values": [1.0, 2.0]}}}
    requests = [rows([1.0]), named, rows([1]), rows([1.0, 2.0]), rows([3.0]), tensor, named]
    replies = await unit.together(*requests)
    assert sorted(unit.code.calls) == [1, 1, 2, 4]
    for request, reply in zip(requests, replies, strict=True):
        assert (await ask(unit.running, request))["data"] == reply["data"]


async def test_what_is_no_array_is_answered_by_itself(run: Run) -> None:
    code = GATED.replace('X.dtype.kind == "f" and', "isinstance(X, np.ndarray) and")
    unit = Running(await run(MODEL, code))
    replies = await unit.together({"strData": "ab"}, {"strData": "c"}, rows([1.0]))
    assert [each.get("strData") for each in replies] == ["abab", "cc", None]


async def test_one_bad_row_fails_alone(run: Run) -> None:
    code = GATED.replace("return X * 2", "if (X > 100).any(): raise ValueError('too large')\n        return X * 2")
    unit = Running(await run(MODEL, code))
    replies = await unit.together(rows([1.0]), rows([101.0]), rows([2.0]))
    assert [each["data"]["ndarray"] for each in (replies[0], replies[2])] == [[[2.0]], [[4.0]]]
    assert isinstance(replies[1], ComponentError)
    assert str(replies[1]) == 'unit "m": predict: ValueError: too large'
    assert unit.code.calls == [3, 1, 1, 1]


async def test_a_request_that_is_cancelled_leaves_the_queue(run: Run) -> None:
    unit = Running(await run(MODEL, GATED))
    await unit.hold()
    waiting = [asyncio.ensure_future(ask(unit.running, rows([float(n)]))) for n in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    await unit.release()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert unit.code.calls == [2]


@pytest.mark.parametrize("batch", ["True", "False"])
async def test_a_full_queue_refuses_and_then_has_room_again(batch: str, run: Run) -> None:
    code = GATED.replace("batch = True", f"batch = {batch}")
    unit = Running(await run(MODEL, code, annotations={"gaal.dev/queue.m": "2"}))
    replies = await unit.together(*(rows([1.0]) for _ in range(4)))
    assert [type(each) for each in replies] == [dict, dict, QueueFull, QueueFull]
    assert (await ask(unit.running, rows([1.0])))["data"]["ndarray"] == [[2.0]]


async def test_code_that_answers_no_row_for_a_row_is_called_for_each_request_from_then_on(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    unit = Running(await run(MODEL, GATED.replace("return X * 2", "return X.sum(axis=0, keepdims=True)")))
    replies = await unit.together(rows([1.0], [2.0]), rows([3.0]))
    assert [each["data"]["ndarray"] for each in replies] == [[[3.0]], [[3.0]]]
    assert 'unit "m": declared row-wise, but its reply has not a row for each row' in caplog.text
    unit.code.gate.clear()
    unit.code.entered.clear()
    unit.code.calls.clear()
    await unit.together(rows([1.0]), rows([2.0]))
    assert unit.code.calls == [1, 1]


async def test_tags_and_metrics_of_a_call_are_in_each_reply_and_counted_once(run: Run) -> None:
    listener = Counting()
    code = GATED + (
        "    def tags(self): return {'version': 3}\n"
        "    def metrics(self): return [{'type': 'COUNTER', 'key': 'calls', 'value': 1}]\n"
    )
    unit = Running(await run(MODEL, code, listener=listener))
    replies = await unit.together(rows([1.0]), rows([2.0]))
    assert [each["meta"]["tags"] for each in replies] == [{"version": 3}] * 2
    assert [len(each["meta"]["metrics"]) for each in replies] == [1, 1]
    assert [each.key for each in listener.told["predict"]] == [
        "calls"
    ] * 2  # the call that held the unit, and the batch


async def test_the_size_of_batches_and_the_time_of_queue_and_model_are_reported(run: Run) -> None:
    listener = Counting()
    unit = Running(await run(MODEL, GATED, listener=listener))
    await unit.together(rows([1.0]), rows([2.0], [3.0]))
    told = listener.told[BATCHES]
    assert [each.value for each in told if each.key == "rows"] == [1, 3]
    assert len([each for each in told if each.key == "queue" and each.value >= 0]) == 3
    assert len([each for each in told if each.key == "model" and each.value >= 0]) == 2


async def test_metrics_of_batches_and_a_full_queue_show_over_http(serve: Serve) -> None:
    import httpx

    code = "class Model:\n    batch = 8\n    def predict(self, X, names): return X\n"
    server = await serve(code)
    async with httpx.AsyncClient(base_url=server.url) as client:
        reply = await client.post("/api/v1.0/predictions", json=rows([1, 2]))
        text = (await client.get("/metrics")).text
    assert reply.status_code == 200
    labels = 'deployment_name="one",predictor_name="main",predictor_version="",model_name="model"'
    assert f'gaal_batch_rows_bucket{{{labels},le="1"}} 1' in text
    assert f"gaal_batch_queue_seconds_count{{{labels}}} 1" in text
    assert f"gaal_batch_model_seconds_count{{{labels}}} 1" in text


TRANSFORMERS = """
import threading
calls = []
class Model:
    batch = True
    def transform_input(self, X, names): calls.append(("in", len(X))); return X + 1
    def transform_output(self, X, names): calls.append(("out", len(X))); return X * 2
"""


async def test_transformers_are_row_wise_too(run: Run) -> None:
    running = await run("{name: m, type: TRANSFORMER, methods: [TRANSFORM_OUTPUT], code: Model}", TRANSFORMERS)
    assert (await ask(running, rows([1.0])))["data"]["ndarray"] == [[4.0]]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("batch = True\n    def predict(self, X, names, meta): return X", "predict takes meta, of which each"),
        ("batch = True\n    async def predict(self, X, names): return X", "predict is async"),
        ("batch = True\n    def predict_raw(self, message): return message", "predict_raw takes whole messages"),
        ("batch = 'yes'\n    def predict(self, X, names): return X", "True, False or a number of rows, got 'yes'"),
        ("batch = -1\n    def predict(self, X, names): return X", "True, False or a number of rows, got -1"),
    ],
)
async def test_what_cannot_be_joined_is_refused_at_load(code: str, said: str, run: Run) -> None:
    with pytest.raises(ComponentLoadError, match=rf'unit "m": unit_code:Model: batch .*{said}'):
        await run(MODEL, f"class Model:\n    {code}\n")


@pytest.mark.parametrize(
    ("declared", "written", "calls"), [("True", "off", [1, 1]), ("False", "max=64", [2]), ("4", "max=2", [2, 1])]
)
async def test_the_document_has_the_last_word(declared: str, written: str, calls: list[int], run: Run) -> None:
    code = GATED.replace("batch = True", f"batch = {declared}")
    unit = Running(await run(MODEL, code, annotations={"gaal.dev/batch.m": written}))
    await unit.together(*(rows([1.0]) for _ in range(sum(calls))))
    assert unit.code.calls == calls


async def test_inline_code_never_waits_so_nothing_is_joined(run: Run) -> None:
    running = await run(MODEL, GATED, placement="inline")
    assert (await ask(running, rows([2.0])))["data"]["ndarray"] == [[4.0]]


# Under any load, replies are those that each request would have had by itself.

PICKY = """
import numpy as np
class Model:
    def predict(self, X, names):
        if X.dtype.kind not in "if": raise TypeError("numbers")
        if (X == 13).any(): raise ValueError("13")
        return np.stack([X.sum(axis=1), X.max(axis=1, initial=-99)], axis=1) + len(names)
    def class_names(self): return ["sum", "max"]
"""

numbers = st.integers(-20, 20) | st.floats(-1e6, 1e6)
widths = st.sampled_from([1, 2, 3])
requests_ = st.builds(
    lambda names, rows_, tensor: (names, rows_, tensor),
    st.booleans(),
    widths.flatmap(lambda n: st.lists(st.lists(numbers, min_size=n, max_size=n), min_size=1, max_size=5)),
    st.booleans(),
) | st.sampled_from([(False, [["a"]], False), (False, [], False)])


def request_of(names: bool, given: list[list[float]], tensor: bool) -> Any:
    width = len(given[0]) if given else 0
    named = {"names": [f"n{i}" for i in range(width)]} if names else {}
    if tensor:
        flat = [value for row in given for value in row]
        return {"data": {**named, "tensor": {"shape": [len(given), width], "values": flat}}}
    return {"data": {**named, "ndarray": given}}


@settings(max_examples=60, deadline=None)
@given(st.lists(requests_, min_size=1, max_size=40), st.integers(2, 12), st.integers(1, 3), st.data())
def test_replies_under_concurrent_load_equal_those_to_each_request_alone(
    asked: list[Any], max_rows: int, n_threads: int, data: st.DataObject
) -> None:
    requests = [request_of(*each) for each in asked]
    pauses = data.draw(st.lists(st.booleans(), min_size=len(requests), max_size=len(requests)))
    asyncio.run(_compare(requests, pauses, max_rows, n_threads))


async def _compare(requests: list[Any], pauses: list[bool], max_rows: int, n_threads: int) -> None:
    import tempfile

    said = {"gaal.dev/batch.m": f"max={max_rows}", "gaal.dev/threads.m": str(n_threads)}
    with tempfile.TemporaryDirectory() as folder:
        async with runner(Path(folder)) as run:
            batched = await run(MODEL, PICKY, annotations=said)
            alone = await run(MODEL, PICKY)
            expected = [await _outcome(alone, each) for each in requests]
            waiting = []
            for request, pause in zip(requests, pauses, strict=True):
                waiting.append(asyncio.ensure_future(_outcome(batched, request)))
                if pause:
                    await asyncio.sleep(0)
            assert await asyncio.gather(*waiting) == expected


async def _outcome(running: RunningDeployment, request: Any) -> Any:
    try:
        return await ask(running, request)
    except GaalError as error:
        return type(error).__name__, str(error)


class Counting(Silence):
    """Keeps what components report, by method."""

    def __init__(self) -> None:
        self.told: dict[str, list[Metric]] = {}

    def unit_metrics(
        self, deployment: Deployment, predictor: Predictor, unit: PredictiveUnit, method: str
    ) -> RecordMetrics:
        def record(metrics: Iterable[Metric]) -> None:
            self.told.setdefault(method, []).extend(metrics)

        return record


def test_rows_are_cut_where_requests_begin_and_end() -> None:
    from gaal.components.batching import split_rows

    array = np.arange(6).reshape(3, 2)
    parts = split_rows(array, [0, 1, 3])
    assert parts is not None
    assert [each.tolist() for each in parts] == [[[0, 1]], [[2, 3], [4, 5]]]
    assert split_rows(["a", "b"], [0, 1, 2]) == [["a"], ["b"]]
    for other in (array[:2], np.array(1), {"a": 1}, "text", None):
        assert split_rows(other, [0, 1, 3]) is None
