"""`seldon-cli api`: call an endpoint of the server as one of its clients."""

from __future__ import annotations

import argparse
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from gaal.cli.seldon_cli.keys import found
from gaal.cli.seldon_cli.session import CommandFailed, Session
from gaal.storage.records import Key

SERVED = ("/js/predict", "/js/event/new", "/predict", "/events")
RECOMMENDATION = ("/js/action/new", "/js/recommendations", "/actions", "/users/recommendations", "/items")
TIMEOUT_S = 30.0
CALLBACK = "j"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered, with any status."""

    status: int
    body: str


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "seldon-cli api", description="Call an endpoint of the server as one of its clients.", allow_abbrev=False
    )
    endpoints = (*SERVED, *RECOMMENDATION)
    parser.add_argument("--action", choices=("call",), default="call", help="Accepted. There is only call.")
    parser.add_argument("--client-name", required=True, metavar="NAME", help="As whom.")
    parser.add_argument("--endpoint", required=True, choices=endpoints, metavar="PATH", help=", ".join(SERVED) + ".")
    parser.add_argument("--method", choices=("GET", "POST"), help="Default: GET for /js/…, POST for the others.")
    parser.add_argument("--json", default="{}", metavar="JSON", help="The body, or with /js/… the parameter json.")
    for name, default in (("user", "1"), ("item", None), ("type", "1"), ("limit", "5"), ("dimensions", None)):
        parser.add_argument(f"--{name}", default=default, help="Accepted. For recommendations, which Gaal has not.")
    parser.add_argument("--attributes", help="Accepted, likewise.")
    parser.add_argument("--full", action="store_true", help="Accepted, likewise.")
    return parser


def run(session: Session, given: argparse.Namespace) -> None:
    if given.endpoint in RECOMMENDATION:
        raise CommandFailed(f"{given.endpoint}: Gaal serves predictions, not recommendations")
    client = session.require_client(given.client_name)
    _check_json(given.json)
    reply = _call_js(session, client, given) if given.endpoint.startswith("/js/") else _call(session, client, given)
    session.say(f"response code {reply.status}")
    if reply.status != 200:
        raise CommandFailed(f"{given.endpoint}: the server answered with status {reply.status}: {reply.body.strip()}")
    print(reply.body)


def _check_json(text: str) -> None:
    try:
        json.loads(text)
    except ValueError as error:
        raise CommandFailed(f"--json: must be JSON: {error}") from None


def _call_js(session: Session, client: str, given: argparse.Namespace) -> Reply:
    """With the bare key; the reply is JSONP, which is taken off."""
    key = _single_key(session, client, "js")
    parameters = {"consumer_key": key.key, "jsonpCallback": CALLBACK, "json": given.json}
    if given.method == "POST":
        reply = _ask(session, given.endpoint, {}, urllib.parse.urlencode(parameters).encode(), FORM)
    else:
        reply = _ask(session, given.endpoint, parameters)
    return Reply(reply.status, without_callback(reply.body))


def without_callback(body: str) -> str:
    """`j({…})` as `{…}`."""
    match = re.fullmatch(rf"\s*{CALLBACK}\((.*)\);?\s*", body, re.DOTALL)
    return match[1] if match else body


def _call(session: Session, client: str, given: argparse.Namespace) -> Reply:
    """With a token, which the client's key and secret get first."""
    key = _single_key(session, client, "all")
    reply = _ask(session, "/token", {"consumer_key": key.key, "consumer_secret": key.secret})
    if reply.status != 200:
        return reply
    token = json.loads(reply.body)["access_token"]
    body = None if given.method == "GET" else given.json.encode()
    return _ask(session, given.endpoint, {"oauth_token": token}, body, JSON)


FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}


def _single_key(session: Session, client: str, scope: str) -> Key:
    keys = found(session, client, scope)
    if len(keys) != 1:
        raise CommandFailed(f'Failed to find single auth key: client "{client}" has {len(keys)} of scope {scope}')
    return keys[0]


def _ask(
    session: Session,
    path: str,
    query: Mapping[str, str],
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """The reply of the first server that is there. Raises CommandFailed where none is."""
    endpoints = session.conf.server_endpoints
    for endpoint in endpoints:
        url = f"{endpoint}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        request = urllib.request.Request(url, body, dict(headers or {}), method="GET" if body is None else "POST")
        try:
            return _reply(request)
        except OSError as error:
            reason = getattr(error, "reason", error)
    raise CommandFailed(
        f"No server answers at {' or '.join(endpoints)} ({reason}). Start one: gaal serve --seldon-server-ports; "
        "or say where one is: GAAL_SERVER_ENDPOINT, or server_endpoint in ~/.seldon/seldon.conf"
    )


def _reply(request: urllib.request.Request) -> Reply:
    """Raises OSError where nobody answers."""
    # The key, the secret and the token are in the query: no proxy is to see them.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as reply:
            return Reply(reply.status, reply.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.read().decode(errors="replace"))
