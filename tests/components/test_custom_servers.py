"""Servers by configuration, as `gaal serve --servers` runs them and `gaal check --servers` looks them over."""

from __future__ import annotations

import asyncio
import json
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml
from gaal_command import environment, gaal_serve

PAGE = (Path(__file__).parent.parent.parent / "docs" / "model-servers.md").read_text()
SECTION = PAGE.partition("## Other servers")[2].partition("\n## ")[0]


def example(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    assert found
    return found[1]


def write_example(folder: Path) -> None:
    """The server of the page, a model for it, and a document that names both."""
    (folder / "acme").mkdir()
    (folder / "acme" / "servers.py").write_text(f"import numpy\n\n{example('python')}")
    (folder / "servers.yaml").write_text(example("yaml"))
    (folder / "model").mkdir()
    np.save(folder / "model" / "weights.npy", np.array([[0.0, 3, 1, 2], [0, 1, 2, 3]]))
    write_document(folder, {"implementation": "CUSTOM_INFERENCE_SERVER", "modelUri": "model"})


def write_document(folder: Path, unit: dict[str, Any]) -> None:
    graph = {"name": "ranker", **unit}
    head = {"apiVersion": "machinelearning.seldon.io/v1", "kind": "SeldonDeployment", "metadata": {"name": "ranking"}}
    spec = {"predictors": [{"name": "main", "graph": graph}]}
    (folder / "ranking.yaml").write_text(yaml.safe_dump({**head, "spec": spec}))


async def predicted(address: str) -> Any:
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=20) as client:
        reply = await client.post("/api/v1.0/predictions", json={"data": {"ndarray": [[1, 0], [0, 1]]}})
    return reply.json()["data"]["ndarray"]


async def gaal(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and everything printed of a command that ends by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gaal", *arguments),
        cwd=folder,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.parametrize("placement", ["worker", "auto"])
async def test_the_example_of_the_page_runs_in_any_placement(tmp_path: Path, placement: str) -> None:
    write_example(tmp_path)
    file = tmp_path / "servers.yaml"
    file.write_text(file.read_text().replace("placement: worker", f"placement: {placement}"))
    async with gaal_serve(["--servers", "servers.yaml", "ranking.yaml"], tmp_path) as address:
        assert await predicted(address) == [[1, 3, 2], [3, 2, 1]]


async def test_parameters_of_the_document_go_before_those_of_the_file(tmp_path: Path) -> None:
    write_example(tmp_path)
    given = [
        {"name": "top", "type": "INT", "value": "1"},
        {"name": "model_uri", "type": "STRING", "value": (tmp_path / "model").as_uri()},
    ]
    write_document(tmp_path, {"implementation": "CUSTOM_INFERENCE_SERVER", "parameters": given})
    servers = {"CUSTOM_INFERENCE_SERVER": {"component": "acme.servers:Ranker", "parameters": {"top": 3}}}
    (tmp_path / "servers.json").write_text(json.dumps(servers))
    async with gaal_serve(["--servers", "servers.json", "ranking.yaml"], tmp_path) as address:
        assert await predicted(address) == [[1], [3]]


async def test_check_takes_the_same_file_and_loads_the_class(tmp_path: Path) -> None:
    write_example(tmp_path)
    assert (await gaal(tmp_path, "check", "--strict", "--load", "--servers", "servers.yaml", "ranking.yaml"))[0] == 0
    status, said = await gaal(tmp_path, "check", "ranking.yaml")
    assert status != 0
    assert "the implementation must be a known one" in said
    assert "CUSTOM_INFERENCE_SERVER" in said


async def test_a_class_that_cannot_be_imported_is_told_how_to_be_installed(tmp_path: Path) -> None:
    write_example(tmp_path)
    (tmp_path / "acme" / "servers.py").write_text("import no_such_library")
    status, said = await gaal(tmp_path, "serve", "--port", "0", "--servers", "servers.yaml", "ranking.yaml")
    assert status == 1
    assert "CUSTOM_INFERENCE_SERVER: acme.servers:Ranker: " in said
    assert "No module named 'no_such_library': pip install 'acme-servers[torch]'" in said


async def test_a_file_that_is_wrong_ends_the_start(tmp_path: Path) -> None:
    write_example(tmp_path)
    (tmp_path / "servers.yaml").write_text("CUSTOM_INFERENCE_SERVER: {placement: worker}")
    status, said = await gaal(tmp_path, "serve", "--port", "0", "--servers", "servers.yaml", "ranking.yaml")
    assert status == 2
    assert "CUSTOM_INFERENCE_SERVER.component: a value must be given" in said


@pytest.mark.parametrize("model", ["nowhere", "model"])
async def test_a_model_that_is_not_there_or_a_pickle_that_is_forbidden_ends_the_start(
    tmp_path: Path, model: str
) -> None:
    write_example(tmp_path)
    (tmp_path / "model" / "more.pkl").write_bytes(pickle.dumps([]))
    write_document(tmp_path, {"implementation": "CUSTOM_INFERENCE_SERVER", "modelUri": model})
    arguments = ("serve", "--port", "0", "--no-pickle", "--servers", "servers.yaml", "ranking.yaml")
    status, said = await gaal(tmp_path, *arguments)
    cause = "there is no such file or folder" if model == "nowhere" else "more.pkl can run code when it is loaded"
    assert status == 1
    assert f'unit "ranker": CUSTOM_INFERENCE_SERVER: {model}: {cause}' in said
