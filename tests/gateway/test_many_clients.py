"""Many clients at two workers, over real sockets: who is revoked is out, and nobody else notices."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import httpx
import pytest
from gaal_command import SOURCES
from guarded import ALL_SECRET, PREDICTIONS, ROW, add_client, bearer

from gaal.storage.records import Key, Limits
from gaal.storage.store import Store

TESTS = Path(__file__).parent.parent
N_CLIENTS = 200
TOKENS_PER_S = 50
N_CONNECTIONS = 6
MAX_CONNECTIONS = 300
REVOKED_WITHIN_S = 0.25
MAIN = """
import sys
from gaal.settings import read_settings
from gaal.transport.supervisor import run
options = {"data_dir": sys.argv[1], "app_dir": sys.argv[2], "port": "0", "workers": "2"}
sys.exit(run(read_settings(options, {}), "guarded_worker:worker"))
"""


@pytest.fixture
async def url(store: Store, tmp_path: Path) -> AsyncIterator[str]:
    """Of a server with two workers, over the store."""
    paths = os.pathsep.join([str(SOURCES), str(TESTS)])
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MAIN, str(store.location.data_dir), str(tmp_path)),
        env={**os.environ, "PYTHONPATH": paths},
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdout is not None
    try:
        line = (await asyncio.wait_for(server.stdout.readline(), 60)).decode()
        yield line.removeprefix("Gaal is serving on ").strip()
    finally:
        if server.returncode is None:
            server.terminate()
        assert await asyncio.wait_for(server.wait(), 30) == 0


@dataclass
class Watched:
    """What became of the requests of a key: when each was sent, its status, and which worker made the reply."""

    answers: list[tuple[float, int]] = field(default_factory=list)
    workers: set[int] = field(default_factory=set)

    async def ask(self, http: httpx.AsyncClient, token: str) -> None:
        sent_at = time.monotonic()
        reply = await http.post(PREDICTIONS, json=ROW, headers=bearer(token))
        self.answers.append((sent_at, reply.status_code))
        if reply.status_code == 200:
            self.workers.add(worker_of(reply))

    def statuses(self, start: float, end: float) -> set[int]:
        return {status for sent_at, status in self.answers if start <= sent_at < end}


async def fetched(http: httpx.AsyncClient, key: Key) -> str:
    reply = await http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(key.key, ALL_SECRET))
    assert reply.status_code == 200, reply.text
    token: str = reply.json()["access_token"]
    return token


@pytest.fixture
async def https(store: Store, url: str) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Clients with a connection each, at one worker and the other by turns. The kernel deals them out as it likes."""
    one = httpx.Limits(max_connections=1)
    key = add_client(store, "scout")
    async with AsyncExitStack() as stack:
        by_worker: dict[int, list[httpx.AsyncClient]] = {}
        token = ""
        for _ in range(MAX_CONNECTIONS):
            http = httpx.AsyncClient(base_url=url, trust_env=False, timeout=30, limits=one)
            await stack.enter_async_context(http)
            token = token or await fetched(http, key)
            reply = await http.post(PREDICTIONS, json=ROW, headers=bearer(token))
            by_worker.setdefault(worker_of(reply), []).append(http)
            if len(by_worker) == 2 and min(map(len, by_worker.values())) >= N_CONNECTIONS:
                break
        yield [http for pair in zip(*by_worker.values(), strict=False) for http in pair][: 2 * N_CONNECTIONS]


def worker_of(reply: httpx.Response) -> int:
    return int(reply.json()["data"]["ndarray"][0][0])


async def test_a_revoked_key_is_out_within_250_ms_among_200_clients(
    store: Store, https: list[httpx.AsyncClient], pytestconfig: pytest.Config
) -> None:
    seconds = 20.0 if pytestconfig.getoption("--long") else 2.0
    keys = [add_client(store, f"client{number}") for number in range(N_CLIENTS)]
    victim = keys[N_CLIENTS // 2]
    others = [key for key in keys if key is not victim]
    end = time.monotonic() + seconds
    watched, rest = Watched(), Watched()
    victim_tokens = [await fetched(http, victim) for http in https[:N_CONNECTIONS]]

    async def ask_as_victim(http: httpx.AsyncClient, tokens: Iterator[str]) -> None:
        while time.monotonic() < end:
            await watched.ask(http, next(tokens))

    async def ask_as_others(http: httpx.AsyncClient, mine: Iterator[Key]) -> None:
        """Each time another client, with a token of its own: together so many tokens a second."""
        due = time.monotonic()
        while time.monotonic() < end:
            await rest.ask(http, await fetched(http, next(mine)))
            due += N_CONNECTIONS / TOKENS_PER_S
            await asyncio.sleep(due - time.monotonic())

    async def revoke() -> float:
        await asyncio.sleep(seconds / 2)
        await asyncio.to_thread(store.clients.remove_key, victim.key)
        return time.monotonic()

    asking = [ask_as_victim(http, cycle(victim_tokens)) for http in https[:N_CONNECTIONS]]
    shares = [cycle(others[part::N_CONNECTIONS]) for part in range(N_CONNECTIONS)]
    asking += [ask_as_others(*each) for each in zip(https[N_CONNECTIONS:], shares, strict=True)]
    revoking = asyncio.create_task(revoke())
    await asyncio.gather(*asking)
    revoked_at = await revoking

    assert len(watched.workers) == 2
    assert watched.statuses(0, revoked_at - 0.1) == {200}
    assert watched.statuses(revoked_at + REVOKED_WITHIN_S, end) == {401}
    assert {status for _, status in rest.answers} == {200}
    assert len(rest.answers) > 0.7 * TOKENS_PER_S * seconds


async def test_a_rate_holds_for_both_workers_together(store: Store, https: list[httpx.AsyncClient]) -> None:
    key = add_client(store, limits=Limits(rate_per_s=20, burst=5))
    tokens = [await fetched(http, key) for http in https]
    watched = Watched()
    started = time.monotonic()

    async def ask(http: httpx.AsyncClient, token: str) -> None:
        while time.monotonic() < started + 1:
            await watched.ask(http, token)
            await asyncio.sleep(0.01)

    await asyncio.gather(*(ask(http, token) for http, token in zip(https, tokens, strict=True)))

    lasted_s = time.monotonic() - started
    n_passed = sum(status == 200 for _, status in watched.answers)
    assert len(watched.workers) == 2
    assert {status for _, status in watched.answers} == {200, 429}
    assert 20 <= n_passed <= 5 + 20 * lasted_s + 1
