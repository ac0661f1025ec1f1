"""How `gaal check` tells what it found: a table on a terminal, a line for each finding elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gaal.errors import Violation

if TYPE_CHECKING:
    from gaal.contracts.replies import Broken
    from gaal.contracts.trial import Exchange

_SHOWN_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Row:
    """One finding. `level` is error, warning or finding."""

    level: str
    place: str
    rule: str
    value: Any = None

    def __str__(self) -> str:
        return f"{self.level}: {Violation(self.place, self.rule, self.value)}"


def rows(level: str, violations: Iterable[Violation]) -> list[Row]:
    return [Row(level, each.path, each.rule, each.value) for each in violations]


def show_rows(title: str, found: Sequence[Row]) -> None:
    """What is wrong or odd in a document."""
    if _is_terminal():
        cells = [(each.level, each.place, each.rule, _text(each.value)) for each in found]
        _show_table(title, ("", "place", "rule", "value"), cells)
    else:
        for each in found:
            print(f"{title}: {each}")
    n_errors = sum(each.level == "error" for each in found)
    n_others = len(found) - n_errors
    print(f"{title}: {_count(n_errors, 'error')}, {_count(n_others, 'warning')}" if found else f"{title}: all is well")


@dataclass(slots=True)
class TrialReport:
    """What a trial came to. One line for each rule that a target's values broke, with the first case of it."""

    title: str
    n_exchanges: int = 0
    first_broken: Exchange | None = None
    _cases: dict[tuple[str, str], _Case] = field(default_factory=dict)

    @property
    def is_kept(self) -> bool:
        return not self._cases

    def take(self, exchange: Exchange) -> None:
        self.n_exchanges += 1
        for broken in exchange.broken:
            self.first_broken = self.first_broken or exchange
            case = self._cases.setdefault((broken.target, broken.rule), _Case(exchange.number, broken))
            case.n_values += broken.n_values
            case.n_requests += 1

    def show(self, n_requests: int, seed: int, *, with_example: bool) -> None:
        if self._cases and _is_terminal():
            cells = [case.cells() for case in self._cases.values()]
            _show_table(self.title, ("target", "rule", "value", "where", "how often"), cells)
        elif self._cases:
            for case in self._cases.values():
                print(f"{self.title}: {case}")
        if self.first_broken is not None and with_example:
            show_exchange(self.first_broken, _SHOWN_CHARACTERS)
        asked = f"{self.n_exchanges:,} of {_count(n_requests, 'request')}"
        outcome = f"{_count(len(self._cases), 'rule')} broken" if self._cases else "the contract is kept"
        print(f"{self.title}: {asked}, {outcome}; --seed {seed} asks the same again")


@dataclass(slots=True)
class _Case:
    """A rule and the target that broke it: the first time, and how often."""

    request: int
    first: Broken
    n_values: int = 0
    n_requests: int = 0

    def cells(self) -> tuple[str, ...]:
        where = f"request {self.request}, {self.first.place}"
        return (self.first.target, self.first.rule, _text(self.first.value), where, self._often())

    def __str__(self) -> str:
        target, rule, value, where, often = self.cells()
        shown = f" (got {value})" if value else ""
        return f"{target + ': ' if target else ''}{rule}{shown}; {where}; {often}"

    def _often(self) -> str:
        return f"{_count(self.n_values, 'time')} in {_count(self.n_requests, 'request')}"


def show_exchange(exchange: Exchange, n_characters: int | None = None) -> None:
    """What was asked and what came, as JSON: whole, or the first so many characters of each."""
    from gaal.messages import Feedback
    from gaal.protocols import seldon_json

    request, reply = exchange.request, exchange.reply
    if isinstance(request, Feedback):
        asked = seldon_json.encode_feedback(request).decode()
    else:
        asked = seldon_json.encode_message(request).decode()
    print(f"request {exchange.number}: {_abridged(asked, n_characters)}")
    came = "nothing of the protocol" if reply is None else seldon_json.encode_message(reply).decode()
    print(f"reply {exchange.number}: {_abridged(came, n_characters)}")


def _abridged(text: str, n_characters: int | None) -> str:
    return text if n_characters is None or len(text) <= n_characters else f"{text[:n_characters]}…"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _text(value: Any) -> str:
    return "" if value is None else repr(value)


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _show_table(title: str, head: Sequence[str], cells: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, title=title)
    for row in cells:
        table.add_row(*map(Text, row))  # as Text: what stands in brackets is no markup
    Console().print(table)
