"""A unit in processes of its own: what becomes of them, and of the calls under way, when they end, hang or stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import pytest
from running import Run, ask, predict, rows, runner
from worker_processes import is_alive, unit_workers_below, until

from gaal.components.worker import WorkerUnit
from gaal.errors import ComponentLoadError, DeadlineExceeded, Unavailable
from gaal.executor.context import Context
from gaal.executor.deployment import RunningDeployment
from gaal.executor.events import RecordMetrics, Silence
from gaal.graph.deployment import Deployment, PredictiveUnit, Predictor
from gaal.messages import Kind, Message, Metric, Payload
from gaal.protocols import seldon_json
from gaal.transport.in_flight import within

MODEL = "{name: m, type: MODEL, code: Model}"

WHO = """
import os
class Model:
    def predict(self, X, names): return {"pid": os.getpid()}
"""

ON_ORDER = """
import os, signal, threading, time
from pathlib import Path
class Model:
    '''Does what the text says, once it has left the note `begun-<text>`.'''
    def predict(self, X, names):
        order, _, value = X.partition(" ")
        Path(__file__).with_name(f"begun-{order}").write_text(str(os.getpid()))
        if order == "sleep":
            time.sleep(float(value))
        elif order == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif order == "leave":
            os._exit(int(value))
        return str(os.getpid())
"""


def node_of(running: RunningDeployment, unit: str = "m") -> WorkerUnit:
    node = running.predictors[0].nodes[unit]
    assert isinstance(node, WorkerUnit)
    return node


def text(words: str) -> dict[str, str]:
    return {"strData": words}


async def begun(folder: Path, order: str) -> None:
    await until((folder / f"begun-{order}").exists)


async def ready_again(node: WorkerUnit, n_processes: int = 1) -> None:
    await until(lambda: len(node.pids) == n_processes)


async def test_the_code_runs_in_another_process(run: Run) -> None:
    running = await run(MODEL, WHO, placement="worker")
    reply = await ask(running, rows([1]))
    assert reply["jsonData"]["pid"] in node_of(running).pids
    assert os.getpid() not in node_of(running).pids
    assert "unit_code" not in sys.modules


async def test_the_sockets_are_in_a_folder_of_the_users_own_that_ends_with_the_unit(run: Run) -> None:
    before = set(unit_folders())
    running = await run(MODEL, WHO, placement="worker")
    [folder] = set(unit_folders()) - before
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(str(folder)) < 90
    await running.close()
    assert not folder.exists()


def unit_folders() -> Iterable[Path]:
    return Path(tempfile.gettempdir()).glob("gaal-unit-*")


class TestEnds:
    async def test_a_call_whose_process_is_killed_says_how_it_ended(self, run: Run, tmp_path: Path) -> None:
        running = await run(MODEL, ON_ORDER, placement="worker")
        with pytest.raises(Unavailable) as caught:
            await predict(running, text("die"))
        assert str(caught.value) == 'unit "m": its worker process was killed by SIGKILL'

    async def test_one_that_leaves_by_itself_says_with_which_status(self, run: Run) -> None:
        running = await run(MODEL, ON_ORDER, placement="worker")
        with pytest.raises(Unavailable, match='unit "m": its worker process ended with status 3'):
            await predict(running, text("leave 3"))

    async def test_a_new_process_takes_its_place(self, run: Run) -> None:
        running = await run(MODEL, ON_ORDER, placement="worker")
        [first] = node_of(running).pids
        with pytest.raises(Unavailable):
            await predict(running, text("die"))
        await ready_again(node_of(running))
        reply = await ask(running, text("go on"))
        assert reply["strData"] == str(node_of(running).pids[0]) != str(first)

    async def test_while_no_process_is_ready_calls_fail_at_once(self, run: Run) -> None:
        running = await run(MODEL, ON_ORDER, placement="worker")
        with pytest.raises(Unavailable):
            await predict(running, text("die"))
        with pytest.raises(Unavailable) as caught:
            await asyncio.wait_for(predict(running, text("go on")), 0.05)
        assert str(caught.value) == 'unit "m": no worker process is ready: the last one was killed by SIGKILL'
        with pytest.raises(Unavailable):
            await node_of(running).reachable()

    async def test_other_units_and_other_processes_never_notice(self, run: Run, tmp_path: Path) -> None:
        graph = "{name: a, type: TRANSFORMER, code: Pass, children: [{name: m, type: MODEL, code: Model}]}"
        code = ON_ORDER + "class Pass: pass\n"
        running = await run(graph, code, placement="worker", annotations={"gaal.dev/replicas.m": "2"})
        [transformer] = node_of(running, "a").pids
        slow = asyncio.create_task(ask(running, text("sleep 0.3")))
        await begun(tmp_path, "sleep")
        with pytest.raises(Unavailable):
            await predict(running, text("die"))
        assert (await slow)["strData"] in {str(pid) for pid in node_of(running).pids}
        assert node_of(running, "a").pids == [transformer]

    async def test_a_unit_that_is_idempotent_is_asked_once_more(self, run: Run, tmp_path: Path) -> None:
        code = f"""
import os
from pathlib import Path
class Model:
    def predict(self, X, names):
        note = Path({str(tmp_path)!r}, "died")
        if not note.exists():
            note.touch()
            os._exit(1)
        return "alive"
"""
        twice = {"gaal.dev/replicas.m": "2", "gaal.dev/idempotent.m": "true"}
        running = await run(MODEL, code, placement="worker", annotations=twice)
        assert (await ask(running, text("x")))["strData"] == "alive"

    async def test_it_is_not_asked_a_third_time(self, run: Run) -> None:
        three = {"gaal.dev/replicas.m": "3", "gaal.dev/idempotent.m": "true"}
        running = await run(MODEL, ON_ORDER, placement="worker", annotations=three)
        with pytest.raises(Unavailable, match="ended with status 9"):
            await predict(running, text("leave 9"))
        assert len(node_of(running).pids) >= 1


class TestHangs:
    SOON: ClassVar = {"gaal.dev/hang-timeout.m": "800"}

    async def test_a_process_that_stands_still_is_replaced(self, run: Run) -> None:
        running = await run(MODEL, ON_ORDER, placement="worker", annotations=self.SOON)
        [pid] = node_of(running).pids
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Unavailable, match=r'unit "m": its worker process hung: it was silent for 0\.8 s'):
            await predict(running, text("hello"))
        await ready_again(node_of(running))
        assert (await ask(running, text("hello")))["strData"] != str(pid)

    async def test_a_call_that_nobody_waits_for_is_not_waited_for_for_ever(self, run: Run, tmp_path: Path) -> None:
        running = await run(MODEL, ON_ORDER, placement="worker", annotations=self.SOON)
        [pid] = node_of(running).pids
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(predict(running, text("sleep 60")), 0.2)
        with pytest.raises(Unavailable, match=r"hung: a call that nobody waits for kept it for 0\.8 s"):
            await predict(running, text("after it"))
        assert not is_alive(pid)

    async def test_a_call_that_somebody_waits_for_may_take_its_time(self, run: Run) -> None:
        running = await run(MODEL, ON_ORDER, placement="worker", annotations=self.SOON)
        [pid] = node_of(running).pids
        assert (await ask(running, text("sleep 2")))["strData"] == str(pid)


class TestDeadlines:
    async def test_a_deadline_names_the_unit(self, run: Run) -> None:
        running = await run(MODEL, ON_ORDER, placement="worker")
        context = Context("p")
        work = running.predict(seldon_json.message_of(text("sleep 1")), context, running.choose())
        with pytest.raises(DeadlineExceeded, match=r'unit "m": no reply within 0\.2 s'):
            await within(0.2, work, context)

    async def test_a_call_that_is_cancelled_before_its_turn_never_begins(self, run: Run, tmp_path: Path) -> None:
        running = await run(MODEL, ON_ORDER, placement="worker")
        slow = asyncio.create_task(ask(running, text("sleep 0.5")))
        await begun(tmp_path, "sleep")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(predict(running, text("never")), 0.05)
        await slow
        await ask(running, text("last"))
        assert not (tmp_path / "begun-never").exists()


class TestReplicas:
    async def test_the_one_with_the_fewest_calls_to_answer_gets_the_next(self, run: Run, tmp_path: Path) -> None:
        running = await run(MODEL, ON_ORDER, placement="worker", annotations={"gaal.dev/replicas.m": "2"})
        slow = asyncio.create_task(ask(running, text("sleep 0.5")))
        await begun(tmp_path, "sleep")
        answered = {(await ask(running, text("quick")))["strData"] for _ in range(4)}
        assert answered == {str(pid) for pid in node_of(running).pids} - {(await slow)["strData"]}

    async def test_those_that_have_nothing_to_do_take_turns(self, run: Run) -> None:
        running = await run(MODEL, ON_ORDER, placement="worker", annotations={"gaal.dev/replicas.m": "2"})
        answered = {(await ask(running, text("quick")))["strData"] for _ in range(2)}
        assert answered == {str(pid) for pid in node_of(running).pids}


class TestSurroundings:
    CODE = """
import os, sys
class Model:
    def predict(self, X, names): return {name: os.environ.get(name) for name in X}
class Read:
    def predict(self, X, names): return sys.stdin.read()
"""

    async def test_each_unit_has_the_variables_of_its_own_container(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("INHERITED", "yes")
        graph = "{name: a, type: MODEL, code: Model, children: [{name: b, type: MODEL, code: Model}]}"
        env = {"a": {"MODEL_SIZE": "1", "PREDICTOR_ID": "mine"}, "b": {"MODEL_SIZE": "2"}}
        running = await run(graph, self.CODE, placement="worker", env=env)
        wanted = ["MODEL_SIZE", "PREDICTIVE_UNIT_ID", "PREDICTOR_ID", "SELDON_DEPLOYMENT_ID", "INHERITED"]
        nodes = running.predictors[0].nodes
        assert await value_of(nodes["a"], wanted) == {
            "MODEL_SIZE": "1",
            "PREDICTIVE_UNIT_ID": "a",
            "PREDICTOR_ID": "mine",
            "SELDON_DEPLOYMENT_ID": "test",
            "INHERITED": "yes",
        }
        assert (await value_of(nodes["b"], wanted))["MODEL_SIZE"] == "2"
        assert "MODEL_SIZE" not in os.environ

    async def test_there_is_nothing_to_read_on_its_standard_input(self, run: Run) -> None:
        running = await run("{name: m, type: MODEL, code: Read}", self.CODE, placement="worker")
        assert (await ask(running, text("x")))["strData"] == ""

    async def test_what_it_writes_to_stderr_goes_to_that_of_the_server(
        self, run: Run, capfd: pytest.CaptureFixture[str]
    ) -> None:
        code = """
import sys
class Model:
    def predict(self, X, names):
        print("note", file=sys.stderr)
        return X
"""
        running = await run(MODEL, code, placement="worker")
        await ask(running, text("x"))
        await running.close()
        assert "note\n" in capfd.readouterr().err

    async def test_its_metrics_are_counted_here(self, run: Run) -> None:
        code = """
class Model:
    def predict(self, X, names): return X
    def metrics(self): return [{"type": "COUNTER", "key": "n", "value": 2, "tags": {"a": "b"}}]
"""
        heard: list[tuple[str, Metric]] = []

        class Listening(Silence):
            def unit_metrics(
                self, deployment: Deployment, predictor: Predictor, unit: PredictiveUnit, method: str
            ) -> RecordMetrics:
                return lambda metrics: heard.extend((method, metric) for metric in metrics)

        running = await run(MODEL, code, placement="worker", listener=Listening())
        reply = await ask(running, text("x"))
        assert heard == [("predict", Metric("n", "COUNTER", 2, {"a": "b", "method": "predict"}))]
        assert [metric["key"] for metric in reply["meta"]["metrics"]] == ["n"]


async def value_of(node: object, wanted: list[str]) -> dict[str, str]:
    assert isinstance(node, WorkerUnit)
    reply = await node.predict(Message(Payload(Kind.JSON_DATA, wanted)), Context("p"))
    assert reply.payload is not None
    values: dict[str, str] = reply.payload.value
    return values


class TestStart:
    async def test_one_that_ends_at_start_gives_the_last_lines_of_its_stderr(self, run: Run) -> None:
        code = "import os, sys\nprint('disk is full', file=sys.stderr, flush=True)\nos._exit(7)\n"
        with pytest.raises(ComponentLoadError) as caught:
            await run(MODEL, code, placement="worker")
        assert str(caught.value) == (
            'unit "m": its worker process ended with status 7 before it was ready; its last words:\n  disk is full'
        )

    async def test_no_process_and_no_folder_is_left_of_a_start_that_failed(self, tmp_path: Path) -> None:
        before = set(unit_folders())
        graph = "{name: a, type: TRANSFORMER, code: Model, children: [{name: m, type: MODEL, code: Nobody}]}"
        async with runner(tmp_path) as run:
            with pytest.raises(ComponentLoadError, match="has no Nobody"):
                await run(graph, "class Model: pass", placement="worker")
        assert unit_workers_below(os.getpid()) == []
        assert set(unit_folders()) == before

    async def test_a_process_that_is_not_yet_ready_ends_with_the_start(self, run: Run, tmp_path: Path) -> None:
        code = f"""
import os, time
from pathlib import Path
Path({str(tmp_path)!r}, "begun-load").write_text(str(os.getpid()))
time.sleep(60)
"""
        starting = asyncio.ensure_future(run(MODEL, code, placement="worker"))
        await begun(tmp_path, "load")
        await until(lambda: bool((tmp_path / "begun-load").read_text()))
        pid = int((tmp_path / "begun-load").read_text())
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert not is_alive(pid)

    async def test_what_cannot_be_loaded_again_is_tried_again(self, run: Run, tmp_path: Path) -> None:
        code = (
            ON_ORDER
            + f"""
if Path({str(tmp_path)!r}, "trap").exists():
    Path({str(tmp_path)!r}, "trapped").touch()
    raise OSError("trapped")
"""
        )
        running = await run(MODEL, code, placement="worker")
        (tmp_path / "trap").touch()
        with pytest.raises(Unavailable):
            await predict(running, text("die"))
        await until((tmp_path / "trapped").exists)
        await until(lambda: "OSError: trapped" in node_of(running).trouble)
        with pytest.raises(Unavailable, match="did not start again: unit_code:Model: OSError: trapped"):
            await predict(running, text("hello"))
        (tmp_path / "trap").unlink()
        await ready_again(node_of(running))
