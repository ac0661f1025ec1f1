"""What the transport and the executor tell the metrics, bound when a graph is loaded.

A call is one look-up in a dict and one observation; no label is put together while a request is on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeAlias, TypeVar

from gaal.executor.events import BATCHES, CallObserver, RecordMetrics
from gaal.graph.deployment import Deployment, PredictiveUnit, Predictor
from gaal.observability.batches import batch_recorder
from gaal.observability.catalog import (
    CLIENT_REQUESTS,
    REQUESTS_IN_FLIGHT,
    SERVER_REQUESTS,
    SHADOW_DROPPED,
    SHADOW_FAILED,
)
from gaal.observability.components import ComponentMetrics
from gaal.observability.labels import image_and_version, predictor_labels
from gaal.observability.series import Gauge, Observe, Series

Key = TypeVar("Key", bound=Hashable)

UNIT_SERVICES = {
    "predict": ("/predict", "post"),
    "transform_input": ("/transform-input", "post"),
    "transform_output": ("/transform-output", "post"),
    "route": ("/route", "post"),
    "aggregate": ("/aggregate", "post"),
    "send_feedback": ("/send-feedback", "post"),
    "metadata": ("/metadata", "get"),
    "health": ("/health/status", "get"),
}
"""The labels `service` and `method` of a call to a unit: what the call would be over REST."""


class Observers(dict[Key, Observe], Generic[Key]):
    """The observers of one histogram by those labels that change from call to call, each made when first asked for."""

    def __init__(self, make: Callable[[Key], Observe]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Key) -> Observe:
        observe = self[key] = self._make(key)
        return observe


ServerObservers: TypeAlias = Observers[tuple[str, str, str]]
"""By (service, method, code): `observers["predictions", "post", "200"](seconds)`."""


class ServerMetrics:
    """What the transport counts: requests in flight, and how long each took."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self.in_flight: Gauge = series.gauge(REQUESTS_IN_FLIGHT)

    def observers(self, deployment: str, predictor: str, predictor_version: str) -> ServerObservers:
        """The observers of one predictor's requests.

        `service` is `predictions`, `feedback`, `status`, `metadata`, `predict` or `js-predict`, or a full gRPC
        method; `method` the HTTP verb in lower case, or `unary`; `code` an HTTP status, or a gRPC code's name. The
        three must come from closed sets, never from what a client wrote.
        """
        return Observers(
            lambda key: self._series.histogram(SERVER_REQUESTS, deployment, predictor, predictor_version, *key)
        )


class UnitMetrics:
    """The executor's listener: how long calls to units take, and what became of shadows.

    `code_of` gives the HTTP status, as text, that an error of a unit stands for.
    """

    def __init__(self, series: Series, code_of: Callable[[BaseException], str]) -> None:
        self._series = series
        self._code_of = code_of
        self._reported = ComponentMetrics(series)

    def unit_calls(
        self, deployment: Deployment, predictor: Predictor, unit: PredictiveUnit, method: str
    ) -> CallObserver:
        labels = predictor_labels(deployment, predictor)
        service, verb = UNIT_SERVICES[method]
        model = (unit.name, *image_and_version(unit.image))
        observers: Observers[str] = Observers(
            lambda code: self._series.histogram(CLIENT_REQUESTS, *labels, service, verb, code, *model)
        )
        code_of = self._code_of
        observe_success = observers["200"]

        def observe(seconds: float, error: BaseException | None) -> None:
            if error is None:
                observe_success(seconds)
            else:
                observers[code_of(error)](seconds)

        return observe

    def unit_metrics(
        self, deployment: Deployment, predictor: Predictor, unit: PredictiveUnit, method: str
    ) -> RecordMetrics:
        if method == BATCHES:
            return batch_recorder(self._series, deployment, predictor, unit)
        return self._reported.recorder(deployment, predictor, unit, method)

    def shadow_dropped(self, deployment: Deployment, predictor: Predictor) -> None:
        self._series.counter(SHADOW_DROPPED, *predictor_labels(deployment, predictor))(1)

    def shadow_failed(self, deployment: Deployment, predictor: Predictor) -> None:
        self._series.counter(SHADOW_FAILED, *predictor_labels(deployment, predictor))(1)
