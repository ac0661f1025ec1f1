"""Microservices are kept running, whatever happens to them and to who keeps them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from kept import QUICK, Kept, ask, ended, is_alive, keeper_process, keeping, until

from gaal.errors import StoreError
from gaal.microservices import board, keeper, lock, replica
from gaal.microservices.log_files import last_lines, log_of
from gaal.microservices.replica import free_port
from gaal.storage.records import Client, Image, Microservice, MicroserviceProcess
from gaal.storage.store import locate, open_store


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    async with keeping(tmp_path) as kept:
        yield kept


async def test_what_is_put_runs_on_a_port_of_its_own_and_ends_when_it_is_removed(kept: Kept) -> None:
    kept.put("m", kept.script("one", "answer('one')"))
    row = await kept.ready("m")
    assert await ask(row.port) == "one"
    assert is_alive(row.pid)
    kept.store.microservices.remove("test", "m")
    await kept.shown("m", lambda rows: not rows)
    await ended(row.pid)


async def test_each_replica_is_a_process_of_its_own(kept: Kept) -> None:
    kept.put("m", kept.script("one", "answer('one')"), n_replicas=2)
    rows = await kept.shown("m", lambda rows: [row.state for row in rows] == ["ready", "ready"])
    assert len({row.port for row in rows}) == len({row.pid for row in rows}) == 2


async def test_one_that_is_killed_is_started_again_with_all_that_it_had_started_gone(kept: Kept) -> None:
    code = "child = os.fork()\nif child == 0:\n    time.sleep(1000)\nanswer(str(child))"
    kept.put("m", kept.script("parent", code))
    first = await kept.ready("m")
    grandchild = int(await ask(first.port))
    os.kill(first.pid, signal.SIGKILL)
    [second] = await kept.shown("m", lambda rows: rows[0].state == "ready" and rows[0].pid != first.pid)
    assert second.n_restarts == 1
    await ended(grandchild)


async def test_one_that_ends_again_and_again_waits_longer_each_time_and_says_why(kept: Kept) -> None:
    kept.put("m", kept.script("broken", "print('no pipeline here', file=sys.stderr)\nsys.exit(3)"))
    [row] = await kept.shown("m", lambda rows: bool(rows) and rows[0].n_restarts >= 2 and rows[0].state == "waiting")
    assert row.failure == "it ended with status 3 before it was ready; its last words:\n  no pipeline here"


async def test_secrets_of_the_server_are_neither_handed_on_nor_quoted(kept: Kept) -> None:
    code = "print(os.environ['API_TOKEN'], os.environ.get('GAAL_DATABASE'), file=sys.stderr)\nsys.exit(1)"
    kept.put("m", kept.script("tells", code))
    [row] = await kept.shown("m", lambda rows: bool(rows) and bool(rows[0].failure))
    assert row.failure.endswith("\n  *** None")


async def test_one_that_never_answers_is_killed_and_started_again(tmp_path: Path) -> None:
    async with keeping(tmp_path, replace(QUICK, start_s=0.3)) as kept:
        kept.put("m", kept.script("mute", "time.sleep(1000)"))
        [row] = await kept.shown("m", lambda rows: bool(rows) and rows[0].n_restarts == 1)
        assert row.failure.startswith("it did not answer on port ")


async def test_one_that_falls_silent_is_killed_and_started_again(kept: Kept) -> None:
    kept.put("m", kept.script("one", "answer('one')"))
    first = await kept.ready("m")
    os.kill(first.pid, signal.SIGSTOP)
    await kept.shown("m", lambda rows: rows[0].state == "ready" and rows[0].pid != first.pid)
    await ended(first.pid)


async def test_a_port_that_somebody_takes_first_costs_one_more_start(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1]]
        monkeypatch.setattr(replica, "free_port", lambda: ports.pop() if ports else free_port())
        kept.put("m", kept.script("one", "answer('one')"))
        row = await kept.ready("m")
    assert row.n_restarts == 1


async def test_a_new_version_starts_beside_the_old_one_which_ends_when_it_is_ready(kept: Kept) -> None:
    kept.put("m", kept.script("one", "answer('one')"))
    first = await kept.ready("m")
    gate = kept.folder / "gate"
    os.mkfifo(gate)
    kept.put("m", kept.script("two", f"open({str(gate)!r}).read()\nanswer('two')"))
    opened = await asyncio.to_thread(gate.open, "w")  # when the new version has come so far
    assert await ask(first.port) == "one"
    opened.close()
    await kept.shown("m", lambda rows: rows[0].pid != first.pid)
    assert await ask((await kept.ready("m")).port) == "two"
    await ended(first.pid)


async def test_a_new_version_that_fails_leaves_the_old_one_and_says_why(kept: Kept) -> None:
    kept.put("m", kept.script("one", "answer('one')"))
    first = await kept.ready("m")
    kept.put("m", kept.script("broken", "sys.exit('does not work')"))
    [row] = await kept.shown("m", lambda rows: bool(rows[0].failure))
    assert (row.state, row.pid) == ("ready", first.pid)
    assert row.failure.startswith("its successor: it ended with status 1")
    assert await ask(first.port) == "one"


async def test_an_image_is_what_is_registered_for_it_and_that_may_come_later(kept: Kept) -> None:
    kept.put("m", "example/no-such-image:1")
    [row] = await kept.shown("m", lambda rows: bool(rows) and rows[0].state == "failed")
    assert "gaal image add example/no-such-image:1 TARGET" in row.failure
    kept.store.images.put(Image("example/no-such-image:1", kept.script("one", "answer('one')")))
    assert await ask((await kept.ready("m")).port) == "one"


FAKE_DOCKER = """#!{python}
import os, sys
with open("{folder}/docker.log", "a") as log:
    print(*sys.argv[1:], file=log)
if sys.argv[1] == "run":
    os.environ["GAAL_MICROSERVICE_PORT"] = sys.argv[sys.argv.index("-p") + 1].split(":")[1]
    sys.path.insert(0, "{folder}")
    from answers import answer
    answer("container")
"""


async def test_a_container_is_run_and_removed(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.script("any", "pass")
    docker = kept.folder / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(FAKE_DOCKER.format(python=sys.executable, folder=kept.folder))
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}{os.pathsep}{os.environ['PATH']}")
    kept.put("m", "owner/image:1")
    row = await kept.ready("m")
    assert await ask(row.port) == "container"
    kept.store.microservices.remove("test", "m")
    await kept.keeper.close()
    version, run, remove = (kept.folder / "docker.log").read_text().splitlines()
    name = f"gaal-test-m-{row.port}"
    assert version == "version"
    assert run == f"run --rm --name {name} -p 127.0.0.1:{row.port}:5000 owner/image:1"
    assert remove == f"rm --force {name}"


async def test_what_it_prints_is_in_its_log(kept: Kept) -> None:
    kept.put("m", kept.script("one", "print('hello')\nprint('oh', file=sys.stderr)\nanswer('one')"))
    await kept.ready("m")
    log = log_of(kept.folder / "data", "test", "m", 0)
    assert sorted(last_lines(log, 10)) == ["hello", "oh"]
    assert log.stat().st_mode & 0o777 == 0o600


async def test_a_log_does_not_grow_beyond_its_bound(kept: Kept) -> None:
    kept.put("m", kept.script("chatty", "for n in range(400_000):\n    print('line', n)\nanswer('one')"))
    await kept.ready("m")
    log = log_of(kept.folder / "data", "test", "m", 0)
    sizes = [path.stat().st_size for path in log.parent.iterdir()]
    assert len(sizes) == 2
    assert sum(sizes) < 2.2 * 1024 * 1024
    assert last_lines(log, 1) == ["line 399999"]


async def test_what_is_told_to_stop_may_end_by_itself(kept: Kept, tmp_path: Path) -> None:
    code = (
        "import signal\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (open({str(tmp_path / 'left')!r}, 'w').close(), sys.exit()))\n"
        "answer('one')"
    )
    kept.put("m", kept.script("polite", code))
    row = await kept.ready("m")
    kept.store.microservices.remove("test", "m")
    await ended(row.pid)
    assert (tmp_path / "left").exists()


async def test_one_whose_guardian_is_killed_ends_with_it_and_is_started_again(kept: Kept) -> None:
    kept.put("m", kept.script("one", "answer(str(os.getppid()))"))
    first = await kept.ready("m")
    os.kill(int(await ask(first.port)), signal.SIGKILL)
    await kept.shown("m", lambda rows: rows[0].state == "ready" and rows[0].pid != first.pid)
    await ended(first.pid)


async def test_what_a_store_could_not_take_is_in_it_when_it_can(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [StoreError("the disk is full")] * 2
    put = kept.store.microservices.put_process

    def refusing(process: MicroserviceProcess) -> None:
        if refusals:
            raise refusals.pop()
        put(process)

    monkeypatch.setattr(board, "RETRY_S", 0.02)
    monkeypatch.setattr(kept.store.microservices, "put_process", refusing)
    kept.put("m", kept.script("one", "answer('one')"))
    await kept.ready("m")
    assert not refusals


async def test_a_store_that_could_not_be_read_is_read_again(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [StoreError("the database is locked")] * 2
    read = kept.store.microservices.all

    def refusing() -> list[Microservice]:
        if refusals:
            raise refusals.pop()
        return read()

    monkeypatch.setattr(keeper, "RETRY_S", 0.02)
    monkeypatch.setattr(kept.store.microservices, "all", refusing)
    kept.put("m", kept.script("one", "answer('one')"))
    await kept.ready("m")
    assert not refusals


async def test_of_two_keepers_one_works_and_when_it_is_killed_the_other_takes_over(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with open_store(locate(None, data, {})) as store:
        store.clients.add(Client("test"))
        script = Kept.script(Kept(None, store, tmp_path), "one", "answer('one')")  # type: ignore[arg-type]
        store.microservices.put(Microservice("test", "m", script, "rest"))
        async with keeper_process(data) as first:
            [row] = await until(store, "m", lambda rows: bool(rows) and rows[0].state == "ready")
            async with keeper_process(data):
                assert len(store.microservices.processes()) == 1
                first.kill()
                [successor] = await until(
                    store, "m", lambda rows: bool(rows) and rows[0].state == "ready" and rows[0].pid != row.pid
                )
                assert not is_alive(row.pid)
                assert await ask(successor.port) == "one"
                assert lock.is_held(data)
        await ended(successor.pid)
        assert not lock.is_held(data)
        assert store.microservices.processes() == []
