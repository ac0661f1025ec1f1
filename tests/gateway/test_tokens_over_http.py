"""/token and /oauth/…: what they give, and what they refuse in which words."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
from guarded import ALL_SECRET, Guard, Guarded, add_client, bearer

from gaal.gateway.keys import digest_of, looks_like_token
from gaal.storage.records import Key

GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
async def guarded(guard: Guard) -> Guarded:
    served = await guard()
    add_client(served.store)
    return served


def credentials(key: str = "ALLTEST", secret: str = ALL_SECRET) -> dict[str, str]:
    return {"consumer_key": key, "consumer_secret": secret}


async def refused(response: httpx.Response) -> Any:
    assert response.status_code == 400
    bean = response.json()
    assert bean.keys() == {"error_id", "error_msg", "http_response"}
    return bean["error_id"]


@pytest.mark.parametrize("method", ["GET", "POST", "form"])
async def test_a_key_and_its_secret_get_a_token(guarded: Guarded, method: str) -> None:
    given = {"data": credentials()} if method == "form" else {"params": credentials()}
    response = await guarded.http.request("POST" if method == "form" else method, "/token", **given)  # type: ignore[arg-type]

    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    bean = response.json()
    token = bean.pop("access_token")
    assert bean == {"token_type": "rummblelabs", "token_scope": "all", "expires_in": 6000, "name": "token"}
    assert looks_like_token(token.encode())
    assert (await guarded.predict(token)).status_code == 200


async def test_every_call_makes_a_new_token_and_the_old_ones_stay(guarded: Guarded) -> None:
    tokens = [(await guarded.http.get("/token", params=credentials())).json()["access_token"] for _ in range(2)]

    assert len(set(tokens)) == 2
    assert [(await guarded.predict(token)).status_code for token in tokens] == [200, 200]


async def test_a_token_is_kept_as_its_digest_alone(guarded: Guarded) -> None:
    token = (await guarded.http.get("/token", params=credentials())).json()["access_token"]

    assert guarded.store.tokens.find(digest_of(token.encode())) is not None
    files = [each.read_bytes() for each in guarded.store.location.data_dir.rglob("*") if each.is_file()]
    assert files
    assert not any(token.encode() in content or ALL_SECRET.encode() in content for content in files)


@pytest.mark.parametrize(
    ("given", "error_id"),
    [
        ({}, 16),
        ({"consumer_key": "ALLTEST"}, 17),
        (credentials(key="NOBODY"), 5),
        (credentials(secret="WRONG"), 6),
        (credentials(key="JSTEST"), 6),
        (credentials(key="JSTEST", secret=" "), 6),
    ],
)
async def test_what_is_wrong_has_the_number_of_seldon_server(
    guarded: Guarded, given: dict[str, str], error_id: int
) -> None:
    assert await refused(await guarded.http.get("/token", params=given)) == error_id


async def test_a_disabled_client_and_an_inactive_key_get_no_token(guarded: Guarded) -> None:
    off = Key("OFF", "test", "all", ALL_SECRET, active=False)
    guarded.store.clients.add_key(off)
    assert await refused(await guarded.http.get("/token", params=credentials(key="OFF"))) == 3

    client = guarded.store.clients.get("test")
    assert client is not None
    guarded.store.clients.update(type(client)("test", disabled=True))
    await guarded.accounts.refresh_clients()
    assert await refused(await guarded.http.get("/token", params=credentials())) == 3


async def test_a_store_that_is_gone_is_said_to_be(guarded: Guarded) -> None:
    guarded.store.database.close()

    assert await refused(await guarded.http.get("/token", params=credentials())) == 14


async def test_a_callback_gets_the_token_and_one_that_is_code_is_refused(guarded: Guarded) -> None:
    response = await guarded.http.get("/token", params={**credentials(), "jsonpCallback": "a.b"})
    assert response.text.startswith('a.b({"access_token":')
    assert response.text.endswith('"name":"token"})')
    assert response.headers["content-type"] == "application/javascript"

    error = await guarded.http.get("/token", params={"jsonpCallback": "j"})
    assert (error.status_code, error.text[:2]) == (400, "j(")
    code = await guarded.http.get("/token", params={**credentials(), "jsonpCallback": "alert(1)//"})
    assert (code.status_code, code.headers["content-type"]) == (400, "application/json")
    posted = await guarded.http.post("/token", params={**credentials(), "jsonpCallback": "j"})
    assert posted.json()["name"] == "token"


@pytest.mark.parametrize("shown", ["basic", "form"])
async def test_the_client_credentials_grant_gives_a_token(guarded: Guarded, shown: str) -> None:
    form = {"client_id": "ALLTEST", "client_secret": ALL_SECRET} if shown == "form" else {}
    auth = ("ALLTEST", ALL_SECRET) if shown == "basic" else None

    response = await guarded.http.post("/oauth/token", data={**GRANT, **form}, auth=auth)  # type: ignore[arg-type]

    assert response.status_code == 200
    assert (response.headers["cache-control"], response.headers["pragma"]) == ("no-store", "no-cache")
    reply = response.json()
    token = reply.pop("access_token")
    assert reply == {"token_type": "Bearer", "expires_in": 6000, "scope": "all"}
    assert (await guarded.predict(token)).status_code == 200


async def asked(guarded: Guarded, path: str = "token", secret: str = ALL_SECRET, **form: str) -> httpx.Response:
    return await guarded.http.post(f"/oauth/{path}", data=form, auth=("ALLTEST", secret))


async def test_a_scope_may_narrow_and_not_widen(guarded: Guarded) -> None:
    narrow = (await asked(guarded, **GRANT, scope="readonly")).json()
    assert narrow["scope"] == "readonly"
    assert (await guarded.predict(narrow["access_token"])).status_code == 403

    guarded.store.clients.add_key(Key("READER", "test", "readonly", ALL_SECRET))
    wide = await guarded.http.post("/oauth/token", data={**GRANT, "scope": "all"}, auth=("READER", ALL_SECRET))
    assert (wide.status_code, wide.json()["error"]) == (400, "invalid_scope")
    assert (await asked(guarded, **GRANT, scope="nonsense")).json()["error"] == "invalid_scope"
    assert (await asked(guarded, **GRANT, scope="js")).json()["error"] == "invalid_scope"


async def test_what_is_wrong_has_the_words_of_oauth(guarded: Guarded) -> None:
    wrong = await asked(guarded, secret="no", **GRANT)
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert wrong.headers["www-authenticate"] == 'Basic realm="gaal"'
    assert (await guarded.http.post("/oauth/token", data=GRANT)).json()["error"] == "invalid_client"
    assert (await asked(guarded)).json()["error"] == "invalid_request"
    assert (await asked(guarded, grant_type="password")).json()["error"] == "unsupported_grant_type"
    both = await asked(guarded, **GRANT, client_id="ALLTEST", client_secret=ALL_SECRET)
    assert (both.status_code, both.json()["error"]) == (400, "invalid_request")
    twice = await guarded.http.post(
        "/oauth/token",
        content="grant_type=client_credentials&grant_type=client_credentials",
        headers={"content-type": "application/x-www-form-urlencoded"},
        auth=("ALLTEST", ALL_SECRET),
    )
    assert twice.json()["error"] == "invalid_request"
    as_json = await guarded.http.post("/oauth/token", json=GRANT, auth=("ALLTEST", ALL_SECRET))
    assert as_json.json()["error"] == "invalid_request"
    assert (await guarded.http.get("/oauth/token")).status_code == 405
    broken = {"authorization": "Basic ???"}
    assert (await guarded.http.post("/oauth/token", data=GRANT, headers=broken)).json()["error"] == "invalid_request"


async def test_a_client_revokes_its_own_token_at_once(guarded: Guarded) -> None:
    token = (await asked(guarded, **GRANT)).json()["access_token"]
    assert (await guarded.predict(token)).status_code == 200

    response = await asked(guarded, "revoke", token=token)

    assert (response.status_code, response.content) == (200, b"")
    assert (await guarded.predict(token)).status_code == 401
    assert (await asked(guarded, "introspect", token=token)).json() == {"active": False}
    assert (await asked(guarded, "revoke", token="not-a-token")).status_code == 200
    assert (await asked(guarded, "revoke")).json()["error"] == "invalid_request"


async def test_nobody_revokes_or_looks_into_the_token_of_another_client(guarded: Guarded) -> None:
    other = await guarded.token(add_client(guarded.store, "other"))

    assert (await asked(guarded, "introspect", token=other)).json() == {"active": False}
    assert (await asked(guarded, "revoke", token=other)).status_code == 200
    assert (await guarded.predict(other)).status_code == 200


async def test_introspection_tells_what_a_token_is_good_for(guarded: Guarded) -> None:
    token = (await asked(guarded, **GRANT, scope="readonly")).json()["access_token"]

    told = (await asked(guarded, "introspect", token=token)).json()

    issued, expires = told.pop("iat"), told.pop("exp")
    assert told == {
        "active": True,
        "scope": "readonly",
        "client_id": "ALLTEST",
        "sub": "test",
        "token_type": "Bearer",
    }
    assert expires - issued in (5999, 6000, 6001)
    assert abs(issued - time.time()) < 5


async def test_a_token_lasts_to_its_last_moment_and_not_longer(guard: Guard) -> None:
    guarded = await guard(lifetime_s=0.5)
    issued = await guarded.issuer.issue(add_client(guarded.store))
    assert (await guarded.predict(issued.text)).status_code == 200

    await asyncio.sleep(issued.kept.expires_at - time.time() - 0.1)
    assert guarded.accounts.known(issued.text.encode()) is not None
    await asyncio.sleep(issued.kept.expires_at - time.time())
    assert guarded.accounts.known(issued.text.encode()) is None
    response = await guarded.predict(issued.text)
    assert (response.status_code, response.json()["status"]["reason"]) == (401, "TOKEN_EXPIRED")


async def test_wrong_secrets_are_slowed_down_and_noted_once_they_are(guarded: Guarded) -> None:
    replies = [await guarded.http.get("/token", params=credentials(secret="WRONG")) for _ in range(6)]

    assert [each.status_code for each in replies] == [400] * 5 + [429]
    assert int(replies[-1].headers["retry-after"]) >= 1
    right = await guarded.http.get("/token", params=credentials())
    assert right.status_code == 429
    [noted] = [each for each in guarded.store.audit.entries() if each.action == "secret.throttled"]
    assert (noted.subject, noted.actor) == ("key:ALLTEST", "server")


async def test_an_unknown_key_takes_as_long_as_a_wrong_secret(guarded: Guarded) -> None:
    async def seconds(key: str) -> float:
        started = time.perf_counter()
        await guarded.http.get("/token", params=credentials(key, "WRONG"))
        return time.perf_counter() - started

    known, unknown = [await seconds("ALLTEST") for _ in range(4)], [await seconds("NOBODY") for _ in range(4)]

    assert min(*known, *unknown) >= 0.05
    assert abs(min(known) - min(unknown)) < 0.02


async def test_issues_and_revocations_are_in_the_audit_log_without_the_token(guarded: Guarded) -> None:
    token = (await asked(guarded, **GRANT)).json()["access_token"]
    await asked(guarded, "revoke", token=token)

    entries = guarded.store.audit.entries()

    told = {(each.actor, each.action, each.subject) for each in entries}
    assert {
        ("client:test", "token.issue", "key:ALLTEST"),
        ("client:test", "token.revoke", "key:ALLTEST"),
    } <= told
    assert token not in repr(entries)
    assert ALL_SECRET not in repr(entries)


async def test_the_endpoints_need_no_token_and_ignore_a_wrong_one(guarded: Guarded) -> None:
    response = await guarded.http.get("/token", params=credentials(), headers=bearer("wrong"))

    assert response.status_code == 200
