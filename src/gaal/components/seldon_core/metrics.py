"""Custom metrics: how a component writes them, and what they add up to.

A metric is a dict: `{"type": "COUNTER", "key": "hits", "value": 1, "tags": {"branch": "a"}}`. A COUNTER's value is
added, a GAUGE's replaces the last one, a TIMER's is a duration in milliseconds.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gaal.components.chain import BadMetric, metrics_of

__all__ = ["SeldonMetrics", "create_counter", "create_gauge", "create_timer", "split_image_tag", "validate_metrics"]

COUNTER, GAUGE, TIMER = "COUNTER", "GAUGE", "TIMER"
PROMETHEUS_TYPES = {COUNTER: "counter", GAUGE: "gauge", TIMER: "histogram"}

TIMER_BOUNDS_S = tuple(0.001 * 30_000 ** (step / 49) for step in range(50))
"""Upper bounds of a timer's buckets in seconds: fifty from 1 ms to 30 s, each the same factor above the last."""

UNSET = "NOT_IMPLEMENTED"
"""The value of a label that the environment does not name."""


def create_counter(key: str, value: float, tags: Mapping[str, str] | None = None) -> dict[str, Any]:
    return _metric(COUNTER, key, value, tags)


def create_gauge(key: str, value: float, tags: Mapping[str, str] | None = None) -> dict[str, Any]:
    return _metric(GAUGE, key, value, tags)


def create_timer(key: str, value: float, tags: Mapping[str, str] | None = None) -> dict[str, Any]:
    """`value` is in milliseconds."""
    return _metric(TIMER, key, value, tags)


def _metric(kind: str, key: str, value: float, tags: Mapping[str, str] | None) -> dict[str, Any]:
    metric: dict[str, Any] = {"key": key, "type": kind, "value": value}
    if tags is not None:
        metric["tags"] = tags
    return metric


def validate_metrics(metrics: object) -> bool:
    """Whether `metrics` is a list of metrics with nothing missing and nothing of a wrong type."""
    try:
        metrics_of("", "", metrics)
    except BadMetric:
        return False
    return True


def split_image_tag(image: str) -> tuple[str, str]:
    """The name and the version of a container image: `registry:5000/iris:0.1` → (`registry:5000/iris`, `0.1`).

    The version is "" if the image names none; a registry's port is not mistaken for one.
    """
    name, colon, version = image.rpartition(":")
    return (name, version) if colon and "/" not in version else (image, "")


class Sample(NamedTuple):
    """One line of a Prometheus page, with the attributes that `prometheus_client` gives and reads."""

    name: str
    labels: Mapping[str, str]
    value: float
    timestamp: None = None
    exemplar: None = None
    native_histogram: None = None


class Family(NamedTuple):
    """All samples of one metric, with the attributes that `prometheus_client` gives and reads."""

    name: str
    documentation: str
    type: str
    samples: Sequence[Sample]
    unit: str = ""


@dataclass(slots=True)
class _Durations:
    """A timer's histogram. `counts` has an entry a bucket, the last for what is above every bound."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(TIMER_BOUNDS_S) + 1))
    total_s: float = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(TIMER_BOUNDS_S, seconds)] += 1
        self.total_s += seconds

    def samples(self, key: str, labels: Mapping[str, str]) -> Iterator[Sample]:
        below = 0
        for bound, count in zip((*TIMER_BOUNDS_S, float("inf")), self.counts, strict=True):
            below += count
            shown = "+Inf" if bound == float("inf") else repr(bound)
            yield Sample(f"{key}_bucket", {**labels, "le": shown}, below)
        yield Sample(f"{key}_count", labels, below)
        yield Sample(f"{key}_sum", labels, self.total_s)


_Labels = tuple[tuple[str, str], ...]


class SeldonMetrics:
    """Adds custom metrics up, in this process, under the labels of the internal API's metrics.

    `worker_id_func` gives the label `worker_id`. `extra_default_labels` join the labels that say which deployment,
    predictor, model and image this is; tags of a metric never replace any of them. Has `collect()`, so that a
    registry of `prometheus_client` takes it as a collector. What a component answers with is recorded by Gaal
    without it.
    """

    def __init__(
        self,
        worker_id_func: Callable[[], object] = os.getpid,
        extra_default_labels: Mapping[str, str] | None = None,
    ) -> None:
        self._worker_id = worker_id_func
        self._default_labels = {**_environment_labels(), **(extra_default_labels or {})}
        self._values: dict[tuple[str, str], dict[_Labels, float | _Durations]] = {}

    def update(self, custom_metrics: Iterable[Mapping[str, Any]], method: str) -> None:
        """Record metrics that a call of `method` (`predict`, `route`, …) brought.

        Raises ValueError, and records none, if one of them is not of the form that `validate_metrics` asks for.
        """
        metrics = list(custom_metrics)
        if not validate_metrics(metrics):
            raise ValueError(f"Bad metric created during request: {metrics!r}")
        for metric in metrics:
            self._record(metric["type"], metric["key"], float(metric["value"]), metric.get("tags") or {}, method)

    def update_reward(self, reward: float) -> None:
        """Count one feedback and add up its reward; a reward of zero is not counted."""
        if reward:
            self._record(COUNTER, "seldon_api_model_feedback", 1.0, {}, "feedback")
            self._record(COUNTER, "seldon_api_model_feedback_reward", reward, {}, "feedback")

    def collect(self) -> Iterator[Family]:
        """Every metric so far, as Prometheus families. A counter's samples end in `_total`, timers are in seconds."""
        for (key, kind), values in self._values.items():
            samples = [sample for labels, value in values.items() for sample in _samples(key, kind, labels, value)]
            yield Family(key, "", PROMETHEUS_TYPES[kind], samples)

    def _record(self, kind: str, key: str, value: float, tags: Mapping[str, Any], method: str) -> None:
        own = {"method": method, "worker_id": str(self._worker_id())}
        labels = tuple({**{tag: str(text) for tag, text in tags.items()}, **self._default_labels, **own}.items())
        values = self._values.setdefault((key, kind), {})
        match values.get(labels):
            case _Durations() as durations:
                durations.observe(value / 1000)
            case None if kind == TIMER:
                durations = values[labels] = _Durations()
                durations.observe(value / 1000)
            case float(before) if kind == COUNTER:
                values[labels] = before + value
            case _:
                values[labels] = value


def _samples(key: str, kind: str, labels: _Labels, value: float | _Durations) -> Iterable[Sample]:
    if isinstance(value, _Durations):
        return value.samples(key, dict(labels))
    return (Sample(f"{key}_total" if kind == COUNTER else key, dict(labels), value),)


def _environment_labels() -> dict[str, str]:
    """The labels that say what runs here, from the variables that the internal API is started with."""
    deployment = os.environ.get("SELDON_DEPLOYMENT_ID", UNSET)
    image, version = split_image_tag(os.environ.get("PREDICTIVE_UNIT_IMAGE", f"{UNSET}:{UNSET}"))
    return {
        "deployment_name": deployment,
        "model_name": os.environ.get("PREDICTIVE_UNIT_ID", UNSET),
        "model_image": image,
        "model_version": version,
        "predictor_name": os.environ.get("PREDICTOR_ID", UNSET),
        "predictor_version": _predictor_version(),
        # The names that these labels had first; dashboards still read them.
        "seldon_deployment_name": deployment,
        "image_name": image,
        "image_version": version,
    }


def _predictor_version() -> str:
    try:
        labels = json.loads(os.environ.get("PREDICTOR_LABELS", "{}"))
    except ValueError:
        return UNSET
    return str(labels.get("version", UNSET)) if isinstance(labels, dict) else UNSET
