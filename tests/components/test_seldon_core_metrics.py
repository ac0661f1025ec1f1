"""Custom metrics as components write them, and what they add up to."""

from __future__ import annotations

import numpy as np
import pytest

from gaal.components.seldon_core.metrics import (
    TIMER_BOUNDS_S,
    SeldonMetrics,
    create_counter,
    create_gauge,
    create_timer,
    split_image_tag,
    validate_metrics,
)


def test_metrics_are_dicts() -> None:
    assert create_counter("hits", 1) == {"key": "hits", "type": "COUNTER", "value": 1}
    assert create_gauge("load", 0.5, {"a": "b"}) == {"key": "load", "type": "GAUGE", "value": 0.5, "tags": {"a": "b"}}
    assert create_timer("took", 20.2, tags={})["tags"] == {}


@pytest.mark.parametrize(
    ("metrics", "are_valid"),
    [
        ([], True),
        ([create_counter("a", 1), create_timer("b", np.float32(2), {"x": "y"})], True),  # type: ignore[arg-type]
        ([{"key": "a", "type": "COUNTER"}], False),
        ([{"key": "a", "type": "SUM", "value": 1}], False),
        ([{"key": "a", "type": "COUNTER", "value": "1"}], False),
        ([{"key": 1, "type": "COUNTER", "value": 1}], False),
        ([{"key": "a", "type": "COUNTER", "value": 1, "tags": "x"}], False),
        ([1], False),
        ({"key": "a", "type": "COUNTER", "value": 1}, False),
        (None, False),
    ],
)
def test_metrics_are_validated(metrics: object, are_valid: bool) -> None:
    assert validate_metrics(metrics) == are_valid


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("iris:0.1", ("iris", "0.1")),
        ("registry:5000/team/iris:0.1", ("registry:5000/team/iris", "0.1")),
        ("registry:5000/team/iris", ("registry:5000/team/iris", "")),
        ("iris", ("iris", "")),
        ("", ("", "")),
    ],
)
def test_an_image_is_split_at_its_version(image: str, parts: tuple[str, str]) -> None:
    assert split_image_tag(image) == parts


def test_metrics_add_up_by_their_kind() -> None:
    metrics = SeldonMetrics(worker_id_func=lambda: 7)
    metrics.update([create_counter("hits", 2), create_gauge("load", 1), create_timer("took", 20)], "predict")
    metrics.update([create_counter("hits", 3), create_gauge("load", 5), create_timer("took", 60_000)], "predict")
    counter, gauge, timer = metrics.collect()
    assert (counter.type, counter.samples[0].name, counter.samples[0].value) == ("counter", "hits_total", 5)
    assert (gauge.type, gauge.samples[0].name, gauge.samples[0].value) == ("gauge", "load", 5)
    *buckets, count, total = timer.samples
    assert (timer.type, count.name, count.value, total.name) == ("histogram", "took_count", 2, "took_sum")
    assert total.value == pytest.approx(60.02)
    assert [bucket.value for bucket in buckets if bucket.labels["le"] == "+Inf"] == [2]
    assert next(float(bucket.labels["le"]) for bucket in buckets if bucket.value == 1) >= 0.02
    assert (len(TIMER_BOUNDS_S), TIMER_BOUNDS_S[0], TIMER_BOUNDS_S[-1]) == (50, 0.001, pytest.approx(30))


def test_labels_come_from_the_environment_and_tags_cannot_replace_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELDON_DEPLOYMENT_ID", "iris-app")
    monkeypatch.setenv("PREDICTIVE_UNIT_ID", "classifier")
    monkeypatch.setenv("PREDICTIVE_UNIT_IMAGE", "registry/iris:0.1")
    monkeypatch.setenv("PREDICTOR_LABELS", '{"version": "v3"}')
    monkeypatch.delenv("PREDICTOR_ID", raising=False)
    metrics = SeldonMetrics(lambda: 7, {"team": "a"})
    metrics.update([create_counter("hits", 1, {"branch": "b", "model_name": "x", "method": "x"})], "route")
    [family] = metrics.collect()
    assert family.samples[0].labels == {
        "branch": "b",
        "method": "route",
        "worker_id": "7",
        "team": "a",
        "deployment_name": "iris-app",
        "seldon_deployment_name": "iris-app",
        "model_name": "classifier",
        "model_image": "registry/iris",
        "image_name": "registry/iris",
        "model_version": "0.1",
        "image_version": "0.1",
        "predictor_name": "NOT_IMPLEMENTED",
        "predictor_version": "v3",
    }


def test_a_bad_metric_is_refused_and_nothing_is_recorded() -> None:
    metrics = SeldonMetrics()
    with pytest.raises(ValueError, match="Bad metric created during request"):
        metrics.update([create_counter("hits", 1), {"key": "x"}], "predict")
    assert list(metrics.collect()) == []


def test_a_reward_counts_the_feedback_unless_it_is_zero() -> None:
    metrics = SeldonMetrics()
    for reward in (0.5, 0, 1.0):
        metrics.update_reward(reward)
    assert {sample.name: sample.value for family in metrics.collect() for sample in family.samples} == {
        "seldon_api_model_feedback_total": 2,
        "seldon_api_model_feedback_reward_total": 1.5,
    }


def test_a_prometheus_registry_takes_it_as_a_collector() -> None:
    prometheus = pytest.importorskip("prometheus_client")
    metrics = SeldonMetrics(lambda: 7)
    metrics.update([create_counter("hits", 1), create_timer("took", 1)], "predict")
    registry = prometheus.CollectorRegistry()
    registry.register(metrics)
    page = prometheus.generate_latest(registry).decode()
    assert "# TYPE hits_total counter\nhits_total{" in page
    assert 'le="+Inf"' in page
