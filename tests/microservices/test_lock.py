"""One keeper a machine."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gaal.microservices import lock


async def test_the_lock_is_taken_once_and_is_free_when_its_holder_lets_go(tmp_path: Path) -> None:
    assert not lock.is_held(tmp_path)
    held = await lock.take(tmp_path)
    assert lock.is_held(tmp_path)
    second = asyncio.create_task(lock.take(tmp_path))
    await asyncio.sleep(0)
    assert not second.done()
    os.close(held)
    os.close(await second)
    assert not lock.is_held(tmp_path)


async def test_why_it_cannot_be_had_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    waiting = asyncio.create_task(lock.take(tmp_path / "none"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waiting, 2.5 * lock.LOOK_EVERY_S)
    [said] = caplog.messages
    assert said.startswith("no microservices are run as long as there is no lock: [Errno 2] No such file")
