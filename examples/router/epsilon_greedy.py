"""A router that learns from feedback which of its children to trust."""

from __future__ import annotations

import numpy as np


class EpsilonGreedy:
    """Takes the branch with the best mean reward, and with probability `epsilon` any branch, to go on learning.

    Rewards are from 0 to 1. Of branches that are equally good, the first one is taken.
    Source: Sutton and Barto, "Reinforcement Learning", second edition, section 2.4.
    """

    def __init__(self, n_branches: int, epsilon: float, seed: int) -> None:
        self.epsilon = epsilon
        self.generator = np.random.default_rng(seed)
        self.tries = np.zeros(n_branches, dtype=int)
        self.means = np.zeros(n_branches)

    def route(self, features: np.ndarray, names: list[str]) -> int:
        if self.generator.random() < self.epsilon:
            return int(self.generator.integers(len(self.means)))
        return int(np.argmax(self.means))

    def send_feedback(
        self, features: np.ndarray, names: list[str], reward: float, truth: np.ndarray, routing: int | None
    ) -> None:
        """`routing` is the branch that the prediction took, None if the feedback does not tell."""
        if routing is None or routing < 0:
            return
        self.tries[routing] += 1
        self.means[routing] += (reward - self.means[routing]) / self.tries[routing]

    def health_status(self) -> dict[str, list[float]]:
        """What it has learnt, for GET /api/v1.0/status/<unit>."""
        return {"tries": self.tries.tolist(), "meanRewards": self.means.round(3).tolist()}
