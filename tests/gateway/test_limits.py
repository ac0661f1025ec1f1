"""Rate and concurrency of a client, counted by all workers together."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaal.errors import TooManyRequests
from gaal.gateway.limits import SharedLimits, forget_worker, make_file
from gaal.storage.records import Limits


@pytest.fixture
def file() -> Iterator[int]:
    made = make_file()
    yield made
    os.close(made)


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def passes(shared: SharedLimits, limits: Limits, client: str = "test") -> bool:
    try:
        with shared.admitted(client, limits):
            return True
    except TooManyRequests:
        return False


def test_a_burst_passes_and_then_as_many_as_the_rate_says(file: int) -> None:
    clock = Clock()
    shared = SharedLimits(file, clock=clock)
    limits = Limits(rate_per_s=10, burst=3)

    assert [passes(shared, limits) for _ in range(5)] == [True, True, True, False, False]
    clock.now += 0.1
    assert [passes(shared, limits) for _ in range(2)] == [True, False]
    clock.now += 100
    assert [passes(shared, limits) for _ in range(4)] == [True, True, True, False]


def test_without_a_burst_one_second_s_worth_passes_at_once(file: int) -> None:
    shared = SharedLimits(file, clock=Clock())

    assert sum(passes(shared, Limits(rate_per_s=7)) for _ in range(20)) == 7
    assert sum(passes(shared, Limits(rate_per_s=0.01), "slow") for _ in range(20)) == 1


def test_a_refusal_says_when_the_next_one_passes(file: int) -> None:
    clock = Clock()
    shared = SharedLimits(file, clock=clock)
    limits = Limits(rate_per_s=0.5, burst=1)
    assert passes(shared, limits)

    with pytest.raises(TooManyRequests) as refused, shared.admitted("test", limits):
        pass

    assert refused.value.retry_after_s == pytest.approx(2.0)
    clock.now += refused.value.retry_after_s
    assert passes(shared, limits)


@given(
    st.floats(0.1, 1000),
    st.integers(1, 50),
    st.lists(st.floats(0, 1), min_size=1, max_size=200),
)
def test_never_more_than_the_burst_and_the_rate(rate: float, burst: int, gaps: list[float]) -> None:
    clock = Clock()
    file = make_file()
    try:
        shared = SharedLimits(file, clock=clock)
        passed = []
        for gap in gaps:
            clock.now += gap
            if passes(shared, Limits(rate_per_s=rate, burst=burst)):
                passed.append(clock.now)
    finally:
        os.close(file)
    for first, start in enumerate(passed):
        for last, end in enumerate(passed[first:], first):
            assert last - first + 1 <= burst + (end - start) * rate + 1e-6


def test_only_so_many_are_under_way_whichever_worker_has_them(file: int) -> None:
    one, two = SharedLimits(file, 0, 2), SharedLimits(file, 1, 2)
    limits = Limits(max_concurrent=2)
    with ExitStack() as stack:
        stack.enter_context(one.admitted("test", limits))
        stack.enter_context(two.admitted("test", limits))
        assert not passes(one, limits)
        assert not passes(two, limits)
        assert passes(two, limits, "other")
    assert passes(one, limits)


def test_a_request_that_fails_is_over_too(file: int) -> None:
    shared = SharedLimits(file)
    for _ in range(3):
        with pytest.raises(ValueError, match="no"), shared.admitted("test", Limits(max_concurrent=1)):
            raise ValueError("no")


def _die_with_a_request(file: int) -> None:
    with SharedLimits(file, 0, 2).admitted("test", Limits(max_concurrent=1)):
        os._exit(0)


@pytest.mark.parametrize("forget", [lambda file: forget_worker(file, 0, 2), lambda file: SharedLimits(file, 0, 2)])
def test_what_a_dead_worker_had_under_way_is_forgotten(file: int, forget: Callable[[int], object]) -> None:
    alive = SharedLimits(file, 1, 2)
    dead = multiprocessing.get_context("fork").Process(target=_die_with_a_request, args=(file,))
    dead.start()
    dead.join(20)
    assert not passes(alive, Limits(max_concurrent=1))

    forget(file)

    assert passes(alive, Limits(max_concurrent=1))


def _ask(file: int, slot: int, n_slots: int, seconds: float, passed: Any) -> None:
    shared = SharedLimits(file, slot, n_slots)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name in ("a", "b", "c"):
            if passes(shared, Limits(rate_per_s=200, burst=200), name):
                with passed.get_lock():
                    passed.value += 1


def test_processes_count_together(file: int) -> None:
    fork = multiprocessing.get_context("fork")
    passed = fork.Value("i", 0)
    workers = [fork.Process(target=_ask, args=(file, slot, 3, 0.5, passed)) for slot in range(3)]
    started = time.monotonic()
    for each in workers:
        each.start()
    for each in workers:
        each.join(20)
        assert each.exitcode == 0
    lasted_s = time.monotonic() - started

    # The burst alone gets through on the slowest machine; were each counted alone, it would be three times as much.
    assert 3 * 200 <= passed.value <= 3 * (200 + 200 * lasted_s)
