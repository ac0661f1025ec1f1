"""How often a call is tried, and how long is waited in between. Decisions only: a driver sends and sleeps."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from random import Random
from time import monotonic
from typing import TypeAlias, TypeVar

from gaal.client.calls import Call, Request, Response
from gaal.client.errors import CallFailed, Overloaded, Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send this; answer with the response, or throw the CallFailed that came of it."""

    request: Request
    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait so long."""

    seconds: float


Attempts: TypeAlias = Generator[Send | Wait, Response | None, T]


@dataclass(frozen=True, slots=True)
class Retries:
    """Waits grow twofold from `first_wait_s` to `longest_wait_s`, shortened at random by up to a half.

    So clients that failed together do not come back together. What the server asks for goes before.
    """

    n_retries: int
    random: Random
    first_wait_s: float = 0.1
    longest_wait_s: float = 5.0

    def wait_s(self, failed: CallFailed, n_before: int, is_repeatable: bool) -> float | None:
        """How long to wait before the next attempt, after `n_before` retries; None if there shall be none."""
        if n_before >= self.n_retries or not may_be_repeated(failed, is_repeatable):
            return None
        grown_s = self.first_wait_s * 2.0 ** min(n_before, 60)  # beyond, a double would overflow
        backoff_s = min(self.longest_wait_s, grown_s) * self.random.uniform(0.5, 1)
        return max(backoff_s, failed.retry_after_s or 0.0)


def may_be_repeated(failed: CallFailed, is_repeatable: bool) -> bool:
    """Whether a second attempt does no harm and may help.

    A call that the server cannot have acted on may always be repeated: it did not get there, or was turned away with
    the time to come back. Any other only if it changes nothing at the server.
    """
    if failed.never_arrived:
        return True
    if isinstance(failed, Unavailable | Overloaded) and failed.retry_after_s is not None:
        return True
    return is_repeatable and isinstance(failed, Unavailable)


def attempts(
    call: Call[T], retries: Retries, timeout_s: float | None, clock: Callable[[], float] = monotonic
) -> Attempts[T]:
    """Sends the call until it succeeds, must not be repeated, or the next attempt would begin after the deadline.

    Raises the last CallFailed. `timeout_s` is for all attempts and waits together.
    """
    deadline = None if timeout_s is None else clock() + timeout_s
    n_before = 0
    while True:
        try:
            response = yield Send(call.request, None if deadline is None else max(deadline - clock(), 0.001))
            assert response is not None
            return call.read(response)
        except CallFailed as failed:
            wait_s = retries.wait_s(failed, n_before, call.is_repeatable)
            if wait_s is None or (deadline is not None and clock() + wait_s >= deadline):
                raise
        yield Wait(wait_s)
        n_before += 1
