"""Where a deployment answers: what a base URL, a deployment's name and its namespace come to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, quote, unquote, urlsplit

from gaal.errors import SettingsError, Violation

_SELDON_PATH = re.compile(r"(?P<base>.*)/seldon(?:/(?P<namespace>[^/]+))?/(?P<deployment>[^/]+)")
_PATH_MARKS = "/%:@!$&'()*+,;=~"
"""What stands for itself in a path beside letters and digits. Source: RFC 3986, section 3.3."""

_RULE = "must be such as http://host:port or https://host/seldon/namespace/deployment"


@dataclass(frozen=True, slots=True)
class Address:
    """A server, and the deployment at it. `base` is the path below which it stands, without a slash at the end.

    `deployment` and `namespace` are "" where the server has but one, or chooses itself.
    """

    host: str
    port: int
    is_tls: bool
    base: str = ""
    deployment: str = ""
    namespace: str = ""

    @property
    def authority(self) -> str:
        """`host:port`, with an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://{self.authority}"

    @property
    def prefix(self) -> str:
        """The path before `/api/v1.0/…`."""
        return f"{self.base}{self._seldon_path(self.deployment)}" if self.deployment else self.base

    def explainer_prefix(self, predictor: str) -> str:
        """The path before `/api/v1.0/explain` of the explainer that belongs to a predictor."""
        explainer = self._seldon_path(f"{self.deployment}-explainer")
        return f"{self.base}{explainer}/{quote(predictor, safe='')}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this very machine, which no proxy can reach."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def _seldon_path(self, deployment: str) -> str:
        names = (self.namespace, deployment) if self.namespace else (deployment,)
        return "/seldon/" + "/".join(quote(name, safe="") for name in names)


def address_of(url: str, deployment: str = "", namespace: str = "") -> Address:
    """The address of a base URL, and of the deployment behind it.

    A URL without a scheme is one of `http`. One that ends with `/seldon/<namespace>/<deployment>` names the
    deployment itself. Raises SettingsError.
    """
    parts = _split(url)
    base = quote(parts.path.rstrip("/"), safe=_PATH_MARKS)
    named = _SELDON_PATH.fullmatch(base)
    if named and deployment:
        raise _wrong("deployment", "must not be given where the URL names one", deployment)
    if named:
        base, deployment, namespace = named["base"], unquote(named["deployment"]), unquote(named["namespace"] or "")
    if namespace and not deployment:
        raise _wrong("namespace", "must not be given without a deployment", namespace)
    return Address(_host(parts, url), _port(parts, url), parts.scheme == "https", base, deployment, namespace)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:
        raise _wrong("url", _RULE, url) from None
    if parts.username is not None or parts.password is not None:
        raise _wrong("url", "must have no user and password in it: give a token")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise _wrong("url", _RULE, url)
    return parts


def _host(parts: SplitResult, url: str) -> str:
    """In the letters that DNS has."""
    try:
        return (parts.hostname or "").encode("idna").decode("ascii")
    except UnicodeError:
        raise _wrong("url", _RULE, url) from None


def _port(parts: SplitResult, url: str) -> int:
    try:
        port = parts.port
    except ValueError:
        raise _wrong("url", _RULE, url) from None
    return port or (443 if parts.scheme == "https" else 80)


def _wrong(setting: str, rule: str, value: str | None = None) -> SettingsError:
    return SettingsError([Violation(setting, rule, value)])
