"""How long to wait before something that ended by itself is started again."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 10.0
STABLE_S = 10.0
"""What was ready for so long is no sign of a failure that repeats: the next delay is the first again."""


@dataclass(slots=True)
class Backoff:
    """Twice as long each time, from 0.1 to 10 seconds, until one has lived for a while."""

    delay_s: float = 0.0

    def ended(self, lived_s: float) -> float:
        """The seconds until a successor is due, after one that was ready for `lived_s`."""
        grown = min(max(FIRST_DELAY_S, 2 * self.delay_s), LONGEST_DELAY_S)
        self.delay_s = FIRST_DELAY_S if lived_s >= STABLE_S else grown
        return self.delay_s
