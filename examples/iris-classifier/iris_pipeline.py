"""Trains the iris model and saves it as a pipeline: the folder `iris-pipeline`, or the one that is named.

The data set is the one that scikit-learn brings along: 150 flowers, four sizes in centimetres, three species.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import seldon.pipeline.util as sutl
from seldon.xgb import XGBoostClassifier
from sklearn.datasets import load_iris
from sklearn.pipeline import Pipeline

PIPELINE = Path(__file__).with_name("iris-pipeline")


def flowers() -> pd.DataFrame:
    """A row a flower: the sizes f1 to f4, the number of the species, and its name."""
    iris = load_iris()
    table = pd.DataFrame(iris.data, columns=["f1", "f2", "f3", "f4"])
    table["nameId"] = iris.target
    table["name"] = [f"Iris-{iris.target_names[species]}" for species in iris.target]
    return table


def train() -> Pipeline:
    # One thread and a seed: the same model each time.
    xgb = XGBoostClassifier(
        target="nameId", target_readable="name", excluded=["name"], learning_rate=0.1, silent=0, n_jobs=1, seed=0
    )
    return Pipeline([("xgb", xgb)]).fit(flowers())


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else str(PIPELINE)
    sutl.PipelineWrapper().save_pipeline(train(), folder)
    print(f"Saved the pipeline in {folder}")
