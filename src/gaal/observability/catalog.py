"""Every metric that Gaal itself shows at `/metrics`: name, kind, labels, meaning. `docs/metrics.md` lists the same.

The names, labels and buckets of `seldon_api_executor_…` are those of Seldon Core's executor: dashboards and alerts
made for it go on working.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise


class Kind(Enum):
    """What is counted, and how the counts of several workers become one. The values stand in the shared files."""

    COUNTER = "counter"
    """Only grows. The sum over all workers, dead ones too."""
    GAUGE = "gauge"
    """Goes up and down. The sum over the workers that live."""
    LATEST = "latest"
    """A gauge that somebody sets. The value that was set last, whichever worker it was."""
    DURATION = "duration"
    """Seconds, counted finely: shown as a histogram and as a summary with quantiles."""
    TIMER = "timer"
    """Seconds that a component reports: shown as a histogram."""
    SIZE = "size"
    """How many of something there were: shown as a histogram."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric: what its name, kind and labels are, and what it means."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""The bounds that a DURATION is shown with. Source: Seldon Core's executor."""

QUANTILES = (0.5, 0.75, 0.9, 0.98, 0.99, 1.0)
"""The quantiles that a DURATION's summary has. Source: Seldon Core's executor."""

FINENESS = 1.05
"""Ratio of neighbouring fine bounds at most: a quantile is off by half of that, 2.5 %."""


def fine_bounds(anchors: Sequence[float], ratio: float) -> tuple[float, ...]:
    """Geometric bounds from the first anchor to the last that have every anchor among them, exactly."""
    bounds = [anchors[0]]
    for low, high in pairwise(anchors):
        n_steps = math.ceil(math.log(high / low) / math.log(ratio))
        bounds += [low * (high / low) ** (step / n_steps) for step in range(1, n_steps)]
        bounds.append(high)
    return tuple(bounds)


DURATION_BOUNDS = fine_bounds((1e-6, *BUCKETS, 1000.0), FINENESS)
TIMER_BOUNDS = tuple(0.001 * (30.0 / 0.001) ** (step / 49) for step in range(50))
"""50 bounds, evenly spaced on a logarithmic scale from 1 ms to 30 s. Source: Seldon Core's Python wrapper."""

SIZE_BOUNDS = tuple(float(2**power) for power in range(15))
"""From 1 to 16384, each twice the one before."""

BOUNDS = {Kind.DURATION: DURATION_BOUNDS, Kind.TIMER: TIMER_BOUNDS, Kind.SIZE: SIZE_BOUNDS}

PREDICTOR_LABELS = ("deployment_name", "predictor_name", "predictor_version")
CALL_LABELS = (*PREDICTOR_LABELS, "service", "method", "code")
MODEL_LABELS = ("model_name", "model_image", "model_version")

SERVER_REQUESTS = Definition(
    "seldon_api_executor_server_requests_seconds",
    Kind.DURATION,
    "Time from the arrival of a request to its reply, in seconds.",
    CALL_LABELS,
)
CLIENT_REQUESTS = Definition(
    "seldon_api_executor_client_requests_seconds",
    Kind.DURATION,
    "Time that a call to a unit of the graph took, in seconds.",
    (*CALL_LABELS, *MODEL_LABELS),
)
BATCH_LABELS = (*PREDICTOR_LABELS, "model_name")
BATCH_ROWS = Definition(
    "gaal_batch_rows", Kind.SIZE, "Rows that a call to the code of a row-wise unit had.", BATCH_LABELS
)
BATCH_QUEUE = Definition(
    "gaal_batch_queue_seconds",
    Kind.DURATION,
    "Time that a request to a row-wise unit waited for the call that answered it, in seconds.",
    BATCH_LABELS,
)
BATCH_MODEL = Definition(
    "gaal_batch_model_seconds",
    Kind.DURATION,
    "Time that a call to the code of a row-wise unit took, in seconds.",
    BATCH_LABELS,
)
REQUESTS_IN_FLIGHT = Definition(
    "gaal_requests_in_flight", Kind.GAUGE, "Requests that have arrived and are not yet answered."
)
SHADOW_DROPPED = Definition(
    "gaal_shadow_dropped_total",
    Kind.COUNTER,
    "Requests that a shadow predictor got no copy of, because too many were still under way.",
    PREDICTOR_LABELS,
)
SHADOW_FAILED = Definition(
    "gaal_shadow_failed_total",
    Kind.COUNTER,
    "Requests that a shadow predictor answered with an error.",
    PREDICTOR_LABELS,
)
WORKER_RESTARTS = Definition(
    "gaal_worker_restarts_total", Kind.COUNTER, "Workers that ended by themselves and were replaced."
)
SERIES_REFUSED = Definition(
    "gaal_series_refused_total",
    Kind.COUNTER,
    "Times that a new combination of labels was not counted, because a worker had too many or the name was taken.",
)
RESIDENT_MEMORY = Definition(
    "process_resident_memory_bytes",
    Kind.GAUGE,
    "Resident memory of all processes in bytes. Memory that they share counts once for each.",
)
CPU_SECONDS = Definition(
    "process_cpu_seconds_total",
    Kind.COUNTER,
    "User and system CPU time of all processes in seconds, those that have ended included.",
)
OPEN_FDS = Definition("process_open_fds", Kind.GAUGE, "Open file descriptors of all processes.")
START_TIME = Definition(
    "process_start_time_seconds", Kind.GAUGE, "When the first process started, in seconds since the epoch."
)

CATALOG = {
    each.name: each
    for each in (
        SERVER_REQUESTS,
        CLIENT_REQUESTS,
        BATCH_ROWS,
        BATCH_QUEUE,
        BATCH_MODEL,
        REQUESTS_IN_FLIGHT,
        SHADOW_DROPPED,
        SHADOW_FAILED,
        WORKER_RESTARTS,
        SERIES_REFUSED,
        RESIDENT_MEMORY,
        CPU_SECONDS,
        OPEN_FDS,
        START_TIME,
    )
}
