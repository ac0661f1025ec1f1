"""Medians, ratios within a round, and the tables of them."""

from __future__ import annotations

from typing import Any

import pytest
from bench_modules import bench

tables = bench("result_tables")
Figures = bench("wire_load").Figures
WIRE = "V2 REST"


def results(**rates: list[float | None]) -> Any:
    """Servers with their requests a second, round by round; None where a server refused."""
    found = tables.Results()
    for subject, rounds in rates.items():
        for number, rate in enumerate(rounds):
            if rate is not None:
                found.add(place(subject), number, Figures(rate, 1e3 / rate, 2e3 / rate))
    return found


def place(subject: str, n_at_once: int = 32) -> Any:
    return tables.Place(subject, WIRE, n_at_once)


def test_the_median_is_of_each_figure_by_itself() -> None:
    found = tables.Results()
    for number, figures in enumerate([(100, 9.0, 20.0), (300, 1.0, 30.0), (200, 5.0, 10.0)]):
        found.add(place("ours"), number, Figures(*figures))

    assert found.median(place("ours")) == Figures(200, 5.0, 20.0)


def test_a_ratio_is_taken_within_its_round() -> None:
    # The machine was half as fast in the second round; of the medians it would be 300 / 50.
    found = results(ours=[400, 200, 300], theirs=[100, 50, 50])

    assert found.ratio(place("ours"), place("theirs")) == 4


def test_a_round_that_one_of_them_refused_does_not_count() -> None:
    found = results(ours=[400, 200, None], theirs=[100, None, 10])

    assert found.ratio(place("ours"), place("theirs")) == 4


def test_what_was_never_measured_is_a_dash() -> None:
    found = results(ours=[400])

    assert found.median(place("theirs")) is None
    assert found.ratio(place("ours"), place("theirs")) is None
    assert tables.ratio_table(found, [("them", "ours", "theirs")], [WIRE], [1, 32]).endswith("| them | – |")


def test_the_load_table_has_a_row_for_each_server() -> None:
    table = tables.load_table(results(ours=[20_000], theirs=[400]), ["ours", "theirs"], [WIRE], 32)

    assert table.splitlines() == [
        "| server | V2 REST |",
        "| --- | --- |",
        "| ours | 20,000 · 0.05 · 0.10 |",
        "| theirs | 400 · 2.5 · 5.0 |",
    ]


def test_the_ratio_table_has_the_loads_one_after_another() -> None:
    found = results(ours=[500], theirs=[40])
    found.add(place("ours", 1), 0, Figures(30, 1, 1))
    found.add(place("theirs", 1), 0, Figures(20, 1, 1))

    table = tables.ratio_table(found, [("them", "ours", "theirs")], [WIRE], [1, 32])

    assert table.splitlines()[-1] == "| them | 1.5 · 12 |"


@pytest.mark.parametrize(("value", "text"), [(0.123, "0.12"), (1.23, "1.2"), (12.3, "12"), (123.4, "123")])
def test_milliseconds_have_the_digits_that_say_something(value: float, text: str) -> None:
    assert tables.milliseconds(value) == text
