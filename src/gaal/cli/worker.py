"""What a worker of `gaal serve` does: read the targets, load them, serve them, close them."""

from __future__ import annotations

import gc
import logging
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from gaal.cli.gateway import Gateway
from gaal.cli.model_targets import model_deployments
from gaal.cli.repository import Repository, State, states
from gaal.cli.warm_up import started
from gaal.components.loading import ComponentLoader, split_name
from gaal.components.model_uri import ModelStore, default_cache
from gaal.errors import SettingsError, Violation
from gaal.executor.deployment import RunningDeployment
from gaal.gateway.limits import SharedLimits
from gaal.graph.deployment import Deployment, Placement, Predictor, single
from gaal.observability import prometheus
from gaal.observability.listener import ServerMetrics, UnitMetrics
from gaal.observability.series import Series
from gaal.settings import ServeSettings
from gaal.transport import openapi
from gaal.transport.access import Access
from gaal.transport.app import App
from gaal.transport.caller_types import CallerTypes
from gaal.transport.classifier_grpc import ClassifierService
from gaal.transport.classifier_rest import ClassifierApi
from gaal.transport.classifying import Classifying
from gaal.transport.deployments import Deployments
from gaal.transport.errors import http_status
from gaal.transport.grpc_seldon import SeldonService
from gaal.transport.mlflow_rest import MlflowRest
from gaal.transport.models import ModelPaths, Models
from gaal.transport.open_inference_grpc import OpenInferenceService
from gaal.transport.open_inference_rest import OpenInferenceRest
from gaal.transport.readiness import Readiness
from gaal.transport.repository import FixedModels, ModelRepository
from gaal.transport.rest import Cors
from gaal.transport.server import serve
from gaal.transport.tensorflow_grpc import TensorFlowServices
from gaal.transport.tensorflow_rest import TensorFlowRest
from gaal.transport.token_endpoints import TokenEndpoints
from gaal.transport.worker import WorkerContext

if TYPE_CHECKING:
    from gaal.graph.servers import Servers

logger = logging.getLogger("gaal")


async def work(context: WorkerContext) -> None:
    # Else grpcio prints a line whenever the process of a unit is started: a fork that runs another program at once.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    deployments = read_targets(context.settings)
    for deployment in deployments:
        for warning in deployment.warnings:
            logger.warning("%s: %s", deployment.name, warning)
    series = Series(context.series_files, context.slot)
    limits = SharedLimits(context.limits_file, context.slot, context.n_slots)
    async with running_app(deployments, context.settings, series, limits) as app:
        # What is loaded now stays: the collector need not look at it again and again, least of all in a request.
        gc.collect()
        gc.freeze()
        await serve(app, context, on_stop=app.stop_being_ready)


@asynccontextmanager
async def running_app(
    deployments: Sequence[Deployment], settings: ServeSettings, series: Series, limits: SharedLimits | None = None
) -> AsyncIterator[App]:
    """The ASGI app over deployments that are loaded; they are closed on the way out.

    Raises ComponentLoadError, and StoreError if the settings demand a store that cannot be opened.
    """
    models = ModelStore(settings.model_cache or default_cache(os.environ), dict(settings.volumes), settings.pickle)
    loader = ComponentLoader(settings.app_dir, Random(), settings.max_message_bytes, models)
    listener = UnitMetrics(series, code_of=lambda error: str(http_status(error)))

    def make(deployment: Deployment) -> RunningDeployment:
        return RunningDeployment(deployment, loader.make_node, listener, Random())

    running: list[RunningDeployment] = []
    files = states(read_models(settings)) if settings.model_control != "none" else {}
    try:
        for deployment in deployments:
            running.append(make(deployment))
            await started(running[-1])
        metrics = ServerMetrics(series)
        served = Deployments(running, metrics, settings.request_timeout_s)
        try:
            async with (
                model_repository(served, make, settings, files) as repository,
                Gateway(settings, served, listener, limits) as gateway,
            ):
                yield build_app(served, metrics, repository, gateway, settings, series)
        finally:
            running = [each.running for each in served]
    finally:
        for each in running:
            await each.close()


@asynccontextmanager
async def model_repository(
    served: Deployments,
    make: Callable[[Deployment], RunningDeployment],
    settings: ServeSettings,
    files: Mapping[str, State],
) -> AsyncIterator[ModelRepository]:
    """The models that may change, as the settings say by what. `files` are those of the models as they were read."""
    if settings.model_control == "none":
        yield FixedModels()
        return
    repository = Repository(served, lambda: read_models(settings), make, settings.drain_timeout_s, files)
    try:
        if settings.model_control == "poll":
            repository.watch()
        yield FixedModels() if settings.model_control == "poll" else repository
    finally:
        await repository.close()


def build_app(
    deployments: Deployments,
    metrics: ServerMetrics,
    repository: ModelRepository,
    gateway: Gateway,
    settings: ServeSettings,
    series: Series,
) -> App:
    anonymous = settings.lets_anybody_ask
    access = Access(gateway.accounts, deployments)
    types = CallerTypes(gateway.types, gateway.accounts)
    classifying = Classifying(deployments, gateway.strategies, gateway.types, access, metrics, anonymous=anonymous)
    readiness = Readiness(deployments, settings.full_health_checks)
    models = Models(deployments, readiness, repository)
    protocols = [OpenInferenceRest(models).find, TensorFlowRest(models).find, MlflowRest(models).find]
    return App(
        deployments,
        methods={
            **SeldonService(deployments).methods(),
            **OpenInferenceService(models).methods(),
            **TensorFlowServices(models).methods(),
            **ClassifierService(classifying).methods(),
        },
        render_metrics=lambda: prometheus.render(series),
        show_in_flight=metrics.in_flight.set,
        cors=Cors(settings.cors_allowed_origins, settings.cors_allowed_headers),
        max_message_bytes=settings.max_message_bytes,
        pages={
            **openapi.pages(deployments, types.of_request, needs_token=not anonymous),
            **TokenEndpoints(gateway.issuer).endpoints(),
            **ClassifierApi(classifying).endpoints(),
        },
        readiness=readiness,
        find_endpoint=ModelPaths(models, protocols).find,
        access=None if anonymous else access,
        types_of=types.of_call,
    )


def read_targets(settings: ServeSettings) -> list[Deployment]:
    """The deployments that the command line names. Raises GraphError or SettingsError."""
    deployments = [each for target in settings.targets for each in _read_target(target, settings)]
    names = [(each.namespace, each.name) for each in deployments]
    twice = sorted({f"{namespace}/{name}" for namespace, name in names if names.count((namespace, name)) > 1})
    if twice:
        raise SettingsError([Violation("TARGET", "each deployment may be served once", ", ".join(twice))])
    return deployments


def read_models(settings: ServeSettings) -> list[Deployment]:
    """Those of the targets that are models, as they are now."""
    return [each for target in settings.targets for each in _read_models(target, settings)]


def _read_models(target: str, settings: ServeSettings) -> Sequence[Deployment]:
    found = model_deployments(target, settings.namespace, settings.name)
    return [_placed(each, Placement(settings.placement)) for each in found]


def _read_target(target: str, settings: ServeSettings) -> Sequence[Deployment]:
    if models := _read_models(target, settings):
        return models
    path = Path(target)
    if path.is_dir() or path.suffix in (".yaml", ".yml", ".json"):
        from gaal.graph.load import load  # pydantic and YAML, 100 ms that a bare class need not wait for

        return load(path, _servers(settings.servers))
    if not re.fullmatch(r"[A-Za-z_][\w.]*(:[A-Za-z_]\w*)?", target):
        rule = "must be a SeldonDeployment or model file, a folder of them, or a class as Module or pkg.mod:Class"
        raise SettingsError([Violation("TARGET", rule, target)])
    name = settings.name or _kebab(split_name(target)[1])
    return [_placed(replace(single(name, target), namespace=settings.namespace), Placement(settings.placement))]


def _servers(file: Path | None) -> Servers:
    """The servers by configuration. Raises GraphError for what is wrong in the file."""
    from gaal.graph.servers import NONE, read_servers

    return NONE if file is None else read_servers(file)


def _placed(deployment: Deployment, placement: Placement) -> Deployment:
    """A deployment whose predictors are of one unit each, with that unit placed."""
    placed: list[Predictor] = [
        replace(each, graph=replace(each.graph, placement=placement)) for each in deployment.predictors
    ]
    return replace(deployment, predictors=tuple(placed))


def _kebab(name: str) -> str:
    """IrisClassifier → iris-classifier: the name of a deployment made from that of a class."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_", "-", name).lower()
    return words.strip("-") or "model"
