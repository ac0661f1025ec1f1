"""`seldon-cli`: each command's outputs and exit codes."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gaal import __version__
from gaal.cli.seldon_cli.command import run
from gaal.storage.store import Store, locate, open_store

CLASS = "io.seldon.microservice.iris.IrisPredictRequest"
PROTO = 'syntax = "proto3"; package io.seldon.microservice.iris; message IrisPredictRequest { float f1 = 1; }'
ALGS = {"algorithms": [{"name": "externalPredictionServer", "config": [
    {"name": "io.seldon.algorithm.external.url", "value": "http://iris:5000/predict"},
    {"name": "io.seldon.algorithm.external.name", "value": "iris"},
]}]}  # fmt: skip


class Cli:
    """Runs the command as `seldon-cli …`, in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], store: Store) -> None:
        self._capsys = capsys
        self.store = store

    def fails(self, *arguments: str) -> str:
        """What it says on stderr, when it ends with status 1."""
        assert run(arguments) == 1
        return self._capsys.readouterr().err

    def quietly(self, *arguments: str) -> str:
        """Its result."""
        assert run(["--quiet", *arguments]) == 0
        out, err = self._capsys.readouterr()
        assert err == ""
        return out

    def __call__(self, *arguments: str) -> str:
        assert run(arguments) == 0
        return self._capsys.readouterr().out


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """The command over a store of its own, for a user without a conf file."""
    monkeypatch.setenv("GAAL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GAAL_SERVER_ENDPOINT", raising=False)
    with open_store(locate(None, tmp_path / "data", {})) as store:
        yield Cli(capsys, store)


@pytest.fixture
def test_client(cli: Cli) -> Cli:
    cli("client", "--action", "setup", "--db-name", "ClientDB", "--client-name", "test")
    return cli


def test_without_a_command_or_with_an_unknown_one_it_fails(cli: Cli) -> None:
    assert cli.fails() == "Need command\n"
    assert cli.fails("nothing").startswith("Invalid command[nothing]")


def test_the_version_and_the_conf_file(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / ".seldon" / "seldon.conf"
    assert cli("--version") == f"seldon-cli {__version__}\n"
    assert json.loads(cli("--print-default-config")) == {"server_endpoint": "http://localhost:30015"}
    assert cli("--setup-config") == f"Writing data to file[{path}]\n"
    path.write_text('{"zk_hosts": "elsewhere"}')
    assert cli("--setup-config") == f"{path} is there already\n"
    assert path.read_text() == '{"zk_hosts": "elsewhere"}'
    path.write_text("no JSON")
    assert "must be JSON" in cli.fails("keys")


def test_a_client_is_set_up_with_a_js_key_and_an_all_key(cli: Cli, tmp_path: Path) -> None:
    connecting = f"connecting to {tmp_path / 'data' / 'gaal.sqlite'} [SUCCEEDED]\n"
    assert cli("client") == f"{connecting}No clients found!\n"
    lines = cli("client", "--action", "setup", "--db-name", "X", "--client-name", "test").splitlines()
    assert [each["scope"] for each in json.loads(lines[-1])] == ["js", "all"]
    assert cli("client") == f"{connecting}client[test]:\n    DB_JNDI_NAME: ClientDB\n"
    again = cli("client", "--action", "setup", "--db-name", "X", "--client-name", "test")
    assert again == f"{connecting}Client already exists!\n"


def test_keys_may_be_given(cli: Cli) -> None:
    given = ("--set-js-key", "JS", "--set-all-key", "ALL", "--set-all-secret", "SECRET")
    cli("client", "--action", "setup", "--db-name", "X", "--client-name", "test", *given)
    assert json.loads(cli.quietly("keys", "--client-name", "test")) == [
        {"db": "ClientDB", "client": "test", "key": "ALL", "secret": "SECRET", "scope": "all"},
        {"db": "ClientDB", "client": "test", "key": "JS", "secret": "", "scope": "js"},
    ]


def test_keys_are_one_line_of_json(test_client: Cli) -> None:
    out = test_client.quietly("keys", "--client-name", "test", "--scope", "all")
    assert out.count("\n") == 1
    [key] = json.loads(out)
    assert (len(key["key"]), len(key["secret"]), key["scope"]) == (20, 20, "all")
    assert len(json.loads(test_client.quietly("keys"))) == 2


def test_a_key_is_updated(test_client: Cli) -> None:
    update = ("keys", "--action", "update", "--client-name", "test")
    assert test_client.fails("keys", "--action", "update").startswith("Need --client-name and --key")
    assert test_client.fails(*update, "--key", "K").startswith("Need --scope")
    assert test_client.fails(*update, "--key", "K", "--scope", "all").startswith("Need --secret")
    test_client.quietly(*update, "--key", "K", "--secret", "one")
    assert json.loads(test_client.quietly(*update, "--key", "K", "--secret", "two"))[0]["secret"] == "two"
    test_client.quietly(*update, "--key", "J", "--scope", "js")
    keys = json.loads(test_client.quietly("keys"))
    assert [(each["key"], each["secret"]) for each in keys] == [("K", "two"), ("J", "")]


@pytest.mark.parametrize(
    "command",
    [
        ("keys", "--client-name", "nobody"),
        ("rpc", "--client-name", "nobody"),
        ("predict_alg", "--action", "show", "--client-name", "nobody"),
        ("api", "--client-name", "nobody", "--endpoint", "/predict"),
    ],
)
def test_an_unknown_client_is_named_with_those_that_there_are(test_client: Cli, command: tuple[str, ...]) -> None:
    said = test_client.fails(*command)
    assert said.startswith(
        'There is no client "nobody" (there are: test). To make it: seldon-cli client --action setup'
    )


def test_protobufs_are_set_shown_and_removed(test_client: Cli, tmp_path: Path) -> None:
    proto = tmp_path / "iris.proto"
    proto.write_text(PROTO)
    rpc = ("rpc", "--client-name", "test", "--action")
    assert test_client.quietly(*rpc, "show") == "Unable to show rpc definition for client[test]\n"
    assert test_client.fails(*rpc, "set").startswith("Need either --proto or --jar")
    assert test_client.fails(*rpc, "set", "--proto", str(proto)).startswith("Need --request-class")
    test_client(*rpc, "set", "--proto", str(proto), "--request-class", CLASS)
    expected = f'{{\n    "jarFilename": "iris.proto",\n    "requestClassName": "{CLASS}"\n}}\n'
    assert test_client.quietly("rpc", "--client-name", "test") == expected
    proto.write_text("message {")
    assert "iris.proto:1:" in test_client.fails(*rpc, "set", "--proto", str(proto), "--request-class", CLASS)
    assert test_client.quietly(*rpc, "show") == expected
    test_client(*rpc, "remove")
    assert test_client.fails(*rpc, "remove").startswith("Unable to remove")


def test_prediction_algorithms_are_created_committed_and_shown(
    test_client: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    algs = ("predict_alg", "--client-name", "test", "--action")
    assert test_client.quietly("predict_alg", "--action", "list").startswith("Default predictors:\n    externalPred")
    assert "has no prediction algorithms" in test_client.fails(*algs, "show")
    assert "nothing to commit" in test_client.fails(*algs, "commit")
    (tmp_path / "algs.json").write_text(json.dumps(ALGS))
    out = test_client(*algs, "create", "-f", str(tmp_path / "algs.json"))
    assert out.endswith("Added prediction algs for test\n")
    assert test_client.store.strategies.get("test").committed == ""  # type: ignore[union-attr]
    test_client(*algs, "commit")
    test_client(*algs, "commit")
    assert test_client.quietly(*algs, "show") == (
        "algorithms:\n"
        "    externalPredictionServer\n"
        "        io.seldon.algorithm.external.url: http://iris:5000/predict\n"
        "        io.seldon.algorithm.external.name: iris\n"
    )
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"variations": [_variation("a"), _variation("b")]})))
    test_client(*algs, "create", "-f", "-")
    shown = test_client.quietly(*algs, "show")
    assert "not committed yet:\n    variations:\n        a: 0.5\n            algorithms:\n" in shown


def test_prediction_algorithms_that_are_none_are_refused(test_client: Cli, tmp_path: Path) -> None:
    create = ("predict_alg", "--client-name", "test", "--action", "create")
    (tmp_path / "algs.json").write_text('{"algorithms": [{"name": "magic"}]}')
    assert test_client.fails(*create).startswith("Need -f")
    assert "algorithms[0].name" in test_client.fails(*create, "-f", str(tmp_path / "algs.json"))
    assert "No such file" in test_client.fails(*create, "-f", str(tmp_path / "none.json"))
    assert test_client.store.strategies.get("test") is None


def test_what_gaal_needs_not_is_kept_and_what_it_does_not_do_is_said(test_client: Cli, tmp_path: Path) -> None:
    given = ("--db-name", "X", "--db-user", "u", "--db-password", "hidden", "--db-jdbc", "jdbc:x")
    assert "Gaal needs no such database" in test_client("db", "--action", "setup", *given)
    assert test_client.quietly("db") == "X:\n    user: u\n    jdbc: jdbc:x\n"
    assert test_client.quietly("db", "--action", "list") == "X\n"
    assert (tmp_path / "data" / "seldon-cli.json").stat().st_mode & 0o777 == 0o600
    assert "Gaal needs no memcached" in test_client("memcached", "--action", "setup", "--servers", "here:11211")
    assert json.loads(test_client.quietly("memcached")) == {"servers": "here:11211"}
    assert "ZooKeeper" in test_client("client", "--action", "zk_push")
    assert "no Spark jobs" in test_client.fails("client", "--action", "processevents")
    for command in ("model", "rec_alg", "rec_exp", "attr", "import"):
        assert test_client.fails(command, "--action", "show", "--whatever", "x").startswith(f"{command}: Gaal ")
    for endpoint in ("/js/recommendations", "/items"):
        assert "not recommendations" in test_client.fails("api", "--client-name", "test", "--endpoint", endpoint)


# The API ----------------------------------------------------------------------------------------------------------


class FarServer(HTTPServer):
    """Answers as Seldon Server does, and keeps what it is asked."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FarHandler)
        self.asked: list[tuple[str, str, dict[str, list[str]], bytes]] = []


class FarHandler(BaseHTTPRequestHandler):
    server: FarServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        query = parse_qs(parts.query)
        self.server.asked.append((self.command, parts.path, query, body))
        self.send_response(200 if parts.path == "/token" else self.server.status)
        self.end_headers()
        reply: Any = {"access_token": "the-token"} if parts.path == "/token" else {"custom": None}
        text = json.dumps(reply)
        self.wfile.write((f"j({text})" if "/js/" in parts.path else text).encode())

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[FarServer]:
    with FarServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("GAAL_SERVER_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()
        thread.join()


def test_paths_for_browsers_are_asked_with_the_js_key_and_jsonp_is_taken_off(test_client: Cli, far: FarServer) -> None:
    [key] = json.loads(test_client.quietly("keys", "--scope", "js"))
    out = test_client.quietly(
        "api", "--client-name", "test", "--endpoint", "/js/predict", "--json", '{"data":{"f1":1}}'
    )
    assert out == '{"custom": null}\n'
    query = {"consumer_key": [key["key"]], "jsonpCallback": ["j"], "json": ['{"data":{"f1":1}}']}
    assert far.asked == [("GET", "/js/predict", query, b"")]


def test_other_paths_are_asked_with_a_token(test_client: Cli, far: FarServer) -> None:
    [key] = json.loads(test_client.quietly("keys", "--scope", "all"))
    out = test_client("api", "--client-name", "test", "--endpoint", "/predict", "--json", '{"data":[1]}')
    assert out.splitlines()[1:] == ["response code 200", '{"custom": null}']
    assert far.asked == [
        ("GET", "/token", {"consumer_key": [key["key"]], "consumer_secret": [key["secret"]]}, b""),
        ("POST", "/predict", {"oauth_token": ["the-token"]}, b'{"data":[1]}'),
    ]


def test_another_status_than_200_is_a_failure_and_nothing_is_on_stdout(
    test_client: Cli, far: FarServer, capsys: pytest.CaptureFixture[str]
) -> None:
    far.status = 400
    assert run(["--quiet", "api", "--client-name", "test", "--endpoint", "/predict"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == '/predict: the server answered with status 400: {"custom": null}\n'


def test_two_keys_of_a_scope_are_one_too_many(test_client: Cli, far: FarServer) -> None:
    [key] = test_client.store.clients.keys("test")[:1]
    test_client.store.clients.remove_key(key.key)
    endpoint = "/js/predict" if key.scope == "js" else "/predict"
    said = test_client.fails("api", "--client-name", "test", "--endpoint", endpoint)
    assert said.startswith("Failed to find single auth key")


def test_a_server_that_does_not_run_is_told_with_how_to_start_it(
    test_client: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAAL_SERVER_ENDPOINT", "http://127.0.0.1:9")
    said = test_client.fails("api", "--client-name", "test", "--endpoint", "/js/predict")
    assert said.startswith("No server answers at http://127.0.0.1:9 (")
    assert "gaal serve --seldon-server-ports" in said
    assert "must be JSON" in test_client.fails("api", "--client-name", "test", "--endpoint", "/predict", "--json", "{")


def _variation(label: str) -> dict[str, Any]:
    return {"label": label, "ratio": 0.5, "config": ALGS}
