"""The supervisor with real processes, sockets and signals. A test waits for events: a line, a reply, an end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import httpx
import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families

from gaal.backoff import LONGEST_DELAY_S, STABLE_S
from gaal.errors import SettingsError
from gaal.transport.supervisor import Listener, Replacements, address, bind

PATIENCE_S = 30
HERE = Path(__file__).parent
MAIN = """
import json, logging, sys
from gaal.settings import read_settings
from gaal.transport.supervisor import run
logging.basicConfig(level="INFO")
status = run(read_settings(json.loads(sys.argv[1]), {}), "supervised:worker")
heavy = {"numpy", "pydantic", "grpc", "h2corn", "uvloop"} & set(sys.modules)
sys.exit(f"the supervisor imported {heavy}" if heavy else status)
"""


class Gaal:
    """A supervisor and its workers, as their user sees them: lines, replies, and an exit status."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.url = ""
        self.workers: list[int] = []
        self._out = process.stdout
        self._log = process.stderr

    async def line(self, beginning: str) -> str:
        """The next line on stdout that begins so. Workers that load are noted on the way."""
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self._out.readline()).decode().rstrip("\n"):
                if line.startswith("loading"):
                    self.workers.append(int(line.split()[1]))
                if line.startswith(beginning):
                    return line
        raise AssertionError(f"stdout ended without {beginning!r}: {(await self._log.read()).decode()}")

    async def logged(self, part: str) -> str:
        """The next line of the log that has this in it."""
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self._log.readline()).decode():
                if part in line:
                    return line
        raise AssertionError(f"the log ended without {part!r}")

    async def ready(self) -> None:
        self.url = (await self.line("Gaal is serving on ")).removeprefix("Gaal is serving on ")

    async def get(self, path: str) -> str:
        """The body of a reply, over a connection of its own."""
        async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
            return (await client.get(self.url + path)).raise_for_status().text

    async def metrics(self) -> dict[str, float]:
        families = text_string_to_metric_families(await self.get("/metrics"))
        return {sample.name: sample.value for family in families for sample in family.samples}

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()


@asynccontextmanager
async def started(trap: Path | None = None, /, **settings: str) -> AsyncIterator[Gaal]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((*sys.path, str(HERE)))}
    if trap:
        environment["TRAP"] = str(trap)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MAIN, json.dumps({"port": "0", **settings})),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    gaal = Gaal(process)
    try:
        yield gaal
    finally:
        if process.returncode is None:
            process.kill()
        # The workers hold the pipes too: reading to their end waits for every one of them.
        async with asyncio.timeout(PATIENCE_S):
            await process.communicate()


async def ended(pid: int) -> None:
    """Waits until a process that is nobody's child here has ended."""
    pidfd = os.pidfd_open(pid)
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(pidfd, gone.set)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await gone.wait()
    finally:
        asyncio.get_running_loop().remove_reader(pidfd)
        os.close(pidfd)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def refused(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (ConnectionRefusedError, ConnectionResetError):  # reset: the port closed under the connection
        return True
    writer.close()
    await writer.wait_closed()
    return False


async def test_the_ready_line_names_the_address_and_the_server_answers_there() -> None:
    port = free_port()
    async with started(port=str(port)) as gaal:
        assert await gaal.line("Gaal") == f"Gaal is serving on http://127.0.0.1:{port}"
        gaal.url = f"http://127.0.0.1:{port}"
        assert int(await gaal.get("/")) in gaal.workers
        assert await gaal.stop() == 0


async def test_port_0_picks_a_free_port_and_names_it() -> None:
    async with started() as gaal:
        await gaal.ready()
        assert int(gaal.url.rpartition(":")[2]) > 0
        assert await gaal.stop(signal.SIGINT) == 0


async def test_the_port_does_not_open_before_the_workers_have_loaded(tmp_path: Path) -> None:
    pipe, port = tmp_path / "pipe", free_port()
    os.mkfifo(pipe)
    async with started(pipe, port=str(port)) as gaal:
        await gaal.line("loading")
        assert await refused(port)
        await asyncio.to_thread(pipe.write_text, "go")
        await gaal.ready()
        assert not await refused(port)


async def test_a_worker_that_fails_to_load_ends_everything_with_its_status_and_tells_why_once(tmp_path: Path) -> None:
    trap, port = tmp_path / "trap", free_port()
    trap.write_text("no such class")
    async with started(trap, port=str(port), workers="2") as gaal:
        assert await gaal.ended() == 1
        out, log = await gaal.process.communicate()
        assert b"Gaal is serving" not in out
        assert log.decode().splitlines() == ['unit "model": no such class']
        assert await refused(port)


async def test_a_stop_while_loading_ends_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    async with started(pipe) as gaal:
        await gaal.line("loading")
        assert await gaal.stop() == 0


async def test_a_killed_worker_is_replaced_while_the_other_answers_and_its_counts_stay() -> None:
    async with started(workers="2") as gaal:
        await gaal.ready()
        victim, other = gaal.workers
        os.kill(other, signal.SIGSTOP)
        assert int(await gaal.get("/visit")) == victim
        os.kill(victim, signal.SIGKILL)
        os.kill(other, signal.SIGCONT)
        assert int(await gaal.get("/visit")) == other
        assert f"worker {victim} ended by SIGKILL" in await gaal.logged("replaced in 0.1 s")
        await gaal.line("loading")
        metrics = await gaal.metrics()
        assert metrics["visits_total"] == 2
        assert metrics["gaal_worker_restarts_total"] == 1
        # The new worker does its part: the other one may be stopped.
        os.kill(other, signal.SIGSTOP)
        assert int(await gaal.get("/visit")) == gaal.workers[2]
        os.kill(other, signal.SIGCONT)
        assert await gaal.stop() == 0


async def test_metrics_are_the_sum_over_all_workers_whoever_is_asked() -> None:
    async with started(workers="2") as gaal:
        await gaal.ready()
        for asleep, awake in (gaal.workers, reversed(gaal.workers)):
            os.kill(asleep, signal.SIGSTOP)
            for _ in range(3):
                assert int(await gaal.get("/visit")) == awake
            os.kill(asleep, signal.SIGCONT)
        metrics = await gaal.metrics()
        assert metrics["visits_total"] == 6
        assert metrics["gaal_requests_in_flight"] == 0
        assert metrics["process_resident_memory_bytes"] > 3 * 2**20


async def test_requests_in_flight_of_a_killed_worker_no_longer_count() -> None:
    async with started(workers="2") as gaal:
        await gaal.ready()
        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(lost(gaal, "/slow?60"))
            victim = int((await gaal.line("slow")).split()[1])
            assert (await gaal.metrics())["gaal_requests_in_flight"] == 1
            os.kill(victim, signal.SIGKILL)
            await gaal.line("loading")
            assert (await gaal.metrics())["gaal_requests_in_flight"] == 0
            assert await slow


async def lost(gaal: Gaal, path: str) -> bool:
    try:
        await gaal.get(path)
    except httpx.TransportError:
        return True
    return False


async def hammer(get: Callable[[], Awaitable[str]], until: asyncio.Event) -> list[int]:
    """Calls until told to stop, and gives the workers that answered, in order."""
    answered = []
    while not until.is_set():
        answered.append(int(await get()))
    return answered


async def test_a_reload_under_constant_load_loses_no_request_and_replaces_every_worker() -> None:
    async with started(workers="2") as gaal, httpx.AsyncClient(timeout=PATIENCE_S) as client:
        await gaal.ready()
        async with grpc.aio.insecure_channel(gaal.url.removeprefix("http://")) as channel:
            call = channel.unary_unary("/test.Pid/Get", bytes, bytes)

            async def kept() -> str:
                return (await client.get(gaal.url)).raise_for_status().text

            async def anew() -> str:
                return await gaal.get("/")

            async def over_grpc() -> str:
                reply: bytes = await call(b"", timeout=PATIENCE_S)
                return reply.decode()

            done = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                load = [tasks.create_task(hammer(get, done)) for get in (kept, kept, anew, over_grpc, over_grpc)]
                for _ in range(3):
                    gaal.process.send_signal(signal.SIGHUP)
                    await gaal.logged("old ones drain")
                    for _ in range(2):
                        await gaal.logged("ended with status 0")
                done.set()
            for _ in range(6):
                await gaal.line("loading")
            newest = set(gaal.workers[-2:])
            for task in load:
                assert len(task.result()) > 10
                assert task.result()[-1] in newest
            assert int(await gaal.get("/")) in newest
            assert await gaal.stop() == 0


async def test_a_reload_that_fails_to_load_leaves_the_old_workers_as_they_are(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    async with started(trap, workers="2") as gaal:
        await gaal.ready()
        trap.write_text("broken since")
        gaal.process.send_signal(signal.SIGHUP)
        assert 'unit "model": broken since' in await gaal.logged("reload failed, the old workers stay")
        assert int(await gaal.get("/")) in gaal.workers
        trap.unlink()
        gaal.process.send_signal(signal.SIGHUP)
        await gaal.logged("2 new workers are ready")
        assert await gaal.stop() == 0


async def test_sigterm_answers_the_request_under_way_and_takes_no_other(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    async with started() as gaal:
        await gaal.ready()
        async with asyncio.TaskGroup() as tasks:
            held = tasks.create_task(gaal.get(f"/held?{pipe}"))
            await gaal.line("held")
            status = tasks.create_task(gaal.stop())
            port = int(gaal.url.rpartition(":")[2])
            async with asyncio.timeout(PATIENCE_S):
                while not await refused(port):
                    pass
            assert not held.done()
            await asyncio.to_thread(pipe.write_text, "go")
        assert int(held.result()) == gaal.workers[0]
        assert status.result() == 0


async def test_a_request_longer_than_the_drain_timeout_is_cut_and_the_status_still_0() -> None:
    async with started(drain_timeout_s="0.2") as gaal:
        await gaal.ready()
        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(lost(gaal, "/slow?60"))
            await gaal.line("slow")
            assert await gaal.stop() == 0
        assert slow.result()


async def test_a_second_sigint_ends_at_once_even_if_the_event_loop_stands_still() -> None:
    async with started() as gaal:
        await gaal.ready()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(lost(gaal, "/block?60"))
            await gaal.line("blocked")
            gaal.process.send_signal(signal.SIGINT)
            await gaal.logged("stopping")  # else the kernel may make one signal of the two
            port = int(gaal.url.rpartition(":")[2])
            assert not await refused(port)  # the worker has not noticed
            assert await gaal.stop(signal.SIGINT) == 128 + signal.SIGINT
        await ended_or_gone(gaal.workers[0])


async def ended_or_gone(pid: int) -> None:
    try:
        await ended(pid)
    except ProcessLookupError:
        return


async def test_workers_end_when_the_supervisor_is_killed() -> None:
    async with started(workers="2") as gaal:
        await gaal.ready()
        gaal.process.kill()
        for worker in gaal.workers:
            await ended_or_gone(worker)


async def test_a_worker_whose_event_loop_stands_still_too_long_is_replaced() -> None:
    async with started(worker_timeout_s="0.3") as gaal:
        await gaal.ready()
        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(lost(gaal, "/block?60"))
            await gaal.line("blocked")
            await gaal.logged("was silent for 0.3 s: killed")
            await gaal.line("loading")
            assert int(await gaal.get("/")) == gaal.workers[1]
        assert slow.result()


async def test_mutual_tls_takes_the_clients_of_its_authority_and_no_others(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    server.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    server.private_key_pem.write_to_path(tmp_path / "key.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    files = {"tls_cert": "cert.pem", "tls_key": "key.pem", "tls_client_ca": "ca.pem"}
    async with started(None, **{name: str(tmp_path / file) for name, file in files.items()}) as gaal:
        await gaal.ready()
        assert gaal.url.startswith("https://127.0.0.1:")
        for issuer, welcome in ((authority, True), (stranger, False), (None, False)):
            tls = ssl.create_default_context()
            authority.configure_trust(tls)
            if issuer:
                issuer.issue_cert("client@example.org").configure_cert(tls)
            async with httpx.AsyncClient(verify=tls, timeout=PATIENCE_S) as client:
                if welcome:
                    assert (await client.get(gaal.url)).status_code == 200
                else:
                    with pytest.raises((httpx.TransportError, ssl.SSLError)):
                        await client.get(gaal.url)


async def test_a_key_that_does_not_fit_ends_the_start_with_status_2(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("a.org").cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.issue_cert("b.org").private_key_pem.write_to_path(tmp_path / "key.pem")
    async with started(tls_cert=str(tmp_path / "cert.pem"), tls_key=str(tmp_path / "key.pem")) as gaal:
        assert await gaal.ended() == 2
        assert "--tls-cert: must be a PEM certificate with the key of --tls-key" in await gaal.logged("")


def test_an_address_in_use_is_a_setting_that_is_wrong() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"--host, --port: .* \(Address already in use\).*:{port}"):
            bind("127.0.0.1", Listener("", port, "--port"))


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_an_address_is_shown_as_in_a_url(host: str, shown: str) -> None:
    try:
        (bound,) = bind(host, Listener("", 0, "--port"))
    except SettingsError:
        pytest.skip("this machine has no IPv6")
    with bound:
        assert address(bound) == f"{shown}:{bound.getsockname()[1]}"


def test_the_delay_before_a_replacement_doubles_to_ten_seconds_and_starts_again_after_a_stable_life() -> None:
    replacements = Replacements()
    delays = [replacements.worker_ended(0.0, now=0.0) for _ in range(9)]
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, LONGEST_DELAY_S, LONGEST_DELAY_S]
    assert replacements.worker_ended(STABLE_S, now=0.0) == 0.1


def test_a_replacement_is_due_once() -> None:
    replacements = Replacements()
    replacements.worker_ended(0.0, now=5.0)
    assert replacements.take_due(5.05) == 0
    assert replacements.take_due(5.2) == 1
    assert replacements.take_due(9.0) == 0
