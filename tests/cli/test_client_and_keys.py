"""`gaal client`, `gaal keys` and `gaal audit`, as they are typed."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from guarded import location
from typer.testing import CliRunner, Result

from gaal.cli import audit, client, keys
from gaal.gateway.keys import new_token
from gaal.storage.records import Limits, Token
from gaal.storage.store import Store, open_store

app = typer.Typer()
client.register(app)
keys.register(app)
audit.register(app)


class Typed:
    """Types commands over the store of a folder."""

    def __init__(self, folder: Path) -> None:
        self._data_dir = str(location(folder).data_dir)

    def __call__(self, *arguments: str) -> Result:
        environment = {"GAAL_DATA_DIR": self._data_dir, "GAAL_DATABASE": ""}
        return CliRunner().invoke(app, arguments, env=environment)

    def json(self, *arguments: str) -> Any:
        result = self(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    return Typed(tmp_path)


def opened(folder: Path) -> Store:
    return open_store(location(folder))


def test_a_client_comes_with_a_key_and_a_js_key(typed: Typed, tmp_path: Path) -> None:
    key, js = typed.json("client", "add", "test")

    assert (key["client"], key["scope"], js["scope"], js["secret"]) == ("test", "all", "js", "")
    assert all(re.fullmatch("[A-Z0-9]{20}", each) for each in (key["key"], key["secret"], js["key"]))
    with opened(tmp_path) as store:
        found = store.clients.find_key(key["key"])
        assert found is not None
        assert (found.secret, found.client) == (key["secret"], "test")


def test_everything_of_a_client_can_be_given(typed: Typed, tmp_path: Path) -> None:
    typed.json(
        *("client", "add", "test", "--scope", "readonly deployment:a/b", "--key", "MYOWNKEY", "--secret", "MYSECRET"),
        *("--js-key", "MYJSKEY1", "--referrer", "example.com", "--rate", "5", "--burst", "9", "--max-concurrent", "2"),
    )

    with opened(tmp_path) as store:
        [made] = store.clients.all()
        assert made.limits == Limits(5.0, 9, 2)
        mine, js = sorted(store.clients.keys(), key=lambda key: key.scope, reverse=True)
        assert (mine.key, mine.secret, mine.scope) == ("MYOWNKEY", "MYSECRET", "readonly deployment:a/b")
        assert (js.key, js.referrers) == ("MYJSKEY1", ("example.com",))


def test_a_table_for_people_and_json_for_scripts(typed: Typed) -> None:
    assert "gaal client add NAME" in typed("client", "list").stdout
    typed("client", "add", "one", "--rate", "5")
    typed("client", "add", "two")

    table = typed("client", "list").stdout.splitlines()
    assert table[0].split() == ["client", "disabled", "keys", "rate", "per", "s", "burst", "max", "concurrent", "since"]
    assert [line.split()[:4] for line in table[1:]] == [["one", "no", "2", "5.0"], ["two", "no", "2", "-"]]
    assert [each["client"] for each in typed.json("client", "list")] == ["one", "two"]


def test_secrets_are_listed_only_where_they_are_wanted(typed: Typed) -> None:
    [key, _] = typed.json("client", "add", "test")

    assert key["secret"] not in typed("keys", "list").stdout
    assert key["secret"] not in typed("keys", "list", "--json").stdout
    assert key["secret"] in typed("keys", "list", "test", "--secrets").stdout
    listed = typed.json("keys", "list", "test", "--secrets")
    assert key["secret"] in [each["secret"] for each in listed]


def test_a_client_is_disabled_enabled_and_removed(typed: Typed, tmp_path: Path) -> None:
    typed("client", "add", "test")

    assert typed("client", "disable", "test").exit_code == 0
    assert typed.json("client", "list")[0]["disabled"] is True
    assert typed("client", "enable", "test").exit_code == 0
    assert typed.json("client", "list")[0]["disabled"] is False
    assert typed("client", "remove", "test").exit_code == 0
    assert typed.json("client", "list") == typed.json("keys", "list") == []


def test_limits_are_set_and_taken_away(typed: Typed, tmp_path: Path) -> None:
    typed("client", "add", "test", "--rate", "5")

    assert typed("client", "limit", "test", "--max-concurrent", "3").exit_code == 0
    [row] = typed.json("client", "list")
    assert (row["rate_per_s"], row["max_concurrent"]) == (None, 3)
    assert typed("client", "limit", "test", "--none").exit_code == 0
    assert typed.json("client", "list")[0]["max_concurrent"] is None


def with_token(folder: Path, key: str) -> bytes:
    """A token of this key, by its digest."""
    digest, now = new_token().encode().ljust(32, b"0"), time.time()
    with opened(folder) as store:
        store.tokens.add(Token(digest, key, "test", "all", now, now + 60))
    return digest


@pytest.mark.parametrize("flags", [[], ["--new-key"]])
def test_rotating_a_key_changes_its_secret_and_revokes_its_tokens(
    typed: Typed, tmp_path: Path, flags: list[str]
) -> None:
    [old, _] = typed.json("client", "add", "test")
    digest = with_token(tmp_path, old["key"])

    new = typed.json("keys", "rotate", old["key"], *flags)

    assert new["secret"] != old["secret"]
    assert (new["key"] == old["key"]) is (not flags)
    assert (new["client"], new["scope"], new["revoked_tokens"]) == ("test", "all", 1)
    with opened(tmp_path) as store:
        token = store.tokens.find(digest)
        assert token is not None
        assert not token.active
        assert (store.clients.find_key(old["key"]) is None) is bool(flags)


def test_rotating_says_what_it_did(typed: Typed) -> None:
    [key, js] = typed.json("client", "add", "test")

    assert "The secret is new. 0 token(s)" in typed("keys", "rotate", key["key"]).stdout
    assert "The key and secret are new." in typed("keys", "rotate", key["key"], "--new-key").stdout
    assert "The key is new." in typed("keys", "rotate", js["key"], "--new-key").stdout


def test_a_key_is_added_and_revoked(typed: Typed, tmp_path: Path) -> None:
    typed("client", "add", "test")
    [made] = typed.json("keys", "add", "test", "--scope", "readonly")
    digest = with_token(tmp_path, made["key"])

    result = typed("keys", "revoke", made["key"])

    assert (result.exit_code, result.stdout) == (0, "The key is gone. 1 token(s) of it were revoked.\n")
    assert made["key"] not in [each["key"] for each in typed.json("keys", "list")]
    with opened(tmp_path) as store:
        token = store.tokens.find(digest)
        assert token is None or not token.active


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["client", "add", "a b"], 2, "NAME"),
        (["client", "add", "x", "--scope", "write"], 2, "scope"),
        (["client", "add", "x", "--scope", "all js"], 2, "js must stand alone"),
        (["client", "add", "x", "--rate", "0"], 2, "--rate"),
        (["client", "add", "x", "--rate", "nan"], 2, "--rate"),
        (["client", "add", "x", "--burst", "5"], 2, "--burst"),
        (["client", "add", "x", "--key", "short"], 2, "--key"),
        (["client", "add", "test"], 1, "is there already"),
        (["client", "remove", "nobody"], 1, "no such client (there are: test)"),
        (["client", "limit", "test"], 2, "--none"),
        (["client", "limit", "nobody", "--rate", "1"], 1, "no such client"),
        (["keys", "list", "nobody"], 1, "no such client"),
        (["keys", "add", "nobody"], 1, "no such client"),
        (["keys", "add", "test", "--referrer", "a.b"], 2, "--referrer"),
        (["keys", "rotate", "NOTAKEY1"], 1, "no such key"),
        (["keys", "revoke", "NOTAKEY1"], 1, "no such key"),
        (["keys", "rotate", "MYJSKEY1"], 2, "--new-key"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_reason(
    typed: Typed, arguments: list[str], status: int, told: str
) -> None:
    typed("client", "add", "test", "--js-key", "MYJSKEY1")

    result = typed(*arguments)

    assert result.exit_code == status
    assert told in result.stderr
    assert result.stdout == ""
    assert "NOTAKEY1" not in result.stderr


def test_the_audit_log_has_every_change_and_no_secret(typed: Typed) -> None:
    [key, _] = typed.json("client", "add", "test", "--secret", "MYOWNSECRET")
    typed("client", "limit", "test", "--rate", "5")
    typed("client", "disable", "test")
    new = typed.json("keys", "rotate", key["key"])
    typed("keys", "revoke", key["key"])
    typed("client", "remove", "test")

    entries = typed.json("audit")

    expected = ["client.remove", "key.revoke", "key.rotate", "client.disable", "client.limit", "client.add"]
    assert [each["action"] for each in entries] == expected
    assert all(each["actor"].startswith("operator") for each in entries)
    assert "MYOWNSECRET" not in json.dumps(entries)
    assert new["secret"] not in json.dumps(entries)
    assert len(typed.json("audit", "--subject", "test")) == 4
    assert len(typed.json("audit", "-n", "2", "--hours", "1")) == 2
    assert typed.json("audit", "--actor", "client:nobody") == []
    assert "key.rotate" in typed("audit").stdout
