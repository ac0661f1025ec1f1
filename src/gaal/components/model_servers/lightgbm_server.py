"""LIGHTGBM_SERVER: boosters of LightGBM, as its `save_model` writes them, a text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gaal.components.model_servers.cores import n_cores
from gaal.components.model_servers.server import Inputs, ModelError, ModelServer, Prediction, imported

FIRST_LINE = b"tree"

ROWS_A_THREAD = 256
"""Fewer rows are computed before a second thread has begun."""


class LightGBMServer(ModelServer):
    """What the booster's `predict` gives: for a classifier the probabilities.

    `n_threads` are the booster's own; without it, as many as there are cores.
    """

    library = "lightgbm"
    extra = "lightgbm"
    file_names = ("model.txt", "model.bst")
    suffixes = (".txt", ".bst", ".lgb")
    parameters: ClassVar[Mapping[str, type]] = {"n_threads": int}

    def __init__(self, n_threads: int = 0) -> None:
        self._n_threads = n_threads or n_cores()

    def load(self, path: Path) -> None:
        lightgbm = imported("lightgbm", self.extra)
        if not is_lightgbm(path):
            raise ModelError(f'{path}: expected a text of LightGBM, whose first line is "tree"')
        _require_whole(path)
        self._booster = lightgbm.Booster(model_file=str(path))
        names = tuple(self._booster.feature_name())
        are_positions = all(re.fullmatch(r"Column_\d+", name) for name in names)
        self.inputs = Inputs(self._booster.num_feature(), () if are_positions else names, np.float64)
        self.refusals = (lightgbm.basic.LightGBMError, ValueError)

    def predict(self, features: Any, names: Sequence[str]) -> Prediction:
        n_threads = min(self._n_threads, 1 + len(features) // ROWS_A_THREAD)
        return Prediction(self._booster.predict(features, num_threads=n_threads, validate_features=False))


def is_lightgbm(path: Path) -> bool:
    """Whether a file is a model of LightGBM in its text form."""
    with path.open("rb") as file:
        return file.readline(16).strip() == FIRST_LINE


def _require_whole(path: Path) -> None:
    """The trees are as long as the head of the file says. Of others the library ends the whole process."""
    content = path.read_bytes()
    sizes = re.search(rb"^tree_sizes=([\d ]*)$", content, re.MULTILINE)
    start = content.find(b"\nTree=0\n") + 1
    expected = sum(map(int, sizes[1].split())) if sizes else 0
    if not sizes or content[start + expected :][:12] != b"end of trees":
        raise ModelError(f"{path}: expected trees of {expected} bytes and the end after them: the file is not whole")
