"""Who calls, by token or by key: what the store says, kept in memory.

A request with a known token costs one digest and one look into a dict. What is not known is looked for in the store,
because another worker may have issued it a moment ago. When clients, keys or tokens change, the change feed calls, and
what no longer counts is dropped; nothing is ever added to the cache that the last call has ruled out. While the store
is gone, what is known goes on working.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from gaal.errors import PermissionDenied, Unauthenticated
from gaal.gateway.caller import Caller
from gaal.gateway.keys import digest_of, looks_like_token
from gaal.gateway.limits import SharedLimits
from gaal.gateway.scope import Scope, parse_scope
from gaal.storage.records import NO_LIMITS, Client, Key, Limits, Token

if TYPE_CHECKING:
    from gaal.storage.changes import ChangeFeed
    from gaal.storage.store import Store

logger = logging.getLogger("gaal.gateway")

MAX_TOKENS = 100_000
"""Tokens in memory, about 40 MB. Beyond, those that came first are dropped; the store still has them."""

JWT_LASTS_S = 300.0
"""How long a token of another issuer counts before it is verified again: its key may have been withdrawn."""

_UNHINDERED: AbstractContextManager[None] = nullcontext()


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a token of another issuer names, what it grants, and until when it counts."""

    client: str
    scope: Scope
    expires_at: float


class Verifier(Protocol):
    """Reads the tokens of another issuer."""

    async def verify(self, token: str) -> Identity:
        """Raises Unauthenticated, PermissionDenied, and Unavailable where the issuer's keys cannot be had."""
        ...


class Accounts:
    """The clients of a server. All calls belong to the event loop."""

    def __init__(
        self,
        limits: SharedLimits | None = None,
        verifier: Verifier | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store: Store | None = None
        self._limits = limits
        self._verifier = verifier
        self._clock = clock
        self._clients: dict[str, Client] = {}
        self._keys: dict[str, Key] = {}
        self._limited: dict[str, Limits] = {}
        self._tokens: dict[bytes, tuple[Caller, float]] = {}
        self._revoked: frozenset[bytes] = frozenset()

    async def attach(self, store: Store, feed: ChangeFeed) -> None:
        """From now on the store says who is who. The feed is started. Raises StoreError if nothing can be read."""
        self.store = store
        feed.subscribe(["clients"], self.refresh_clients)
        feed.subscribe(["tokens"], self.refresh_tokens)
        await self.refresh_clients()
        await self.refresh_tokens()

    # By token --------------------------------------------------------------------------------------------------------

    def known(self, token: bytes) -> Caller | None:
        """The caller, if the token is in memory and counts."""
        found = self._tokens.get(digest_of(token))
        return found[0] if found is not None and found[1] > self._clock() else None

    async def caller_of_token(self, token: str | None) -> Caller:
        """Raises Unauthenticated, and StoreError if nobody can say."""
        if not token:
            raise Unauthenticated("a token must be given, as Authorization: Bearer or as oauth_token", "TOKEN_MISSING")
        given = token.encode()
        caller = self.known(given)
        if caller is not None:
            return caller
        if looks_like_token(given):
            return await self._looked_up(digest_of(given))
        if self._verifier is not None and token.count(".") == 2:
            return await self._verified(self._verifier, token)
        raise _unknown_token()

    async def _looked_up(self, digest: bytes) -> Caller:
        token = None if self.store is None else await self.store.read(self.store.tokens.find, digest)
        if token is None:
            raise _unknown_token()
        return await self.remember(token)

    async def remember(self, token: Token) -> Caller:
        """Keeps a token that the store has, if it counts. Raises Unauthenticated if not."""
        if not token.active or token.digest in self._revoked:
            raise Unauthenticated("the token was revoked", "TOKEN_EXPIRED")
        if token.expires_at <= self._clock():
            raise _expired_token()
        if token.client not in self._clients or token.key not in self._keys:
            # They may be newer than the last change heard of here. Disabled ones are not read anew: each request of
            # theirs would cost that.
            await self.refresh_clients()
        if not self._is_open(token.client, token.key) or token.digest in self._revoked:
            raise Unauthenticated("the token was revoked, or its client disabled", "TOKEN_EXPIRED")
        caller = Caller(token.client, parse_scope(token.scope), token.key)
        self._keep(token.digest, caller, token.expires_at)
        return caller

    async def _verified(self, verifier: Verifier, token: str) -> Caller:
        identity = await verifier.verify(token)
        if identity.client not in self._clients and self.store is not None:
            await self.refresh_clients()
        if not self._is_open(identity.client, ""):
            raise Unauthenticated("the token names no client that may call", "TOKEN_UNKNOWN")
        caller = Caller(identity.client, identity.scope, "")
        self._keep(digest_of(token.encode()), caller, min(identity.expires_at, self._clock() + JWT_LASTS_S))
        return caller

    def _keep(self, digest: bytes, caller: Caller, expires_at: float) -> None:
        if len(self._tokens) >= MAX_TOKENS:
            self._tokens = {at: each for at, each in self._tokens.items() if each[1] > self._clock()}
        while len(self._tokens) >= MAX_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[digest] = caller, expires_at

    def forget(self, digest: bytes) -> None:
        """Takes no request with this token any more: it was revoked here, before the feed says so."""
        self._revoked |= {digest}
        self._tokens.pop(digest, None)

    # By key ----------------------------------------------------------------------------------------------------------

    async def caller_of_js_key(self, key: str | None, referrer: str | None) -> Caller:
        """The caller of a path for browsers, who shows a bare key. `referrer` is the URL of the page, if it is told.

        Raises Unauthenticated and PermissionDenied.
        """
        if not key:
            raise Unauthenticated("consumer_key: must be given", "KEY_MISSING")
        found = await self.find_key(key)
        # One answer for all of them: Seldon Server has no other, and it tells strangers less.
        if found is None or found.secret or not self._is_open(found.client, found.key):
            raise Unauthenticated("consumer_key: must be a js key in force", "KEY_INACTIVE")
        scope = parse_scope(found.scope)
        if not scope.is_js:
            raise PermissionDenied("consumer_key: must have the scope js", "SCOPE_NOT_ALLOWED")
        if found.referrers and not _is_from(referrer, found.referrers):
            raise PermissionDenied("Referer: must be a page that this key is for", "REFERRER_NOT_ALLOWED")
        return Caller(found.client, scope, found.key)

    async def find_key(self, key: str) -> Key | None:
        """The key, from memory or else from the store. Raises StoreError."""
        found = self._keys.get(key)
        if found is None and self.store is not None:
            found = await self.read_key(key)
        return found

    async def read_key(self, key: str) -> Key | None:
        """The key as the store has it now, for one whose secret may just have changed. Raises StoreError."""
        if self.store is None:
            return None
        found = await self.store.read(self.store.clients.find_key, key)
        if found is not None and found != self._keys.get(key):
            await self.refresh_clients()
        return found

    def kept_key(self, key: str) -> Key | None:
        """The key as far as memory has it."""
        return self._keys.get(key)

    def is_in_force(self, key: Key) -> bool:
        """Whether the key is active and its client enabled."""
        return key.active and self._is_open(key.client, key.key)

    def _is_open(self, client: str, key: str) -> bool:
        """Whether the client may call with this key; with "", with a token of another issuer."""
        found = self._clients.get(client)
        if found is None or found.disabled:
            return False
        return not key or (key in self._keys and self._keys[key].active and self._keys[key].client == client)

    # Limits ----------------------------------------------------------------------------------------------------------

    def admitted(self, caller: Caller) -> AbstractContextManager[None]:
        """Counts a request while it is under way, if the client has limits. Raises TooManyRequests when entered."""
        limits = self._limited.get(caller.client)
        if limits is None:
            return _UNHINDERED
        if self._limits is None:
            self._limits = SharedLimits()
        return self._limits.admitted(caller.client, limits)

    # Changes ---------------------------------------------------------------------------------------------------------

    async def refresh_clients(self) -> None:
        """Reads clients and keys anew, and drops the tokens that no longer count. Raises StoreError."""
        if self.store is None:
            return
        clients, keys = await self.store.read(_clients_and_keys, self.store)
        before = self._keys
        self._clients = {each.name: each for each in clients}
        self._keys = {each.key: each for each in keys}
        self._limited = {each.name: each.limits for each in clients if each.limits != NO_LIMITS}
        # A key that was removed and made again with the same name is another one: let the store say what counts.
        changed = {name for name, key in before.items() if self._keys.get(name) != key}
        self._drop(lambda caller: caller.key in changed or not self._is_open(caller.client, caller.key))

    async def refresh_tokens(self) -> None:
        """Reads anew which tokens are revoked, and drops them. Raises StoreError."""
        if self.store is None:
            return
        self._revoked = frozenset(await self.store.read(self.store.tokens.revoked, self._clock()))
        for digest in self._revoked:
            self._tokens.pop(digest, None)

    def _drop(self, is_over: Callable[[Caller], bool]) -> None:
        for digest in [digest for digest, (caller, _) in self._tokens.items() if is_over(caller)]:
            del self._tokens[digest]


def _clients_and_keys(store: Store) -> tuple[list[Client], list[Key]]:
    return store.clients.all(), store.clients.keys()


def _unknown_token() -> Unauthenticated:
    return Unauthenticated("the token is not known", "TOKEN_UNKNOWN")


def _expired_token() -> Unauthenticated:
    return Unauthenticated("the token has expired", "TOKEN_EXPIRED")


def _is_from(referrer: str | None, hosts: tuple[str, ...]) -> bool:
    """Whether a page is of one of these hosts, or of a host below it."""
    try:
        host = urlsplit(referrer or "").hostname or ""
    except ValueError:
        return False
    return any(host == each or host.endswith(f".{each}") for each in (each.strip().lower() for each in hosts) if each)
