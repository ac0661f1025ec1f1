"""What a component may derive from and answer with. Neither is needed: any class with the methods will do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from gaal.components.seldon_core.flask_utils import SeldonMicroserviceException

__all__ = ["SeldonComponent", "SeldonNotImplementedError", "SeldonResponse"]


class SeldonNotImplementedError(SeldonMicroserviceException):
    """The component does not do this. From a `_raw` method it means: decode the message and call the plain one."""


class SeldonResponse:
    """A reply that brings tags and metrics of its own, beside those of `tags()` and `metrics()`.

    `data` is anything that the method could have returned by itself. `tags` win over those of the request and of
    `tags()`; `metrics` are added to theirs.
    """

    def __init__(
        self,
        data: Any,
        tags: Mapping[str, Any] | None = None,
        metrics: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        self.data = data
        self.tags = {} if tags is None else tags
        self.metrics = [] if metrics is None else metrics

    @classmethod
    def create(cls, data: Any) -> SeldonResponse:
        """`data` itself if it is a SeldonResponse already, else one around it."""
        return data if isinstance(data, SeldonResponse) else cls(data)

    def __repr__(self) -> str:
        return f"SeldonResponse({self.data!r}, tags={self.tags!r}, metrics={self.metrics!r})"


class SeldonComponent:
    """Every method of the contract, to override those that the component has.

    Those left as they are count as missing: Gaal looks once, when it loads the component, and never calls them. Called
    by hand they raise SeldonNotImplementedError, but for `__init__` and `load`, so that `super()` may be called there.
    """

    def __init__(self, **parameters: Any) -> None:
        """`parameters` are those of the unit in the deployment, each with the type it has there."""

    def load(self) -> None:
        """Get ready: read the model. Called once in each process, before any other method."""

    def predict(self, X: Any, names: Sequence[str], meta: Mapping[str, Any] | None = None) -> Any:
        """The model's answer to `X`: an array, or the text, bytes or JSON value of the message."""
        _missing("predict")

    def transform_input(self, X: Any, names: Sequence[str], meta: Mapping[str, Any] | None = None) -> Any:
        """What the children get to see instead of `X`."""
        _missing("transform_input")

    def transform_output(self, X: Any, names: Sequence[str], meta: Mapping[str, Any] | None = None) -> Any:
        """What the caller gets to see instead of the children's reply `X`."""
        _missing("transform_output")

    def route(self, features: Any, feature_names: Sequence[str], meta: Mapping[str, Any] | None = None) -> Any:
        """The index of the child to call; −1 for all of them, −2 for none."""
        _missing("route")

    def aggregate(self, features_list: Sequence[Any], feature_names_list: Sequence[Sequence[str]]) -> Any:
        """One reply out of those of the children, which come in their order in the graph."""
        _missing("aggregate")

    def send_feedback(
        self, features: Any, feature_names: Sequence[str], reward: float, truth: Any, routing: int | None = None
    ) -> Any:
        """Learn from what became of a prediction. `routing` is the branch that this unit had chosen for it."""
        _missing("send_feedback")

    def predict_raw(self, request: Any) -> Any:
        """As `predict`, with the undecoded message in and out: a dict over REST, a protobuf message over gRPC."""
        _missing("predict_raw")

    def transform_input_raw(self, request: Any) -> Any:
        _missing("transform_input_raw")

    def transform_output_raw(self, request: Any) -> Any:
        _missing("transform_output_raw")

    def route_raw(self, request: Any) -> Any:
        _missing("route_raw")

    def aggregate_raw(self, request: Any) -> Any:
        _missing("aggregate_raw")

    def send_feedback_raw(self, feedback: Any) -> Any:
        """As `send_feedback`, with the protobuf message in, over REST too."""
        _missing("send_feedback_raw")

    def health_status(self) -> Any:
        """How the component is, in any form that `predict` may answer in. Raises if it is not well."""
        _missing("health_status")

    def health_status_raw(self) -> Any:
        _missing("health_status_raw")

    def tags(self) -> dict[str, Any]:
        """JSON values that go into `meta.tags` of every reply."""
        _missing("tags")

    def metrics(self) -> list[dict[str, Any]]:
        """Metrics to record with every reply, as `seldon_core.metrics` makes them."""
        _missing("metrics")

    def class_names(self) -> Iterable[str]:
        """The column names of the reply."""
        _missing("class_names")

    def feature_names(self) -> Iterable[str]:
        """The column names of what the component expects."""
        _missing("feature_names")

    def init_metadata(self) -> dict[str, Any]:
        """What the component says about its model: name, versions, platform, inputs, outputs, custom."""
        _missing("init_metadata")

    def metadata(self) -> dict[str, Any]:
        """Nobody asks for it: `init_metadata` took its place."""
        _missing("metadata")

    def custom_service(self) -> Any:
        """A service of the component's own, to run beside it."""
        _missing("custom_service")


def _missing(method: str) -> NoReturn:
    raise SeldonNotImplementedError(f"{method} is not implemented")
