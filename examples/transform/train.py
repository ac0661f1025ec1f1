"""Makes weights.json: a ridge regression of how far diabetes has progressed, from ten measurements of 442 patients.

The model itself knows only standardised numbers, so weights.json also holds the mean and the spread of each column.
Data: the diabetes set of scikit-learn (Efron, Hastie, Johnstone and Tibshirani, "Least Angle Regression", 2004).
"""

from __future__ import annotations

import json
from pathlib import Path

from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

data = load_diabetes(scaled=False)
measured, progression = data.data, data.target
mean, spread = measured.mean(axis=0), measured.std(axis=0)
model = Ridge(alpha=1.0).fit((measured - mean) / spread, (progression - progression.mean()) / progression.std())
weights = {
    "columns": data.feature_names,
    "mean": mean.round(6).tolist(),
    "spread": spread.round(6).tolist(),
    "coefficients": model.coef_.round(6).tolist(),
    "target_mean": round(progression.mean(), 6),
    "target_spread": round(progression.std(), 6),
    "target_range": [progression.min(), progression.max()],
}
Path(__file__).with_name("weights.json").write_text(json.dumps(weights, indent=1) + "\n")
