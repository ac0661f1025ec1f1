import os

import joblib


class Iris:
    def __init__(self):
        self.model = joblib.load(os.environ["MODEL"])

    def predict(self, X, names, meta=None):
        return self.model.predict_proba(X)
