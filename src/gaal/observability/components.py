"""The metrics that components report with their replies: counters, gauges and timers with names of their own."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from gaal.graph.deployment import Deployment, PredictiveUnit, Predictor
from gaal.messages import Metric
from gaal.observability.catalog import CATALOG, MODEL_LABELS, PREDICTOR_LABELS, Definition, Kind
from gaal.observability.labels import image_and_version, predictor_labels
from gaal.observability.series import Add, Series

Record: TypeAlias = Callable[[Iterable[Metric]], None]

METHOD_LABELS = {
    "predict": "predict",
    "transform_input": "inputtransform",
    "transform_output": "outputtransform",
    "route": "router",
    "aggregate": "aggregate",
    "send_feedback": "feedback",
    "health": "health",
}
"""The label `method` of what a component reports. Source: Seldon Core's Python wrapper."""

LABELS = (*PREDICTOR_LABELS, *MODEL_LABELS, "method")
OF_BUCKETS = frozenset(("le", "quantile"))
"""Labels that Prometheus gives a meaning."""


class ComponentMetrics:
    """Counts what components report. A COUNTER `hits` is shown as `hits_total`, a TIMER (ms) as seconds."""

    def __init__(self, series: Series) -> None:
        self._series = series

    def recorder(self, deployment: Deployment, predictor: Predictor, unit: PredictiveUnit, method: str) -> Record:
        """Records what `method` of this unit reported. Bind it at load."""
        values = (*predictor_labels(deployment, predictor), unit.name, *image_and_version(unit.image))
        return self.labelled(dict(zip(LABELS, (*values, METHOD_LABELS[method]), strict=True)))

    def labelled(self, labels: Mapping[str, str]) -> Record:
        """Records metrics under these labels, beside the tags that each has of its own. Bind it at load."""
        bound: dict[tuple[str, str, tuple[tuple[str, str], ...]], Add] = {}

        def record(metrics: Iterable[Metric]) -> None:
            for metric in metrics:
                key = (metric.type, metric.key, tuple(metric.tags.items()))
                report = bound.get(key)
                if report is None:
                    report = self._bind(metric, labels)
                    if report is None:
                        continue
                    bound[key] = report
                if math.isfinite(metric.value):
                    report(metric.value)

        return record

    def _bind(self, metric: Metric, given: Mapping[str, str]) -> Add | None:
        """None if it cannot be counted: the name is one of Gaal's own or of another kind, or there are too many."""
        tags = {legal_label(tag): str(value) for tag, value in metric.tags.items()}
        tags = {tag: value for tag, value in tags.items() if tag not in given and tag not in OF_BUCKETS}
        name = legal_name(metric.key)
        labels = (*given, *tags)
        match metric.type:
            case "COUNTER":
                definition = Definition(f"{name}_total", Kind.COUNTER, "", labels)
            case "GAUGE":
                definition = Definition(name, Kind.LATEST, "", labels)
            case "TIMER":
                definition = Definition(name, Kind.TIMER, "", labels)
        if definition.name in CATALOG or not self._series.accepts(definition):
            self._series.refuse()
            return None
        filled = (*given.values(), *tags.values())
        if definition.kind is Kind.COUNTER:
            return self._series.counter(definition, *filled)
        if definition.kind is Kind.LATEST:
            return self._series.gauge(definition, *filled).set
        observe = self._series.histogram(definition, *filled)
        return lambda milliseconds: observe(milliseconds / 1000)


def legal_name(name: str) -> str:
    """`name` with an underscore for every character that Prometheus does not allow in a metric's name."""
    return _not_empty(re.sub(r"[^a-zA-Z0-9_:]", "_", name))


def legal_label(name: str) -> str:
    """`name` with an underscore for every character that Prometheus does not allow in a label's name."""
    return _not_empty(re.sub(r"[^a-zA-Z0-9_]", "_", name))


def _not_empty(name: str) -> str:
    return f"_{name}" if not name or name[0].isdigit() else name
