"""What a worker of `gaal microservice` does: load the class, serve it on three ports, close it."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from gaal.cli.custom_service import run_beside
from gaal.cli.microservice_settings import MicroserviceSettings
from gaal.cli.pod import read_annotations, whole
from gaal.components.error_handlers import handler_of
from gaal.components.loading import ComponentLoader, split_name
from gaal.components.wrapped_class import Surroundings, WrappedClass
from gaal.executor.events import BATCHES
from gaal.graph.annotations import REST_TIMEOUT
from gaal.graph.deployment import PredictiveUnit, UnitType
from gaal.graph.parameters import from_json, typed
from gaal.messages import Metric
from gaal.observability import prometheus
from gaal.observability.components import METHOD_LABELS, ComponentMetrics, Record
from gaal.observability.microservice import FEEDBACK, REWARD, microservice_labels
from gaal.observability.series import Series
from gaal.transport import microservice_openapi
from gaal.transport.drain import ASGIApp
from gaal.transport.grpc_microservice import InternalServices
from gaal.transport.microservice_apps import GrpcApp, RestApp, metrics_endpoints
from gaal.transport.microservice_rest import ErrorHandler, InternalApi
from gaal.transport.rest import Reply
from gaal.transport.server import Listening, serve_all
from gaal.transport.worker import WorkerContext

logger = logging.getLogger("gaal")

GRPC_MESSAGE_BYTES = "seldon.io/grpc-max-message-size"
REST, GRPC, METRICS = "REST", "gRPC", "metrics"
"""The names of the listeners."""

UNIT_TYPES = {"OUTLIER_DETECTOR": UnitType.MODEL}


@dataclass(frozen=True, slots=True)
class Apps:
    """The apps of one microservice, by listener."""

    rest: RestApp
    grpc: GrpcApp
    metrics: RestApp

    def stop_being_ready(self) -> None:
        self.grpc.health.close()


async def work(context: WorkerContext, settings: MicroserviceSettings, lock: int) -> None:
    """`lock` is a file that all workers share, for what only one of them may do."""
    if context.series_files:
        # What a predecessor had counted carries its process id, and goes with it.
        os.ftruncate(context.series_files[context.slot], 0)
    series = Series(context.series_files, context.slot)
    async with running(settings, series, _counter(settings)) as (apps, node):
        run_beside(node.component, settings.target, settings.parameters, settings.app_dir, lock)
        gc.collect()
        gc.freeze()
        await serve_all(_listening(apps, context, settings), context, on_stop=apps.stop_being_ready)


def _listening(apps: Apps, context: WorkerContext, settings: MicroserviceSettings) -> list[Listening]:
    filters = settings.filter_metrics_access_logs
    logs_metrics = settings.access_log and not (not settings.debug if filters is None else filters)
    shown = {REST: settings.access_log, GRPC: settings.access_log, METRICS: logs_metrics}
    by_name: dict[str, ASGIApp] = {REST: apps.rest, GRPC: apps.grpc, METRICS: apps.metrics}
    return [Listening(by_name[name], sockets, shown[name]) for name, sockets in context.by_listener.items()]


@asynccontextmanager
async def running(
    settings: MicroserviceSettings, series: Series, count: Callable[[], None] = lambda: None
) -> AsyncIterator[tuple[Apps, WrappedClass]]:
    """The apps over a class that is loaded; it is closed on the way out. Raises ComponentLoadError."""
    node = _make_node(settings, series)
    try:
        await node.start()
        yield _make_apps(node, settings, series, count), node
    finally:
        await node.close()


def _make_node(settings: MicroserviceSettings, series: Series) -> WrappedClass:
    metrics = ComponentMetrics(series)
    labels = microservice_labels(
        settings.deployment_id,
        settings.predictor_id,
        settings.predictor_labels,
        settings.unit_id,
        settings.unit_image,
        os.getpid(),
    )

    def recorder(method: str) -> Record:
        if method == BATCHES:  # the wrapper shows what components report, and nothing else
            return lambda metrics: None
        return metrics.labelled({**labels, "method": METHOD_LABELS[method]})

    feedback = recorder("send_feedback")

    def note_reward(reward: float) -> None:
        if reward and settings.executor_enabled:
            feedback([Metric(FEEDBACK, "COUNTER", 1.0), Metric(REWARD, "COUNTER", reward)])

    parameters = from_json(settings.parameters)
    unit = PredictiveUnit(
        name=settings.unit_id or split_name(settings.target)[1],
        type=UNIT_TYPES.get(settings.service_type) or UnitType(settings.service_type),
        implementation="UNKNOWN_IMPLEMENTATION",
        methods=frozenset(),
        parameters=parameters,
        component=settings.target,
        image=settings.unit_image or "",
    )
    surroundings = Surroundings(
        settings.unit_id,
        settings.unit_image,
        _metadata(settings.model_metadata),
        settings.metrics_in_replies,
        note_reward,
    )
    component_class = ComponentLoader(settings.app_dir, Random()).component_class(unit.name, settings.target)
    return WrappedClass(unit, component_class, typed(parameters), recorder, surroundings)


def _make_apps(node: WrappedClass, settings: MicroserviceSettings, series: Series, count: Callable[[], None]) -> Apps:
    annotations = read_annotations(settings.annotations_file)
    timeout_ms = whole(annotations, REST_TIMEOUT)
    api = InternalApi(node, settings.payload_passthrough, None if timeout_ms is None else timeout_ms / 1000)
    endpoints = {**api.endpoints(), microservice_openapi.PATH: microservice_openapi.endpoint()}
    metrics = metrics_endpoints(
        settings.metrics_path, lambda: prometheus.render_reported(series), prometheus.CONTENT_TYPE
    )
    grpc_bytes = whole(annotations, GRPC_MESSAGE_BYTES) or settings.max_message_bytes
    return Apps(
        RestApp(endpoints, settings.max_message_bytes, _error_handler(node), count),
        GrpcApp(InternalServices(node, node.unit.name).methods(), grpc_bytes, count),
        RestApp(metrics, settings.max_message_bytes),
    )


def _error_handler(node: WrappedClass) -> ErrorHandler:
    blueprint = getattr(node.component, "model_error_handler", None)
    if blueprint is None:
        return lambda error: None
    answer = handler_of(blueprint)

    def handle(error: BaseException) -> Reply | None:
        answered = answer(error)
        if answered is None:
            return None
        return Reply(answered.body, answered.status, answered.content_type.encode())

    return handle


def _metadata(text: str) -> Any:
    """What MODEL_METADATA says; text that is no YAML says nothing, as in the original."""
    if not text:
        return {}
    import yaml

    try:
        given: Mapping[str, Any] | None = yaml.safe_load(text)
    except yaml.YAMLError as error:
        logger.error("MODEL_METADATA: must be YAML: %s", error)
        return {}
    return {} if given is None else given


def _counter(settings: MicroserviceSettings) -> Callable[[], None]:
    """To be called with every request; ends this worker, in good order, after as many as it may have."""
    if not settings.max_requests:
        return lambda: None
    left = settings.max_requests + random.randint(0, settings.max_requests_jitter)

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGTERM)

    return count
