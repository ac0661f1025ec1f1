"""Figures of many rounds as tables. Ratios are taken within a round, since a machine is slower for a while for all."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from wire_load import Figures

MISSING = "–"


@dataclass(frozen=True)
class Place:
    """Whose figures they are: of which server, on which wire, under how many requests at once."""

    subject: str
    wire: str
    n_at_once: int


@dataclass
class Results:
    """The figures of each place by the number of the round; a round is missing where the server refused."""

    rounds: dict[Place, dict[int, Figures]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, place: Place, number: int, figures: Figures) -> None:
        self.rounds[place][number] = figures

    def median(self, place: Place) -> Figures | None:
        measured = self._of(place).values()
        if not measured:
            return None
        columns = zip(*((each.per_second, each.p50_ms, each.p99_ms) for each in measured), strict=True)
        return Figures(*(statistics.median(column) for column in columns))

    def ratio(self, place: Place, to: Place) -> float | None:
        """How many times as many requests a second: the median of the rounds that have both."""
        ours, theirs = self._of(place), self._of(to)
        ratios = [ours[number].per_second / theirs[number].per_second for number in ours if number in theirs]
        return statistics.median(ratios) if ratios else None

    def _of(self, place: Place) -> dict[int, Figures]:
        return self.rounds.get(place, {})


def load_table(results: Results, subjects: Sequence[str], wires: Sequence[str], n_at_once: int) -> str:
    """Requests a second, p50 and p99 in ms, on each wire."""
    rows = [
        [subject, *(shown(results.median(Place(subject, wire, n_at_once))) for wire in wires)] for subject in subjects
    ]
    return markdown(["server", *wires], rows)


def ratio_table(
    results: Results, pairs: Iterable[tuple[str, str, str]], wires: Sequence[str], loads: Sequence[int]
) -> str:
    """A row for each of (what it is called, server, to which other one): the ratio under each load, on each wire."""
    rows = []
    for label, subject, other in pairs:
        cells = []
        for wire in wires:
            ratios = [results.ratio(Place(subject, wire, n), Place(other, wire, n)) for n in loads]
            cells.append(" · ".join(times(ratio) for ratio in ratios) if any(ratios) else MISSING)
        rows.append([label, *cells])
    return markdown(["", *wires], rows)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown(figures: Figures | None) -> str:
    if figures is None:
        return MISSING
    return f"{figures.per_second:,.0f} · {milliseconds(figures.p50_ms)} · {milliseconds(figures.p99_ms)}"


def milliseconds(value: float) -> str:
    """Two digits that say something: 0.12, 1.2, 12, 120."""
    decimals = 2 if value < 1 else 1 if value < 10 else 0
    return f"{value:.{decimals}f}"


def times(ratio: float | None) -> str:
    if ratio is None:
        return MISSING
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"
