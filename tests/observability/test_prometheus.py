from __future__ import annotations

import math
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric as ParsedMetric
from prometheus_client.parser import text_string_to_metric_families

from gaal.observability.catalog import (
    BUCKETS,
    CALL_LABELS,
    CLIENT_REQUESTS,
    MODEL_LABELS,
    QUANTILES,
    REQUESTS_IN_FLIGHT,
    SERVER_REQUESTS,
    Definition,
    Kind,
)
from gaal.observability.prometheus import number, quantiles, render
from gaal.observability.series import Series, disown, make_file

CALL = ("irisdep", "main", "v1", "predictions", "post", "200")
CHOSEN = Definition("chosen", Kind.LATEST, "")


@pytest.fixture
def files() -> Iterator[list[int]]:
    made = [make_file(), make_file()]
    yield made
    for file in made:
        os.close(file)


def parsed(series: Series) -> dict[str, ParsedMetric]:
    return {family.name: family for family in text_string_to_metric_families(render(series).decode())}


def value(series: Series, sample: str, **labels: str) -> float:
    """The one sample of this name whose labels include these."""
    (found,) = [
        each.value
        for family in parsed(series).values()
        for each in family.samples
        if each.name == sample and labels.items() <= each.labels.items()
    ]
    return float(found)


def test_a_duration_is_shown_as_a_histogram_with_the_executors_buckets() -> None:
    series = Series()
    observe = series.histogram(SERVER_REQUESTS, *CALL)
    for seconds in (0.001, 0.005, 0.3, 20.0):
        observe(seconds)
    family = parsed(series)["seldon_api_executor_server_requests_seconds"]
    assert family.type == "histogram"
    assert family.documentation == SERVER_REQUESTS.help
    buckets = {each.labels["le"]: each.value for each in family.samples if each.name.endswith("_bucket")}
    assert list(buckets) == [*map(number, BUCKETS), "+Inf"]
    assert buckets["0.005"] == 2
    assert buckets["0.25"] == 2
    assert buckets["0.5"] == buckets["10"] == 3
    assert buckets["+Inf"] == 4
    assert value(series, f"{family.name}_count") == 4
    assert value(series, f"{family.name}_sum") == pytest.approx(20.306)


def test_a_duration_is_shown_as_a_summary_too() -> None:
    series = Series()
    observe = series.histogram(CLIENT_REQUESTS, *CALL, "model", "org/model", "0.1")
    for milliseconds in range(1, 1001):
        observe(milliseconds / 1000)
    family = parsed(series)["seldon_api_executor_client_requests_seconds_summary"]
    assert family.type == "summary"
    shown = {float(each.labels["quantile"]): each.value for each in family.samples if "quantile" in each.labels}
    assert tuple(shown) == QUANTILES
    for q, seconds in shown.items():
        assert seconds == pytest.approx(q, rel=0.025)
    assert value(series, f"{family.name}_count") == 1000


def test_the_labels_are_the_executors() -> None:
    series = Series()
    series.histogram(CLIENT_REQUESTS, *CALL, "model", "org/model", "0.1")(1.0)
    (sample, *_) = parsed(series)["seldon_api_executor_client_requests_seconds"].samples
    assert set(sample.labels) - {"le"} == {*CALL_LABELS, *MODEL_LABELS}
    assert sample.labels["model_image"] == "org/model"
    assert sample.labels["predictor_version"] == "v1"


def test_quantiles_of_nothing_are_not_a_number() -> None:
    series = Series()
    series.histogram(SERVER_REQUESTS, *CALL)
    assert math.isnan(value(series, "seldon_api_executor_server_requests_seconds_summary", quantile="0.5"))


@given(st.lists(st.floats(1e-6, 1000.0), min_size=1, max_size=50), st.sampled_from(QUANTILES))
def test_a_quantile_is_off_by_two_and_a_half_percent_at_most(seconds: list[float], q: float) -> None:
    series = Series()
    observe = series.histogram(SERVER_REQUESTS, *CALL)
    for each in seconds:
        observe(each)
    (snapshot,) = series.snapshots()
    counts = next(values for key, values in snapshot.records if key.name == SERVER_REQUESTS.name)
    exact = sorted(seconds)[max(math.ceil(q * len(seconds)), 1) - 1]
    (estimate,) = quantiles(memoryview(counts)[1:], [q])  # type: ignore[arg-type]
    assert estimate == pytest.approx(exact, rel=0.0251)


def test_counts_of_all_workers_add_up_and_outlive_their_worker(files: list[int]) -> None:
    for slot in (0, 1):
        Series(files, slot).histogram(SERVER_REQUESTS, *CALL)(0.1 * (slot + 1))
    disown(files[1])
    series = Series(files, 0)
    assert value(series, "seldon_api_executor_server_requests_seconds_count") == 2
    assert value(series, "seldon_api_executor_server_requests_seconds_sum") == pytest.approx(0.3)


def test_gauges_add_up_over_the_workers_that_live(files: list[int]) -> None:
    first, second = (Series(files, slot) for slot in (0, 1))
    first.gauge(REQUESTS_IN_FLIGHT).add(2)
    second.gauge(REQUESTS_IN_FLIGHT).add(3)
    assert value(first, "gaal_requests_in_flight") == 5
    disown(files[1])
    assert value(first, "gaal_requests_in_flight") == 2


def test_of_gauges_that_were_set_the_latest_counts(files: list[int]) -> None:
    first, second = (Series(files, slot) for slot in (0, 1))
    second.gauge(CHOSEN).set(1)
    first.gauge(CHOSEN).set(2)
    assert value(second, "chosen") == 2
    second.gauge(CHOSEN).set(3)
    assert value(first, "chosen") == 3


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")))
def test_any_label_value_survives(text: str) -> None:
    series = Series()
    series.counter(Definition("hits_total", Kind.COUNTER, "", ("who",)), text)(1)
    samples = [each for each in render(series).decode().split("\n") if each.startswith("hits_total")]
    assert len(samples) == 1
    (sample,) = parsed(series)["hits"].samples
    assert sample.labels["who"] == text


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_the_processes_are_measured() -> None:
    series = Series()
    assert value(series, "process_resident_memory_bytes") > 2**20
    assert value(series, "process_cpu_seconds_total") > 0
    assert value(series, "process_open_fds") > 2
    assert value(series, "process_start_time_seconds") > 1.6e9


@pytest.mark.parametrize(
    ("given_number", "text"),
    [(1.0, "1"), (0.25, "0.25"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN"), (1e300, "1e+300")],
)
def test_numbers_are_written_as_prometheus_reads_them(given_number: float, text: str) -> None:
    assert number(given_number) == text
