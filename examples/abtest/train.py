"""Makes careful.json and bold.json: two logistic regressions that tell three cultivars of wine apart.

The careful one is held back strongly, so it is never very sure; the bold one hardly at all.
Data: the wine set of scikit-learn (178 wines, of which three of the thirteen measurements are used).
"""

from __future__ import annotations

import json
from pathlib import Path

from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression

COLUMNS = ["alcohol", "flavanoids", "color_intensity"]

data = load_wine()
wines = data.data[:, [data.feature_names.index(column) for column in COLUMNS]]
for name, strength in {"careful": 0.02, "bold": 50.0}.items():
    model = LogisticRegression(C=strength, max_iter=10_000).fit(wines, data.target)
    weights = {
        "columns": COLUMNS,
        "coefficients": model.coef_.round(6).tolist(),
        "intercepts": model.intercept_.round(6).tolist(),
    }
    Path(__file__).with_name(f"{name}.json").write_text(json.dumps(weights, indent=1) + "\n")
    print(f"{name}: {model.score(wines, data.target):.3f} of the wines are told right")
