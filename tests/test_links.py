"""Every link in a page of the project that points at a file of the project points at one that is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PAGES = sorted(
    path.relative_to(PROJECT)
    for folder in ("*.md", "docs/**/*.md", "examples/**/*.md", "bench/**/*.md")
    for path in PROJECT.glob(folder)
)


def links(text: str) -> Iterator[tuple[str, str]]:
    """The target of each link: the file ("" for the page itself) and the heading ("" if none)."""
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not re.match(r"\w+:", target):
            path, _, heading = target.partition("#")
            yield path, heading


def headings(text: str) -> set[str]:
    """The headings of a page as links name them."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_local_link_leads_somewhere(page: Path) -> None:
    here = PROJECT / page
    broken = []
    for path, heading in links(here.read_text()):
        target = (here.parent / path).resolve() if path else here
        if not target.exists() or (heading and heading not in headings(target.read_text())):
            broken.append(f"{path}#{heading}" if heading else path)

    assert broken == []
