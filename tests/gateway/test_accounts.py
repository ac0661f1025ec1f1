"""What a worker knows of clients, keys and tokens, and how soon it hears of changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from guarded import ALL_SECRET, add_client, location

from gaal.errors import PermissionDenied, StoreError, Unauthenticated
from gaal.gateway.accounts import Accounts
from gaal.gateway.caller import ANONYMOUS
from gaal.gateway.issuer import TokenIssuer
from gaal.gateway.keys import digest_of
from gaal.storage.changes import ChangeFeed
from gaal.storage.records import Client, Key, Limits
from gaal.storage.store import Store, open_store


@pytest.fixture
async def accounts(store: Store) -> AsyncIterator[Accounts]:
    """Of a worker that notices changes."""
    feed = ChangeFeed(store)
    await feed.start()
    known = Accounts()
    await known.attach(store, feed)
    yield known
    await feed.close()


@pytest.fixture
def other(tmp_path: Path, store: Store) -> Store:
    """The same store, as another process has it open."""
    return open_store(location(tmp_path))


async def issued(accounts: Accounts, key: Key) -> str:
    return (await TokenIssuer(accounts, 60.0).issue(key)).text


async def reason_of(accounts: Accounts, token: str | None) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await accounts.caller_of_token(token)
    return refused.value.reason


async def test_a_token_of_another_worker_is_known_at_once(accounts: Accounts, other: Store) -> None:
    elsewhere = Accounts()
    elsewhere.store = other
    key = add_client(other)
    token = await issued(elsewhere, key)

    caller = await accounts.caller_of_token(token)

    assert (caller.client, str(caller.scope), caller.key) == ("test", "all", key.key)
    assert accounts.known(token.encode()) is caller


def disable_client(store: Store) -> None:
    store.clients.update(Client("test", disabled=True))


def remove_client(store: Store) -> None:
    store.clients.remove("test")


def disable_key(store: Store) -> None:
    key = store.clients.find_key("ALLTEST")
    assert key is not None
    store.clients.update_key(replace(key, active=False))


def new_secret(store: Store) -> None:
    key = store.clients.find_key("ALLTEST")
    assert key is not None
    store.clients.replace_key(key.key, replace(key, secret="ANOTHER"))


def make_it_again(store: Store) -> None:
    remove_client(store)
    add_client(store)


@pytest.mark.parametrize(
    "change",
    [
        disable_client,
        remove_client,
        disable_key,
        new_secret,
        make_it_again,
        lambda store: store.clients.remove_key("ALLTEST"),
        lambda store: store.clients.replace_key("ALLTEST", Key("NEWKEY", "test", "all", ALL_SECRET)),
        lambda store: store.tokens.revoke_all("test"),
    ],
)
async def test_what_others_revoke_is_refused_within_250_ms(
    accounts: Accounts, other: Store, change: Callable[[Store], object]
) -> None:
    key = add_client(other)
    token = await issued(accounts, key)
    assert (await accounts.caller_of_token(token)).client == "test"

    await asyncio.to_thread(change, other)
    changed_at = time.monotonic()
    while accounts.known(token.encode()) is not None:
        assert time.monotonic() - changed_at < 0.25
        await asyncio.sleep(0.005)

    assert await reason_of(accounts, token) in ("TOKEN_UNKNOWN", "TOKEN_EXPIRED")


async def test_a_token_that_was_on_its_way_when_it_was_revoked_is_not_kept(accounts: Accounts, store: Store) -> None:
    key = add_client(store)
    token = await issued(accounts, key)
    kept = store.tokens.find(digest_of(token.encode()))
    assert kept is not None
    store.tokens.revoke_all("test")
    await accounts.refresh_tokens()

    with pytest.raises(Unauthenticated):
        await accounts.remember(kept)


async def test_a_token_issued_while_its_key_changes_does_not_count(accounts: Accounts, store: Store) -> None:
    key = add_client(store)
    new_secret(store)

    with pytest.raises(Unauthenticated) as refused:
        await issued(accounts, key)

    assert refused.value.reason == "KEY_INACTIVE"
    assert len(store.tokens.revoked(time.time())) == 1


async def test_what_is_known_goes_on_working_while_the_store_is_gone(accounts: Accounts, store: Store) -> None:
    known = await issued(accounts, add_client(store))
    unknown = "0" * 26
    store.database.close()

    assert (await accounts.caller_of_token(known)).client == "test"
    with pytest.raises(StoreError):
        await accounts.caller_of_token(unknown)
    with pytest.raises(StoreError):
        await TokenIssuer(accounts, 60.0).authenticated("ALLTEST", ALL_SECRET, "")


async def test_without_a_store_nobody_is_known() -> None:
    accounts = Accounts()

    assert await reason_of(accounts, None) == "TOKEN_MISSING"
    assert await reason_of(accounts, "0" * 26) == "TOKEN_UNKNOWN"
    with accounts.admitted(ANONYMOUS):
        pass


async def test_a_js_key_is_taken_as_it_is(accounts: Accounts, store: Store) -> None:
    add_client(store)

    caller = await accounts.caller_of_js_key("JSTEST", None)

    assert (caller.client, caller.scope.is_js) == ("test", True)


async def js_reason(accounts: Accounts, key: str | None, referrer: str | None = None) -> str:
    with pytest.raises((Unauthenticated, PermissionDenied)) as refused:
        await accounts.caller_of_js_key(key, referrer)
    return refused.value.reason


async def test_no_other_key_is_taken_for_a_js_key(accounts: Accounts, store: Store) -> None:
    add_client(store)
    store.clients.add_key(Key("BARE", "test", "readonly"))
    store.clients.add_key(Key("OFF", "test", "js", active=False))

    assert await js_reason(accounts, None) == "KEY_MISSING"
    for key in ("NOBODY", "ALLTEST", "OFF"):
        assert await js_reason(accounts, key) == "KEY_INACTIVE"
    assert await js_reason(accounts, "BARE") == "SCOPE_NOT_ALLOWED"
    disable_client(store)
    await accounts.refresh_clients()
    assert await js_reason(accounts, "JSTEST") == "KEY_INACTIVE"


async def test_a_js_key_with_referrers_is_for_pages_of_these_hosts(accounts: Accounts, store: Store) -> None:
    add_client(store)
    store.clients.add_key(Key("PAGE", "test", "js", referrers=("example.com", "10.0.0.1")))

    for page in ("https://example.com/a", "http://shop.Example.com:8080/", "http://10.0.0.1/x"):
        assert (await accounts.caller_of_js_key("PAGE", page)).client == "test"
    for other in (None, "", "https://badexample.com/", "https://example.com.evil.org/", "http://[", "example.com"):
        assert await js_reason(accounts, "PAGE", other) == "REFERRER_NOT_ALLOWED"


async def test_limits_are_those_of_the_store(accounts: Accounts, store: Store) -> None:
    store.clients.add(Client("test", limits=Limits(max_concurrent=0)))
    await accounts.refresh_clients()
    caller = replace(ANONYMOUS, client="test")

    with pytest.raises(Exception, match="0 requests under way"), accounts.admitted(caller):
        pass
