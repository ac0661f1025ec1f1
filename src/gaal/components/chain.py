"""How `meta` passes from a request through a unit into its reply.

Tags: the request's, then the component's, then those of this very reply; the later one wins. Metrics add up.
The request path gains this unit. The routing is the executor's and stays behind.
Source: the Seldon Core Python wrapper.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from gaal.errors import ComponentError
from gaal.messages import METRIC_TYPES, Json, Message, Meta, Metric


class BadMetric(ComponentError):
    """A component reported a metric that is none."""

    reason = "MICROSERVICE_BAD_METRIC"


def chained(
    meta: Meta, name: str, origin: str, tags: Mapping[str, Json] | None, metrics: Sequence[Metric] | None
) -> Meta:
    """The meta of a reply to a request with `meta`, by the unit `name` at which `origin` stands."""
    return Meta(
        meta.puid,
        {**meta.tags, **tags} if tags else meta.tags,
        {},
        {name: origin, **meta.request_path},
        [*meta.metrics, *metrics] if metrics else meta.metrics,
    )


def merged(messages: Sequence[Message]) -> Meta:
    """The meta that a combiner starts from: the puid of the first, tags and paths in order, all metrics."""
    tags: dict[str, Json] = {}
    path: dict[str, str] = {}
    metrics: list[Metric] = []
    for message in messages:
        tags.update(message.meta.tags)
        path.update(message.meta.request_path)
        metrics.extend(message.meta.metrics)
    return Meta(messages[0].meta.puid, tags, {}, path, metrics)


def metrics_of(unit: str, method: str, reported: Any) -> list[Metric]:
    """What a component's `metrics()` returned, checked.

    A metric that has tags of its own also gets the tag `method`, and the client sees it: the wrapper does so.
    Raises BadMetric.
    """
    if not isinstance(reported, list | tuple):
        raise _bad_metric(unit, reported)
    metrics = [metric for each in reported if (metric := _metric(method, each))]
    if len(metrics) < len(reported):
        raise _bad_metric(unit, reported)
    return metrics


def _metric(method: str, reported: Any) -> Metric | None:
    """None for what is no metric."""
    if not isinstance(reported, dict):
        return None
    key, kind, value, tags = (reported.get(field) for field in ("key", "type", "value", "tags"))
    if not isinstance(key, str) or not isinstance(kind, str) or kind not in METRIC_TYPES:
        return None
    if not isinstance(tags or {}, dict):
        return None
    if not isinstance(value, int | float | np.number):
        return None
    own_tags = {**tags, "method": method} if tags else {}
    return Metric(key, kind, cast("float", value), own_tags)


def _bad_metric(unit: str, reported: Any) -> BadMetric:
    # All of them, as the standard library prints them: so does the wrapper.
    shown = json.dumps(reported, default=repr, skipkeys=True)
    return BadMetric(unit, f"Bad metric created during request: {shown}")
