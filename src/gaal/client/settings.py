"""What a client is told once, checked: where it calls, as whom, how it trusts, and how patient it is."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gaal.client.address import Address
from gaal.errors import SettingsError, Violation

TRANSPORTS = ("rest", "grpc")


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: whom to trust (None: whom the system trusts), and the client's own certificate and key."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Raises ssl.SSLError where the files are not what they should be."""
        context = ssl.create_default_context(cafile=self.ca)
        if self.cert is not None:
            context.load_cert_chain(self.cert, self.key, password="")  # without one, OpenSSL would ask the terminal
        return context


@dataclass(frozen=True, slots=True)
class Settings:
    """`headers` go with every call, the token among them; their names are in lower case."""

    address: Address
    transport: str
    headers: Mapping[str, str] = field(repr=False)
    tls: Tls
    timeout_s: float | None
    max_reply_bytes: int
    n_retries: int
    retry_predictions: bool

    def __post_init__(self) -> None:
        """Raises SettingsError with everything that is wrong."""
        if violations := list(self._violations()):
            raise SettingsError(violations)

    def _violations(self) -> Iterator[Violation]:
        if self.transport not in TRANSPORTS:
            yield Violation("transport", f"must be one of {', '.join(TRANSPORTS)}", self.transport)
        if self.timeout_s is not None and not self.timeout_s > 0:
            yield Violation("timeout_s", "must be above 0, or None for no limit", self.timeout_s)
        if self.max_reply_bytes < 1:
            yield Violation("max_reply_bytes", "must be 1 or more", self.max_reply_bytes)
        if self.n_retries < 0:
            yield Violation("n_retries", "must be 0 or more", self.n_retries)
        for name, value in self.headers.items():
            yield from _header_violations(name, value)
        yield from _tls_violations(self.tls, self.address.is_tls)


def headers_of(headers: Mapping[str, str], token: str, token_header: str) -> dict[str, str]:
    """The headers of every call. A token in `Authorization` is a bearer token, in any other header it stands alone."""
    found = {name.lower(): value for name, value in headers.items()}
    if token:
        name = token_header.lower()
        found[name] = f"Bearer {token}" if name == "authorization" else token
    return found


def _header_violations(name: str, value: str) -> Iterator[Violation]:
    """The value of a header may be a secret, and is not shown."""
    if not re.fullmatch(r"[0-9a-z_.-]+", name):
        yield Violation("headers", "names must be letters, digits, dashes, dots and underscores", name)
    if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", value):
        yield Violation(f"headers[{name!r}]", "must be printable ASCII on one line, with no blank at either end")


def _tls_violations(tls: Tls, is_tls: bool) -> Iterator[Violation]:
    files = {"tls_ca": tls.ca, "tls_cert": tls.cert, "tls_key": tls.key}
    given = {name: path for name, path in files.items() if path is not None}
    missing = [name for name, path in given.items() if not path.is_file()]
    for name in missing:
        yield Violation(name, "must be a file that exists", str(given[name]))
    if given and not is_tls:
        yield Violation(", ".join(given), "must not be given for a URL without https")
    if (tls.cert is None) != (tls.key is None):
        yield Violation("tls_cert" if tls.cert is None else "tls_key", "must be given where the other one is")
    elif given and not missing:
        try:
            tls.context()
        except ssl.SSLError as error:
            yield Violation(", ".join(given), f"must be PEM, not encrypted, and belong together: {error}")
