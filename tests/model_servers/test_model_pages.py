"""docs/model-servers.md and docs/batching.md tell what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gaal.cli import repository, warm_up
from gaal.components import model_uri
from gaal.components.batching import MAX_ROWS
from gaal.components.model_servers.kinds import SERVERS
from gaal.components.model_servers.lightgbm_server import ROWS_A_THREAD
from gaal.graph import names
from gaal.graph.deployment import Calls
from gaal.graph.load import loads
from gaal.settings import SETTINGS

DOCS = Path(__file__).parents[2] / "docs"
SERVERS_PAGE = (DOCS / "model-servers.md").read_text()
BATCHING_PAGE = (DOCS / "batching.md").read_text()


@pytest.mark.parametrize("implementation", SERVERS)
def test_a_server_is_listed_with_its_files_parameters_and_extra(implementation: str) -> None:
    server = SERVERS[implementation]
    [row] = re.findall(rf"^\| `{implementation}` \|.*gaal\[.*", SERVERS_PAGE, re.MULTILINE)
    for shown in (*server.file_names, *server.parameters):
        assert f"`{shown}`" in row
    assert f"gaal[{server.extra}]" in row
    for suffix in server.suffixes:
        assert f"`*{suffix}`" in SERVERS_PAGE


def test_the_servers_that_documents_may_name_are_those_that_there_are() -> None:
    assert tuple(SERVERS) == names.SERVED_HERE


def test_the_document_on_the_page_is_one() -> None:
    text, _ = re.findall(r"```yaml\n(.*?)```", SERVERS_PAGE, re.DOTALL)
    [deployment] = loads(text, "the page")
    unit = deployment.predictors[0].graph
    assert (unit.implementation, unit.model_uri, unit.env_secret) == (
        "SKLEARN_SERVER",
        "s3://models/iris",
        "bucket-secret",
    )


def test_every_variable_with_credentials_is_listed() -> None:
    source = Path(model_uri.__file__).read_text()
    usual = re.findall(r'"((?:AWS|GOOGLE|STORAGE)_\w+)"', source)
    assert usual
    for name in (*usual, *re.findall(r'given\("(\w+)"', source)):
        assert f"`{name}`" in SERVERS_PAGE or f"_{name}`" in SERVERS_PAGE, name


def test_the_numbers_of_the_repository_are_those_of_the_code() -> None:
    page = (DOCS / "model-repository.md").read_text()
    assert repository.N_REMEMBERED == 8
    assert "the last eight requests" in page
    assert repository.WATCH_S == 1.0
    assert "Every worker looks once a second" in page
    assert f"`{warm_up.IN_FOLDER}`" in page
    assert f"`iris{warm_up.BESIDE_FILE}`" in page
    [kind] = [each.kind for each in SETTINGS.values() if each.name == "model_control"]
    for choice in ("none", "explicit", "poll"):
        assert kind.parse(choice) == choice
        assert f"| `{choice}` |" in page


def test_the_rows_for_a_thread_are_those_of_the_code() -> None:
    assert f"one for every {ROWS_A_THREAD} rows" in SERVERS_PAGE


def test_the_numbers_of_batching_are_those_of_the_code() -> None:
    assert f"`batch = True` joins {MAX_ROWS} rows at most" in BATCHING_PAGE
    assert f"may wait; {Calls().max_waiting} unless said" in BATCHING_PAGE
