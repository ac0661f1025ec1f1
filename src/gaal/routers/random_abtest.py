"""A coin that sends a share of the requests to the first of two branches."""

from __future__ import annotations

from random import Random


class RandomABTest:
    """Branch 0 with probability `ratio_a` (0 to 1), else branch 1."""

    def __init__(self, ratio_a: float, generator: Random) -> None:
        self.ratio_a = ratio_a
        self._random = generator.random

    def choose(self) -> int:
        return 0 if self._random() < self.ratio_a else 1
