"""Keepers for tests: in the test's own process, and in processes of their own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import time

from gaal.microservices.keeper import Keeper
from gaal.microservices.replica import Patience
from gaal.storage.changes import ChangeFeed
from gaal.storage.records import Api, Client, Microservice, MicroserviceProcess
from gaal.storage.store import Store, locate, open_store

QUICK = Patience(start_s=10, look_s=0.02, answer_s=0.3, check_s=0.05, hang_s=0.6, stop_s=2, handover_s=0.3, retry_s=0.2)
PATIENCE_S = 20

ANSWERS = """
import os, socket
def answer(text):
    address = os.environ["GAAL_MICROSERVICE_HOST"], int(os.environ["GAAL_MICROSERVICE_PORT"])
    with socket.create_server(address) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + text.encode())
"""
"""A module for scripts: `answer(text)` answers every request, for ever."""


@dataclass(frozen=True)
class Kept:
    """A keeper at work, its store, and the folder where scripts are."""

    keeper: Keeper
    store: Store
    folder: Path

    def script(self, name: str, code: str) -> str:
        """A script with this code in its main block."""
        (self.folder / "answers.py").write_text(ANSWERS)
        path = self.folder / f"{name}.py"
        main = "\n".join(f"    {line}" for line in code.strip().splitlines())
        path.write_text(
            f"import os, socket, sys, time\nfrom answers import answer\nif __name__ == '__main__':\n{main}\n"
        )
        return str(path)

    def put(self, name: str, target: str, api: Api = "rest", n_replicas: int = 1) -> None:
        self.store.microservices.put(Microservice("test", name, target, api, n_replicas=n_replicas, created_at=time()))

    async def shown(self, name: str, is_so: Callable[[list[MicroserviceProcess]], bool]) -> list[MicroserviceProcess]:
        """The rows of a microservice, once they are so."""
        return await until(self.store, name, is_so)

    async def ready(self, name: str) -> MicroserviceProcess:
        rows = await self.shown(name, lambda rows: bool(rows) and all(row.state == "ready" for row in rows))
        return rows[0]


async def until(
    store: Store, name: str, is_so: Callable[[list[MicroserviceProcess]], bool]
) -> list[MicroserviceProcess]:
    rows: list[MicroserviceProcess] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                rows = [row for row in store.microservices.processes() if row.name == name]
                if is_so(rows):
                    return rows
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"it never came about; last seen: {rows}") from None


@asynccontextmanager
async def keeping(folder: Path, patience: Patience = QUICK) -> AsyncIterator[Kept]:
    store = open_store(locate(None, folder / "data", {}))
    store.clients.add(Client("test"))
    feed = ChangeFeed(store, interval_s=0.02)
    keeper = Keeper(store, feed, folder / "data", folder, inherited=variables(), patience=patience)
    await feed.start()
    await keeper.start()
    try:
        yield Kept(keeper, store, folder)
    finally:
        await keeper.close()
        await feed.close()
        store.close()


def variables() -> dict[str, str]:
    sources = Path(__file__).parents[2] / "src"
    return {**os.environ, "PYTHONPATH": str(sources), "GAAL_DATABASE": "sqlite:///a-secret", "API_TOKEN": "very-secret"}


async def ask(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    text = await reader.read()
    writer.close()
    return text.partition(b"\r\n\r\n")[2].decode()


def is_alive(pid: int) -> bool:
    """Whether the process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def ended(pid: int) -> None:
    has_ended = asyncio.Event()
    with suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(process, has_ended.set)
        await asyncio.wait_for(has_ended.wait(), PATIENCE_S)
        asyncio.get_running_loop().remove_reader(process)
        os.close(process)


@asynccontextmanager
async def keeper_process(data: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A keeper over a data directory that is there, in a process of its own, which says when it has begun."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, str(data)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=variables(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
        yield process
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.communicate(), PATIENCE_S)


async def keep_until_told(data: Path) -> None:
    with open_store(locate(None, data, {})) as store:
        feed = ChangeFeed(store, interval_s=0.02)
        keeper = Keeper(store, feed, data, data, patience=QUICK)
        await feed.start()
        await keeper.start()
        print("begun", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await keeper.close()
        await feed.close()


if __name__ == "__main__":
    asyncio.run(keep_until_told(Path(sys.argv[1])))
