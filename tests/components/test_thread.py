"""The thread of a unit's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from gaal.components.thread import UnitThread


@pytest.fixture
async def thread() -> AsyncIterator[UnitThread]:
    unit_thread = UnitThread("unit")
    yield unit_thread
    await unit_thread.close()


async def test_calls_run_in_order_never_two_at_once_and_always_on_the_same_thread(thread: UnitThread) -> None:
    order: list[int] = []
    threads: set[int] = set()
    running = threading.Lock()

    def call(number: int) -> int:
        assert running.acquire(blocking=False)
        threads.add(threading.get_ident())
        order.append(number)
        running.release()
        return number

    assert await asyncio.gather(*(thread.run(call, number) for number in range(500))) == list(range(500))
    assert order == list(range(500))
    assert len(threads) == 1


async def test_an_exception_is_the_callers(thread: UnitThread) -> None:
    def fail() -> None:
        raise KeyError("k")

    with pytest.raises(KeyError, match="k"):
        await thread.run(fail)
    assert await thread.run(lambda: 1) == 1


async def test_a_call_whose_caller_has_gone_is_skipped(thread: UnitThread) -> None:
    entered, hold = threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        hold.wait(10)

    calls: list[int] = []
    first = thread.run(block)
    await asyncio.to_thread(entered.wait, 10)
    gone = thread.run(calls.append, 1)
    kept = thread.run(calls.append, 2)
    gone.cancel()
    hold.set()
    await asyncio.gather(first, kept)
    assert calls == [2]


async def test_a_slow_call_does_not_hold_back_the_replies_before_it(thread: UnitThread) -> None:
    hold = threading.Event()
    quick = thread.run(lambda: "quick")
    slow = thread.run(hold.wait, 10)
    assert await asyncio.wait_for(quick, 5) == "quick"
    assert not slow.done()
    hold.set()
    await slow


async def test_closing_finishes_what_is_waiting(thread: UnitThread) -> None:
    calls = [thread.run(lambda: 1) for _ in range(10)]
    await thread.close()
    assert await asyncio.gather(*calls) == [1] * 10


async def test_a_thread_that_hangs_is_left_behind() -> None:
    hold = threading.Event()
    hanging = UnitThread("hanging")
    call = hanging.run(hold.wait, 30)
    await asyncio.wait_for(hanging.close(timeout_s=0.05), 5)
    hold.set()
    await call
