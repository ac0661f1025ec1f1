"""Which server stands behind which implementation, and which one a file is for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gaal.components.model_servers.lightgbm_server import LightGBMServer, is_lightgbm
from gaal.components.model_servers.mlflow_server import MODEL_FILE, MLflowServer
from gaal.components.model_servers.onnx_server import OnnxServer
from gaal.components.model_servers.server import ModelError, ModelServer
from gaal.components.model_servers.sklearn_server import SklearnServer
from gaal.components.model_servers.xgboost_server import XGBoostServer

SERVERS: Mapping[str, type[ModelServer]] = {
    "SKLEARN_SERVER": SklearnServer,
    "XGBOOST_SERVER": XGBoostServer,
    "LIGHTGBM_SERVER": LightGBMServer,
    "ONNX_SERVER": OnnxServer,
    "MLFLOW_SERVER": MLflowServer,
}


def model_file(path: Path, server: type[ModelServer]) -> Path:
    """The file to load, of a file or a folder. Raises ModelError with what is there instead."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise ModelError(f"{path}: expected a model file or a folder with one, there is nothing")
    for name in server.file_names:
        if (path / name).is_file():
            return path / name
    there = sorted(each.name for each in path.iterdir())
    fitting = [name for name in there if Path(name).suffix in server.suffixes]
    if len(fitting) == 1:
        return path / fitting[0]
    shown = ", ".join(there[:10]) + (", …" if len(there) > 10 else "") if there else "nothing"
    raise ModelError(f"{path}: expected {' or '.join(server.file_names)}, there is {shown}")


def implementation_of(path: Path) -> str | None:
    """The implementation that a model file, or a folder with one, is for; None for anything else."""
    if path.is_dir():
        return _of_folder(path)
    if path.suffix == ".json":
        return "XGBOOST_SERVER" if _is_xgboost(path) else None
    if path.suffix in (".txt", ".bst") and path.is_file() and is_lightgbm(path):
        return "LIGHTGBM_SERVER"
    return implementation_by_name(path.name) if path.suffix != ".txt" else None


def implementation_by_name(name: str) -> str | None:
    """As `implementation_of`, for a file that is not here: by its suffix alone."""
    suffix = Path(name).suffix
    return next((known for known, server in SERVERS.items() if suffix and suffix in server.suffixes), None)


def _of_folder(folder: Path) -> str | None:
    """A folder is a model if it has a file with one of the names that its server looks for first."""
    if (folder / MODEL_FILE).is_file():
        return "MLFLOW_SERVER"
    for server in SERVERS.values():
        for name in server.file_names:
            if (folder / name).is_file():
                return implementation_of(folder / name)
    return None


def _is_xgboost(path: Path) -> bool:
    """Whether a JSON file is a model of XGBoost: its objects begin with the learner or the version."""
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip(b"{ \r\n\t").startswith((b'"learner"', b'"version"'))
    except OSError:
        return False
