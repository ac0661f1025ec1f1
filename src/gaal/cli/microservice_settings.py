"""Every setting of `gaal microservice`: those of `seldon-core-microservice`, and a few of Gaal's own."""

# ruff: noqa: RUF009 – `setting` makes a dataclass field, as `field` does.

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gaal.errors import SettingsError, Violation
from gaal.settings import (
    BYTES,
    DIRECTORY,
    SWITCH,
    TEXT,
    Kind,
    ServeSettings,
    read_values,
    seconds,
    setting,
    table_of,
    whole_number,
)

SERVICE_TYPES = ("MODEL", "ROUTER", "TRANSFORMER", "COMBINER", "OUTLIER_DETECTOR")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
PORT = whole_number(0, 65535)
NO_EFFECT = "Taken, and has no effect:"


def one_of_words(*choices: str) -> Kind:
    """One of some words in capitals, written in any case."""

    def parse(text: str) -> str:
        if text.upper() not in choices:
            raise ValueError
        return text.upper()

    return Kind("choice", f"one of {', '.join(choices)}", parse)


TEXT_OR_NONE = Kind("text", "text", str)
PATH = Kind("file", "a path", Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroserviceSettings:
    """The settings of one microservice. Make it with `read_microservice_settings`."""

    target: str = setting(TEXT, "", "The class: `Module`, or `pkg.mod.Class`.", environment="MODEL_NAME", option=False)
    service_type: str = setting(
        one_of_words(*SERVICE_TYPES),
        "MODEL",
        f"What the class is. {NO_EFFECT} every operation is always there.",
        environment="SERVICE_TYPE",
    )
    parameters: str = setting(
        TEXT_OR_NONE,
        "[]",
        'What the class is made with: JSON, `[{"name":…,"value":…,"type":…}]`.',
        environment="PREDICTIVE_UNIT_PARAMETERS",
    )
    http_port: int = setting(PORT, 9000, "The port for REST.", environment="PREDICTIVE_UNIT_HTTP_SERVICE_PORT")
    grpc_port: int = setting(PORT, 5000, "The port for gRPC.", environment="PREDICTIVE_UNIT_GRPC_SERVICE_PORT")
    metrics_port: int = setting(PORT, 6000, "The port for metrics.", environment="PREDICTIVE_UNIT_METRICS_SERVICE_PORT")
    workers: int = setting(whole_number(1, 1024), 1, "How many processes serve.", environment="GUNICORN_WORKERS")
    grpc_workers: int = setting(
        whole_number(0, 1024),
        1,
        "At least so many processes serve; each answers REST and gRPC. 0 turns gRPC off.",
        environment="GRPC_WORKERS",
    )
    log_level: str = setting(one_of_words(*LOG_LEVELS), "INFO", "From which level on to log.")
    debug: bool = setting(SWITCH, False, "Log everything.", environment="SELDON_DEBUG")
    access_log: bool = setting(SWITCH, False, "Log every request to stderr.", environment="GUNICORN_ACCESS_LOG")
    pidfile: Path | None = setting(PATH, None, "Where to write the process id.")
    max_requests: int = setting(
        whole_number(0),
        0,
        "After how many requests a process is replaced by a new one. 0 is never.",
        environment="GUNICORN_MAX_REQUESTS",
    )
    max_requests_jitter: int = setting(
        whole_number(0),
        0,
        "Up to how many requests more it may be, by chance, so that not all are replaced at once.",
        environment="GUNICORN_MAX_REQUESTS_JITTER",
    )
    threads: int = setting(
        whole_number(1),
        1,
        f"{NO_EFFECT} a class runs on one thread, async code on the event loop.",
        environment="GUNICORN_THREADS",
    )
    grpc_threads: int = setting(whole_number(1), 1, f"{NO_EFFECT} as --threads.", environment="GRPC_THREADS")
    single_threaded: bool = setting(SWITCH, False, f"{NO_EFFECT} as --threads.", environment="FLASK_SINGLE_THREADED")
    keepalive: int = setting(
        whole_number(0),
        2,
        f"{NO_EFFECT} idle connections stay open for two minutes.",
        unit="s",
        environment="GUNICORN_KEEPALIVE",
    )
    persistence: bool = setting(
        SWITCH, False, f"{NO_EFFECT} a class keeps what it wants to keep itself.", environment="PERSISTENCE"
    )
    tracing: bool = setting(SWITCH, False, f"{NO_EFFECT} there are no traces yet.", environment="TRACING")
    host: str = setting(TEXT, "0.0.0.0", "The address to listen on: all interfaces, unless told.")
    app_dir: Path = setting(DIRECTORY, Path("."), "Where the class's module is.")
    max_message_bytes: int = setting(BYTES, 64 * 1024 * 1024, "The largest message that is taken.")
    drain_timeout_s: float = setting(
        seconds(zero=True), 15.0, "How long requests under way may go on when the server stops.", unit="s"
    )
    annotations_file: Path = setting(
        PATH,
        Path("/etc/podinfo/annotations"),
        "The pod's annotations: seldon.io/rest-timeout, seldon.io/grpc-max-message-size.",
    )
    metrics_path: str = setting(
        TEXT,
        "/metrics",
        "The path of the metrics.",
        environment="PREDICTIVE_UNIT_METRICS_ENDPOINT",
        option=False,
    )
    filter_metrics_access_logs: bool | None = setting(
        SWITCH,
        None,
        "Leave requests for metrics out of the access log. So it is, unless --debug is on.",
        environment="FILTER_METRICS_ACCESS_LOGS",
        option=False,
    )
    payload_passthrough: bool = setting(
        SWITCH,
        False,
        "Hand the bodies of /predict to `predict_raw` undecoded.",
        environment="PAYLOAD_PASSTHROUGH",
        option=False,
    )
    metrics_in_replies: bool = setting(
        SWITCH,
        True,
        "Show the class's metrics in `meta.metrics`.",
        environment="INCLUDE_METRICS_IN_CLIENT_RESPONSE",
        option=False,
    )
    model_metadata: str = setting(
        TEXT_OR_NONE,
        "",
        "What /metadata says, YAML; wins over the class's `init_metadata`.",
        environment="MODEL_METADATA",
        option=False,
    )
    unit_id: str | None = setting(
        TEXT, None, "The unit's name in the graph.", environment="PREDICTIVE_UNIT_ID", option=False
    )
    unit_image: str | None = setting(TEXT, None, "The unit's image.", environment="PREDICTIVE_UNIT_IMAGE", option=False)
    predictor_id: str | None = setting(TEXT, None, "The predictor's name.", environment="PREDICTOR_ID", option=False)
    predictor_labels: str = setting(
        TEXT_OR_NONE,
        "{}",
        "The predictor's labels, JSON; `version` is shown by metrics.",
        environment="PREDICTOR_LABELS",
        option=False,
    )
    deployment_id: str | None = setting(
        TEXT, None, "The deployment's name.", environment="SELDON_DEPLOYMENT_ID", option=False
    )
    executor_enabled: bool = setting(
        SWITCH,
        True,
        "Count feedback and rewards: no, where an orchestrator of the old kind counts them.",
        environment="SELDON_EXECUTOR_ENABLED",
        option=False,
    )

    @property
    def serves_grpc(self) -> bool:
        return self.grpc_workers > 0

    @property
    def serving(self) -> ServeSettings:
        """The settings of the server under it."""
        return ServeSettings(
            host=self.host,
            workers=max(self.workers, self.grpc_workers),
            app_dir=self.app_dir,
            max_message_bytes=self.max_message_bytes,
            drain_timeout_s=self.drain_timeout_s,
            log_level=self.log_level.lower(),
            access_log=self.access_log,
        )


MICROSERVICE_SETTINGS = table_of(MicroserviceSettings)


def read_microservice_settings(options: Mapping[str, Any], environment: Mapping[str, str]) -> MicroserviceSettings:
    """As `gaal.settings.read_settings`. SELDON_LOG_LEVEL wins even over the option: so it does in the original.

    Raises SettingsError with everything that is wrong.
    """
    values, violations = read_values(MICROSERVICE_SETTINGS, options, environment)
    if level := environment.get("SELDON_LOG_LEVEL"):
        try:
            values["log_level"] = one_of_words(*LOG_LEVELS).parse(level)
        except ValueError:
            violations.append(Violation("SELDON_LOG_LEVEL", f"must be one of {', '.join(LOG_LEVELS)}", level))
    if not values.get("target") and not any(each.path in ("target", "MODEL_NAME") for each in violations):
        violations.append(Violation("TARGET", "must be given: a class, as Module or pkg.mod.Class"))
    if violations:
        raise SettingsError(violations)
    settings = MicroserviceSettings(**values)
    return replace(settings, log_level="DEBUG") if settings.debug else settings
