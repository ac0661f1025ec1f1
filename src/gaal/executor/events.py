"""What the executor tells about itself while it works. Listeners are bound once, when a graph is compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

from gaal.graph.deployment import Deployment, PredictiveUnit, Predictor
from gaal.messages import Metric

CallObserver: TypeAlias = Callable[[float, BaseException | None], None]
"""Called after each call to a unit with its duration in seconds and the error it ended with."""


RecordMetrics: TypeAlias = Callable[[Iterable[Metric]], None]
"""Called with the metrics that a component reported of its own, on the event loop."""


BATCHES = "batches"
"""In the place of a method: asks `unit_metrics` for the recorder of how a unit's calls are joined.

It takes metrics by these keys: `rows`, the rows of a call; `model`, the ms that it took; `queue`, the ms that a request
had waited for it.
"""


class Listener(Protocol):
    """Somebody who wants to know what happens in a graph."""

    def unit_calls(
        self, deployment: Deployment, predictor: Predictor, unit: PredictiveUnit, method: str
    ) -> CallObserver:
        """The observer of all calls to `method` (`predict`, `transform_input`, …) of one unit."""

    def unit_metrics(
        self, deployment: Deployment, predictor: Predictor, unit: PredictiveUnit, method: str
    ) -> RecordMetrics:
        """The recorder of what the unit's own code reports of its `method`."""

    def shadow_dropped(self, deployment: Deployment, predictor: Predictor) -> None:
        """A shadow got no copy of a request because too many were still under way."""

    def shadow_failed(self, deployment: Deployment, predictor: Predictor) -> None:
        """A shadow's reply was an error. The caller knows nothing of it."""


class Silence:
    """The listener that listens to nothing."""

    def unit_calls(
        self, deployment: Deployment, predictor: Predictor, unit: PredictiveUnit, method: str
    ) -> CallObserver:
        return lambda seconds, error: None

    def unit_metrics(
        self, deployment: Deployment, predictor: Predictor, unit: PredictiveUnit, method: str
    ) -> RecordMetrics:
        return lambda metrics: None

    def shadow_dropped(self, deployment: Deployment, predictor: Predictor) -> None:
        pass

    def shadow_failed(self, deployment: Deployment, predictor: Predictor) -> None:
        pass
