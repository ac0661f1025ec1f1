"""The access log tells what was asked, and no secret."""

from __future__ import annotations

import io

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaal.transport.access_log import AccessLog, redacted
from gaal.transport.types import Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/broken":
        raise ValueError("broken")
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body", "body": b"12345", "more_body": False})


async def logged(path: str) -> str:
    out = io.StringIO()
    transport = httpx.ASGITransport(AccessLog(app, out), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        await client.get(path)
    return out.getvalue()


async def test_a_line_tells_who_asked_what_and_what_came_of_it() -> None:
    line = await logged("/a/b?c=d")

    assert line.startswith('127.0.0.1:123 "GET /a/b?c=d HTTP/1.1" 201 ')
    assert line.endswith("ms 5b\n")


async def test_what_failed_is_noted_too() -> None:
    assert ' HTTP/1.1" - ' in await logged("/broken")


@pytest.mark.parametrize("name", ["oauth_token", "consumer_secret", "consumer_key", "OAUTH_TOKEN", "access_token"])
async def test_no_secret_of_the_query_is_written_down(name: str) -> None:
    line = await logged(f"/token?a=1&{name}=HIDDEN&b=2")

    assert "HIDDEN" not in line
    assert f"?a=1&{name}=***&b=2" in line


async def test_a_path_cannot_write_lines_of_its_own() -> None:
    line = await logged("/a%0A1.2.3.4%20%22GET")

    assert line.count("\n") == 1
    assert "/a?1.2.3.4 ?GET" in line


@given(st.lists(st.sampled_from(["token=abc", "x=token=1", "json={}", "oauth_token=", "atoken=7"])))
def test_only_secrets_are_hidden(fields: list[str]) -> None:
    hidden = {"token=abc": "token=***", "oauth_token=": "oauth_token=***"}

    assert redacted("&".join(fields).encode()).decode() == "&".join(hidden.get(each, each) for each in fields)
