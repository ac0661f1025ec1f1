"""Targets that are models: a file, a folder of MLflow, a URI, or a folder whose files and folders are models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gaal.components.model_servers import kinds
from gaal.components.model_uri import is_remote, name_in, shown
from gaal.errors import SettingsError, Violation
from gaal.graph.deployment import Deployment, Predictor, single

DOCUMENTS = (".yaml", ".yml", ".json")
BESIDE_MODELS = ("metadata.yaml", "metadata.yml")
WARM_UP = "warmup.json"


def model_deployments(target: str, namespace: str, name: str | None) -> Sequence[Deployment]:
    """A deployment for each model that a target means; none where it means something else. Raises SettingsError."""
    if "://" in target and is_remote(target):
        return [_far(target, namespace, name)]
    path = Path(target.removeprefix("file://"))
    implementation = kinds.implementation_of(path) if path.exists() else None
    if implementation is not None:
        return [_deployment(path, implementation, namespace, name)]
    if versions := _versions(path):
        return [_of_versions(path, versions, namespace, name)]
    return _in_folder(path, namespace) if path.is_dir() and not any(_documents(path)) else []


def _far(uri: str, namespace: str, name: str | None) -> Deployment:
    """What a URI is for shows in its name alone."""
    file = name_in(uri)
    implementation = kinds.implementation_by_name(file)
    if implementation is None:
        suffixes = ", ".join(suffix for server in kinds.SERVERS.values() for suffix in server.suffixes)
        raise SettingsError([Violation("TARGET", f"a URI must end in one of {suffixes}", shown(uri))])
    found = single(name or legal_name(Path(file).stem), None, implementation=implementation, model_uri=uri)
    return replace(found, namespace=namespace)


def _in_folder(folder: Path, namespace: str) -> list[Deployment]:
    """A deployment for each file and folder that is a model. Others are passed over."""
    found = []
    for path in sorted(each for each in folder.iterdir() if not each.name.startswith(".")):
        if implementation := kinds.implementation_of(path):
            found.append(_deployment(path, implementation, namespace, None))
        elif versions := _versions(path):
            found.append(_of_versions(path, versions, namespace, None))
    return found


def _versions(folder: Path) -> list[tuple[int, Path, str]]:
    """The folders in a folder that are models and have a number for a name, with the server of each, in order."""
    if not folder.is_dir():
        return []
    numbered = [each for each in folder.iterdir() if each.is_dir() and each.name.isdecimal()]
    found = [(int(each.name), each, kinds.implementation_of(each)) for each in numbered]
    return sorted((number, path, implementation) for number, path, implementation in found if implementation)


def _of_versions(
    folder: Path, versions: Sequence[tuple[int, Path, str]], namespace: str, name: str | None
) -> Deployment:
    """A deployment with a predictor for each version, the latest first, which gets the requests that name none."""
    made = name or legal_name(folder.resolve().name)
    deployments = [_deployment(path, kind, namespace, made) for _, path, kind in reversed(versions)]
    predictors: list[Predictor] = []
    for (number, _, _), deployment in zip(reversed(versions), deployments, strict=True):
        [predictor] = deployment.predictors
        traffic = 0 if predictors else 100
        said = {"version": str(number)}
        predictors.append(replace(predictor, name=f"v{number}", traffic=traffic, labels=said, annotations=said))
    return replace(deployments[0], predictors=tuple(predictors))


def _documents(folder: Path) -> Iterator[Path]:
    """The files of a folder that are deployment documents, or should be."""
    for file in folder.iterdir():
        is_model = file.suffix == ".json" and kinds.implementation_of(file) is not None
        is_beside = file.name in BESIDE_MODELS or file.name.endswith(WARM_UP)
        if file.suffix in DOCUMENTS and file.is_file() and not is_beside and not is_model:
            yield file


def _deployment(path: Path, implementation: str, namespace: str, name: str | None) -> Deployment:
    made = name or legal_name(path.resolve().name if path.is_dir() else path.stem)
    # A worker of a unit's own starts in the same folder, and reads the same path.
    return replace(single(made, None, implementation=implementation, model_uri=str(path)), namespace=namespace)


def legal_name(text: str) -> str:
    """The name of a deployment, made from that of a file: `Iris v2` → `iris-v2`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-") or "model"
