"""A client with a key and a secret: it fetches its token by itself, renews it, and shows it to nobody else."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
from asking import CLIENTS, ask, free_port
from gaal_command import environment
from guarded import ALL_SECRET, Guard, Guarded, add_client, guard_factory

from gaal import errors as gaal_errors
from gaal.client import AsyncClient, Client, errors

Transport = Literal["rest", "grpc"]
Kind = type[Client | AsyncClient]


@pytest.fixture
async def guard(tmp_path: Path) -> AsyncIterator[Guard]:
    async with guard_factory(tmp_path) as factory:
        yield factory


@pytest.fixture
async def guarded(guard: Guard) -> Guarded:
    served = await guard()
    add_client(served.store)
    return served


@pytest.fixture(params=CLIENTS)
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture(params=["rest", "grpc"])
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen: Transport = request.param
    return chosen


def n_issued(guarded: Guarded) -> int:
    return sum(each.action == "token.issue" for each in guarded.store.audit.entries())


async def predicted(client: Client | AsyncClient) -> Any:
    return (await ask(client, "predict", [[1.0, 2.0]])).data.tolist()


async def closed(client: Client | AsyncClient) -> None:
    await ask(client, "close")


async def test_one_token_is_fetched_for_all_calls(guarded: Guarded, kind: Kind, transport: Transport) -> None:
    client = kind(guarded.server.url, transport=transport, key="ALLTEST", secret=ALL_SECRET)

    replies = await asyncio.gather(*(predicted(client) for _ in range(8)))

    assert replies == [[[1.0, 2.0]]] * 8
    assert n_issued(guarded) == 1
    await closed(client)


async def test_a_given_token_is_shown_as_it_is(guarded: Guarded, kind: Kind, transport: Transport) -> None:
    key = guarded.store.clients.find_key("ALLTEST")
    assert key is not None
    client = kind(guarded.server.url, transport=transport, token=await guarded.token(key))

    assert await predicted(client) == [[1.0, 2.0]]
    await closed(client)


async def test_a_token_that_was_revoked_is_replaced_once(guarded: Guarded, kind: Kind, transport: Transport) -> None:
    client = kind(guarded.server.url, transport=transport, key="ALLTEST", secret=ALL_SECRET)
    await predicted(client)

    guarded.store.tokens.revoke_all("test")
    await guarded.accounts.refresh_tokens()

    assert await predicted(client) == [[1.0, 2.0]]
    assert n_issued(guarded) == 2
    await closed(client)


async def test_a_token_is_renewed_before_it_expires(guard: Guard, kind: Kind) -> None:
    guarded = await guard(lifetime_s=0.99)
    add_client(guarded.store)
    client = kind(guarded.server.url, key="ALLTEST", secret=ALL_SECRET)

    # It says that it lasts 0 s, as whole seconds are told: so every call fetches one, and none is refused.
    for _ in range(3):
        assert await predicted(client) == [[1.0, 2.0]]
    assert n_issued(guarded) == 3
    await closed(client)


async def test_a_wrong_secret_is_told_without_it(guarded: Guarded, kind: Kind, transport: Transport) -> None:
    client = kind(guarded.server.url, transport=transport, key="ALLTEST", secret="NOTTHESECRET")

    with pytest.raises(errors.Unauthenticated) as refused:
        await predicted(client)

    assert refused.value.reason == "INVALID_CLIENT"
    assert "/oauth/token: 401" in str(refused.value)
    assert "NOTTHESECRET" not in str(refused.value) + repr(refused.value)
    await closed(client)


async def test_a_server_that_is_not_there_is_unavailable(kind: Kind, transport: Transport) -> None:
    client = kind(f"http://127.0.0.1:{free_port()}", transport=transport, key="K", secret="S", n_retries=0)

    with pytest.raises(errors.Unavailable):
        await predicted(client)
    await closed(client)


async def test_a_server_without_tokens_is_said_to_have_none(guarded: Guarded, kind: Kind) -> None:
    client = kind(f"{guarded.server.url}/nowhere", key="ALLTEST", secret=ALL_SECRET)

    with pytest.raises(errors.RequestRefused, match="/nowhere/oauth/token: 40"):
        await predicted(client)
    await closed(client)


async def test_nobody_reads_a_secret_or_a_token_in_a_client(guarded: Guarded, kind: Kind) -> None:
    client = kind(guarded.server.url, key="ALLTEST", secret=ALL_SECRET)
    await predicted(client)

    shown = repr(client) + repr(vars(client)) + repr(client._settings) + repr(vars(client._credentials))

    assert ALL_SECRET not in shown
    for each in ("Bearer", "Basic"):
        assert each not in shown
    await closed(client)


@pytest.mark.parametrize(
    "given",
    [{"key": "K"}, {"secret": "S"}, {"key": "K", "secret": "S", "token": "T"}],
    ids=lambda given: ",".join(given),
)
def test_a_key_needs_its_secret_and_nothing_else(kind: Kind, given: dict[str, Any]) -> None:
    with pytest.raises(gaal_errors.SettingsError, match="must"):
        kind("http://127.0.0.1:1", **given)


async def typed(*arguments: str, **variables: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gaal", *arguments),
        env={**environment(), **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_gaal_predict_and_gaal_check_take_a_key_and_its_secret(guarded: Guarded, tmp_path: Path) -> None:
    login = {"GAAL_KEY": "ALLTEST", "GAAL_SECRET": ALL_SECRET}
    contract = tmp_path / "contract.json"
    feature = '{"name":"x","dtype":"FLOAT","ftype":"continuous","range":[0,1]}'
    contract.write_text(f'{{"features":[{feature}],"targets":[{feature}]}}')
    url = guarded.server.url

    assert (await typed("predict", url, "--data", "[[1]]"))[0] == 1
    status, out, _ = await typed("predict", url, "--data", "[[1]]", "--grpc", **login)
    assert (status, '"values":[1.0]' in out) == (0, True)
    assert (await typed("check", str(contract), url))[0] == 1
    assert (await typed("check", str(contract), url, "--key", "ALLTEST", "--secret", ALL_SECRET))[0] == 0


async def test_a_token_that_still_counts_is_used_while_none_can_be_had(guarded: Guarded) -> None:
    client = AsyncClient(guarded.server.url, key="ALLTEST", secret=ALL_SECRET, n_retries=0)
    await predicted(client)
    credentials = client._credentials
    assert credentials is not None
    granted = credentials.current()
    assert granted is not None
    credentials._clock = lambda: granted.renew_at + 1
    guarded.store.database.close()

    assert await predicted(client) == [[1.0, 2.0]]

    credentials._clock = lambda: granted.expires_at + 1
    with pytest.raises(errors.Unavailable):
        await predicted(client)
    await client.close()
