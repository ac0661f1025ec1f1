"""XGBOOST_SERVER: boosters of XGBoost, as its `save_model` writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gaal.components.model_servers.server import Inputs, ModelServer, Prediction, imported


class XGBoostServer(ModelServer):
    """What the booster's `predict` gives: for a classifier the probabilities.

    `n_threads` are the booster's own, for every call whatever its size. A second one pays from some thousand rows on:
    for one row it takes milliseconds where one thread takes a tenth of one, if the cores are busy. So the default is 1.
    """

    library = "xgboost"
    extra = "xgboost"
    file_names = ("model.json", "model.ubj", "model.bst")
    suffixes = (".json", ".ubj", ".bst")
    parameters: ClassVar[Mapping[str, type]] = {"n_threads": int}

    def __init__(self, n_threads: int = 1) -> None:
        self._n_threads = n_threads

    def load(self, path: Path) -> None:
        xgboost = imported("xgboost", self.extra)
        # By its suffix the library knows two formats; of other files it has to see the content.
        by_suffix = path.suffix in (".json", ".ubj")
        booster = xgboost.Booster(model_file=str(path) if by_suffix else bytearray(path.read_bytes()))
        booster.set_param({"nthread": self._n_threads})
        names = tuple(booster.feature_names or ())
        are_positions = all(re.fullmatch(r"f\d+", name) for name in names)
        self.inputs = Inputs(booster.num_features(), () if are_positions else names, np.float32)
        self.refusals = (xgboost.core.XGBoostError, ValueError)
        self._predict = _in_place(booster) if _is_of_trees(booster) else _by_matrix(xgboost, booster)

    def predict(self, features: Any, names: Sequence[str]) -> Prediction:
        return Prediction(self._predict(features))


def _is_of_trees(booster: Any) -> bool:
    return '"gblinear"' not in booster.save_config()


def _in_place(booster: Any) -> Any:
    # The features have been checked by then.
    return partial(booster.inplace_predict, validate_features=False)


def _by_matrix(xgboost: Any, booster: Any) -> Any:
    names = booster.feature_names
    return lambda features: booster.predict(xgboost.DMatrix(features, feature_names=names))
