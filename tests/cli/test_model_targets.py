"""Model files as targets: which deployments a target means, and that `gaal serve` serves them."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from gaal_command import gaal_serve
from model_files import ROWS, dump, save_lightgbm, save_onnx, save_xgboost, sklearn_model
from running import rows

from gaal.cli.model_targets import legal_name, model_deployments
from gaal.cli.worker import read_targets
from gaal.errors import SettingsError
from gaal.graph.deployment import Placement
from gaal.settings import ServeSettings

DOCUMENT = {
    "apiVersion": "machinelearning.seldon.io/v1",
    "kind": "SeldonDeployment",
    "metadata": {"name": "doc"},
    "spec": {"predictors": [{"name": "p", "graph": {"name": "m", "implementation": "SIMPLE_MODEL"}}]},
}


def meant(target: Path | str, **settings: object) -> dict[str, tuple[str, str]]:
    """Implementation and model of each deployment, by name."""
    deployments = read_targets(ServeSettings(targets=(str(target),), **settings))  # type: ignore[arg-type]
    roots = {each.name: each.predictors[0].graph for each in deployments}
    return {name: (root.implementation, root.model_uri) for name, root in roots.items()}


@pytest.mark.parametrize(
    ("name", "content", "implementation"),
    [
        ("iris.joblib", b"", "SKLEARN_SERVER"),
        ("iris.pkl", b"", "SKLEARN_SERVER"),
        ("iris.json", b'{"learner":{}}', "XGBOOST_SERVER"),
        ("iris.ubj", b"", "XGBOOST_SERVER"),
        ("iris.bst", b"{L", "XGBOOST_SERVER"),
        ("iris.bst", b"tree\nversion=v4\n", "LIGHTGBM_SERVER"),
        ("iris.txt", b"tree\nversion=v4\n", "LIGHTGBM_SERVER"),
        ("iris.onnx", b"", "ONNX_SERVER"),
    ],
)
def test_a_file_says_by_its_name_and_content_which_server_it_is_for(
    name: str, content: bytes, implementation: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert meant(tmp_path / name) == {"iris": (implementation, str(tmp_path / name))}


def test_a_model_file_has_the_name_namespace_and_placement_that_settings_give(tmp_path: Path) -> None:
    (tmp_path / "My Model_2.onnx").write_bytes(b"")
    settings = ServeSettings(targets=(str(tmp_path / "My Model_2.onnx"),), namespace="there", placement="worker")
    [deployment] = read_targets(settings)
    assert (deployment.name, deployment.namespace) == ("my-model-2", "there")
    assert deployment.predictors[0].graph.placement is Placement.WORKER
    assert list(meant(tmp_path / "My Model_2.onnx", name="iris")) == ["iris"]
    assert legal_name("---") == "model"


def test_a_folder_of_models_is_a_deployment_for_each(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.json", "notes.md", ".hidden.onnx", "c/model.joblib", "d/MLmodel", "e/other.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'{"learner":{}}' if name.endswith("json") else b"")
    found = meant(tmp_path)
    assert {name: implementation for name, (implementation, _) in found.items()} == {
        "a": "ONNX_SERVER",
        "b": "XGBOOST_SERVER",
        "c": "SKLEARN_SERVER",
        "d": "MLFLOW_SERVER",
    }
    assert meant(tmp_path / "c") == {"c": ("SKLEARN_SERVER", str(tmp_path / "c"))}


def test_a_folder_of_documents_is_one_still(tmp_path: Path) -> None:
    (tmp_path / "doc.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "iris.onnx").write_bytes(b"")
    assert list(meant(tmp_path)) == ["doc"]
    assert list(meant(tmp_path / "doc.json")) == ["doc"]


@pytest.mark.parametrize("uri", ["https://host/a/iris.onnx?signature=x", "s3://bucket/iris.onnx"])
def test_a_uri_says_by_its_name_alone_what_it_is_for(uri: str) -> None:
    assert meant(uri) == {"iris": ("ONNX_SERVER", uri)}
    with pytest.raises(SettingsError, match=r"TARGET: a URI must end in one of .joblib, .*got 's3://bucket/iris'"):
        model_deployments("s3://bucket/iris", "default", None)


async def test_files_and_folders_of_models_are_served(tmp_path: Path) -> None:
    import httpx

    model = sklearn_model()
    dump(model, tmp_path / "models/first.joblib")
    save_xgboost(tmp_path / "models/second.json")
    save_lightgbm(tmp_path / "models/third/model.txt")
    save_onnx(tmp_path / "fourth.onnx")
    arguments = ["models", "fourth.onnx", "--model-cache", "cache"]
    async with gaal_serve(arguments, tmp_path) as address, httpx.AsyncClient(base_url=f"http://{address}") as client:
        for name in ("first", "second", "third", "fourth"):
            reply = await client.post(f"/seldon/default/{name}/api/v1.0/predictions", json=rows(*ROWS))
            answered = orjson.loads(reply.content)["data"]["ndarray"]
            assert [len(answered), len(answered[0])] == [3, 3]
            wrong = await client.post(f"/seldon/default/{name}/api/v1.0/predictions", json=rows([1.0]))
            assert wrong.status_code == 400
            assert f'unit "{name}"' in wrong.json()["status"]["info"]


async def test_a_model_may_have_a_process_of_its_own(tmp_path: Path) -> None:
    import httpx

    model = sklearn_model()
    dump(model, tmp_path / "iris.joblib")
    arguments = ["iris.joblib", "--placement", "worker"]
    async with gaal_serve(arguments, tmp_path) as address, httpx.AsyncClient(base_url=f"http://{address}") as client:
        reply = await client.post("/api/v1.0/predictions", json=rows(*ROWS))
        metrics = (await client.get("/metrics")).text
    assert reply.json()["data"]["ndarray"] == model.predict_proba(ROWS).tolist()
    assert 'gaal_batch_rows_count{deployment_name="iris"' in metrics
