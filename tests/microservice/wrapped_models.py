"""Classes as users write them for the wrapper: the replies to them in recorded.json are the original's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from seldon_core.flask_utils import SeldonMicroserviceException  # type: ignore[import-not-found]
from seldon_core.user_model import (  # type: ignore[import-not-found]
    SeldonComponent,
    SeldonNotImplementedError,
    SeldonResponse,
)


class Echo:
    """Gives back what comes in."""

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:
        return X


class EchoAll:
    """Every operation, each as plain as it can be."""

    def predict(self, X: Any, names: Any) -> Any:
        return X

    def transform_input(self, X: Any, names: Any) -> Any:
        return X

    def transform_output(self, X: Any, names: Any) -> Any:
        return X

    def route(self, X: Any, names: Any) -> int:
        return 1

    def aggregate(self, X: Any, names: Any) -> Any:
        return X[0]

    def send_feedback(self, features: Any, names: Any, reward: float, truth: Any, routing: Any) -> Any:
        return [reward, -1.0 if routing is None else routing]


VALUES: dict[str, Any] = {
    "dict": {"b": 1, "a": [1, 2.5, None, "ü"]},
    "bytes": b"\x00\x01gaal",
    "bytearray": bytearray(b"gaal"),
    "str": "héllo",
    "floats": [[0.1, 2.0], [3.0, 1e-9]],
    "ints": [[1, 2]],
    "vector": [1.5, 2.5],
    "scalars": np.array(3.0),
    "cube": np.arange(8).reshape(2, 2, 2),
    "float32": np.array([[0.5, 0.1]], dtype=np.float32),
    "uint8": np.array([[1, 2]], dtype=np.uint8),
    "words": ["hello", "world"],
    "rows of words": [["a", "b"]],
    "bools": np.array([[True, False]]),
    "objects": np.array([[1, "a", None]], dtype=object),
    "nan": [[float("nan"), float("inf"), -float("inf"), 1.0]],
    "empty": [],
    "int": 3,
    "float": 1.5,
    "tuple": (1, 2),
    "none": None,
    "numpy int": np.int64(3),
    "bool": True,
}


class Returns:
    """Answers everything with one of VALUES."""

    def __init__(self, what: str = "floats") -> None:
        self.value = VALUES[what]

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:
        return self.value

    def transform_input(self, X: Any, names: Any, meta: Any = None) -> Any:
        return self.value

    def transform_output(self, X: Any, names: Any, meta: Any = None) -> Any:
        return self.value

    def route(self, X: Any, names: Any) -> Any:
        return self.value

    def aggregate(self, X: Any, names: Any) -> Any:
        return self.value

    def send_feedback(self, features: Any, names: Any, reward: float, truth: Any, routing: Any) -> Any:
        return self.value

    def health_status(self) -> Any:
        return self.value


class Nothing:
    """Has no method at all."""


class Based(SeldonComponent):  # type: ignore[misc]
    """Has no method of its own."""


class Named:
    """Names its columns by a method."""

    def predict(self, X: Any, names: Any) -> Any:
        return X

    def class_names(self) -> list[str]:
        return ["left", "right"]


class NamedByAttribute:
    """Names its columns as older code does."""

    def __init__(self) -> None:
        self.class_names = ["proba"]

    def predict(self, X: Any, names: Any) -> Any:
        return X


class Measured:
    """Has tags and metrics."""

    def predict(self, X: Any, names: Any) -> Any:
        return X

    def transform_input(self, X: Any, names: Any) -> Any:
        return X

    def transform_output(self, X: Any, names: Any) -> Any:
        return X

    def route(self, X: Any, names: Any) -> int:
        return 0

    def aggregate(self, X: Any, names: Any) -> Any:
        return X[0]

    def send_feedback(self, features: Any, names: Any, reward: float, truth: Any, routing: Any) -> Any:
        return None

    def health_status(self) -> Any:
        return [0.5]

    def tags(self) -> dict[str, Any]:
        return {"mine": 1, "word": "w"}

    def metrics(self) -> list[dict[str, Any]]:
        return [
            {"type": "COUNTER", "key": "hits", "value": 1},
            {"type": "GAUGE", "key": "level", "value": 100, "tags": {"branch": "a"}},
            {"type": "TIMER", "key": "took", "value": 20.2},
        ]


class Responds(SeldonComponent):  # type: ignore[misc]
    """Answers with a SeldonResponse."""

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:
        return SeldonResponse(
            data=X, tags={"own": True, "mine": 2}, metrics=[{"type": "COUNTER", "key": "own", "value": 2}]
        )

    def tags(self) -> dict[str, Any]:
        return {"mine": 1}

    def metrics(self) -> list[dict[str, Any]]:
        return [{"type": "COUNTER", "key": "hits", "value": 1}]


class BadMetric:
    """Reports something that is no metric."""

    def predict(self, X: Any, names: Any) -> Any:
        return X

    def metrics(self) -> list[dict[str, Any]]:
        return [{"type": "BAD", "key": "hits", "value": 1}]


class Raw:
    """Takes and gives whole messages."""

    def predict_raw(self, message: Any) -> Any:
        return {"data": {"ndarray": [[1, 2]], "zzz": 1}, "meta": {"tags": {"raw": 1}}, "more": "b<a"}

    def transform_input_raw(self, message: Any) -> Any:
        return message

    def transform_output_raw(self, message: Any) -> Any:
        return message

    def route_raw(self, message: Any) -> Any:
        return {"data": {"ndarray": [1]}}

    def aggregate_raw(self, messages: Any) -> Any:
        return {"strData": str(type(messages).__name__)}

    def health_status_raw(self) -> Any:
        return {"strData": "raw", "free": 1}


class RawStatus:
    """Answers with an HTTP status of its own."""

    def __init__(self, code: int = 400) -> None:
        self.code = code

    def predict_raw(self, message: Any) -> Any:
        return {"status": {"code": self.code, "info": "teapot", "reason": "R", "status": 1}, "strData": "x"}

    def transform_input_raw(self, message: Any) -> Any:
        return {"status": {"code": self.code}}


class RawMetrics:
    """Its raw replies bring metrics."""

    def predict_raw(self, message: Any) -> Any:
        return {"strData": "x", "meta": {"metrics": [{"type": "COUNTER", "key": "rawhits", "value": 3}]}}


class RawFallsBack(SeldonComponent):  # type: ignore[misc]
    """Its raw method says that it does not do this."""

    def predict_raw(self, message: Any) -> Any:
        raise SeldonNotImplementedError("not this way")

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:
        return X


class Legacy:
    """The methods of the first versions."""

    def predict_rest(self, request: Any) -> Any:
        return {"strData": "rest", "seen": sorted(request)}

    def transform_input_rest(self, request: Any) -> Any:
        return {"strData": "input rest"}

    def transform_output_rest(self, request: Any) -> Any:
        return {"strData": "output rest"}

    def route_rest(self, request: Any) -> Any:
        return {"data": {"ndarray": [2]}}

    def aggregate_rest(self, request: Any) -> Any:
        return {"strData": "aggregate rest"}

    def send_feedback_rest(self, feedback: Any) -> Any:
        return {"strData": str(type(feedback).__name__)}


class Fails:
    """Raises in every operation."""

    def __init__(self, how: str = "plain") -> None:
        self.how = how

    def _raise(self) -> Any:
        if self.how == "plain":
            raise ValueError("my words")
        if self.how == "empty":
            raise RuntimeError
        if self.how == "refused":
            raise SeldonMicroserviceException("no", status_code=418, reason="TEAPOT")
        if self.how == "default":
            raise SeldonMicroserviceException("no")
        raise SystemExit(3)

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:
        return self._raise()

    def transform_input(self, X: Any, names: Any, meta: Any = None) -> Any:
        return self._raise()

    def route(self, X: Any, names: Any, meta: Any = None) -> Any:
        return self._raise()

    def aggregate(self, X: Any, names: Any) -> Any:
        return self._raise()

    def send_feedback(self, features: Any, names: Any, reward: float, truth: Any, routing: Any) -> Any:
        return self._raise()

    def health_status(self) -> Any:
        return self._raise()


class Described:
    """Has metadata."""

    def predict(self, X: Any, names: Any) -> Any:
        return X

    def init_metadata(self) -> dict[str, Any]:
        return {
            "name": "my-model",
            "versions": ["v1", "v2"],
            "platform": "numpy",
            "inputs": [{"messagetype": "tensor", "schema": {"names": ["a", "b"], "shape": [2]}}],
            "outputs": [{"name": "out", "datatype": "FP32", "shape": [1]}],
            "custom": {"team": "x"},
        }


BAD_METADATA: dict[str, dict[str, Any]] = {
    "inputs": {"inputs": [{"messagetype": "tensor", "schema": {"shape": "2"}}]},
    "versions": {"versions": "v1"},
    "key": {"extra": 1},
    "str with schema": {"inputs": [{"messagetype": "strData", "schema": {}}]},
    "free": {"inputs": [{"messagetype": "anything", "schema": {"any": 1}}]},
    "json": {"inputs": [{"messagetype": "jsonData", "schema": {"type": "object"}}]},
    "datatype": {"inputs": [{"name": "x", "datatype": "FP99", "shape": [1]}]},
    "custom": {"custom": {"a": 1}},
}


class BadlyDescribed:
    """Has metadata that is none."""

    def __init__(self, what: str = "inputs") -> None:
        self.own = BAD_METADATA[what]

    def predict(self, X: Any, names: Any) -> Any:
        return X

    def init_metadata(self) -> dict[str, Any]:
        return self.own


class PassThrough:
    """Wants the bodies as they come."""

    def predict_raw(self, body: Any) -> Any:
        return f"{type(body).__name__} of {len(body)}".encode()


class RawFeedback:
    """Gives back the request of a feedback."""

    def send_feedback_raw(self, feedback: Any) -> Any:
        return feedback.request


class MyError(Exception):
    """An error that Handled has a handler for."""


class Handled:
    """Answers its own errors by a Flask blueprint."""

    def __init__(self, how: str = "mine") -> None:
        import flask  # only the environment of the original and that of the tests have it

        self.how = how
        self.model_error_handler = flask.Blueprint("errors", __name__)

        @self.model_error_handler.app_errorhandler(MyError)
        def handle(error: MyError) -> Any:
            reply = flask.jsonify({"status": {"code": 7, "info": str(error)}})
            reply.status_code = 422
            return reply

    def predict(self, X: Any, names: Any) -> Any:
        raise MyError("mine") if self.how == "mine" else ValueError("other")
