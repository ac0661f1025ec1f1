"""`gaal serve` with units in processes of their own: it starts, stops and reloads them, and none outlives it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from gaal_command import PATIENCE_S, READY, environment
from worker_processes import is_alive, unit_workers_below, until

CODE = """
import os, time
VERSION = 1
class Model:
    def predict(self, X, names):
        time.sleep(float(X[0][0]))
        return [[VERSION, os.getpid()]]
    def metrics(self): return [{"type": "COUNTER", "key": "asked", "value": 1}]
"""
DOCUMENT = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: one}
spec:
  annotations: {gaal.dev/component.model: "slow_model:Model", gaal.dev/placement.model: worker, REPLICAS}
  predictors:
  - name: main
    graph: {name: model, type: MODEL}
"""


class Server:
    """A server as its user sees it. `process` is the supervisor."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url

    async def predict(self, sleep_s: float = 0) -> httpx.Response:
        async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as client:
            body = {"data": {"ndarray": [[sleep_s]]}}
            return await client.post(f"{self.url}/api/v1.0/predictions", json=body)

    async def answer(self) -> list[int]:
        """The version of the code and the process that it runs in."""
        [row] = (await self.predict()).json()["data"]["ndarray"]
        found: list[int] = row
        return found

    @property
    def unit_workers(self) -> list[int]:
        return unit_workers_below(self.process.pid)


@asynccontextmanager
async def served(folder: Path, *options: str, replicas: int = 1) -> AsyncIterator[Server]:
    (folder / "slow_model.py").write_text(CODE)
    (folder / "one.yaml").write_text(DOCUMENT.replace("REPLICAS", f'gaal.dev/replicas.model: "{replicas}"'))
    process = await _started(folder, *options)
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).decode().strip()
        assert line.startswith(READY), line
        yield Server(process, "http://" + line.removeprefix(READY))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _started(folder: Path, *options: str) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "gaal", "serve", "one.yaml", "--port", "0", *options)
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, cwd=folder, env=environment(), stdout=pipe, stderr=pipe)


@pytest.fixture(autouse=True)
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the sockets go. Short, as a path of a socket must be."""
    folder = Path(tempfile.mkdtemp(prefix="gaal-test-", dir="/tmp"))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)  # what was killed may be about to go


async def test_a_stop_ends_the_processes_and_removes_their_sockets(tmp_path: Path, own_temporary_folder: Path) -> None:
    async with served(tmp_path, "--workers", "2", replicas=2) as server:
        workers = server.unit_workers
        assert len(workers) == 4
        assert len(names_in(own_temporary_folder)) == 2
        server.process.terminate()
        assert await asyncio.wait_for(server.process.wait(), PATIENCE_S) == 0
        assert [pid for pid in workers if is_alive(pid)] == []
        assert names_in(own_temporary_folder) == []


async def test_a_stop_answers_what_the_processes_are_at(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        slow = asyncio.create_task(server.predict(1))
        await asyncio.sleep(0.3)  # the request is under way
        for pid in (server.process.pid, *server.unit_workers):  # as a service manager does it
            os.kill(pid, signal.SIGTERM)
        assert (await slow).json()["data"]["ndarray"][0][0] == 1
        assert await asyncio.wait_for(server.process.wait(), PATIENCE_S) == 0


async def test_a_reload_starts_new_processes_and_ends_the_old_ones(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        [old] = server.unit_workers
        assert await server.answer() == [1, old]
        (tmp_path / "slow_model.py").write_text(CODE.replace("VERSION = 1", "VERSION = 2"))
        slow = asyncio.create_task(server.predict(1))
        await asyncio.sleep(0.3)
        server.process.send_signal(signal.SIGHUP)
        assert (await slow).json()["data"]["ndarray"] == [[1, old]]
        await until(lambda: not is_alive(old))
        [new] = server.unit_workers
        assert await server.answer() == [2, new]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells children of their parent's death")
@pytest.mark.parametrize("killed", ["the supervisor", "the server"])
async def test_none_outlives_a_server_that_is_killed(tmp_path: Path, killed: str) -> None:
    async with served(tmp_path, replicas=2) as server:
        workers = server.unit_workers
        assert len(workers) == 2
        victim = server.process.pid if killed == "the supervisor" else parent_of(workers[0])
        os.kill(victim, signal.SIGKILL)
        await until(lambda: not any(is_alive(pid) for pid in workers))


def names_in(folder: Path) -> list[str]:
    return os.listdir(folder)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_the_next_server_removes_what_a_killed_one_has_left(tmp_path: Path, own_temporary_folder: Path) -> None:
    async with served(tmp_path) as server:
        workers = server.unit_workers
        server.process.kill()
        await until(lambda: not any(is_alive(pid) for pid in workers))
        [left] = names_in(own_temporary_folder)
    async with served(tmp_path):
        assert left not in names_in(own_temporary_folder)


async def test_it_serves_on_when_a_process_is_killed(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        [first] = server.unit_workers
        slow = asyncio.create_task(server.predict(30))
        await asyncio.sleep(0.3)
        os.kill(first, signal.SIGKILL)
        reply = await slow
        assert reply.status_code == 503
        assert reply.json()["status"]["reason"] == "UNAVAILABLE"
        assert reply.json()["status"]["info"] == 'unit "model": its worker process was killed by SIGKILL'
        await until(lambda: server.unit_workers not in ([], [first]))
        await answered(server)


async def answered(server: Server) -> Any:
    """The first reply that is one: a process is there a moment before it is ready."""
    async with asyncio.timeout(PATIENCE_S):
        while (reply := await server.predict()).status_code == 503:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return reply.json()


async def test_a_unit_that_ends_at_start_stops_the_server_which_says_why(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(DOCUMENT.replace(", REPLICAS", ""))
    (tmp_path / "slow_model.py").write_text("import os\nos.write(2, b'no such model file\\n')\nos._exit(3)\n")
    process = await _started(tmp_path)
    printed, words = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert (process.returncode, printed) == (1, b"")
    told = 'unit "model": its worker process ended with status 3 before it was ready; its last words:'
    assert f"{told}\n  no such model file" in words.decode()


async def test_the_metrics_of_a_process_are_counted_by_the_server(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        for _ in range(3):
            await server.answer()
        async with httpx.AsyncClient(trust_env=False) as client:
            text = (await client.get(f"{server.url}/metrics")).text
    [counted] = [line for line in text.splitlines() if line.startswith("asked_total{")]
    assert counted.endswith(" 3") or counted.endswith(" 3.0")


async def test_the_option_places_a_class_in_a_worker(tmp_path: Path) -> None:
    (tmp_path / "Who.py").write_text(
        "import os\nclass Who:\n    def predict(self, X, names): return {'pid': os.getpid()}\n"
    )
    command = (sys.executable, "-m", "gaal", "serve", "Who", "--port", "0", "--placement", "worker")
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=environment(), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).decode().strip()
        async with httpx.AsyncClient(trust_env=False) as client:
            url = f"http://{line.removeprefix(READY)}/api/v1.0/predictions"
            reply = (await client.post(url, content=json.dumps({"strData": "x"}))).json()
        assert reply["jsonData"]["pid"] in unit_workers_below(process.pid)
    finally:
        process.terminate()
        await process.wait()
