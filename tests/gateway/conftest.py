"""What the tests of the gateway may ask for beside what all tests may."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from guarded import Guard, guard_factory, location

from gaal.storage.store import Store, open_store


@pytest.fixture
async def guard(tmp_path: Path) -> AsyncIterator[Guard]:
    """Serves for those who have a token: `guarded = await guard()`."""
    async with guard_factory(tmp_path) as factory:
        yield factory


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(location(tmp_path)) as opened:
        yield opened
