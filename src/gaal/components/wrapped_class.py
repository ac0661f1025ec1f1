"""A user's class behind the internal prediction API: what the Seldon Core Python wrapper does with it.

As in a graph, with the wrapper's own rules where they differ. Nothing need be there: a model without `predict`
answers with an empty array, a transformer gives back what came in. The replies of `route`, `send_feedback` and
`health_status` bring the class's tags and metrics. What a `_raw` method returns goes out as it is. The methods
`<operation>_rest` and `<operation>_grpc` of the first versions come before all others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from google.protobuf.json_format import MessageToDict

from gaal.components.boundary import component_error
from gaal.components.chain import metrics_of
from gaal.components.contract import implemented, is_contract_type
from gaal.components.replies import NoPayload
from gaal.components.seldon_core.flask_utils import SeldonMicroserviceException
from gaal.components.seldon_core.user_model import SeldonResponse
from gaal.components.user_class import OPERATIONS, Arguments, Call, Operation, UserClass, raw_arguments
from gaal.errors import ComponentRejected, MessageError
from gaal.executor.branches import branch_of
from gaal.executor.context import Context
from gaal.executor.events import RecordMetrics
from gaal.graph.deployment import PredictiveUnit
from gaal.messages import Encoding, Feedback, Message, Meta, Metric, ModelMetadata, Payload
from gaal.protocols import model_metadata, seldon_json, seldon_proto
from gaal.protocols.seldon_json import Verbatim, VerbatimList

logger = logging.getLogger("gaal.components")

UNKNOWN_IMAGE = "NOT_IMPLEMENTED:NOT_IMPLEMENTED"
BAD_DATA = "MICROSERVICE_BAD_DATA"
DEFAULT_ROUTER = "0"
"""The name under which feedback tells a router its branch, where the environment gives it no other."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the environment of the process says beside the class.

    `unit_id` is the name in the request path; without one there is no request path. `metadata` wins over what the
    class says of itself; it may hold anything. `on_reward` is told the reward of every feedback, on the event loop.
    """

    unit_id: str | None = None
    image: str | None = None
    metadata: Any = field(default_factory=dict)
    metrics_in_replies: bool = True
    on_reward: Callable[[float], None] = lambda reward: None


class WrappedClass(UserClass):
    """The node of the internal API. `route_message` and `predict_bytes` are what it has beside a node's methods.

    `keeps_documents` says that some method wants the JSON of a message as it came (`Verbatim`).
    """

    route_message: Call
    keeps_documents: bool

    def __init__(
        self,
        unit: PredictiveUnit,
        component_class: Callable[..., Any],
        parameters: Mapping[str, Any],
        recorder: Callable[[str], RecordMetrics],
        surroundings: Surroundings,
    ) -> None:
        super().__init__(unit, component_class, parameters, recorder)
        self._around = surroundings
        self._path = {surroundings.unit_id: surroundings.image or UNKNOWN_IMAGE} if surroundings.unit_id else {}
        self._described: ModelMetadata | None = None

    async def start(self) -> None:
        await super().start()
        self._record_health = self._on_the_loop(self._recorder("health"))
        self.route_message, self.route = self.route, self._branch
        self._feed_back, self.send_feedback = self.send_feedback, self._rewarded
        self.keeps_documents = any(self._has(f"{name}{form}") for name in OPERATIONS for form in ("_raw", "_rest"))

    @property
    def component(self) -> Any:
        """The user's object."""
        return self._component

    async def metadata(self) -> ModelMetadata:
        if self._described is None:
            raise ComponentRejected(self.unit.name, "Model metadata unavailable", 500, "MICROSERVICE_BAD_METADATA")
        return self._described

    async def health(self, context: Context) -> Message:
        """What `health_status_raw` or `health_status` answers."""
        try:
            if self._has("health_status_raw"):
                return _raw_health(await self._once(self._component.health_status_raw))
            answer = await self._once(self._health_source())
            reply: Message = await self._once(partial(self._health, answer))
            return reply
        except Exception as error:
            raise component_error(self.unit.name, "health_status", error) from error

    async def predict_bytes(self, body: bytes | str) -> bytes:
        """The reply of `predict_raw` to a body that nobody has decoded; `body` is text if it came in a form."""
        if not self._has("predict_raw"):
            raise ComponentRejected(self.unit.name, f"Invalid request data type: {body!r}", 400, BAD_DATA)
        try:
            answer = await self._once(partial(self._component.predict_raw, body))
            if isinstance(answer, str):
                return answer.encode()
            if not isinstance(answer, bytes | bytearray):
                raise TypeError(f"the reply to a body that is passed through must be bytes or text, got {answer!r}")
            return bytes(answer)
        except Exception as error:
            raise component_error(self.unit.name, "predict_raw", error) from error

    async def _branch(self, message: Message, context: Context) -> int:
        return branch_of(await self.route_message(message, context))

    async def _rewarded(self, feedback: Feedback, context: Context) -> Message:
        reply: Message = await self._feed_back(feedback, context)
        self._around.on_reward(feedback.reward)
        return reply

    # What the class has

    def _require_what_the_graph_calls(self) -> None:
        """Nothing: what is missing shows when it is called."""

    def _take_metadata(self, own: Any) -> None:
        try:
            self._described = model_metadata.merged(self._around.image or "", own, self._around.metadata)
        except MessageError as error:
            # The class predicts all the same; whoever asks for the metadata gets the error.
            logger.error('unit "%s": %s', self.unit.name, error)

    def _function(self, name: str) -> Callable[..., Any]:
        if name == "predict" and not self._has(name):
            return _nothing_predicted
        return super()._function(name)

    def _missing(self, name: str) -> Callable[..., Any]:
        said = f"{name} is not implemented" if hasattr(self._component, name) else f"{name.capitalize()} not defined"

        def missing(*_: Any, **__: Any) -> Any:
            raise SeldonMicroserviceException(said)

        return missing

    def _health_source(self) -> Callable[[], Any]:
        if not hasattr(self._component, "health_status"):
            return lambda: "healthy"
        if not self._has("health_status"):
            return lambda: "not implemented - assuming healthy"
        source: Callable[[], Any] = self._component.health_status
        return source

    def _way_to_call(self, name: str) -> Call:
        usual = super()._way_to_call(name)
        of_encoding = {Encoding.JSON: self._legacy(name, "rest"), Encoding.PROTO: self._legacy(name, "grpc")}
        if not any(of_encoding.values()):
            return usual

        async def legacy_first(subject: Any, context: Context) -> Any:
            return await (of_encoding[_encoding_of(subject)] or usual)(subject, context)

        return legacy_first

    def _legacy(self, name: str, transport: str) -> Call | None:
        """The method of the first versions that took what `transport` had brought, undecoded."""
        method = f"{name}_{transport}"
        if not implemented(self._component, method):
            return None
        arguments = _feedback_text if method == "send_feedback_rest" else _raw_arguments(name)
        function = getattr(self._component, method)
        return self._call(Operation(name, function, arguments, partial(self._raw_answer, name)))

    # What goes in and what comes out

    def _payload(self, returned: Any, asked: Payload | None) -> Payload:
        try:
            return super()._payload(returned, asked)
        except NoPayload as error:
            raise SeldonMicroserviceException(str(error)) from None

    def _chained(self, meta: Meta, tags: Mapping[str, Any] | None, metrics: Sequence[Metric]) -> Meta:
        shown = metrics if self._around.metrics_in_replies else ()
        return Meta(
            meta.puid,
            {**meta.tags, **tags} if tags else meta.tags,
            {},
            {**self._path, **meta.request_path} if self._path else meta.request_path,
            [*meta.metrics, *shown] if shown else meta.metrics,
        )

    def _routed(self, returned: Any, message: Message) -> Any:
        """The whole reply of a router: its branch as an array, its own tags and metrics, but none of the request's."""
        is_response = is_contract_type(returned, "SeldonResponse")
        branch = returned.data if is_response else returned
        if not isinstance(branch, int):
            raise SeldonMicroserviceException(f"Routing response must be int but got {branch}")
        answer: Any = np.array([[branch]])
        if is_response:
            answer = SeldonResponse(answer, returned.tags, returned.metrics)
        return self._reply(answer, _only_puid(message, message.encoding), "route")

    def _of_feedback(self, feedback: Feedback) -> Arguments:
        positional, _ = super()._of_feedback(feedback)
        routing = feedback.response.meta.routing if feedback.response is not None else {}
        return positional, {"routing": routing.get(self._around.unit_id or DEFAULT_ROUTER)}

    def _fed_back(self, returned: Any, feedback: Feedback) -> Message:
        request = _only_puid(feedback.request or Message(), feedback.encoding)
        return self._reply([] if returned is None else returned, request, "send_feedback")

    def _health(self, returned: Any) -> Message:
        tags = None if self._tags is None else dict(self._tags())
        metrics = () if self._metrics is None else metrics_of(self.unit.name, "health", self._metrics())
        if metrics:
            self._record_health(metrics)
        return Message(self._payload(returned, None), self._chained(Meta(), tags, metrics))

    def _raw_operation(self, name: str) -> Operation:
        function = getattr(self._component, f"{name}_raw")
        return Operation(name, function, _raw_arguments(name), partial(self._raw_answer, name))

    def _raw_answer(self, name: str, returned: Any, subject: Any) -> Message:
        """The reply as it is; over REST a dict with all its keys. Its metrics are recorded."""
        if isinstance(returned, dict):
            return self._raw_document(name, returned, _encoding_of(subject))
        if not hasattr(returned, "DESCRIPTOR"):
            raise TypeError(f"{name}: a raw method must return a dict or a SeldonMessage, got {returned!r}")
        if _encoding_of(subject) is Encoding.JSON:
            return self._raw_document(name, MessageToDict(returned), Encoding.JSON)
        message = seldon_proto.message_of(returned)
        self._note(name, message.meta.metrics)
        if message.meta.metrics and not self._around.metrics_in_replies:
            message.meta = replace(message.meta, metrics=())
        return message

    def _raw_document(self, name: str, returned: dict[str, Any], encoding: Encoding) -> Message:
        meta = returned.get("meta")
        if isinstance(meta, dict) and (metrics := meta.get("metrics")):
            self._note(name, metrics_of(self.unit.name, OPERATIONS[name], metrics))
            if not self._around.metrics_in_replies:
                returned = {**returned, "meta": {key: meta[key] for key in meta if key != "metrics"}}
        return Verbatim(document=returned) if encoding is Encoding.JSON else seldon_json.message_of(returned)

    def _note(self, name: str, metrics: Sequence[Metric] | None) -> None:
        if metrics:
            self._records[name](metrics)


def _encoding_of(subject: Any) -> Encoding:
    if isinstance(subject, Message | Feedback):
        return subject.encoding
    return subject[0].encoding if subject else Encoding.JSON


def _only_puid(message: Message, encoding: Encoding) -> Message:
    """The message without what else its meta holds: some replies take nothing from it."""
    return Message(message.payload, Meta(message.meta.puid), None, encoding)


def _raw_arguments(name: str) -> Callable[[Any], Arguments]:
    """As in a graph, but JSON as it came wherever it was kept."""
    usual = raw_arguments(name)

    def arguments(subject: Any) -> Arguments:
        is_verbatim = isinstance(subject, Verbatim | VerbatimList)
        return ((subject.document,), {}) if is_verbatim else usual(subject)

    return arguments


def _feedback_text(feedback: Feedback) -> Arguments:
    """Feedback as JSON text, for the method of the first versions."""
    return (seldon_json.encode_feedback(feedback, bare_non_finite=True).decode(),), {}


def _raw_health(returned: Any) -> Message:
    return Verbatim(document=returned) if isinstance(returned, dict) else seldon_proto.message_of(returned)


def _nothing_predicted(features: Any, names: Any) -> Any:
    return []
