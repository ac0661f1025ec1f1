"""How often a wrong secret may be tried.

Who fails too often has to wait, twice as long each time. Failures count for a key from one address, and for an address
whatever the key. A right secret from another address is never kept waiting, else anybody could lock a client out by
failing in its name; and a key that has been right from an address is not kept waiting for the failures of others
there, since many may stand behind one proxy. Each worker counts by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from time import monotonic
from typing import TypeAlias, TypeVar

from gaal.errors import TooManyRequests

T = TypeVar("T")
Whose: TypeAlias = tuple[str, str]
"""Key and address; the key is "" for all of the address."""

MAX_WATCHED = 10_000
"""Beyond, the ones that failed longest ago are forgotten."""

FORGOTTEN_AFTER_S = 900.0
IPV6_SITE_BITS = 64
"""Whoever has one IPv6 address mostly has all with the same first half."""


@dataclass(frozen=True, slots=True)
class Patience:
    """`n_free` failures without a wait, then waits that double from `first_wait_s` up to `longest_wait_s`."""

    n_free: int
    first_wait_s: float
    longest_wait_s: float

    def wait_s(self, n_failures: int) -> float:
        n_doublings = min(n_failures - self.n_free, 60)
        return 0.0 if n_doublings < 0 else min(self.longest_wait_s, self.first_wait_s * 2.0**n_doublings)


OF_KEY = Patience(n_free=5, first_wait_s=1.0, longest_wait_s=300.0)
OF_ADDRESS = Patience(n_free=50, first_wait_s=1.0, longest_wait_s=30.0)


@dataclass(slots=True)
class _Failures:
    n: int = 0
    last_at: float = 0.0
    until: float = 0.0


class Throttle:
    """Ask `check` before a secret is looked at, and tell by `failed` or `succeeded` what came of it."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failures: dict[Whose, _Failures] = {}
        self._trusted: dict[Whose, None] = {}

    def check(self, key: str, address: str) -> None:
        """Raises TooManyRequests while there is something to wait for."""
        pair = self._pair(key, address)
        now = self._clock()
        waiting = [pair] if pair in self._trusted else [pair, ("", pair[1])]
        wait_s = max(self._until(each, now) for each in waiting) - now
        if wait_s > 0:
            raise TooManyRequests("too many wrong secrets: try again later", wait_s, "TOO_MANY_FAILURES")

    def failed(self, key: str, address: str) -> float:
        """Notes a failure, and gives the seconds to wait that follow from it; 0 is none."""
        pair = self._pair(key, address)
        self._trusted.pop(pair, None)
        return max(self._note(pair, OF_KEY), self._note(("", pair[1]), OF_ADDRESS))

    def succeeded(self, key: str, address: str) -> None:
        pair = self._pair(key, address)
        self._failures.pop(pair, None)
        self._trusted.pop(pair, None)
        self._trusted[pair] = None
        _forget_oldest(self._trusted)

    def _note(self, whose: Whose, patience: Patience) -> float:
        now = self._clock()
        failures = self._failures.pop(whose, None)
        if failures is None or now - max(failures.last_at, failures.until) > FORGOTTEN_AFTER_S:
            failures = _Failures()
        failures.n += 1
        failures.last_at = now
        wait_s = patience.wait_s(failures.n)
        failures.until = now + wait_s
        self._failures[whose] = failures  # at the end: the order is that of the last failures
        _forget_oldest(self._failures)
        return wait_s

    def _until(self, whose: Whose, now: float) -> float:
        failures = self._failures.get(whose)
        return now if failures is None else failures.until

    @staticmethod
    def _pair(key: str, address: str) -> Whose:
        return key[:64], _site(address)


def _site(address: str) -> str:
    """The address, or of an IPv6 address the site that it belongs to."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> IPV6_SITE_BITS << IPV6_SITE_BITS))


def _forget_oldest(watched: dict[Whose, T]) -> None:
    while len(watched) > MAX_WATCHED:
        del watched[next(iter(watched))]
