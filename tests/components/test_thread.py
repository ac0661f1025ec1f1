"""The thread of a unit's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from gaal.components.thread import Finish, UnitThread, Waiting
from gaal.errors import QueueFull


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


class Sizes:
    """Answers each call with the number of calls that were answered with it."""

    max_calls = 8

    def answer(self, calls: Sequence[Waiting], finish: Finish) -> None:
        for call in calls:
            finish(call.future, len(calls), None)


async def busy(thread: UnitThread) -> threading.Event:
    """Keep a thread of the unit at a call until the event is set."""
    entered, hold = threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        hold.wait(10)

    thread.run(block)
    await asyncio.to_thread(entered.wait, 10)
    return hold


async def test_calls_that_can_be_joined_are_answered_with_all_that_wait(thread: UnitThread) -> None:
    sizes = Sizes()
    assert await thread.join(sizes, "alone") == 1
    hold = await busy(thread)
    waiting = [thread.join(sizes, number) for number in range(11)]
    other = thread.run(lambda: "other")
    later = thread.join(sizes, "after another call")
    waiting[2].cancel()
    hold.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [each for each in results if isinstance(each, int)] == [8] * 8 + [2] * 2
    assert await other == "other"
    assert await later == 1


async def test_what_joining_raises_is_every_callers(thread: UnitThread) -> None:
    class Broken(Sizes):
        def answer(self, calls: Sequence[Waiting], finish: Finish) -> None:
            raise KeyError("k")

    hold = await busy(thread)
    waiting = [thread.join(Broken(), number) for number in range(3)]
    hold.set()
    assert [type(each) for each in await asyncio.gather(*waiting, return_exceptions=True)] == [KeyError] * 3


async def test_a_full_queue_takes_no_more_until_there_is_room_and_who_has_gone_makes_room() -> None:
    thread = UnitThread("unit", max_waiting=2)
    hold = await busy(thread)
    waiting = []
    for number in range(2):
        thread.admit()
        waiting.append(thread.run(str, number))
    with pytest.raises(QueueFull, match='unit "unit": 2 calls wait for it, more may not'):
        thread.admit()
    waiting[0].cancel()
    thread.note_gone()
    thread.admit()
    last = thread.run(lambda: "last")
    with pytest.raises(QueueFull):
        thread.admit()
    hold.set()
    assert (await waiting[1], await last) == ("1", "last")
    thread.admit()
    await thread.close()


async def test_several_threads_run_several_calls_at_once_and_all_end() -> None:
    thread = UnitThread("unit", n_threads=3)
    together = threading.Barrier(3)
    assert sorted(await asyncio.gather(*(thread.run(together.wait, 10) for _ in range(3)))) == [0, 1, 2]
    results = await asyncio.gather(*(thread.run(lambda n: n, number) for number in range(300)))
    assert results == list(range(300))
    await thread.close()
    assert not [each for each in threading.enumerate() if each.name == "gaal-unit-unit"]


async def test_a_batch_is_abandoned_when_none_of_its_callers_is_left() -> None:
    thread = UnitThread("unit")
    entered, hold = threading.Event(), threading.Event()

    class Slow(Sizes):
        def answer(self, calls: Sequence[Waiting], finish: Finish) -> None:
            entered.set()
            hold.wait(10)

    first = await busy(thread)
    slow = Slow()
    waiting = [thread.join(slow, number) for number in range(2)]
    first.set()
    await asyncio.to_thread(entered.wait, 10)
    waiting[0].cancel()
    at_first = thread.abandoned
    assert at_first is None
    waiting[1].cancel()
    abandoned = thread.abandoned
    assert abandoned is not None
    assert abandoned is thread.abandoned
    hold.set()
    await thread.close()
