"""`gaal microservice` and `seldon-core-microservice` as commands, in processes of their own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
from gaal_command import PATIENCE_S, environment
from prometheus_client.parser import text_string_to_metric_families

from .conftest import HERE

ROW = {"data": {"ndarray": [[1, 2]]}}
PORTS = ["--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"]
GAAL = ["-m", "gaal", "microservice"]
SELDON = ["-c", "from gaal.cli.microservice import main; main()"]


@dataclass(frozen=True)
class Command:
    """One that is running, and the ports by the names of its listeners."""

    process: asyncio.subprocess.Process
    ports: Mapping[str, int]

    @property
    def rest(self) -> str:
        return f"http://127.0.0.1:{self.ports['REST']}"


async def begin(
    *arguments: str,
    program: Sequence[str] = GAAL,
    folder: Path = HERE,
    variables: Mapping[str, str] | None = None,
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *program,
        *arguments,
        cwd=folder,
        env={**environment(), **(variables or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def running(
    *arguments: str,
    program: Sequence[str] = GAAL,
    folder: Path = HERE,
    variables: Mapping[str, str] | None = None,
) -> AsyncIterator[Command]:
    process = await begin(*PORTS, *arguments, program=program, folder=folder, variables=variables)
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).decode()
        if not line.startswith("Gaal is serving on "):
            _, told = await process.communicate()
            raise AssertionError(f"{line!r} {told.decode()}")
        found = re.findall(r"http://0\.0\.0\.0:(\d+)\S* \((\w+)\)", line)
        yield Command(process, {name: int(port) for port, name in found})
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.communicate(), PATIENCE_S)


async def predict(command: Command) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"{command.rest}/predict", json=ROW)


async def fails(*arguments: str, variables: Mapping[str, str] | None = None) -> str:
    """What it says when it ends with status 2."""
    process = await begin(*PORTS, *arguments, variables=variables)
    _, told = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 2, told.decode()
    return told.decode()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for something that another process does, and tells nobody of."""
    give_up = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def is_running(pid: str) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("program", [GAAL, SELDON])
async def test_it_serves_rest_grpc_and_metrics_on_all_interfaces(program: Sequence[str]) -> None:
    async with running("wrapped_models.Echo", program=program) as command:
        assert set(command.ports) == {"REST", "gRPC", "metrics"}
        assert (await predict(command)).json() == {"data": {"names": ["t:0", "t:1"], "ndarray": [[1, 2]]}, "meta": {}}
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{command.ports['metrics']}/metrics")).text == ""
        async with grpc.aio.insecure_channel(f"127.0.0.1:{command.ports['gRPC']}") as channel:
            assert await channel.unary_unary("/seldon.protos.Model/Metadata", bytes, bytes)(b"")
    assert command.process.returncode == 0


async def test_everything_may_come_from_the_environment() -> None:
    variables = {
        "MODEL_NAME": "wrapped_models.Returns",
        "SERVICE_TYPE": "ROUTER",
        "API_TYPE": "REST",
        "PERSISTENCE": "0",
        "PREDICTIVE_UNIT_PARAMETERS": '[{"name":"what","value":"words","type":"STRING"}]',
        "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": "0",
        "PREDICTIVE_UNIT_GRPC_SERVICE_PORT": "0",
        "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": "0",
        "PREDICTIVE_UNIT_METRICS_ENDPOINT": "/prometheus",
        "PREDICTIVE_UNIT_ID": "unit",
        "PREDICTIVE_UNIT_IMAGE": "image:3",
    }
    async with running(variables=variables) as command:
        reply = (await predict(command)).json()
    assert reply["data"]["ndarray"] == ["hello", "world"]
    assert reply["meta"]["requestPath"] == {"unit": "image:3"}


async def test_the_switches_of_the_original_come_with_and_without_a_value() -> None:
    async with running(
        "--persistence", "--tracing", "0", "wrapped_models.Echo", "--debug", "--single-threaded", "1", "--access-log"
    ) as command:
        assert (await predict(command)).status_code == 200


async def test_without_grpc_workers_there_is_no_grpc() -> None:
    async with running("wrapped_models.Echo", "--grpc-workers", "0") as command:
        assert set(command.ports) == {"REST", "metrics"}


async def test_metrics_of_two_workers_are_on_one_page() -> None:
    async with running("wrapped_models.Measured", "--workers", "2") as command:
        url = f"http://127.0.0.1:{command.ports['metrics']}/metrics"
        hits: dict[str, float] = {}
        n_sent = 0
        while len(hits) < 2 and n_sent < 200:
            await predict(command)  # a connection of its own, which either worker may take
            n_sent += 1
            async with httpx.AsyncClient(trust_env=False) as client:
                page = (await client.get(url)).text
            hits = {
                sample.labels["worker_id"]: sample.value
                for family in text_string_to_metric_families(page)
                for sample in family.samples
                if sample.name == "hits_total"
            }
        assert (len(hits), sum(hits.values())) == (2, n_sent)
        [gone, stays] = hits
        os.kill(int(gone), signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            while f'worker_id="{gone}"' in (page := await _page(url)):
                pass
        assert f'worker_id="{stays}"' in page


async def _page(url: str) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(url)).text
        except httpx.TransportError:  # the worker that was killed had taken the connection
            return (await client.get(url)).text


async def test_a_worker_is_replaced_after_its_requests() -> None:
    async with running("wrapped_models.Measured", "--max-requests", "3") as command:
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(8):
                assert (await predict(command)).status_code == 200


async def test_the_pidfile_is_there_as_long_as_it_runs(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    async with running("wrapped_models.Echo", "--pidfile", str(pidfile)) as command:
        assert int(pidfile.read_text()) == command.process.pid
    assert not pidfile.exists()


async def test_custom_service_runs_once_beside_two_workers(tmp_path: Path) -> None:
    (tmp_path / "Served.py").write_text(
        "import os, pathlib, time\n"
        "class Served:\n"
        "    def custom_service(self):\n"
        "        with open('runs', 'a') as file:\n"
        "            print(os.getpid(), file=file)\n"
        "        time.sleep(60)\n"
    )
    runs = tmp_path / "runs"
    async with running("Served", "--workers", "2", folder=tmp_path):
        await asyncio.to_thread(wait_until, lambda: runs.exists() and runs.read_text().endswith("\n"))
        [pid] = runs.read_text().split()
        assert is_running(pid)
    assert len(runs.read_text().split()) == 1
    await asyncio.to_thread(wait_until, lambda: not is_running(pid))


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        (
            '[{"name":"a","value":"x","type":"INT"}]',
            "Bad model parameter: a with value x can't be parsed as a INT",
        ),
        (
            '[{"name":"a","value":"x","type":"FOO"}]',
            "Bad model parameter type: FOO valid are INT, FLOAT, DOUBLE, STRING, BOOL",
        ),
        ('[{"name":"a","value":"maybe","type":"BOOL"}]', "can't be parsed as a BOOL"),
        ("{", "not JSON"),
    ],
)
async def test_bad_parameters_end_it(parameters: str, text: str) -> None:
    assert text in await fails("wrapped_models.Echo", "--parameters", parameters)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "TARGET: must be given"),
        (["wrapped_models.Echo", "--service-type", "BANANA"], "--service-type: must be one of MODEL, ROUTER"),
        (["wrapped_models.Echo", "--workers", "0"], "--workers: must be a whole number from 1 to 1024"),
        (["wrapped_models.Echo", "--http-port", "70000"], "--http-port: must be a whole number from 0 to 65535"),
        (["wrapped_models.Echo", "REST"], "unexpected extra argument"),
        (["wrapped_models.Echo", "--unknown"], "No such option"),
    ],
)
async def test_what_is_wrong_on_the_command_line_ends_it(arguments: list[str], text: str) -> None:
    assert text in await fails(*arguments, variables={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


async def test_the_log_level_of_the_environment_wins() -> None:
    told = await fails("wrapped_models.Echo", "--log-level", "INFO", variables={"SELDON_LOG_LEVEL": "LOUD"})
    assert "SELDON_LOG_LEVEL: must be one of DEBUG, INFO, WARNING, ERROR" in told


async def test_a_class_that_is_not_there_ends_it_and_says_so() -> None:
    process = await begin(*PORTS, "wrapped_models.Ecko")
    _, told = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 1
    assert "module wrapped_models has no Ecko; did you mean Echo?" in told.decode()


async def test_a_port_in_use_ends_it() -> None:
    async with running("wrapped_models.Echo") as command:
        told = await fails("wrapped_models.Echo", "--grpc-port", str(command.ports["gRPC"]))
    assert "--host, --grpc-port: must be an address of this machine that is free" in told
