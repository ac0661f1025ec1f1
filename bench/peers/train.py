"""Trains the model that every peer serves, with the scikit-learn of its own environment: `python train.py FILE`."""

import sys

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

if __name__ == "__main__":
    sizes, species = load_iris(return_X_y=True)
    joblib.dump(LogisticRegression(max_iter=500).fit(sizes, species), sys.argv[1])
