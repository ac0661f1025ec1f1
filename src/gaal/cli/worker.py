"""What a worker of `gaal serve` does: read the targets, load them, serve them, close them."""

from __future__ import annotations

import gc
import logging
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

from gaal.cli.gateway import Gateway
from gaal.components.loading import ComponentLoader, split_name
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
from gaal.transport.rest import Cors
from gaal.transport.server import serve
from gaal.transport.token_endpoints import TokenEndpoints
from gaal.transport.worker import WorkerContext

logger = logging.getLogger("gaal")


async def work(context: WorkerContext) -> None:
    # Else grpcio prints a line whenever the process of a unit is started: a fork that runs another program at once.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    deployments = read_targets(context.settings)
    for deployment in deployments:
        for warning in deployment.warnings:
            logger.warning("%s: %s", deployment.name, warning)
        if deployment.protocol != "seldon":
            logger.warning(
                '%s: spec.protocol: requests are taken in the Seldon protocol alone (got "%s")',
                deployment.name,
                deployment.protocol,
            )
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
    loader = ComponentLoader(settings.app_dir, Random(), settings.max_message_bytes)
    listener = UnitMetrics(series, code_of=lambda error: str(http_status(error)))
    running = [RunningDeployment(each, loader.make_node, listener, Random()) for each in deployments]
    started: list[RunningDeployment] = []
    try:
        for each in running:
            started.append(each)
            await each.start()
        metrics = ServerMetrics(series)
        served = Deployments(running, metrics, settings.request_timeout_s)
        async with Gateway(settings, served, listener, limits) as gateway:
            yield build_app(served, gateway, settings, series, metrics)
    finally:
        for each in started:
            await each.close()


def build_app(
    deployments: Deployments, gateway: Gateway, settings: ServeSettings, series: Series, metrics: ServerMetrics
) -> App:
    anonymous = settings.lets_anybody_ask
    access = Access(gateway.accounts, deployments)
    types = CallerTypes(gateway.types, gateway.accounts)
    classifying = Classifying(deployments, gateway.strategies, gateway.types, access, metrics, anonymous=anonymous)
    return App(
        deployments,
        methods={**SeldonService(deployments).methods(), **ClassifierService(classifying).methods()},
        render_metrics=lambda: prometheus.render(series),
        show_in_flight=metrics.in_flight.set,
        cors=Cors(settings.cors_allowed_origins, settings.cors_allowed_headers),
        max_message_bytes=settings.max_message_bytes,
        pages={
            **openapi.pages(deployments, types.of_request),
            **TokenEndpoints(gateway.issuer).endpoints(),
            **ClassifierApi(classifying).endpoints(),
        },
        full_health_checks=settings.full_health_checks,
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


def _read_target(target: str, settings: ServeSettings) -> Sequence[Deployment]:
    path = Path(target)
    if path.is_dir() or path.suffix in (".yaml", ".yml", ".json"):
        from gaal.graph.load import load  # pydantic and YAML, 100 ms that a bare class need not wait for

        return load(path)
    if not re.fullmatch(r"[A-Za-z_][\w.]*(:[A-Za-z_]\w*)?", target):
        rule = "must be a SeldonDeployment file, a folder of them, or a class as Module or pkg.mod:Class"
        raise SettingsError([Violation("TARGET", rule, target)])
    name = settings.name or _kebab(split_name(target)[1])
    return [_placed(replace(single(name, target), namespace=settings.namespace), Placement(settings.placement))]


def _placed(deployment: Deployment, placement: Placement) -> Deployment:
    """A deployment of one unit, with that unit placed."""
    [predictor] = deployment.predictors
    placed: Predictor = replace(predictor, graph=replace(predictor.graph, placement=placement))
    return replace(deployment, predictors=(placed,))


def _kebab(name: str) -> str:
    """IrisClassifier → iris-classifier: the name of a deployment made from that of a class."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_", "-", name).lower()
    return words.strip("-") or "model"
