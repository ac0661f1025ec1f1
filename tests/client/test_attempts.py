"""How often a call is tried, decided without a network and without time going by."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaal.client.attempts import Attempts, Retries, Send, Wait, attempts, may_be_repeated
from gaal.client.calls import Call, Request, Response, retry_after_s
from gaal.client.errors import BadReply, CallFailed, DeadlineExceeded, Overloaded, ServerFailed, Unavailable

NOT_THERE = Unavailable("here", "nobody", never_arrived=True)
FINE = Response(200, "OK", {}, b"fine")


class Clock:
    """Time that goes by when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def call(is_repeatable: bool = False) -> Call[bytes]:
    return Call(Request("/", b"", {}), lambda response: response.body, is_repeatable)


def retries(n_retries: int = 2) -> Retries:
    return Retries(n_retries, Random(0))


def drive(steps: Attempts[bytes], clock: Clock, *outcomes: CallFailed | Response) -> tuple[bytes, list[float]]:
    """The result, and the waits in between, where the attempts have these outcomes."""
    waits: list[float] = []
    waiting = list(outcomes)
    step = next(steps)
    while True:
        try:
            if isinstance(step, Wait):
                waits.append(step.seconds)
                clock.now += step.seconds
                step = next(steps)
            elif isinstance(outcome := waiting.pop(0), Response):
                step = steps.send(outcome)
            else:
                step = steps.throw(outcome)
        except StopIteration as ended:
            return ended.value, waits


def test_what_succeeds_is_sent_once() -> None:
    clock = Clock()
    assert drive(attempts(call(), retries(), 1, clock), clock, FINE) == (b"fine", [])


def test_what_never_arrived_is_sent_again_after_growing_waits() -> None:
    clock = Clock()
    result, waits = drive(attempts(call(), retries(3), None, clock), clock, NOT_THERE, NOT_THERE, NOT_THERE, FINE)

    assert result == b"fine"
    assert 0.05 <= waits[0] <= 0.1 <= waits[1] <= 0.2 <= waits[2] <= 0.4


def test_no_more_than_the_retries_that_are_allowed() -> None:
    clock = Clock()
    with pytest.raises(Unavailable):
        drive(attempts(call(), retries(1), None, clock), clock, NOT_THERE, NOT_THERE, FINE)


def test_the_deadline_is_for_all_attempts_together() -> None:
    clock = Clock()
    steps = attempts(call(), retries(9), 1.0, clock)
    first = next(steps)
    clock.now = 0.7
    wait = steps.throw(NOT_THERE)
    assert isinstance(wait, Wait)
    clock.now += wait.seconds
    second = next(steps)

    assert isinstance(first, Send)
    assert first.timeout_s == 1.0
    assert isinstance(second, Send)
    assert second.timeout_s == pytest.approx(0.3 - wait.seconds)


@given(n_before=st.integers(0, 2000), told=st.none() | st.floats(0, 100), seed=st.integers())
def test_a_wait_is_between_half_and_all_of_the_backoff_or_what_the_server_asks_for(
    n_before: int, told: float | None, seed: int
) -> None:
    policy = Retries(5000, Random(seed))
    failed = Overloaded("here", "busy", retry_after_s=told, never_arrived=True)
    wait_s = policy.wait_s(failed, n_before, is_repeatable=False)
    backoff_s = min(5.0, 0.1 * 2.0 ** min(n_before, 10))

    assert wait_s is not None
    assert backoff_s / 2 <= wait_s <= max(backoff_s, told or 0)
    assert wait_s >= (told or 0)


@pytest.mark.parametrize(
    ("failed", "for_predictions", "for_questions"),
    [
        (NOT_THERE, True, True),
        (Unavailable("here", "broke"), False, True),
        (Unavailable("here", "later", retry_after_s=1), True, True),
        (Overloaded("here", "later", retry_after_s=1), True, True),
        (Overloaded("here", "too large"), False, False),
        (ServerFailed("here", "broke", retry_after_s=1), False, False),
        (DeadlineExceeded("here", "slow"), False, True),
        (BadReply("here", "a page"), False, False),
    ],
)
def test_only_what_does_no_harm_is_repeated(failed: CallFailed, for_predictions: bool, for_questions: bool) -> None:
    assert may_be_repeated(failed, is_repeatable=False) is for_predictions
    assert may_be_repeated(failed, is_repeatable=True) is for_questions


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"grpc-retry-pushback-ms": "250"}, 0.25),
        ({"grpc-retry-pushback-ms": "-1"}, None),
    ],
)
def test_retry_after_is_read_in_each_of_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds
