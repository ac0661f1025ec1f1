"""What the store keeps, as it is handed around: plain frozen data. Times are seconds since 1970, UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Api: TypeAlias = Literal["rest", "rpc"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may ask of the server. None is no limit.

    `rate_per_s` requests a second in the long run, `burst` of them at once (None is one second's worth), and
    `max_concurrent` under way at a time.
    """

    rate_per_s: float | None = None
    burst: int | None = None
    max_concurrent: int | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody who may call the server, by its keys. A disabled one may not."""

    name: str
    disabled: bool = False
    limits: Limits = NO_LIMITS
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a client. `scope` is `js` (no secret), `all`, `readonly`, or `deployment:<namespace>/<name>` ones.

    Several scopes stand in one text, separated by blanks. `secret` is in the clear here and encrypted in the store.
    With `referrers` a js key is taken only from pages of these hosts.
    """

    key: str
    client: str
    scope: str
    secret: str = field(default="", repr=False)
    active: bool = True
    referrers: tuple[str, ...] = ()
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept: `digest` is its SHA-256. It lasts until `expires_at` unless `active` becomes false."""

    digest: bytes
    key: str
    client: str
    scope: str
    issued_at: float
    expires_at: float
    active: bool = True


@dataclass(frozen=True, slots=True)
class Registration:
    """A client's own protobufs: a serialized FileDescriptorSet with all imports, and the full names of its types."""

    client: str
    files: bytes
    request_class: str
    reply_class: str = ""
    source: str = ""
    """Where it came from, for people: `iris.proto`."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """Which algorithms answer a client's predictions: `predict_algs` in its JSON form."""

    client: str
    committed: str = ""
    """What is in force; "" is nothing."""
    draft: str = ""
    """What was created and not committed yet."""


@dataclass(frozen=True, slots=True)
class Microservice:
    """A microservice of a client that the server keeps running.

    `target` is what to run: a Python target, a folder with a script, or a container image. `model_name` and
    `pipeline` are its arguments.
    """

    client: str
    name: str
    target: str
    api: Api
    model_name: str = ""
    pipeline: str = ""
    n_replicas: int = 1
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class MicroserviceProcess:
    """A process of a microservice on one machine. `state` is starting, ready, waiting (to be restarted) or failed."""

    machine: str
    client: str
    name: str
    replica: int
    state: Literal["starting", "ready", "waiting", "failed"]
    port: int = 0
    pid: int = 0
    n_restarts: int = 0
    since: float = 0.0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """A name of a container image, and the Python target or folder that stands for it where there are no containers."""

    name: str
    target: str


@dataclass(frozen=True, slots=True)
class Event:
    """What a client reported at /events: a JSON object, with `client` and `timestamp` in it."""

    client: str
    at: float
    json: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what: `actor` is `operator:<user>` or `client:<name>`, `action` such as `key.rotate`, on `subject`."""

    at: float
    actor: str
    action: str
    subject: str
    detail: str = ""
