"""Trains the iris model and writes it to model.json, unless it is there. `python train.py --again` trains anew.

The data set is the one that scikit-learn brings along: 150 flowers, four sizes in centimetres, three species.
"""

from __future__ import annotations

import sys
from pathlib import Path

MODEL = Path(__file__).with_name("model.json")


def train(path: Path) -> None:
    import xgboost
    from sklearn.datasets import load_iris

    sizes, species = load_iris(return_X_y=True)
    # One thread and a seed: the same model each time.
    model = xgboost.XGBClassifier(n_estimators=20, max_depth=3, random_state=0, n_jobs=1)
    model.fit(sizes, species)
    # Under another name first: a model file is whole or not there.
    unfinished = path.with_name("unfinished.json")
    model.save_model(unfinished)
    unfinished.replace(path)


if __name__ == "__main__":
    if "--again" in sys.argv or not MODEL.exists():
        train(MODEL)
        print(f"Trained {MODEL}")
    else:
        print(f"{MODEL} is already trained")
