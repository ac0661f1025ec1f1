"""A search for the parameters of an estimator that does not try them all.

A Gaussian process says, for every point of the search space, which score to expect and how surely. Each step tries the
point of the largest expected improvement over the best score so far.
Source: Snoek, Larochelle and Adams, "Practical Bayesian Optimization of Machine Learning Algorithms", NeurIPS 2012.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel

from seldon.pipeline.cross_validation import AroundEstimator, SeldonKFold

__all__ = ["BayesOptimizer", "Bayes_optimizer"]

CANDIDATES = 1000
"""Random points that are compared by their expected improvement, at each step."""


class BayesOptimizer(AroundEstimator):
    """An estimator with the parameters that do best in cross-validation.

    `param_ranges` gives the least and the largest value of each parameter, `param_int` names those that are whole
    numbers. `init_points` are tried at random, then `n_iter` by expected improvement. What was found is in
    `best_params_`; the copy of `clf` with it learns from all rows.
    """

    def __init__(
        self,
        clf: Any = None,
        param_ranges: Mapping[str, tuple[float, float]] | None = None,
        param_int: Sequence[str] | None = None,
        cv_folds: int = 5,
        init_points: int = 5,
        n_iter: int = 25,
        metric: str = "accuracy",
        random_state: int = 1,
    ) -> None:
        self.clf = clf
        self.param_ranges = param_ranges
        self.param_int = param_int
        self.cv_folds = cv_folds
        self.init_points = init_points
        self.n_iter = n_iter
        self.metric = metric
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> BayesOptimizer:
        if not self.param_ranges:
            raise ValueError("param_ranges: at least one parameter with its range is needed")
        random = np.random.default_rng(self.random_state)
        points = random.random((max(self.init_points, 2), len(self.param_ranges)))
        scores = [self._score(point, X, y) for point in points]
        for _ in range(self.n_iter):
            points = np.vstack([points, _most_promising(points, np.array(scores), random)])
            scores.append(self._score(points[-1], X, y))
        best = int(np.argmax(scores))
        self.best_score_, self.best_params_ = scores[best], self._params(points[best])
        self.clf_ = clone(self.clf).set_params(**self.best_params_).fit(X, y)
        return self

    def get_best_score(self) -> float:
        """The mean score of the folds with the best parameters, 0 before `fit`."""
        return float(getattr(self, "best_score_", 0.0))

    def _score(self, point: Any, X: Any, y: Any) -> float:
        candidate = clone(self.clf).set_params(**self._params(point))
        return SeldonKFold(candidate, self.cv_folds, metric=self.metric).fit(X, y).get_score()

    def _params(self, point: Any) -> dict[str, float]:
        """The parameters at a point of the unit cube."""
        ranges = (self.param_ranges or {}).items()
        values = {name: low + share * (high - low) for (name, (low, high)), share in zip(ranges, point, strict=True)}
        whole = self.param_int or ()
        return {name: round(value) if name in whole else float(value) for name, value in values.items()}


Bayes_optimizer = BayesOptimizer


def _most_promising(points: Any, scores: Any, random: np.random.Generator) -> Any:
    """Of random points of the unit cube, the one of the largest expected improvement, of shape (1, parameters)."""
    process = GaussianProcessRegressor(Matern(nu=2.5) + WhiteKernel(1e-3), normalize_y=True, random_state=0)
    candidates = random.random((CANDIDATES, points.shape[1]))
    with warnings.catch_warnings():
        # With few points the length of the kernel is often at its bounds, which does no harm to the choice.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mean, deviation = process.fit(points, scores).predict(candidates, return_std=True)
    gain, sure = mean - scores.max(), np.maximum(deviation, 1e-9)
    improvement = gain * norm.cdf(gain / sure) + sure * norm.pdf(gain / sure)
    return candidates[[int(np.argmax(improvement))]]
