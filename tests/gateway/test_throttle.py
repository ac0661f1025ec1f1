"""Whoever fails waits, and nobody else."""

from __future__ import annotations

import pytest

from gaal.errors import TooManyRequests
from gaal.gateway.throttle import FORGOTTEN_AFTER_S, MAX_WATCHED, OF_ADDRESS, OF_KEY, Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock)


def fail(throttle: Throttle, n: int, key: str = "KEY", address: str = "10.0.0.1") -> float:
    return [throttle.failed(key, address) for _ in range(n)][-1]


def wait_s(throttle: Throttle, key: str = "KEY", address: str = "10.0.0.1") -> float:
    try:
        throttle.check(key, address)
    except TooManyRequests as error:
        return error.retry_after_s if error.reason == "TOO_MANY_FAILURES" else -1.0
    return 0.0


def test_some_failures_are_free_and_then_each_wait_is_twice_the_last(throttle: Throttle, clock: Clock) -> None:
    assert fail(throttle, OF_KEY.n_free - 1) == 0.0
    assert wait_s(throttle) == 0.0
    for expected in (1.0, 2.0, 4.0):
        assert fail(throttle, 1) == expected
        assert wait_s(throttle) == pytest.approx(expected)
        clock.now += expected
        assert wait_s(throttle) == 0.0
    assert fail(throttle, 1000) == OF_KEY.longest_wait_s


def test_the_key_from_another_address_does_not_wait(throttle: Throttle) -> None:
    fail(throttle, OF_KEY.n_free)

    assert wait_s(throttle, address="10.0.0.2") == 0.0
    assert wait_s(throttle, key="OTHER") == 0.0


def test_an_address_that_tries_many_keys_waits_whatever_the_key(throttle: Throttle) -> None:
    for number in range(OF_ADDRESS.n_free):
        throttle.failed(f"KEY{number}", "10.0.0.1")

    assert wait_s(throttle, key="NEW") == pytest.approx(1.0)
    assert wait_s(throttle, key="NEW", address="10.0.0.2") == 0.0


def test_a_key_that_was_right_from_there_does_not_wait_for_others(throttle: Throttle) -> None:
    throttle.succeeded("GOOD", "10.0.0.1")
    fail(throttle, 2 * OF_ADDRESS.n_free, key="BAD")

    assert wait_s(throttle, key="GOOD") == 0.0
    assert wait_s(throttle, key="NEW") > 0.0


def test_a_right_secret_ends_the_count(throttle: Throttle) -> None:
    fail(throttle, OF_KEY.n_free - 1)
    throttle.succeeded("KEY", "10.0.0.1")

    assert fail(throttle, OF_KEY.n_free - 1) == 0.0


def test_failures_are_forgotten_after_a_while(throttle: Throttle, clock: Clock) -> None:
    waited = fail(throttle, OF_KEY.n_free)
    clock.now += waited + FORGOTTEN_AFTER_S + 1

    assert fail(throttle, 1) == 0.0


def test_all_addresses_of_an_ipv6_site_are_one(throttle: Throttle) -> None:
    fail(throttle, OF_KEY.n_free, address="2001:db8::1")

    assert wait_s(throttle, address="2001:db8::ffff:1") > 0.0
    assert wait_s(throttle, address="2001:db8:0:1::1") == 0.0
    fail(throttle, OF_KEY.n_free, address="::ffff:10.0.0.9")
    assert wait_s(throttle, address="10.0.0.9") > 0.0
    assert wait_s(throttle, address="") == 0.0


def test_what_is_watched_does_not_grow_without_end(throttle: Throttle) -> None:
    for number in range(MAX_WATCHED + 500):
        throttle.failed(f"KEY{number}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        throttle.succeeded(f"GOOD{number}", "10.0.0.1")

    assert len(throttle._failures) == len(throttle._trusted) == MAX_WATCHED
