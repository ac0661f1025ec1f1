"""The settings of `gaal microservice`, and the page that lists them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gaal.cli.microservice import with_values
from gaal.cli.microservice_settings import MICROSERVICE_SETTINGS, MicroserviceSettings, read_microservice_settings
from gaal.cli.pod import read_annotations, whole
from gaal.errors import SettingsError

PAGE = Path(__file__).parents[2] / "docs" / "microservice.md"
TARGET = {"target": "Model"}


def test_the_defaults_are_those_of_the_original() -> None:
    settings = read_microservice_settings(TARGET, {})
    assert settings == MicroserviceSettings(target="Model")
    assert (settings.http_port, settings.grpc_port, settings.metrics_port) == (9000, 5000, 6000)
    assert (settings.host, settings.workers, settings.service_type) == ("0.0.0.0", 1, "MODEL")
    assert (settings.metrics_path, settings.metrics_in_replies) == ("/metrics", True)


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("MODEL_NAME", "pkg.Model", "target", "pkg.Model"),
        ("SERVICE_TYPE", "outlier_detector", "service_type", "OUTLIER_DETECTOR"),
        ("PERSISTENCE", "1", "persistence", True),
        ("PREDICTIVE_UNIT_PARAMETERS", "[]", "parameters", "[]"),
        ("PREDICTIVE_UNIT_HTTP_SERVICE_PORT", "9001", "http_port", 9001),
        ("PREDICTIVE_UNIT_GRPC_SERVICE_PORT", "9501", "grpc_port", 9501),
        ("PREDICTIVE_UNIT_METRICS_SERVICE_PORT", "6001", "metrics_port", 6001),
        ("PREDICTIVE_UNIT_METRICS_ENDPOINT", "/prometheus", "metrics_path", "/prometheus"),
        ("SELDON_LOG_LEVEL", "warning", "log_level", "WARNING"),
        ("SELDON_DEBUG", "true", "log_level", "DEBUG"),
        ("TRACING", "1", "tracing", True),
        ("GUNICORN_WORKERS", "4", "workers", 4),
        ("GUNICORN_THREADS", "8", "threads", 8),
        ("GUNICORN_MAX_REQUESTS", "100", "max_requests", 100),
        ("GUNICORN_MAX_REQUESTS_JITTER", "10", "max_requests_jitter", 10),
        ("GUNICORN_KEEPALIVE", "5", "keepalive", 5),
        ("GUNICORN_ACCESS_LOG", "True", "access_log", True),
        ("FLASK_SINGLE_THREADED", "1", "single_threaded", True),
        ("GRPC_THREADS", "2", "grpc_threads", 2),
        ("GRPC_WORKERS", "0", "grpc_workers", 0),
        ("FILTER_METRICS_ACCESS_LOGS", "false", "filter_metrics_access_logs", False),
        ("PAYLOAD_PASSTHROUGH", "true", "payload_passthrough", True),
        ("INCLUDE_METRICS_IN_CLIENT_RESPONSE", "false", "metrics_in_replies", False),
        ("SELDON_EXECUTOR_ENABLED", "false", "executor_enabled", False),
        ("MODEL_METADATA", "name: x", "model_metadata", "name: x"),
        ("PREDICTIVE_UNIT_ID", "unit", "unit_id", "unit"),
        ("PREDICTIVE_UNIT_IMAGE", "image:1", "unit_image", "image:1"),
        ("PREDICTOR_ID", "main", "predictor_id", "main"),
        ("PREDICTOR_LABELS", "{}", "predictor_labels", "{}"),
        ("SELDON_DEPLOYMENT_ID", "dep", "deployment_id", "dep"),
    ],
)
def test_every_variable_is_read(variable: str, text: str, name: str, value: object) -> None:
    options = {} if name == "target" else TARGET
    assert getattr(read_microservice_settings(options, {variable: text}), name) == value


def test_the_command_line_wins_but_over_the_log_level_of_the_environment() -> None:
    environment = {"GUNICORN_WORKERS": "4", "SELDON_LOG_LEVEL": "ERROR"}
    settings = read_microservice_settings({**TARGET, "workers": "2", "log_level": "DEBUG"}, environment)
    assert (settings.workers, settings.log_level) == (2, "ERROR")


def test_there_are_as_many_processes_as_rest_or_grpc_asks_for() -> None:
    assert read_microservice_settings({**TARGET, "workers": "2", "grpc_workers": "3"}, {}).serving.workers == 3
    assert read_microservice_settings({**TARGET, "workers": "2", "grpc_workers": "0"}, {}).serving.workers == 2


def test_all_that_is_wrong_is_told() -> None:
    with pytest.raises(SettingsError) as caught:
        read_microservice_settings({"http_port": "x"}, {"GUNICORN_WORKERS": "0"})
    assert [each.path for each in caught.value.violations] == ["--http-port", "GUNICORN_WORKERS", "TARGET"]


def test_a_switch_without_a_value_is_on() -> None:
    given = ["--debug", "Model", "--tracing", "0", "--access-log"]
    assert with_values(given) == ["--debug", "1", "Model", "--tracing", "0", "--access-log", "1"]


def test_the_page_lists_every_setting_as_it_is() -> None:
    rows = re.findall(r"^\| (?:`(--[\w-]+)`|TARGET|) \| `(\w+)` \|.*\| ([^|]*) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [(each.option, each.environment, each.help) for each in MICROSERVICE_SETTINGS.values()]


def test_annotations_are_read_as_a_pod_writes_them(tmp_path: Path) -> None:
    file = tmp_path / "annotations"
    file.write_text('seldon.io/rest-timeout="5000"\nnote="two\\nlines"\nnothing\nbad="\\q"\nbare=1\n')
    annotations = read_annotations(file)
    assert annotations == {"seldon.io/rest-timeout": "5000", "note": "two\nlines", "bad": "\\q", "bare": "1"}
    assert whole(annotations, "seldon.io/rest-timeout") == 5000
    assert whole(annotations, "note") is None
    assert read_annotations(tmp_path / "none") == {}
