from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from gaal.errors import SettingsError
from gaal.settings import SETTINGS, ServeSettings, Setting, parse_bytes, read_settings

DOCS = Path(__file__).parent.parent / "docs"


def violation(options: dict[str, Any], environment: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(options, environment or {})
    return str(caught.value)


def test_the_defaults_serve_this_machine_only() -> None:
    settings = read_settings({}, {})
    assert settings == ServeSettings()
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert settings.max_message_bytes == 64 * 1024 * 1024
    assert settings.request_timeout_s is None


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        ServeSettings().port = 1  # type: ignore[misc]


def test_the_environment_wins_over_the_default_and_an_option_over_the_environment() -> None:
    environment = {"GAAL_PORT": "8001", "GAAL_WORKERS": "4", "CORS_ALLOWED_ORIGINS": "https://a.org"}
    settings = read_settings({"port": "8002"}, environment)
    assert (settings.port, settings.workers) == (8002, 4)
    assert settings.cors_allowed_origins == "https://a.org"


def test_an_option_that_was_not_given_and_an_empty_variable_say_nothing() -> None:
    assert read_settings({"port": None, "targets": ()}, {"GAAL_WORKERS": ""}) == ServeSettings()


def test_values_may_be_text_or_of_the_settings_own_type(tmp_path: Path) -> None:
    assert read_settings({"access_log": True, "port": 8001, "app_dir": tmp_path}, {}) == read_settings(
        {"access_log": "yes", "port": "8001", "app_dir": str(tmp_path)}, {}
    )


def test_targets_are_arguments_or_words_in_the_environment() -> None:
    assert read_settings({"targets": ["a b.yaml", "Model"]}, {}).targets == ("a b.yaml", "Model")
    assert read_settings({}, {"GAAL_TARGETS": "'a b.yaml' Model"}).targets == ("a b.yaml", "Model")


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        ({"port": "70000"}, {}, "--port: must be a whole number from 0 to 65535 (got '70000')"),
        ({}, {"GAAL_PORT": "http"}, "GAAL_PORT: must be a whole number from 0 to 65535 (got 'http')"),
        ({"workers": "0"}, {}, "--workers: must be a whole number from 1 to 1024 (got '0')"),
        ({"request_timeout_s": "0"}, {}, "--request-timeout: must be a number of seconds above 0 (got '0')"),
        ({"drain_timeout_s": "nan"}, {}, "--drain-timeout: must be a number of seconds, 0 or more (got 'nan')"),
        ({"log_level": "loud"}, {}, "--log-level: must be one of critical, error, warning, info, debug (got 'loud')"),
        ({}, {"GAAL_ACCESS_LOG": "maybe"}, "GAAL_ACCESS_LOG: must be one of 1, true, yes, on, 0, false, no, off"),
        ({"app_dir": "/no/such"}, {}, "--app-dir: must be a folder that exists (got '/no/such')"),
        ({"name": "My Model"}, {}, "--name: must be lower-case letters, digits and dashes"),
        ({"max_message_bytes": "1 apple"}, {}, "--max-message-bytes: must be a number of bytes"),
        ({"cors_allowed_headers": "a\r\nb"}, {}, "--cors-allowed-headers: must be one line of text"),
        ({"targets": "'open"}, {}, "targets: must be words separated by blanks"),
    ],
)
def test_a_violation_names_the_variable_the_rule_and_the_value(
    options: dict[str, Any], environment: dict[str, str], said: str
) -> None:
    assert said in violation(options, environment)


def test_all_violations_are_told_at_once() -> None:
    assert len(violation({"port": "x", "workers": "y"}, {"GAAL_LOG_LEVEL": "z"}).splitlines()) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tls_cert"}, "--tls-key: must be given where --tls-cert is"),
        ({"tls_key", "tls_client_ca"}, "--tls-cert: must be given where --tls-key is"),
        ({"tls_client_ca"}, "--tls-cert: must be given where --tls-client-ca is"),
    ],
)
def test_tls_needs_a_certificate_and_its_key(given: set[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "file.pem").write_text("")
    assert violation(dict.fromkeys(given, str(tmp_path / "file.pem"))) == said


@pytest.mark.parametrize(
    ("host", "anonymous", "open_to_all"),
    [
        ("127.0.0.1", None, True),
        ("127.3.2.1", None, True),
        ("localhost", None, True),
        ("::1", None, True),
        ("[::1]", None, True),
        ("0.0.0.0", None, False),
        ("::", None, False),
        ("10.0.0.7", None, False),
        ("gaal.example", None, False),
        ("127.0.0.1", False, False),
        ("0.0.0.0", True, True),
    ],
)
def test_only_a_loopback_address_is_open_to_all_unless_told(
    host: str, anonymous: bool | None, open_to_all: bool
) -> None:
    assert ServeSettings(host=host, anonymous=anonymous).lets_anybody_ask is open_to_all


def test_tokens_of_an_issuer_need_an_audience_and_its_keys() -> None:
    said = "--jwt-issuer: needs --jwt-audience and --jwks-url beside it"
    assert violation({"jwt_issuer": "https://issuer.example", "jwt_audience": "gaal"}) == said


def test_a_setting_that_does_not_exist_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="no such setting: prot"):
        read_settings({"prot": "8000"}, {})


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("1", 1), ("64MiB", 64 * 2**20), ("64Mi", 64 * 2**20), ("64 MB", 64_000_000), ("2K", 2000), ("1GiB", 2**30)],
)
def test_bytes_may_have_a_unit(text: str, n_bytes: int) -> None:
    assert parse_bytes(text) == n_bytes


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "MiB", "", "1 TiB"])
def test_what_is_not_a_number_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 – the caller says the rule
        parse_bytes(text)


def row(setting: Setting) -> str:
    """A setting as a line of the table in docs/settings.md."""
    option = f"`{setting.option}`" if setting.option else "arguments"
    default = "" if setting.default in (None, ()) else f"`{setting.default}`"
    unit = f", {setting.unit}" if setting.unit else ""
    return f"| {option} | `{setting.environment}` | {setting.kind.name}{unit} | {default} | {setting.help} |"


def test_the_page_lists_every_setting_as_it_is() -> None:
    page = (DOCS / "settings.md").read_text()
    assert re.findall(r"^\| (?:`--|arguments).*", page, re.MULTILINE) == [row(each) for each in SETTINGS.values()]
