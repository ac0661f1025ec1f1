"""JSON Web Tokens of another issuer, such as a company's own sign-on service.

Which client a token is for, the first of the claims `client`, `client_id`, `azp` and `sub` says that is there; what it
grants, those words of the claim `scope` (or `scp`) that are scopes here, and without such a claim everything.
Sources: RFC 7519 (JWT), RFC 7517 (JWKS), RFC 9068 (the claims of access tokens), RFC 8725 (what to beware of).
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import jwt

from gaal.errors import PermissionDenied, SettingsError, Unauthenticated, Unavailable, Violation
from gaal.gateway.accounts import Identity
from gaal.gateway.scope import ALL, Scope, known_scope

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Signatures by a key pair. With a shared secret, or without a signature, anybody could be the issuer."""

CLIENT_CLAIMS = ("client", "client_id", "azp", "sub")

MAX_TOKEN_BYTES = 16 * 1024
MAX_JWKS_BYTES = 1024 * 1024
FETCH_TIMEOUT_S = 5.0

KEYS_LAST_S = 600.0
"""Then they are fetched anew: one may have been withdrawn."""

FETCH_PAUSE_S = 10.0
"""At most once in this time: anybody can send tokens with the id of a key that does not exist."""


class IssuerTokens:
    """Verifies tokens of one issuer for one audience, by the keys at `jwks_url`.

    Raises SettingsError for a URL that is not http or https.
    """

    def __init__(self, issuer: str, audience: str, jwks_url: str, clock: Callable[[], float] = time.monotonic) -> None:
        if urlsplit(jwks_url).scheme not in ("http", "https"):
            raise SettingsError([Violation("--jwks-url", "must be a URL with http or https", jwks_url)])
        self._issuer = issuer
        self._audience = audience
        self._keys = IssuerKeys(jwks_url, clock)

    async def verify(self, token: str) -> Identity:
        """Raises Unauthenticated, PermissionDenied, and Unavailable where the issuer's keys cannot be had."""
        try:
            if len(token) > MAX_TOKEN_BYTES:
                raise jwt.InvalidTokenError
            header = jwt.get_unverified_header(token)
            key = await self._keys.find(header.get("kid"), header.get("alg"))
            if key is None:
                raise jwt.InvalidTokenError
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[str(header["alg"])],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("the token has expired", "TOKEN_EXPIRED") from None
        except (jwt.PyJWTError, ValueError, OverflowError):  # why exactly would help nobody but who forges tokens
            raise Unauthenticated("the token is not known", "TOKEN_UNKNOWN") from None
        return Identity(_client(claims), _scope(claims), float(claims["exp"]))


def _client(claims: Mapping[str, Any]) -> str:
    for name in CLIENT_CLAIMS:
        if name in claims:
            return str(claims[name])
    raise Unauthenticated(f"the token must name a client by one of {', '.join(CLIENT_CLAIMS)}", "TOKEN_UNKNOWN")


def _scope(claims: Mapping[str, Any]) -> Scope:
    given = claims.get("scope", claims.get("scp"))
    if given is None:
        return Scope((ALL,))
    words = (
        given.split() if isinstance(given, str) else [str(each) for each in given] if isinstance(given, list) else ()
    )
    scope = known_scope(words)
    if not scope.words:
        raise PermissionDenied("the token's scope grants nothing here", "SCOPE_NOT_ALLOWED")
    return scope


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key. `algorithm` is None where its type alone says what it is for."""

    id: str | None
    type: str
    algorithm: str | None
    key: Any

    def fits(self, algorithm: str) -> bool:
        """Whether a signature of this algorithm can be checked with it."""
        return algorithm.startswith(_ALGORITHMS_OF[self.type]) and self.algorithm in (None, algorithm)


class IssuerKeys:
    """The public keys of an issuer, fetched when they are wanted, and kept."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        self._url = url
        self._clock = clock
        self._keys: list[IssuerKey] = []
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, kid: str | None, algorithm: str | None) -> IssuerKey | None:
        """The key with this id, for this algorithm. A token without an id needs an issuer with a single key for it.

        Raises Unavailable if there are no keys at all.
        """
        if algorithm not in ALGORITHMS:
            return None
        if self._clock() - self._fetched_at > KEYS_LAST_S:
            await self._fetch()
        found = self._kept(kid, algorithm)
        if found is None and kid is not None:
            await self._fetch()
            found = self._kept(kid, algorithm)
        return found

    def _kept(self, kid: str | None, algorithm: str) -> IssuerKey | None:
        fitting = [each for each in self._keys if each.fits(algorithm) and kid in (None, each.id)]
        return fitting[0] if len(fitting) == 1 else None

    async def _fetch(self) -> None:
        """Raises Unavailable if that fails and there are no keys from before."""
        async with self._fetching:
            if self._clock() - self._tried_at >= FETCH_PAUSE_S:
                self._tried_at = self._clock()
                try:
                    self._keys = keys_of(await asyncio.to_thread(fetch, self._url))
                    self._fetched_at = self._clock()
                except (OSError, ValueError):
                    pass
        if not self._keys:
            raise Unavailable("the keys of the token's issuer cannot be had")


def fetch(url: str) -> bytes:
    """Raises OSError, and ValueError for what is too long."""
    request = urllib.request.Request(url, headers={"Accept": "application/json", "User-Agent": "gaal"})
    with urllib.request.urlopen(request, timeout=FETCH_TIMEOUT_S) as reply:
        body: bytes = reply.read(MAX_JWKS_BYTES + 1)
    if len(body) > MAX_JWKS_BYTES:
        raise ValueError(f"a JSON Web Key Set must have at most {MAX_JWKS_BYTES} bytes")
    return body


def keys_of(text: bytes) -> list[IssuerKey]:
    """The keys for signatures in a JSON Web Key Set; those that are not known here are left out. Raises ValueError."""
    found = json.loads(text)
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise ValueError("a JSON Web Key Set must be an object with a list keys")
    return [key for each in found["keys"] if (key := _key(each)) is not None]


_ALGORITHMS_OF = {"RSA": ("RS", "PS"), "EC": ("ES",), "OKP": ("EdDSA",)}


def _key(written: Any) -> IssuerKey | None:
    if not isinstance(written, dict) or written.get("kty") not in _ALGORITHMS_OF or written.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(written).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return IssuerKey(written.get("kid"), written["kty"], written.get("alg"), key)
