"""What a client does when the other end hangs, lies, breaks off or floods it: a clear error in time, and no harm."""

from __future__ import annotations

import asyncio
import gzip
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic
from typing import Any

import orjson
import pytest
from asking import CLIENTS, ask
from misbehaving import Behave, answers, drips, floods, hangs, hangs_up, says, serving

from gaal.client import AsyncClient, Client, errors

AnyClient = type[Client | AsyncClient]

both = pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind.__name__)


async def failure(kind: AnyClient, url: str, method: str = "predict", **settings: Any) -> errors.CallFailed:
    """What asking once comes to."""
    client = kind(url, **settings)
    arguments = ["x"] if method == "predict" else []
    try:
        with pytest.raises(errors.CallFailed) as caught:
            await ask(client, method, *arguments)
    finally:
        await ask(client, "close")
    return caught.value


@both
@pytest.mark.parametrize("behave", [hangs, drips, says(b"HTTP/1.1 200")], ids=["hangs", "drips", "stops in the head"])
async def test_the_time_given_is_kept_whatever_comes(kind: AnyClient, behave: Behave) -> None:
    async with serving(behave) as server:
        started = monotonic()
        failed = await failure(kind, server.url, timeout_s=0.2)

    assert monotonic() - started < 1
    assert isinstance(failed, errors.DeadlineExceeded)
    assert not failed.never_arrived


@both
async def test_a_page_for_browsers_is_no_reply(kind: AnyClient) -> None:
    async with serving(answers(b"<html>Welcome</html>", content_type="text/html; charset=utf-8")) as server:
        failed = await failure(kind, server.url)

    assert isinstance(failed, errors.BadReply)
    assert str(failed) == f"POST {server.url}/api/v1.0/predictions: 200: the reply must be JSON, and is text/html"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"data":', "malformed JSON"),
        (b"", "empty"),
        (b"[1]", "must be a JSON object"),
        (b'{"data":{"tensor":{"shape":[3],"values":[1]}}}', "data.tensor.shape"),
        (b'{"binData":"!"}', "binData"),
    ],
)
@both
async def test_garbage_is_said_with_its_place(kind: AnyClient, body: bytes, told: str) -> None:
    async with serving(answers(body)) as server:
        failed = await failure(kind, server.url)

    assert isinstance(failed, errors.BadReply)
    assert told in failed.info


@both
@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "text/plain", "", "application/vnd.x+json"]
)
async def test_json_by_another_name_is_taken(kind: AnyClient, content_type: str) -> None:
    async with serving(answers(content_type=content_type)) as server:
        client = kind(server.url)
        assert (await ask(client, "predict", "x")).data == "fine"
        await ask(client, "close")


@both
@pytest.mark.parametrize(
    ("behave", "cls"),
    [
        (hangs_up, errors.Unavailable),
        (says(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"str', then_closes=True), errors.Unavailable),
        (says(b"220 mail.example.com ESMTP\r\n\r\n"), errors.BadReply),
        (answers(status="302 Found", headers=["location: http://elsewhere/"]), errors.BadReply),
        (answers(status="204 No Content"), errors.BadReply),
        (answers(gzip.compress(b'{"strData":"x"}'), headers=["content-encoding: gzip"]), errors.BadReply),
    ],
    ids=["hangs up", "breaks off", "is no HTTP", "redirects", "has no content", "packs unasked"],
)
async def test_what_is_no_reply_has_a_class(kind: AnyClient, behave: Behave, cls: type[errors.CallFailed]) -> None:
    async with serving(behave) as server:
        failed = await failure(kind, server.url)

    assert type(failed) is cls
    assert len(server.requests) == 1, "a prediction that may have been made is not asked for again"


@both
@pytest.mark.parametrize(
    "behave", [floods, says(b"HTTP/1.1 200 OK\r\ncontent-length: 20000000\r\n\r\n")], ids=["chunked", "as it says"]
)
async def test_twenty_megabytes_are_not_read_where_one_is_allowed(kind: AnyClient, behave: Behave) -> None:
    async with serving(behave) as server:
        failed = await failure(kind, server.url, max_reply_bytes=1_000_000)

    assert isinstance(failed, errors.ReplyTooLarge)


@both
@pytest.mark.parametrize(
    ("status", "cls"),
    [
        ("400 Bad Request", errors.RequestRefused),
        ("401 Unauthorized", errors.Unauthenticated),
        ("403 Forbidden", errors.PermissionDenied),
        ("404 Not Found", errors.NotFound),
        ("413 Content Too Large", errors.Overloaded),
        ("418 Teapot", errors.RequestRefused),
        ("429 Too Many Requests", errors.Overloaded),
        ("500 Internal Server Error", errors.ServerFailed),
        ("502 Bad Gateway", errors.Unavailable),
        ("503 Service Unavailable", errors.Unavailable),
        ("504 Gateway Timeout", errors.DeadlineExceeded),
    ],
)
async def test_each_status_has_its_class(kind: AnyClient, status: str, cls: type[errors.CallFailed]) -> None:
    async with serving(answers(b"<h1>no</h1>", status, "text/html")) as server:
        failed = await failure(kind, server.url)

    assert type(failed) is cls
    assert failed.http_status == int(status[:3])
    assert failed.info == status[4:]


@pytest.mark.parametrize(
    ("body", "info", "reason"),
    [
        ({"status": {"code": 400, "info": "why", "reason": "X", "status": "FAILURE"}}, "why", "X"),
        ({"status": {"code": 500, "info": "why", "status": "FAILURE"}}, "why", "REQUEST_REFUSED"),
        (
            {"status": {"code": -1, "info": "why", "reason": "MICROSERVICE_BAD_DATA", "status": 1}},
            "why",
            "MICROSERVICE_BAD_DATA",
        ),
        ({"detail": "why"}, '{"detail":"why"}', "REQUEST_REFUSED"),
    ],
    ids=["ours", "the orchestrator's", "the wrapper's", "somebody else's"],
)
@both
async def test_every_form_of_an_error_is_read(kind: AnyClient, body: Any, info: str, reason: str) -> None:
    async with serving(answers(orjson.dumps(body), "400 Bad Request", "text/plain")) as server:
        failed = await failure(kind, server.url)

    assert type(failed) is errors.RequestRefused
    assert (failed.info, failed.reason) == (info, reason)


@both
async def test_a_failure_in_a_reply_with_status_200_is_raised(kind: AnyClient) -> None:
    body = b'{"status":{"code":418,"info":"short and stout","reason":"TEAPOT","status":"FAILURE"}}'
    async with serving(answers(body)) as server:
        failed = await failure(kind, server.url)

    assert type(failed) is errors.RequestRefused
    assert (failed.http_status, failed.info, failed.reason) == (418, "short and stout", "TEAPOT")


BUSY = answers(b"", "503 Service Unavailable", headers=["retry-after: 0"])


@both
async def test_who_is_turned_away_with_a_time_comes_back(kind: AnyClient) -> None:
    async with serving(BUSY, BUSY, answers()) as server:
        client = kind(server.url)
        assert (await ask(client, "predict", "x")).data == "fine"
        await ask(client, "close")

    assert len(server.requests) == 3


@both
async def test_who_is_turned_away_without_a_time_does_not(kind: AnyClient) -> None:
    async with serving(answers(b"", "503 Service Unavailable"), answers()) as server:
        failed = await failure(kind, server.url)

    assert isinstance(failed, errors.Unavailable)


@both
async def test_a_time_beyond_the_deadline_is_not_waited_for(kind: AnyClient) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    async with serving(answers(b"", "429 Too Many Requests", headers=[f"retry-after: {later}"])) as server:
        failed = await failure(kind, server.url, timeout_s=30)

    assert failed.retry_after_s is not None
    assert 3500 < failed.retry_after_s <= 3600
    assert len(server.requests) == 1


@both
async def test_a_question_about_metadata_is_asked_again_after_a_broken_connection(kind: AnyClient) -> None:
    async with serving(hangs_up, answers(b'{"name":"main"}')) as server:
        client = kind(server.url)
        assert (await ask(client, "metadata")).name == "main"
        await ask(client, "close")

    assert len(server.requests) == 2


@both
async def test_predictions_are_repeated_where_the_caller_says_so_and_feedback_never(kind: AnyClient) -> None:
    async with serving(hangs_up, answers()) as server:
        client = kind(server.url, retry_predictions=True)
        assert (await ask(client, "predict", "x")).data == "fine"
        await ask(client, "close")
    async with serving(hangs_up, answers()) as server:
        failed = await failure(kind, server.url, "feedback", retry_predictions=True)

    assert isinstance(failed, errors.Unavailable)
    assert len(server.requests) == 1


async def test_a_prediction_that_did_not_get_out_whole_is_sent_again() -> None:
    """Blocking only: a transport of asyncio takes bytes for a connection that is gone, which then count as sent."""
    n_refused = 0

    def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal n_refused
        n_refused += 1
        writer.transport.abort()

    listener = await asyncio.start_server(refuse, "127.0.0.1", 0)
    client = Client(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", n_retries=1)
    async with listener:
        with pytest.raises(errors.Unavailable) as caught:
            await ask(client, "predict", b"x" * 50_000_000)
        await ask(client, "close")

    assert caught.value.never_arrived
    assert n_refused == 2


@both
async def test_a_connection_is_used_again_and_again(kind: AnyClient) -> None:
    async with serving(answers()) as server:
        client = kind(server.url)
        for _ in range(5):
            await ask(client, "predict", "x")
        await ask(client, "close")

    assert (len(server.requests), server.n_connections) == (5, 1)


@both
async def test_a_connection_that_the_server_closed_meanwhile_is_replaced(kind: AnyClient) -> None:
    closing = answers(headers=["connection: close"])
    async with serving(closing) as server:
        client = kind(server.url)
        for _ in range(3):
            await ask(client, "predict", "x")
        await ask(client, "close")

    assert server.n_connections == 3


@both
async def test_a_failed_call_leaves_the_client_well(kind: AnyClient) -> None:
    async with serving(hangs, floods, answers()) as server:
        client = kind(server.url, timeout_s=5, max_reply_bytes=1000)
        with pytest.raises(errors.DeadlineExceeded):
            await ask(client, "predict", "x", timeout_s=0.1)
        with pytest.raises(errors.ReplyTooLarge):
            await ask(client, "predict", "x")
        assert (await ask(client, "predict", "x")).data == "fine"
        await ask(client, "close")


@both
@pytest.mark.parametrize(
    ("header", "line"), [("Authorization", b"authorization: Bearer s3cret"), ("X-Auth-Token", b"x-auth-token: s3cret")]
)
async def test_the_token_goes_with_every_call(kind: AnyClient, header: str, line: bytes) -> None:
    async with serving(answers(b'{"name":"main"}')) as server:
        client = kind(server.url, token="s3cret", token_header=header, headers={"X-Team": "blue"})
        await ask(client, "metadata")
        await ask(client, "predict", "x")
        await ask(client, "close")

    assert all(line in head.lower().replace(b"bearer", b"Bearer") for head in server.requests)
    assert all(b"x-team: blue" in head.lower() for head in server.requests)


@both
@pytest.mark.parametrize(
    ("settings", "options", "path"),
    [
        ({}, {}, "/api/v1.0/explain"),
        (
            {"deployment": "income", "namespace": "models"},
            {"predictor": "main"},
            "/seldon/models/income-explainer/main/api/v1.0/explain",
        ),
    ],
)
async def test_an_explanation_is_the_explainers_json(
    kind: AnyClient, settings: dict[str, Any], options: dict[str, str], path: str
) -> None:
    async with serving(answers(b'{"meta":{"name":"AnchorTabular"},"data":{"anchor":[]}}')) as server:
        client = kind(server.url, **settings)
        explanation = await ask(client, "explain", [[1.0]], **options)
        await ask(client, "close")

    assert explanation["meta"] == {"name": "AnchorTabular"}
    assert server.requests[0].startswith(f"POST {path} HTTP/1.1".encode())
    assert server.requests[0].endswith(b'"tensor":{"shape":[1,1],"values":[1.0]}},"meta":{}}')


@both
async def test_the_proxy_of_the_environment_is_not_asked_for_this_machine(
    kind: AnyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with serving(answers()) as server, serving(hangs_up) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        client = kind(server.url)
        assert (await ask(client, "predict", "x")).data == "fine"
        await ask(client, "close")

    assert proxy.requests == []


@both
async def test_other_machines_are_asked_through_it(kind: AnyClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with serving(answers()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        client = kind("http://models.example:8000")
        assert (await ask(client, "predict", "x")).data == "fine"
        await ask(client, "close")

    assert proxy.requests[0].startswith(b"POST http://models.example:8000/api/v1.0/predictions HTTP/1.1")


async def test_a_cancelled_call_hangs_up() -> None:
    hung_up = asyncio.Event()

    async def wait_for_the_end(writer: asyncio.StreamWriter) -> None:
        try:
            await drips(writer)
        finally:
            hung_up.set()

    async with serving(wait_for_the_end) as server, AsyncClient(server.url) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.predict("x")
        await asyncio.wait_for(hung_up.wait(), 5)


@both
@pytest.mark.parametrize("behave", [answers(), hangs_up, says(b"220 mail.example.com ESMTP\r\n")])
async def test_what_is_no_grpc_is_unavailable(kind: AnyClient, behave: Behave) -> None:
    async with serving(behave) as server:
        failed = await failure(kind, server.url, transport="grpc", timeout_s=5, n_retries=1)

    assert type(failed) is errors.Unavailable


@both
async def test_a_grpc_server_that_hangs_is_left_in_time(kind: AnyClient) -> None:
    async with serving(hangs) as server:
        started = monotonic()
        failed = await failure(kind, server.url, transport="grpc", timeout_s=0.2)

    assert monotonic() - started < 1
    assert type(failed) is errors.DeadlineExceeded
