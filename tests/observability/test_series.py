from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaal.observability.catalog import BUCKETS, DURATION_BOUNDS, FINENESS, TIMER_BOUNDS, Definition, Kind
from gaal.observability.series import (
    MAGIC,
    SEGMENT_BYTES,
    WORD,
    Series,
    SeriesKey,
    decode_key,
    disown,
    encode_key,
    make_file,
    n_values,
    read_snapshot,
)

HITS = Definition("hits_total", Kind.COUNTER, "Hits.", ("who",))
LEVEL = Definition("level", Kind.GAUGE, "Level.")
CHOSEN = Definition("chosen", Kind.LATEST, "Chosen.")
TOOK = Definition("took_seconds", Kind.DURATION, "Took.", ("who",))


@pytest.fixture
def file() -> Iterator[int]:
    made = make_file()
    yield made
    os.close(made)


def contents(series: Series) -> dict[tuple[str, ...], list[float]]:
    """What a reader sees: the values by name and label values, of the one file or process."""
    (snapshot,) = series.snapshots()
    return {(key.name, *(value for _, value in key.labels)): list(values) for key, values in snapshot.records}


def test_counts_of_a_process_alone_need_no_file() -> None:
    series = Series()
    series.counter(HITS, "a")(2)
    series.counter(HITS, "a")(1)
    series.gauge(LEVEL).add(3)
    assert contents(series)["hits_total", "a"] == [3]
    assert contents(series)["level",] == [3]


def test_a_duration_is_counted_in_its_bucket_and_added_to_the_sum() -> None:
    series = Series()
    observe = series.histogram(TOOK, "a")
    for seconds in (0.005, 0.0050001, 5000.0):
        observe(seconds)
    total, *counts = contents(series)["took_seconds", "a"]
    assert total == pytest.approx(5000.0100001)
    at = DURATION_BOUNDS.index(0.005)
    assert counts[at] == counts[at + 1] == counts[-1] == 1
    assert sum(counts) == 3


def test_a_successor_goes_on_counting_where_its_predecessor_stopped(file: int) -> None:
    first = Series([file])
    first.counter(HITS, "a")(2)
    first.histogram(TOOK, "a")(1.0)
    second = Series([file])
    second.counter(HITS, "a")(1)
    second.counter(HITS, "b")(7)
    seen = contents(second)
    assert seen["hits_total", "a"] == [3]
    assert seen["hits_total", "b"] == [7]
    assert sum(seen["took_seconds", "a"]) == 2.0


def test_a_successor_starts_with_nothing_in_flight_but_keeps_what_was_set(file: int) -> None:
    first = Series([file])
    first.gauge(LEVEL).add(5)
    first.gauge(CHOSEN).set(5)
    second = Series([file])
    second.gauge(LEVEL).add(1)
    assert contents(second)["level",] == [1]
    assert contents(second)["chosen",][0] == 5


def test_what_was_bound_before_a_file_grew_still_counts_after(file: int) -> None:
    series = Series([file])
    bound = [series.histogram(TOOK, str(n)) for n in range(3 * SEGMENT_BYTES // (WORD * n_values(Kind.DURATION)))]
    assert os.fstat(file).st_size > 2 * SEGMENT_BYTES
    for observe in bound:
        observe(1.0)
    successor = Series([file])
    for n in range(len(bound)):
        successor.histogram(TOOK, str(n))(1.0)
    assert all(contents(series)["took_seconds", str(n)][0] == 2.0 for n in range(len(bound)))


def test_a_record_larger_than_a_segment_gets_one_of_its_size(file: int) -> None:
    series = Series([file])
    series.counter(HITS, "x" * 2 * SEGMENT_BYTES)(4)
    assert contents(series)["hits_total", "x" * 2 * SEGMENT_BYTES] == [4]


def test_a_disowned_file_has_no_owner_and_a_successor_owns_it_again(file: int) -> None:
    series = Series([file])
    assert [snapshot.owner for snapshot in series.snapshots()] == [os.getpid()]
    disown(file)
    assert [snapshot.owner for snapshot in series.snapshots()] == [0]
    assert [snapshot.owner for snapshot in Series([file]).snapshots()] == [os.getpid()]


def test_disowning_a_file_that_nobody_wrote_leaves_it_empty(file: int) -> None:
    disown(file)
    assert os.fstat(file).st_size == 0


def test_a_record_whose_writer_was_killed_is_not_seen_and_its_place_is_used_again(file: int) -> None:
    first = Series([file])
    free = first._free
    first.counter(HITS, "a long label that was written half")(9)
    os.pwrite(file, bytes(WORD), free)  # the length is what a writer writes last
    second = Series([file])
    assert not any("half" in key[-1] for key in contents(second))
    second.counter(HITS, "b")(1)
    assert contents(second)["hits_total", "b"] == [1]


def test_a_segment_that_was_never_begun_is_given_back(file: int) -> None:
    Series([file]).counter(HITS, "a")(1)
    os.ftruncate(file, 2 * SEGMENT_BYTES)
    series = Series([file])
    assert os.fstat(file).st_size == SEGMENT_BYTES
    assert contents(series)["hits_total", "a"] == [1]


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read_as_a_file(data: bytes) -> None:
    assert read_snapshot(data).records == []
    head = MAGIC.to_bytes(8, "little") + (24 + len(data)).to_bytes(8, "little") + bytes(8)
    read_snapshot(head + data)


def test_a_file_cut_anywhere_gives_the_whole_records_before_the_cut(file: int) -> None:
    series = Series([file], max_series=100)
    for n in range(4):
        series.counter(HITS, str(n))(1)
    data = os.pread(file, os.fstat(file).st_size, 0)
    for end in range(0, 600, 7):
        records = read_snapshot(data[:end] + bytes(len(data) - end)).records
        assert len(records) <= 5


names = st.text(max_size=30)


@given(names, st.sampled_from(Kind), st.lists(st.tuples(names, names)))
def test_a_key_survives_being_written(name: str, kind: Kind, labels: list[tuple[str, str]]) -> None:
    key = SeriesKey(name, kind, tuple(labels))
    assert decode_key(encode_key(key)) == key
    assert len(encode_key(key)) % WORD == 0


def test_beyond_the_limit_nothing_is_counted_but_the_refusal() -> None:
    series = Series(max_series=3)
    for n in range(4):
        series.counter(HITS, str(n))(1)
    seen = contents(series)
    assert ("hits_total", "1") in seen
    assert ("hits_total", "3") not in seen
    assert seen["gaal_series_refused_total",] == [2]


def test_a_name_means_one_kind_only() -> None:
    series = Series()
    series.gauge(LEVEL).set(1)
    series.gauge(Definition("level", Kind.LATEST, "")).set(5)
    assert contents(series)["level",] == [1]
    assert contents(series)["gaal_series_refused_total",] == [1]


def test_as_many_label_values_as_labels() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Series().counter(HITS)


def test_the_fine_bounds_hold_the_shown_ones_and_are_fine() -> None:
    assert set(BUCKETS) < set(DURATION_BOUNDS)
    assert all(low < high <= low * FINENESS * 1.0000001 for low, high in pairwise(DURATION_BOUNDS))
    assert (DURATION_BOUNDS[0], DURATION_BOUNDS[-1]) == (1e-6, 1000.0)


def test_a_timer_has_50_bounds_from_a_millisecond_to_half_a_minute() -> None:
    assert len(TIMER_BOUNDS) == 50
    assert TIMER_BOUNDS[0] == 0.001
    assert TIMER_BOUNDS[-1] == pytest.approx(30.0)
