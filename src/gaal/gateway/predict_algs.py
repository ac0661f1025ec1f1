"""`predict_algs`: which algorithms answer a client's predictions, as a JSON document of Seldon Server says it.

    {"algorithms": [{"name": "rpcPredictionServer", "config": [{"name": "…", "value": "…"}]}]}
    {"variations": [{"label": "a", "ratio": 0.8, "config": {"algorithms": […]}}, …]}

The first form is one variation, called `default`. Ratios are weights: they need not sum to anything. `transformers` and
`combiner` are read past, as the original does.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from gaal.errors import MessageError, StrategyError, Violation
from gaal.messages import Json
from gaal.protocols import json_text

DEFAULT_VARIATION = "default"

RPC_SERVER = "rpcPredictionServer"
RPC_HOST = "io.seldon.rpc.microservice.host"
RPC_PORT = "io.seldon.rpc.microservice.port"
REST_SERVER = "externalPredictionServer"
REST_URL = "io.seldon.algorithm.external.url"
REST_NAME = "io.seldon.algorithm.external.name"
DEPLOYMENT = "deployment"
DEPLOYMENT_NAME = "gaal.deployment"
"""The names of algorithms, and of what is in their `config`. The last one is Gaal's own."""

NEEDS_OBJECT = "must be an object"
NEEDS_LIST = "must be a list that is not empty"
NEEDS_TEXT = "must be a text that is not empty"
NEEDS_FORM = "must have either algorithms or variations"
UNKNOWN_FIELD = "there is no such field here"
UNKNOWN_ALGORITHM = f"must be {RPC_SERVER}, {REST_SERVER} or {DEPLOYMENT}"
UNKNOWN_KEY = "this algorithm has no such key"
TWICE = "must not stand twice"
NEEDS_KEY = "the algorithm needs the key"
MAX_RATIO = 1e6
NEEDS_RATIO = "must be a number from 0 to a million, or a text of one"
NO_WEIGHT = "one variation must have a ratio above 0"
NEEDS_PORT = "must be a port, from 1 to 65535"
NEEDS_URL = "must be a URL, http:// or https://, with a host"
NEEDS_HOST = "must be the name or address of a host"
NEEDS_DEPLOYMENT = "must be namespace/name or name"

_PORT = re.compile(r"[0-9]{1,5}")
_HOST = re.compile(r"[A-Za-z0-9_.:-]+")
_DEPLOYMENT = re.compile(r"([a-z0-9][-a-z0-9.]*/)?[a-z0-9][-a-z0-9.]*")
_CONFIGURED = ("algorithms", "transformers", "combiner")


@dataclass(frozen=True, slots=True)
class RpcServer:
    """A Classifier microservice behind gRPC."""

    host: str
    port: int

    @property
    def name(self) -> str:
        return self.host


@dataclass(frozen=True, slots=True)
class RestServer:
    """A Classifier microservice behind REST, asked at `url`. `label` is a name for people, "" is the host."""

    url: str
    label: str = ""

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def name(self) -> str:
        return self.label or self.host


@dataclass(frozen=True, slots=True)
class ServedDeployment:
    """A deployment that this server serves. Without a namespace, the one that alone has the name."""

    namespace: str
    deployment: str

    @property
    def name(self) -> str:
        return f"{self.namespace}/{self.deployment}" if self.namespace else self.deployment


Algorithm: TypeAlias = RpcServer | RestServer | ServedDeployment


@dataclass(frozen=True, slots=True)
class Variation:
    """One way to answer: algorithms that are tried in order, and its share of the requests, from 0 to 1."""

    label: str
    share: float
    algorithms: tuple[Algorithm, ...]


@dataclass(frozen=True, slots=True)
class PredictAlgs:
    """The variations of a client; their shares sum to 1."""

    variations: tuple[Variation, ...]

    @property
    def bounds(self) -> list[float]:
        """Where on the way from 0 to 1 each variation ends."""
        return list(accumulate(each.share for each in self.variations))


def at(bounds: Sequence[float], draw: float) -> int:
    """The index of the variation that a draw from [0, 1) falls on."""
    reached = draw * bounds[-1]
    return next(index for index, bound in enumerate(bounds) if reached < bound)


def of_key(variations: Sequence[Variation], key: str) -> int:
    """The index of the variation that always answers `key`, as long as labels and shares stay what they are.

    Weighted rendezvous hashing: each variation draws a number from the key and its own label, and scores with
    −share / ln(draw); the highest score wins. When the share of one variation changes relative to the others, keys
    move only to it, or only away from it. Where the variations stand in the list does not matter.
    Source: Schindelhauer & Schomaker, "Weighted Distributed Hash Tables", SPAA 2005, the logarithmic method; Thaler &
    Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998, for equal shares.
    """
    scores = [-each.share / math.log(_uniform(each.label, key)) for each in variations]
    return max(range(len(scores)), key=scores.__getitem__)


def _uniform(label: str, key: str) -> float:
    """A number above 0 and below 1, of 52 bits, the same for the same texts everywhere and always."""
    text = f"{len(label)}:{label}{key}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return ((int.from_bytes(digest, "big") >> 12) + 0.5) / 2**52


def read(text: str, source: str) -> PredictAlgs:
    """The variations in a JSON text; `source` names it in errors. Raises StrategyError with every violation."""
    try:
        document = json_text.parse(text.encode("utf-8", "surrogatepass"))
    except MessageError as error:
        raise StrategyError(source, [Violation("document", str(error))]) from None
    reader = _Reader()
    variations = reader.variations(document)
    if reader.violations:
        raise StrategyError(source, reader.violations)
    total = math.fsum(each.share for each in variations)
    return PredictAlgs(tuple(Variation(each.label, each.share / total, each.algorithms) for each in variations))


def written(algs: PredictAlgs) -> Json:
    """The JSON value of the second form, which `read` reads again as the same."""
    return {
        "variations": [
            {
                "label": each.label,
                "ratio": each.share,
                "config": {"algorithms": [_written(algorithm) for algorithm in each.algorithms]},
            }
            for each in algs.variations
        ]
    }


def _written(algorithm: Algorithm) -> Json:
    match algorithm:
        case RpcServer(host, port):
            name, config = RPC_SERVER, {RPC_HOST: host, RPC_PORT: str(port)}
        case RestServer(url, label):
            name, config = REST_SERVER, {REST_URL: url, REST_NAME: label or algorithm.host}
        case _:
            name, config = DEPLOYMENT, {DEPLOYMENT_NAME: algorithm.name}
    return {"name": name, "config": [{"name": key, "value": value} for key, value in config.items()]}


class _Reader:
    """Reads a document to its end, whatever is wrong with it, and collects the violations."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def variations(self, document: Any) -> list[Variation]:
        if not self._is_object(document, "document"):
            return []
        if ("algorithms" in document) == ("variations" in document):
            self._wrong("document", NEEDS_FORM, ", ".join(sorted(document)) or None)
            return []
        if "algorithms" in document:
            return [Variation(DEFAULT_VARIATION, 1.0, self._algorithms(document, ""))]
        self._unknown_fields(document, ("variations",), "")
        found = [self._variation(each, path) for path, each in self._items(document["variations"], "variations")]
        self._repeated([each.label for each in found], "variations", "label")
        if not self.violations and not any(each.share for each in found):
            self._wrong("variations", NO_WEIGHT, [each.share for each in found])
        return found

    def _variation(self, value: Any, path: str) -> Variation:
        if not self._is_object(value, path):
            return Variation("", 0.0, ())
        self._unknown_fields(value, ("label", "ratio", "config"), f"{path}.")
        label = self._text(value.get("label"), f"{path}.label")
        ratio = self._ratio(value.get("ratio"), f"{path}.ratio")
        config = value.get("config")
        algorithms = self._algorithms(config, f"{path}.config.") if self._is_object(config, f"{path}.config") else ()
        return Variation(label, ratio, algorithms)

    def _ratio(self, value: Any, path: str) -> float:
        try:
            ratio = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            ratio = math.nan
        if not 0 <= ratio <= MAX_RATIO:
            self._wrong(path, NEEDS_RATIO, value)
            return 0.0
        return ratio

    def _algorithms(self, config: Mapping[str, Any], prefix: str) -> tuple[Algorithm, ...]:
        self._unknown_fields(config, _CONFIGURED, prefix)
        found = [
            self._algorithm(each, path) for path, each in self._items(config.get("algorithms"), f"{prefix}algorithms")
        ]
        return tuple(each for each in found if each is not None)

    def _algorithm(self, value: Any, path: str) -> Algorithm | None:
        if not self._is_object(value, path):
            return None
        name = value.get("name")
        read_config = _ALGORITHMS.get(name) if isinstance(name, str) else None
        if read_config is None:
            self._wrong(f"{path}.name", UNKNOWN_ALGORITHM, name)
            return None
        config = self._config(value.get("config"), f"{path}.config")
        return None if config is None else read_config(self, config, f"{path}.config")

    def _config(self, value: Any, path: str) -> dict[str, str] | None:
        """The names and values of a list `[{"name": …, "value": …}]`; values may be numbers."""
        before = len(self.violations)
        pairs = []
        for place, each in self._items(value, path):
            if self._is_object(each, place):
                given = each.get("value")
                text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
                pairs.append((self._text(each.get("name"), f"{place}.name"), self._text(text, f"{place}.value")))
        self._repeated([name for name, _ in pairs], path, "name")
        return None if len(self.violations) > before else dict(pairs)

    def rpc_server(self, config: Mapping[str, str], path: str) -> Algorithm | None:
        values = self._keys(config, (RPC_HOST, RPC_PORT), (), path)
        if values is None:
            return None
        host, port = values[RPC_HOST], values[RPC_PORT]
        if not _HOST.fullmatch(host):
            self._wrong(f"{path}: {RPC_HOST}", NEEDS_HOST, host)
        if not (_PORT.fullmatch(port) and 1 <= int(port) <= 65535):
            self._wrong(f"{path}: {RPC_PORT}", NEEDS_PORT, port)
            return None
        return RpcServer(host, int(port))

    def rest_server(self, config: Mapping[str, str], path: str) -> Algorithm | None:
        values = self._keys(config, (REST_URL,), (REST_NAME,), path)
        if values is None:
            return None
        if not is_url(values[REST_URL]):
            self._wrong(f"{path}: {REST_URL}", NEEDS_URL, values[REST_URL])
            return None
        return RestServer(values[REST_URL], values.get(REST_NAME, ""))

    def deployment(self, config: Mapping[str, str], path: str) -> Algorithm | None:
        values = self._keys(config, (DEPLOYMENT_NAME,), (), path)
        if values is None:
            return None
        if not _DEPLOYMENT.fullmatch(values[DEPLOYMENT_NAME]):
            self._wrong(f"{path}: {DEPLOYMENT_NAME}", NEEDS_DEPLOYMENT, values[DEPLOYMENT_NAME])
            return None
        namespace, _, name = values[DEPLOYMENT_NAME].rpartition("/")
        return ServedDeployment(namespace, name)

    def _keys(
        self, config: Mapping[str, str], needed: Sequence[str], optional: Sequence[str], path: str
    ) -> Mapping[str, str] | None:
        """The config if it has every key that is needed and none that is unknown."""
        missing = [key for key in needed if key not in config]
        unknown = [key for key in config if key not in (*needed, *optional)]
        for key in missing:
            self._wrong(path, NEEDS_KEY, key)
        for key in unknown:
            self._wrong(path, UNKNOWN_KEY, key)
        return None if missing or unknown else config

    def _is_object(self, value: Any, path: str) -> bool:
        if not isinstance(value, dict):
            self._wrong(path, NEEDS_OBJECT, value)
        return isinstance(value, dict)

    def _items(self, value: Any, path: str) -> Iterator[tuple[str, Any]]:
        if not isinstance(value, list) or not value:
            self._wrong(path, NEEDS_LIST, value)
            return
        for index, each in enumerate(value):
            yield f"{path}[{index}]", each

    def _text(self, value: Any, path: str) -> str:
        if not isinstance(value, str) or not value.strip():
            self._wrong(path, NEEDS_TEXT, value)
            return ""
        return value.strip()

    def _unknown_fields(self, value: Mapping[str, Any], known: Sequence[str], prefix: str) -> None:
        for key in value:
            if key not in known:
                self._wrong(f"{prefix}{key}", UNKNOWN_FIELD)

    def _repeated(self, values: Sequence[str], path: str, key: str) -> None:
        for index, value in enumerate(values):
            if value and value in values[:index]:
                self._wrong(f"{path}[{index}].{key}", TWICE, value)

    def _wrong(self, path: str, rule: str, value: Any = None) -> None:
        shown = value if isinstance(value, str | int | float | None) else json_text.shortened(value)
        self.violations.append(Violation(path, rule, shown[:80] if isinstance(shown, str) else shown))


_ALGORITHMS: Mapping[str, Callable[[_Reader, Mapping[str, str], str], Algorithm | None]] = {
    RPC_SERVER: _Reader.rpc_server,
    REST_SERVER: _Reader.rest_server,
    DEPLOYMENT: _Reader.deployment,
}


def is_url(text: str) -> bool:
    """Whether a text is a URL of HTTP that names a host, and has no credentials in it."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    return parts.scheme in ("http", "https") and _HOST.fullmatch(host) is not None and port != 0 and "@" not in text
