"""Makes weights.json: three models that tell benign from malignant tumours, two of them by all five measurements.

Data: the Wisconsin breast cancer set of scikit-learn (569 tumours, of which five of thirty measurements are used).
"""

from __future__ import annotations

import json
from pathlib import Path

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

COLUMNS = ["worst area", "mean texture", "worst smoothness", "mean concave points", "worst symmetry"]

data = load_breast_cancer()
tumours = data.data[:, [list(data.feature_names).index(column) for column in COLUMNS]]
malignant = 1 - data.target
mean, spread = tumours.mean(axis=0), tumours.std(axis=0)
scores = (tumours - mean) / spread
quick = LogisticRegression().fit(scores[:, :1], malignant)
logistic = LogisticRegression().fit(scores, malignant)
bayes = GaussianNB().fit(scores, malignant)
weights = {
    "columns": COLUMNS,
    "mean": mean.round(6).tolist(),
    "spread": spread.round(6).tolist(),
    "quick": {"coefficients": quick.coef_[0].round(6).tolist(), "intercept": round(quick.intercept_[0], 6)},
    "logistic": {"coefficients": logistic.coef_[0].round(6).tolist(), "intercept": round(logistic.intercept_[0], 6)},
    "bayes": {
        "means": bayes.theta_.round(6).tolist(),
        "variances": bayes.var_.round(6).tolist(),
        "priors": bayes.class_prior_.round(6).tolist(),
    },
}
Path(__file__).with_name("weights.json").write_text(json.dumps(weights, indent=1) + "\n")
