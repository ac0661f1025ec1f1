"""A user's class at a unit: the contract of the Seldon Core Python wrapper, read once, at load.

Each operation is `arguments → the user's function → reply`. The signature is looked at when the component loads,
and the call is made in one way ever after. Where it runs is a matter of placement: on the loop for async code and
for `inline`, else on a thread of the unit's own, on which the object is also made and loaded.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from gaal.components.batching import MAX_ROWS, Batches, Bounds, RowWise, split_rows
from gaal.components.boundary import component_error, last_line
from gaal.components.chain import chained, merged, metrics_of
from gaal.components.contract import accepts_keyword, implemented, is_contract_type
from gaal.components.named_features import by_name, takes_dict
from gaal.components.replies import payload_of
from gaal.components.thread import UnitThread
from gaal.errors import ComponentAnswered, ComponentLoadError, ComponentRejected, GaalError, MessageError
from gaal.executor.branches import branch_of
from gaal.executor.context import Context
from gaal.executor.events import BATCHES, RecordMetrics
from gaal.executor.plan import plan_of
from gaal.graph.deployment import Placement, PredictiveUnit
from gaal.messages import Encoding, Feedback, Kind, Message, Meta, Metric, ModelMetadata, Payload
from gaal.protocols import seldon_json, seldon_proto

OPERATIONS = {
    "predict": "predict",
    "transform_input": "inputtransform",
    "transform_output": "outputtransform",
    "route": "router",
    "aggregate": "aggregate",
    "send_feedback": "feedback",
}
"""The methods of the contract, and what the tag `method` on a component's own metrics calls them."""

ROW_WISE = ("predict", "transform_input", "transform_output")
"""The methods whose calls may be joined where a component says `batch = True`."""

Arguments: TypeAlias = tuple[Sequence[Any], Mapping[str, Any]]
Call: TypeAlias = Callable[[Any, Context], Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class Told:
    """What a component said in one call: its answer, and tags and metrics beside it."""

    data: Any
    tags: Mapping[str, Any] | None
    metrics: Sequence[Metric]


@dataclass(frozen=True, slots=True)
class Operation:
    """One way to call one method: what goes in, what is called, and what its answer means.

    `subject` is what came in: a message, a list of messages, or feedback.
    """

    name: str
    function: Callable[..., Any]
    arguments: Callable[[Any], Arguments]
    reply: Callable[[Any, Any], Any]


class UserClass:
    """The node of a unit at which an object of the user's class stands.

    `unit.component` is the code's name, for errors; `component_class(**parameters)` makes the object.
    """

    predict: Call
    transform_input: Call
    transform_output: Call
    route: Call
    aggregate: Call
    send_feedback: Call

    def __init__(
        self,
        unit: PredictiveUnit,
        component_class: Callable[..., Any],
        parameters: Mapping[str, Any],
        recorder: Callable[[str], RecordMetrics],
    ) -> None:
        self.unit = unit
        self._recorder = recorder
        self._class = component_class
        self._parameters = parameters
        self._thread: UnitThread | None = None
        is_async = any(_is_async(component_class, name) for name in OPERATIONS)
        self._on_loop = is_async or unit.placement is Placement.INLINE
        self.immediate = not is_async and unit.placement is Placement.INLINE

    async def start(self) -> None:
        if not self._on_loop:
            self._thread = UnitThread(self.unit.name, self.unit.calls.n_threads, self.unit.calls.max_waiting)
        try:
            await self._load()
        except GaalError:
            raise
        except (Exception, SystemExit) as error:
            raise self._load_error(last_line(error)) from error
        self._require_what_the_graph_calls()
        self._records = {name: self._on_the_loop(self._recorder(name)) for name in OPERATIONS}
        self._max_rows = self._declared_rows()
        self._measure = self._on_the_loop(self._recorder(BATCHES)) if self._max_rows > 1 else None
        for name in OPERATIONS:
            setattr(self, name, self._way_to_call(name))

    async def _load(self) -> None:
        self._component = await self._once(self._class, **self._parameters)
        if implemented(self._component, "load"):
            await self._once(self._component.load)
        self._tags = self._optional("tags")
        self._metrics = self._optional("metrics")
        self._class_names = self._names_source()
        own = await self._once(self._component.init_metadata) if implemented(self._component, "init_metadata") else {}
        self._take_metadata(own)

    def _take_metadata(self, own: Any) -> None:
        """Keep what `init_metadata` returned. Raises MessageError if it is no metadata."""
        name, _, version = self.unit.image.rpartition(":")
        self._metadata = seldon_json.model_metadata_of({"name": name, "versions": [version], **own})

    @property
    def abandoned(self) -> object:
        """The call that its thread is still at although the caller has gone; None where there is none."""
        return self._thread and self._thread.abandoned

    async def close(self) -> None:
        if self._thread is not None:
            await self._thread.close()

    async def metadata(self) -> ModelMetadata:
        return self._metadata

    async def health(self, context: Context) -> Message:
        """The answer of `health_status`. Source of the two texts: the wrapper."""
        if not hasattr(self._component, "health_status"):
            return Message(Payload(Kind.STR_DATA, "healthy"))
        if not implemented(self._component, "health_status"):
            return Message(Payload(Kind.STR_DATA, "not implemented - assuming healthy"))
        try:
            answer = await self._once(self._component.health_status)
            return Message(payload_of(answer, None, None))
        except Exception as error:
            raise component_error(self.unit.name, "health_status", error) from error

    async def reachable(self) -> None:
        pass

    # What the component has.

    def _optional(self, name: str) -> Callable[[], Any] | None:
        return getattr(self._component, name) if implemented(self._component, name) else None

    def _names_source(self) -> Callable[[], Sequence[str]] | None:
        """`class_names` as a method, or as the attribute that older code has."""
        names = getattr(self._component, "class_names", None)
        if names is None or callable(names):
            return self._optional("class_names")
        fixed = tuple(names)
        return lambda: fixed

    def _require_what_the_graph_calls(self) -> None:
        plan, has_children = plan_of(self.unit), bool(self.unit.children)
        called = {
            "predict": plan.on_input == "predict",
            "route": plan.routes and has_children,
            "aggregate": plan.aggregates and has_children,
        }
        for name, is_called in called.items():
            if is_called and not self._has(name) and not self._has(f"{name}_raw"):
                raise self._load_error(f"a {self.unit.type.value} needs a method {name}, or {name}_raw")

    def _has(self, name: str) -> bool:
        return implemented(self._component, name)

    def _load_error(self, what: str) -> ComponentLoadError:
        return ComponentLoadError(self.unit.name, f"{self.unit.component or self.unit.implementation}: {what}")

    # Where its code runs.

    async def _once(self, function: Callable[..., Any], **keywords: Any) -> Any:
        """Call user code outside of any prediction, where this component's code runs."""
        if self._thread is not None:
            answer = await self._thread.run(lambda: function(**keywords))
        else:
            answer = function(**keywords)
        return await answer if inspect.isawaitable(answer) else answer

    def _way_to_call(self, name: str) -> Call:
        """The `_raw` form where there is one; the plain form where there is not, or where the raw one says so."""
        if self._max_rows > 1 and name in ROW_WISE and self._has(name):
            return self._call_together(name)
        plain = self._call(self._operation(name))
        if not self._has(f"{name}_raw"):
            return plain
        raw = self._call(self._raw_operation(name))
        return _falling_back(raw, plain) if self._has(name) else raw

    def _call(self, operation: Operation) -> Call:
        """The operation as the executor calls it."""
        unit, name, function = self.unit.name, operation.name, operation.function
        arguments, reply, thread = operation.arguments, operation.reply, self._thread

        def whole(subject: Any) -> Any:
            try:
                positional, keywords = arguments(subject)
                return reply(function(*positional, **keywords), subject)
            except (Exception, SystemExit) as error:
                raise component_error(unit, name, error) from error

        async def on_loop(subject: Any, context: Context) -> Any:
            try:
                positional, keywords = arguments(subject)
                return reply(await function(*positional, **keywords), subject)
            except (Exception, SystemExit) as error:
                raise component_error(unit, name, error) from error

        async def inline(subject: Any, context: Context) -> Any:
            return whole(subject)

        if inspect.iscoroutinefunction(function):
            return on_loop
        if thread is None:
            return inline
        return _queued(thread, partial(thread.run, whole))

    def _on_the_loop(self, record: RecordMetrics) -> RecordMetrics:
        """Metrics are counted on the loop alone, wherever the code runs that reports them."""
        thread = self._thread
        if thread is None:
            return record

        def hand_over(metrics: Iterable[Metric]) -> None:
            thread.tell(record, metrics)

        return hand_over

    # Calls that are joined.

    def _declared_rows(self) -> int:
        """How many rows may be joined to one call: as the document says, else the component; 1 is for none."""
        said = self.unit.calls.max_batch_rows
        if said is None:
            said = getattr(self._component, "batch", False)
        if not isinstance(said, int) or said < 0:
            raise self._load_error(f"batch must be True, False or a number of rows, got {said!r}")
        max_rows = MAX_ROWS if said is True else max(1, said)
        if max_rows > 1:
            self._require_rows_alone()
        return max_rows if self._thread is not None else 1

    def _require_rows_alone(self) -> None:
        """A call for several requests has no meta of one of them, and no message."""
        for name in ROW_WISE:
            if self._has(f"{name}_raw"):
                raise self._load_error(f"batch joins arrays, and {name}_raw takes whole messages")
            function = getattr(self._component, name, None)
            if inspect.iscoroutinefunction(function):
                raise self._load_error(f"batch is for code that runs on threads, and {name} is async")
            if self._has(name) and takes_dict(getattr(self._component, name)):
                raise self._load_error(f"batch joins arrays, and {name} takes them by name")
            if self._has(name) and accepts_keyword(getattr(self._component, name), "meta"):
                raise self._load_error(f"batch joins requests, and {name} takes meta, of which each has its own")

    def _call_together(self, name: str) -> Call:
        unit, thread, measure = self.unit.name, self._thread, self._measure
        assert thread is not None
        assert measure is not None
        operation = RowWise(
            unit,
            prepare=self._features_of,
            call=self._function(name),
            tell=lambda returned: self._told(returned, name),
            split=self._split,
            reply=self._answered,
            failure=lambda error: component_error(unit, name, error),
        )
        batches = Batches(operation, self._max_rows, measure)
        return _queued(thread, partial(thread.join, batches))

    def _of_message(self, message: Message) -> Arguments:
        return self._features_of(message), {}

    def _features_of(self, message: Message) -> tuple[Any, Sequence[str]]:
        return _features(message), _names(message)

    def _split(self, told: Told, bounds: Bounds) -> list[Told] | None:
        """What was said of several requests, one by one: tags and metrics of a call are those of each."""
        parts = self._split_data(told.data, bounds)
        return None if parts is None else [Told(part, told.tags, told.metrics) for part in parts]

    def _split_data(self, data: Any, bounds: Bounds) -> list[Any] | None:
        return split_rows(data, bounds)

    # What goes in and what comes out.

    def _operation(self, name: str) -> Operation:
        if name == "aggregate":
            return Operation(name, self._function(name), _of_all, self._aggregated)
        if name == "send_feedback":
            return Operation(name, self._function(name), self._of_feedback, self._fed_back)
        function = self._function(name)
        takes_meta = accepts_keyword(function, "meta")
        arguments: Callable[[Any], Arguments] = _of_message_with_meta if takes_meta else self._of_message
        if takes_dict(function):
            arguments = _by_name(arguments)
        if name == "route":
            return Operation(name, function, arguments, self._routed)
        return Operation(name, function, arguments, lambda returned, message: self._reply(returned, message, name))

    def _function(self, name: str) -> Callable[..., Any]:
        if self._has(name):
            function: Callable[..., Any] = getattr(self._component, name)
            return function
        return {"send_feedback": _nothing, "transform_input": _echo, "transform_output": _echo}.get(
            name, self._missing(name)
        )

    def _missing(self, name: str) -> Callable[..., Any]:
        def missing(*_: Any, **__: Any) -> Any:
            raise MessageError(f'unit "{self.unit.name}": {name} is not implemented')

        return missing

    def _reply(self, returned: Any, message: Message, name: str) -> Message:
        return self._answered(self._told(returned, name), message)

    def _told(self, returned: Any, name: str) -> Told:
        tags = None if self._tags is None else dict(self._tags())
        metrics = self._own_metrics(name)
        if not isinstance(returned, np.ndarray) and is_contract_type(returned, "SeldonResponse"):
            tags = {**(tags or {}), **(returned.tags or {})}
            metrics = [*metrics, *metrics_of(self.unit.name, OPERATIONS[name], returned.metrics or [])]
            returned = returned.data
        if metrics:
            self._records[name](metrics)
        return Told(returned, tags, metrics)

    def _answered(self, told: Told, message: Message) -> Message:
        payload = self._payload(told.data, message.payload)
        return Message(payload, self._chained(message.meta, told.tags, told.metrics), None, message.encoding)

    def _payload(self, returned: Any, asked: Payload | None) -> Payload:
        return payload_of(returned, asked, self._class_names)

    def _chained(self, meta: Meta, tags: Mapping[str, Any] | None, metrics: Sequence[Metric]) -> Meta:
        """The meta of a reply to a request with `meta`."""
        return chained(meta, self.unit.name, self.unit.origin, tags, metrics)

    def _aggregated(self, returned: Any, messages: Sequence[Message]) -> Message:
        first = messages[0]
        start = Message(first.payload, merged(messages), None, first.encoding)
        return self._reply(returned, start, "aggregate")

    def _own_metrics(self, name: str) -> Sequence[Metric]:
        return () if self._metrics is None else metrics_of(self.unit.name, OPERATIONS[name], self._metrics())

    def _routed(self, returned: Any, message: Message) -> int:
        if metrics := self._own_metrics("route"):
            self._records["route"](metrics)
        if not isinstance(returned, int):
            raise TypeError(f"Routing response must be int but got {returned!r}")
        return int(returned)

    def _of_feedback(self, feedback: Feedback) -> Arguments:
        features, names = _data_of(feedback.request)
        truth, _ = _data_of(feedback.truth)
        routing = feedback.response.meta.routing.get(self.unit.name) if feedback.response is not None else None
        return (features, names, feedback.reward, truth), {"routing": routing}

    def _fed_back(self, returned: Any, feedback: Feedback) -> Message:
        if metrics := self._own_metrics("send_feedback"):
            self._records["send_feedback"](metrics)
        asked = feedback.request.payload if feedback.request is not None else None
        meta = Meta(feedback.request.meta.puid if feedback.request is not None else "")
        return Message(payload_of([] if returned is None else returned, asked, None), meta, None, feedback.encoding)

    def _raw_operation(self, name: str) -> Operation:
        """The `_raw` form takes and gives whole messages: dicts from JSON, protobuf from gRPC, feedback always so."""
        function = getattr(self._component, f"{name}_raw")
        reply = {"route": _raw_branch, "predict": self._raw_prediction}.get(name, _raw_reply)
        return Operation(name, function, raw_arguments(name), reply)

    def _raw_prediction(self, returned: Any, message: Message) -> Message:
        """A prediction that holds an HTTP status ends the graph, as a unit that answered so over REST would."""
        reply = _raw_reply(returned, message)
        status = reply.status.code if reply.status is not None else 0
        if message.encoding is Encoding.JSON and 200 < status <= 599:
            raise ComponentAnswered(self.unit.name, reply, status)
        return reply


def _queued(thread: UnitThread, enqueue: Callable[[Any], asyncio.Future[Any]]) -> Call:
    """A call that waits for its turn on the thread. It raises QueueFull, and leaves the queue when it is cancelled."""

    async def queued(subject: Any, context: Context) -> Any:
        thread.admit()
        try:
            return await enqueue(subject)
        except asyncio.CancelledError:
            thread.note_gone()
            raise

    return queued


def _is_async(component_class: Callable[..., Any], name: str) -> bool:
    forms = (getattr(component_class, form, None) for form in (name, f"{name}_raw"))
    return any(inspect.iscoroutinefunction(form) for form in forms)


def _features(message: Message) -> Any:
    payload = message.payload
    if payload is None:
        raise MessageError("the message must have one of data, jsonData, strData, binData or customData, got none")
    return payload.array if payload.kind.is_data else payload.value


def _names(message: Message) -> list[str]:
    return list(message.payload.names) if message.payload is not None else []


def _meta(meta: Meta) -> dict[str, Any]:
    """The meta as a component sees it: a dict of its own, with the protocol's keys."""
    shown: dict[str, Any] = {}
    if meta.puid:
        shown["puid"] = meta.puid
    if meta.tags:
        shown["tags"] = dict(meta.tags)
    if meta.routing:
        shown["routing"] = dict(meta.routing)
    if meta.request_path:
        shown["requestPath"] = dict(meta.request_path)
    if meta.metrics:
        shown["metrics"] = seldon_json.object_of(Message(meta=meta))["meta"]["metrics"]
    return shown


def _of_message_with_meta(message: Message) -> Arguments:
    return (_features(message), _names(message)), {"meta": _meta(message.meta)}


def _by_name(arguments: Callable[[Message], Arguments]) -> Callable[[Message], Arguments]:
    """The same arguments, with a dict of arrays as the first."""

    def of_message(message: Message) -> Arguments:
        (features, *others), keywords = arguments(message)
        return (by_name(features, message), *others), keywords

    return of_message


def _of_all(messages: Sequence[Message]) -> Arguments:
    return ([_features(message) for message in messages], [_names(message) for message in messages]), {}


def _data_of(message: Message | None) -> tuple[Any, list[str]]:
    """The array of a part of feedback, empty for any other kind of payload, as the wrapper does it."""
    if message is None or message.payload is None or not message.payload.kind.is_data:
        return np.array([]), []
    return message.payload.array, list(message.payload.names)


def raw_arguments(name: str) -> Callable[[Any], Arguments]:
    """What the `_raw` form of an operation gets of what came in."""
    if name == "aggregate":
        return _raw_list
    return _raw_feedback if name == "send_feedback" else _raw_message


def _raw_message(message: Message) -> Arguments:
    is_json = message.encoding is Encoding.JSON
    return (seldon_json.object_of(message) if is_json else seldon_proto.proto_of(message),), {}


def _raw_list(messages: Sequence[Message]) -> Arguments:
    if messages[0].encoding is Encoding.JSON:
        return (seldon_json.message_list_object(messages),), {}
    return (seldon_proto.message_list_proto(messages),), {}


def _raw_feedback(feedback: Feedback) -> Arguments:
    return (seldon_proto.feedback_proto(feedback),), {}


def _raw_branch(returned: Any, message: Message) -> int:
    return branch_of(_raw_reply(returned, message))


def _raw_reply(returned: Any, subject: Any) -> Message:
    """The message that a `_raw` method gave, as it is: what it does not copy from the request is gone."""
    if isinstance(returned, dict):
        return seldon_json.message_of(returned)
    if hasattr(returned, "DESCRIPTOR"):
        return seldon_proto.message_of(returned)
    raise TypeError(f"a raw method must return a dict or a SeldonMessage, got {returned!r}")


def _falling_back(raw: Call, plain: Call) -> Call:
    async def either(subject: Any, context: Context) -> Any:
        try:
            return await raw(subject, context)
        except ComponentRejected as error:
            if not is_contract_type(error.__cause__, "SeldonNotImplementedError"):
                raise
        return await plain(subject, context)

    return either


def _echo(features: Any, names: Any) -> Any:
    return features


def _nothing(*_: Any, **__: Any) -> None:
    return None
