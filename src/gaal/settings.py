"""Every setting of `gaal serve`: name, type, default, unit, environment variable. Read once, passed down.

`SETTINGS` is the one table that the command line's options, the environment variables and `docs/settings.md`
come from. An option given on the command line wins over the environment, the environment over the default.
"""

# ruff: noqa: RUF009 – `setting` makes a dataclass field, as `field` does.

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from gaal.errors import SettingsError, Violation

SELDON_SERVER_REST_PORT = 30015
SELDON_SERVER_GRPC_PORT = 30017
"""Where a cluster showed Seldon Server to the outside; its documents and tools have them as defaults."""

LOG_LEVELS = ("critical", "error", "warning", "info", "debug")
PLACEMENTS = ("auto", "inline", "thread", "worker")
BYTE_UNITS = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}


@dataclass(frozen=True, slots=True)
class Kind:
    """How the text of a setting is read. `parse` raises ValueError; `rule` says to the user what it takes."""

    name: str
    rule: str
    parse: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as a user sees it. `option` is "" for what is not an option: the targets are arguments."""

    name: str
    kind: Kind
    default: Any
    help: str
    environment: str
    option: str
    unit: str


def whole_number(low: int, high: int | None = None) -> Kind:
    """A whole number from `low` to `high`, both included."""
    rule = f"a whole number from {low} to {high}" if high is not None else f"a whole number, {low} or more"

    def parse(text: str) -> int:
        number = int(text)
        if number < low or (high is not None and number > high):
            raise ValueError
        return number

    return Kind("integer", rule, parse)


def seconds(*, zero: bool) -> Kind:
    def parse(text: str) -> float:
        number = float(text)
        # NaN compares as false; a year is longer than anything that is meant.
        if not 0 <= number <= 31_536_000 or (not zero and number == 0):
            raise ValueError
        return number

    return Kind("number", "a number of seconds, 0 or more" if zero else "a number of seconds above 0", parse)


def one_of(*choices: str) -> Kind:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError
        return text.lower()

    return Kind("choice", f"one of {', '.join(choices)}", parse)


def parse_bytes(text: str) -> int:
    """`1000`, `64Mi`, `64MiB`, `64 MB`: a number and a unit, decimal or binary."""
    match = re.fullmatch(r"(\d+)\s*([kKMG]i?|)B?", text.strip())
    if not match:
        raise ValueError
    unit = match[2] if match[2] != "K" else "k"
    n_bytes = int(match[1]) * BYTE_UNITS["Ki" if unit == "ki" else unit]
    if n_bytes < 1:
        raise ValueError
    return n_bytes


def parse_switch(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in words:
        raise ValueError
    return words[text.lower()]


def parse_directory(text: str) -> Path:
    if not Path(text).is_dir():
        raise ValueError
    return Path(text)


def parse_path(text: str) -> Path:
    return Path(parse_text(text)).expanduser()


def parse_file(text: str) -> Path:
    if not Path(text).is_file():
        raise ValueError
    return Path(text)


def parse_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text):
        raise ValueError
    return text


def parse_text(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError
    return text


def parse_volumes(text: str) -> tuple[tuple[str, Path], ...]:
    pairs = [each.partition("=") for each in shlex.split(text)]
    if not all(claim and folder for claim, _, folder in pairs):
        raise ValueError
    return tuple((claim, parse_directory(folder)) for claim, _, folder in pairs)


def parse_targets(text: str) -> tuple[str, ...]:
    return tuple(shlex.split(text))


BYTES = Kind("bytes", "a number of bytes, 1 or more, with or without a unit such as MiB or MB", parse_bytes)
SWITCH = Kind("switch", "one of 1, true, yes, on, 0, false, no, off", parse_switch)
DIRECTORY = Kind("folder", "a folder that exists", parse_directory)
PATH = Kind("path", "a path, which need not be there yet", parse_path)
FILE = Kind("file", "a file that exists", parse_file)
NAME = Kind("name", "lower-case letters, digits and dashes, at most 63, no dash at either end", parse_name)
TEXT = Kind("text", "one line of text, not empty", parse_text)
VOLUMES = Kind("volumes", "claim=folder, several of them separated by blanks, each folder there", parse_volumes)
TARGETS = Kind("list", "words separated by blanks, quoted as in a shell", parse_targets)


def setting(kind: Kind, default: Any, help: str, *, unit: str = "", environment: str = "", option: bool = True) -> Any:
    """A field of ServeSettings. The environment variable is GAAL_ and the field's name, unless given."""
    shown = {"kind": kind, "help": help, "unit": unit, "environment": environment, "option": option}
    return field(default=default, metadata=shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """The settings of one server. Make it with `read_settings`, which checks what stands here as help."""

    targets: tuple[str, ...] = setting(
        TARGETS, (), "What to serve: documents, folders of documents, classes or model files.", option=False
    )
    host: str = setting(TEXT, "127.0.0.1", "The address to listen on. 0.0.0.0 and :: are all interfaces.")
    port: int = setting(whole_number(0, 65535), 8000, "The port to listen on. 0 picks a free one.")
    workers: int = setting(whole_number(1, 1024), 1, "How many processes serve behind the port.")
    app_dir: Path = setting(DIRECTORY, Path("."), "Where the modules of components are.")
    name: str | None = setting(NAME, None, "The deployment's name, for a target that is not a document.")
    namespace: str = setting(NAME, "default", "The deployment's namespace, for a target that is not a document.")
    placement: str = setting(
        one_of(*PLACEMENTS),
        "auto",
        "Where components run, for a target that is not a document: auto, inline, thread or worker.",
    )
    pickle: bool = setting(
        SWITCH, True, "Load models from pickle and joblib files, which can run code while they are loaded."
    )
    model_cache: Path | None = setting(
        PATH, None, "Where fetched models are kept. Without it, gaal in $XDG_CACHE_HOME, or in ~/.cache."
    )
    volumes: tuple[tuple[str, Path], ...] = setting(
        VOLUMES, (), "Which folder a claim of a modelUri pvc://claim/path stands for, as claim=folder."
    )
    model_control: str = setting(
        one_of("none", "explicit", "poll"),
        "none",
        "What changes the models of targets while the server serves: nothing, requests to load and unload, or files.",
    )
    servers: Path | None = setting(
        FILE, None, "Which component stands behind an implementation that Gaal has not itself, YAML or JSON."
    )
    max_message_bytes: int = setting(BYTES, 64 * 1024 * 1024, "The largest message that is taken, over REST and gRPC.")
    request_timeout_s: float | None = setting(
        seconds(zero=False), None, "How long a request may take. Without it there is no limit.", unit="s"
    )
    full_health_checks: bool = setting(
        SWITCH, False, "Let /ready ask every unit for its health, not only whether it can be reached."
    )
    drain_timeout_s: float = setting(
        seconds(zero=True), 15.0, "How long requests under way may go on when the server stops or reloads.", unit="s"
    )
    worker_timeout_s: float = setting(
        seconds(zero=True),
        0.0,
        "How long a worker's event loop may stand still before the worker is killed and replaced. 0 is for ever.",
        unit="s",
    )
    tls_cert: Path | None = setting(FILE, None, "The server's certificate chain, PEM. Turns TLS on.")
    tls_key: Path | None = setting(FILE, None, "The private key of the certificate, PEM, not encrypted.")
    tls_client_ca: Path | None = setting(
        FILE, None, "The authorities, PEM, one of which must have signed a client's certificate. Turns mutual TLS on."
    )
    anonymous: bool | None = setting(
        SWITCH,
        None,
        "Answer whoever asks. Otherwise clients must bring a token. Without either, so on a loopback address alone.",
    )
    data_dir: Path | None = setting(
        PATH, None, "Where the server keeps its data. Without it, gaal in $XDG_DATA_HOME, or in ~/.local/share."
    )
    database: str | None = setting(
        TEXT, None, "The database, as a URL, postgresql:// or sqlite://. Without it, gaal.sqlite in the data directory."
    )
    seldon_server_ports: bool = setting(
        SWITCH, False, "Listen on the ports of Seldon Server too: 30015 (REST) and 30017 (gRPC)."
    )
    token_lifetime_s: float = setting(seconds(zero=False), 6000.0, "How long a token lasts.", unit="s")
    jwt_issuer: str | None = setting(TEXT, None, "Take JSON Web Tokens of this issuer too (their claim iss).")
    jwt_audience: str | None = setting(TEXT, None, "What those tokens must be for (their claim aud).")
    jwks_url: str | None = setting(TEXT, None, "Where the issuer's keys are, as a JSON Web Key Set.")
    log_level: str = setting(one_of(*LOG_LEVELS), "info", "From which level on to log.")
    access_log: bool = setting(SWITCH, False, "Log every request to stderr.")
    cors_allowed_origins: str = setting(
        TEXT, "*", "The reply header Access-Control-Allow-Origin.", environment="CORS_ALLOWED_ORIGINS"
    )
    cors_allowed_headers: str = setting(
        TEXT,
        "Accept, Accept-Encoding, Authorization, Content-Length, Content-Type, X-CSRF-Token",
        "The reply header Access-Control-Allow-Headers.",
        environment="CORS_ALLOWED_HEADERS",
    )

    @property
    def lets_anybody_ask(self) -> bool:
        """Whether requests need no token: as `anonymous` says, else where only this machine can ask."""
        return is_loopback(self.host) if self.anonymous is None else self.anonymous

    @property
    def demands_store(self) -> bool:
        """Whether the server needs its store from the start. Else it opens one that is there, or comes into being."""
        return bool(not self.lets_anybody_ask or self.seldon_server_ports or self.database is not None or self.data_dir)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine alone."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def table_of(settings: type) -> dict[str, Setting]:
    """The settings of a dataclass whose fields were made by `setting`, by name."""
    return {
        each.name: Setting(
            each.name,
            each.metadata["kind"],
            each.default,
            each.metadata["help"],
            each.metadata["environment"] or f"GAAL_{each.name.upper()}",
            f"--{each.name.replace('_', '-').removesuffix('-s')}" if each.metadata["option"] else "",
            each.metadata["unit"],
        )
        for each in fields(settings)
    }


SETTINGS = table_of(ServeSettings)


def read_settings(options: Mapping[str, Any], environment: Mapping[str, str]) -> ServeSettings:
    """The settings from what was given on the command line (by setting name; None is not given) and the environment.

    Options may be text, which is parsed, or values of the setting's own type. An empty environment variable is
    one that is not set. Raises SettingsError with everything that is wrong.
    """
    values, violations = read_values(SETTINGS, options, environment)
    violations += _contradictions(values)
    if violations:
        raise SettingsError(violations)
    return ServeSettings(**values)


def read_values(
    table: Mapping[str, Setting], options: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[dict[str, Any], list[Violation]]:
    """The values that were given for the settings of a table, parsed, and what is wrong with others."""
    unknown = [name for name in options if name not in table]
    if unknown:
        raise TypeError(f"no such setting: {', '.join(unknown)}")
    values: dict[str, Any] = {}
    violations: list[Violation] = []
    for each in table.values():
        given, where = options.get(each.name), each.option or each.name
        if given is None or given == ():
            given, where = environment.get(each.environment) or None, each.environment
        if given is None:
            continue
        try:
            values[each.name] = each.kind.parse(given if isinstance(given, str) else _text(given))
        except ValueError:
            violations.append(Violation(where, f"must be {each.kind.rule}", given))
    return values, violations


def _text(value: Any) -> str:
    return shlex.join(value) if isinstance(value, (tuple, list)) else str(value)


def _contradictions(values: Mapping[str, Any]) -> list[Violation]:
    """What is wrong with settings that are fine one by one."""
    found = []
    if ("tls_cert" in values) != ("tls_key" in values):
        missing, there = ("tls_key", "tls_cert") if "tls_cert" in values else ("tls_cert", "tls_key")
        found.append(Violation(SETTINGS[missing].option, f"must be given where {SETTINGS[there].option} is"))
    if values.get("model_control") == "explicit" and values.get("workers", 1) > 1:
        rule = "explicit needs --workers 1: a request reaches one of them"
        found.append(Violation("--model-control", rule, "explicit"))
    if "tls_client_ca" in values and "tls_cert" not in values and "tls_key" not in values:
        found.append(Violation("--tls-cert", "must be given where --tls-client-ca is"))
    if values.get("jwt_issuer") and not (values.get("jwt_audience") and values.get("jwks_url")):
        found.append(Violation("--jwt-issuer", "needs --jwt-audience and --jwks-url beside it"))
    return found
