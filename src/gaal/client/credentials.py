"""A key and its secret, and the token that the server gives for them. Decisions only: a transport carries.

Source: RFC 6749, "The OAuth 2.0 Authorization Framework", section 4.4 (client credentials).
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any
from urllib.parse import quote_plus

from gaal.client.address import Address
from gaal.client.calls import Request, Response, retry_after_s
from gaal.client.errors import (
    BadReply,
    CallFailed,
    Overloaded,
    RequestRefused,
    ServerFailed,
    Unauthenticated,
    Unavailable,
)
from gaal.client.settings import headers_of
from gaal.errors import SettingsError, Violation

PATH = "/oauth/token"

RENEWED_BEFORE_S = 30.0
"""A token is renewed so long before it expires, or in the last tenth of its life if that is shorter."""

UNAUTHENTICATED = (401, 16)
"""The status of a reply that does not take the token: HTTP's, and gRPC's."""

_FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Granted:
    """A token as the header that carries it. Times are of the monotonic clock, in seconds."""

    header: tuple[str, str]
    renew_at: float
    expires_at: float

    def __repr__(self) -> str:
        return "Granted()"


class Credentials:
    """Shows neither the secret nor the token to anybody but the server."""

    def __init__(
        self, address: Address, key: str, secret: str, token_header: str, clock: Callable[[], float] = monotonic
    ) -> None:
        """Raises SettingsError."""
        if not key or not secret:
            missing, other = ("key", "secret") if not key else ("secret", "key")
            raise SettingsError([Violation(missing, f"must be given where {other} is")])
        self._place = f"POST {address.origin}{address.base}{PATH}"
        login = b64encode(f"{quote_plus(key)}:{quote_plus(secret)}".encode()).decode()
        headers = {**_FORM, "authorization": f"Basic {login}"}
        self.request = Request(f"{address.base}{PATH}", b"grant_type=client_credentials", headers)
        self._token_header = token_header
        self._clock = clock
        self._granted: Granted | None = None

    def current(self) -> Granted | None:
        """The token to show; None if one must be fetched first."""
        granted = self._granted
        return granted if granted is not None and self._clock() < granted.renew_at else None

    def after_failure(self, failed: CallFailed) -> Granted:
        """The token that still counts, where a new one could not be had now. Raises the failure if there is none."""
        granted = self._granted
        if granted is None or self._clock() >= granted.expires_at or not isinstance(failed, Unavailable | Overloaded):
            raise failed
        return granted

    def refused(self, granted: Granted) -> None:
        """Notes that the server did not take this token."""
        if self._granted is granted:
            self._granted = None

    def take(self, response: Response) -> Granted:
        """The token in a response to `request`. Raises CallFailed."""
        if response.status != 200:
            raise self._failed(response)
        reply = _object(response.body)
        token, lasts_s = reply.get("access_token"), reply.get("expires_in", 3600)
        if not isinstance(token, str) or not token or not isinstance(lasts_s, int | float):
            raise BadReply(self._place, "the reply must be JSON with an access_token", http_status=200)
        now = self._clock()
        renew_at = now + lasts_s - min(RENEWED_BEFORE_S, lasts_s / 10)
        [header] = headers_of({}, token, self._token_header).items()
        self._granted = Granted(header, renew_at, now + lasts_s)
        return self._granted

    def _failed(self, response: Response) -> CallFailed:
        status = response.status
        reply = _object(response.body)
        info = str(reply.get("error_description") or response.text or "no reason given")
        return _error_class(status)(
            self._place,
            info,
            reason=str(reply.get("error", "")).upper(),
            http_status=status,
            retry_after_s=retry_after_s(response.headers),
            # The call that wanted a token did not go out.
            never_arrived=status in (502, 503, 504),
        )


def with_token(request: Request, granted: Granted) -> Request:
    name, value = granted.header
    return replace(request, headers={**request.headers, name: value})


def _error_class(status: int) -> type[CallFailed]:
    known: dict[int, type[CallFailed]] = {401: Unauthenticated, 429: Overloaded, 502: Unavailable, 503: Unavailable}
    if status < 400:
        return BadReply
    return known.get(status, RequestRefused if status < 500 else ServerFailed)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
