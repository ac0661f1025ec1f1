"""Tokens for keys: who shows a key and its secret gets one, and may give it back or ask about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gaal.errors import NotFound, PermissionDenied, StoreError, Unauthenticated
from gaal.gateway.accounts import Accounts
from gaal.gateway.audit import audit, audited, client_actor
from gaal.gateway.keys import digest_of, is_same_secret, new_secret, new_token
from gaal.gateway.scope import Scope, parse_scope
from gaal.gateway.throttle import Throttle
from gaal.storage.records import Key, Token

if TYPE_CHECKING:
    from gaal.storage.store import Store

REFUSED_AFTER_S = 0.05
"""Every refusal of a key or a secret takes so long: the secret of a known key has to be decrypted to be compared, and
the time of the answer must not tell which keys there are."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A token in the clear, which only its owner gets to see, and what is kept of it."""

    text: str
    kept: Token

    @property
    def lasts_s(self) -> int:
        """How long it lasts, in whole seconds."""
        return int(self.kept.expires_at - self.kept.issued_at)


class TokenIssuer:
    """Issues, revokes and describes tokens. `lifetime_s` is how long one lasts."""

    def __init__(
        self,
        accounts: Accounts,
        lifetime_s: float,
        throttle: Throttle | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._accounts = accounts
        self._lifetime_s = lifetime_s
        self._throttle = throttle or Throttle()
        self._clock = clock

    async def authenticated(self, key: str | None, secret: str | None, address: str) -> Key:
        """The key, if its secret is this one and it is in force. `address` is the peer's.

        Raises Unauthenticated, TooManyRequests, and StoreError if nobody can say.
        """
        if not key:
            raise Unauthenticated("consumer_key: must be given", "KEY_MISSING")
        if not secret:
            raise Unauthenticated("consumer_secret: must be given", "SECRET_MISSING")
        self._throttle.check(key, address)
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            found = await self._matching(key, secret)
        except Unauthenticated:
            await self._failed(key, address)
            await asyncio.sleep(started + REFUSED_AFTER_S - loop.time())
            raise
        self._throttle.succeeded(key, address)
        return found

    async def _matching(self, key: str, secret: str) -> Key:
        found = await self._accounts.read_key(key)
        # Where there is no such key, the comparison is made all the same, with a secret that nobody has.
        if not is_same_secret(secret, found.secret if found else new_secret()) or found is None:
            reason = "SECRET_WRONG" if found else "KEY_UNKNOWN"
            raise Unauthenticated("consumer_key, consumer_secret: must be a key and its secret", reason)
        if not self._accounts.is_in_force(found):
            raise _inactive()
        return found

    async def _failed(self, key: str, address: str) -> None:
        wait_s = self._throttle.failed(key, address)
        if wait_s and self._accounts.store is not None:
            # What was given as a key may be anything, a secret in the wrong field too: only keys are written down.
            known = self._accounts.kept_key(key)
            subject = f"key:{known.key}" if known else "key:unknown"
            with suppress(StoreError):  # the caller is to hear of the secret, not of this
                await audit(self._accounts.store, "secret.throttled", subject, f"from {address}, for {wait_s:g} s")

    async def issue(self, key: Key, wanted: str | None = None) -> Issued:
        """A new token, on disk before it is given out. `wanted` may narrow its scope, in the words of scopes.

        Raises SettingsError for what is no scope, PermissionDenied for what the key does not grant, and StoreError.
        """
        scope = self._granted(parse_scope(key.scope), wanted)
        text, now = new_token(), self._clock()
        token = Token(digest_of(text.encode()), key.key, key.client, str(scope), now, now + self._lifetime_s)
        store = self._store()
        try:
            await store.write(_add, store, token)
        except NotFound:
            raise _inactive() from None
        if await self._accounts.read_key(key.key) != key:
            # Its secret was changed in between: whoever did that has revoked the tokens that there were by then.
            await self._revoke(token)
            raise _inactive()
        await self._accounts.remember(token)
        return Issued(text, token)

    @staticmethod
    def _granted(scope: Scope, wanted: str | None) -> Scope:
        if not wanted:
            return scope
        narrowed = parse_scope(wanted)
        if not scope.covers(narrowed):
            raise PermissionDenied(f"scope: must be within {scope}, got {narrowed}", "SCOPE_NOT_ALLOWED")
        return narrowed

    async def revoke(self, text: str, by: Key) -> bool:
        """Ends a token of the same client, at once. False if there is none such. Raises StoreError."""
        token = await self.describe(text, by)
        if token is None:
            return False
        await self._revoke(token)
        await audit(self._store(), "token.revoke", f"key:{token.key}", actor=client_actor(by.client))
        return True

    async def _revoke(self, token: Token) -> None:
        store = self._store()
        await store.write(store.tokens.revoke, token.digest)
        self._accounts.forget(token.digest)

    async def describe(self, text: str, by: Key) -> Token | None:
        """A token of the same client that counts now; None for any other. Raises StoreError."""
        store = self._store()
        token = await store.read(store.tokens.find, digest_of(text.encode()))
        if token is None or token.client != by.client:
            return None
        try:
            await self._accounts.remember(token)
        except Unauthenticated:
            return None
        return token

    def _store(self) -> Store:
        if self._accounts.store is None:
            raise StoreError("there is no store yet")
        return self._accounts.store


def _add(store: Store, token: Token) -> None:
    """The token and the note of it, in one transaction."""
    store.tokens.add(token)
    audited(store, "token.issue", f"key:{token.key}", f"scope {token.scope}", client_actor(token.client))


def _inactive() -> Unauthenticated:
    return Unauthenticated("consumer_key: must be in force, and its client enabled", "KEY_INACTIVE")
