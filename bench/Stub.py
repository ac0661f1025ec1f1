"""The model and the transformer that the benchmark serves: they do nothing, so what is measured is the server."""

from typing import Any


class Stub:
    def predict(self, X: Any, names: Any = None, meta: Any = None) -> Any:
        return X

    def transform_input(self, X: Any, names: Any = None, meta: Any = None) -> Any:
        return X
