"""Clients and keys as operators make and change them, checked. Nothing here is written down."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

from gaal.errors import SettingsError, Violation
from gaal.gateway.keys import new_key, new_secret
from gaal.gateway.scope import parse_scope
from gaal.storage.records import NO_LIMITS, Client, Key, Limits

_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_KEY = re.compile(r"[!-~]{8,50}")


def enrolled(
    name: str,
    scope: str = "all",
    limits: Limits = NO_LIMITS,
    *,
    key: str = "",
    secret: str = "",
    js_key: str = "",
    referrers: Sequence[str] = (),
) -> tuple[Client, list[Key]]:
    """A new client with a js key, and a key of this scope with its secret; what is not given is drawn.

    Raises SettingsError.
    """
    if not _CLIENT.fullmatch(name):
        rule = "must have letters, digits, dots, dashes and underscores, 63 at most, the first a letter or digit"
        raise SettingsError([Violation("NAME", rule, name)])
    _check_limits(limits)
    keys = [made_key(name, scope, key=key, secret=secret), made_key(name, "js", key=js_key, referrers=referrers)]
    return Client(name, limits=limits, created_at=time.time()), keys


def made_key(client: str, scope: str, *, key: str = "", secret: str = "", referrers: Sequence[str] = ()) -> Key:
    """A new key; one for browsers alone has no secret. Raises SettingsError."""
    parsed = parse_scope(scope)
    is_bare = parsed.words == ("js",)
    if parsed.is_js and not is_bare:
        raise SettingsError([Violation("--scope", "js must stand alone: such a key has no secret", scope)])
    if is_bare and secret:
        raise SettingsError([Violation("--secret", "must not be given for a js key")])
    if referrers and not is_bare:
        raise SettingsError([Violation("--referrer", "must be given for a js key only")])
    for option, given in (("--key", key), ("--secret", secret)):
        if given and not _KEY.fullmatch(given):
            raise SettingsError([Violation(option, "must have 8 to 50 printable ASCII characters, no blanks")])
    kept = "" if is_bare else secret or new_secret()
    return Key(key or new_key(), client, str(parsed), kept, referrers=tuple(referrers), created_at=time.time())


def rotated(key: Key, *, with_new_key: bool) -> Key:
    """The key with a new secret, and a new name too if that is wanted. Raises SettingsError for a bare js key."""
    if not key.secret and not with_new_key:
        raise SettingsError([Violation("--new-key", "must be given for a js key, which has no secret", key.key)])
    name = new_key() if with_new_key else key.key
    return replace(key, key=name, secret=new_secret() if key.secret else "", created_at=time.time())


def limited(client: Client, limits: Limits) -> Client:
    """The client with these limits. Raises SettingsError."""
    _check_limits(limits)
    return replace(client, limits=limits)


def _check_limits(limits: Limits) -> None:
    wrong = []
    if limits.rate_per_s is not None and not (isfinite(limits.rate_per_s) and limits.rate_per_s > 0):
        wrong.append(Violation("--rate", "must be above 0 requests a second", limits.rate_per_s))
    if limits.burst is not None and (limits.burst < 1 or limits.rate_per_s is None):
        wrong.append(Violation("--burst", "must be 1 or more, and needs --rate beside it", limits.burst))
    if limits.max_concurrent is not None and limits.max_concurrent < 1:
        wrong.append(Violation("--max-concurrent", "must be 1 or more", limits.max_concurrent))
    if wrong:
        raise SettingsError(wrong)
