"""How the calls to a unit are joined: the rows of each, how long requests waited for it, and how long it took."""

from __future__ import annotations

from collections.abc import Iterable

from gaal.executor.events import RecordMetrics
from gaal.graph.deployment import Deployment, PredictiveUnit, Predictor
from gaal.messages import Metric
from gaal.observability.catalog import BATCH_MODEL, BATCH_QUEUE, BATCH_ROWS
from gaal.observability.labels import predictor_labels
from gaal.observability.series import Observe, Series


def batch_recorder(series: Series, deployment: Deployment, predictor: Predictor, unit: PredictiveUnit) -> RecordMetrics:
    """Records what `executor.events.BATCHES` describes."""
    labels = (*predictor_labels(deployment, predictor), unit.name)
    rows = series.histogram(BATCH_ROWS, *labels)
    model, queue = (series.histogram(each, *labels) for each in (BATCH_MODEL, BATCH_QUEUE))
    observers: dict[str, Observe] = {
        "rows": rows,
        "model": lambda milliseconds: model(milliseconds / 1000),
        "queue": lambda milliseconds: queue(milliseconds / 1000),
    }

    def record(metrics: Iterable[Metric]) -> None:
        for metric in metrics:
            observers[metric.key](metric.value)

    return record
