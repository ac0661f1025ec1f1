"""What was acknowledged is on disk: a process that writes is killed at any moment, and nothing of it is missing."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from gaal.storage.records import Client
from gaal.storage.store import Location, Store, open_store
from storage import children

ROUNDS, LONG_ROUNDS = 3, 40

WRITE = """
import asyncio

async def write(store, lane):
    n = 0
    while True:
        name = f"{sys.argv[3]}-{lane}-{n}"
        await store.write(store.clients.add, Client(name))
        os.write(1, name.encode() + b"\\n")
        n += 1

async def main():
    store = open_store(location)
    os.write(1, b"ready\\n")
    await asyncio.gather(*(write(store, lane) for lane in range(16)))

asyncio.run(main())
"""


async def test_a_process_that_is_killed_loses_nothing_it_acknowledged(
    location: Location, request: pytest.FixtureRequest
) -> None:
    open_store(location).close()
    acknowledged: set[str] = set()
    random = Random(4)
    for n in range(LONG_ROUNDS if request.config.getoption("--long") else ROUNDS):
        process = await children.start(WRITE, location, n)
        assert await children.line(process) == "ready"
        await asyncio.sleep(random.uniform(0.01, 0.3))
        process.kill()
        assert process.stdout is not None
        rest = await asyncio.wait_for(process.stdout.read(), children.PATIENCE_S)
        await process.wait()
        acknowledged.update(line for line in rest.decode().split("\n")[:-1])
        with open_store(location) as store:
            kept = {each.name for each in store.clients.all()}
            assert acknowledged <= kept
            _still_works(store, n)
    assert acknowledged


def _still_works(store: Store, n: int) -> None:
    store.clients.add(Client(f"after-{n}"))
    assert store.clients.get(f"after-{n}") is not None
