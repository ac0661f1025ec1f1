"""docs/storage.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from gaal.storage import sqlite
from gaal.storage.tables import DESCRIPTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "storage.md").read_text()


def rows(title: str) -> list[list[str]]:
    """The rows of the table whose first column has this title."""
    table = re.search(rf"^\| {title} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1].splitlines()]


def test_the_table_of_tables_is_the_codes() -> None:
    assert rows("table") == [[f"`{name}`", what] for name, what in DESCRIPTIONS.items()]


def test_the_errors_are_the_codes() -> None:
    sources = " ".join(file.read_text() for file in Path(sqlite.__file__).parent.rglob("*.py"))
    for _, says, _ in rows("what has happened"):
        for words in re.findall("`([^`]+)`", says):
            for part in words.split("…"):
                assert part in sources, words
