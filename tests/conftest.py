"""What all tests may ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
from running import Run, runner
from serving import SERVERS, Serve, server_factory


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="let the tests that go on for a while do so for longer")


@pytest.fixture(autouse=True, scope="session")
def data_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees or makes the user's own store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data-home")))
        yield


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Serves a deployment with component code of the test's own: `server = await serve(CODE)`."""
    async with server_factory(tmp_path) as factory:
        yield factory


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    """Loads a graph with component code of the test's own: `running = await run(GRAPH, CODE)`."""
    async with runner(tmp_path) as factory:
        yield factory


@pytest.fixture(params=SERVERS)
def contract(serve: Serve, request: pytest.FixtureRequest) -> Serve:
    """As `serve`, once by each ASGI server: what the app promises by any of them."""
    return partial(serve, by=request.param)
