"""Makes weights.json: three models of different kinds that tell three cultivars of wine apart.

Data: the wine set of scikit-learn (178 wines, of which four of the thirteen measurements are used).
"""

from __future__ import annotations

import json
from pathlib import Path

from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

COLUMNS = ["alcohol", "flavanoids", "color_intensity", "hue"]

data = load_wine()
wines = data.data[:, [data.feature_names.index(column) for column in COLUMNS]]
logistic = LogisticRegression(C=1.0, max_iter=10_000).fit(wines, data.target)
bayes = GaussianNB().fit(wines, data.target)
tree = DecisionTreeClassifier(max_leaf_nodes=5, random_state=0).fit(wines, data.target).tree_
weights = {
    "columns": COLUMNS,
    "logistic": {"coefficients": logistic.coef_.round(6).tolist(), "intercepts": logistic.intercept_.round(6).tolist()},
    "bayes": {
        "means": bayes.theta_.round(6).tolist(),
        "variances": bayes.var_.round(6).tolist(),
        "priors": bayes.class_prior_.round(6).tolist(),
    },
    # Node by node: the column and the threshold to compare with, where to go next, and what a leaf says.
    "tree": {
        "columns": tree.feature.tolist(),
        "thresholds": tree.threshold.round(6).tolist(),
        "left": tree.children_left.tolist(),
        "right": tree.children_right.tolist(),
        "probabilities": tree.value[:, 0].round(6).tolist(),
    },
}
Path(__file__).with_name("weights.json").write_text(json.dumps(weights, indent=1) + "\n")
