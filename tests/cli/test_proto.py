"""`gaal proto` and `create-proto-jar`, as they are typed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gaal.cli import create_proto_jar, proto
from gaal.storage.location import locate
from gaal.storage.records import Client
from gaal.storage.store import Store, open_store

IRIS = """
syntax = "proto3";
option java_multiple_files = true;
option java_package = "io.seldon.microservice.iris";
package io.seldon.microservice.iris;
message IrisPredictRequest { float f1 = 1; float f2 = 2; float f3 = 3; float f4 = 4; }
"""
IRIS_CLASS = "io.seldon.microservice.iris.IrisPredictRequest"

Gaal = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store that the commands find, with the client `test`. The test stands in a folder with an iris.proto."""
    monkeypatch.setenv("GAAL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("GAAL_DATABASE", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("iris.proto").write_text(IRIS)
    with open_store(locate(None, tmp_path / "data", {})) as opened:
        opened.clients.add(Client("test"))
        yield opened


@pytest.fixture
def gaal(store: Store) -> Gaal:
    """Types `gaal proto …`."""
    return lambda *words: CliRunner().invoke(proto.app, list(words))


def test_what_is_added_is_shown_listed_and_removed(gaal: Gaal, store: Store) -> None:
    added = gaal("add", "--client", "test", "--proto", "iris.proto", "--request-class", IRIS_CLASS)
    assert (added.exit_code, added.output) == (0, f"test: requests bring {IRIS_CLASS}\n")
    shown = json.loads(gaal("show", "--client", "test").output)
    assert (shown["request_class"], shown["reply_class"], shown["source"]) == (IRIS_CLASS, None, "iris.proto")
    assert list(shown["request"]["properties"]) == ["f1", "f2", "f3", "f4"]
    assert gaal("list").output == f"test  {IRIS_CLASS}\n"
    assert gaal("remove", "--client", "test").exit_code == 0
    assert store.registrations.get("test") is None
    assert gaal("list").output == ""
    assert [each.action for each in store.audit.entries()] == ["proto.remove", "proto.set"]


def test_the_only_message_need_not_be_named(gaal: Gaal) -> None:
    assert IRIS_CLASS in gaal("add", "--client", "test", "--proto", "iris.proto").output


def test_a_class_of_replies_and_folders_for_imports_may_be_given(gaal: Gaal, store: Store) -> None:
    Path("protos/a").mkdir(parents=True)
    Path("protos/a/q.proto").write_text('syntax = "proto3"; import "a/r.proto"; message Q { R r = 1; }')
    Path("protos/a/r.proto").write_text('syntax = "proto3"; message R {}')
    words = ("--proto", "protos/a/q.proto", "--include", "protos", "--request-class", "Q", "--reply-class", "R")
    assert gaal("add", "--client", "test", *words).output == "test: requests bring Q, replies bring R\n"
    assert "reply" in json.loads(gaal("show", "--client", "test").output)
    assert gaal("list").output == "test  Q  R\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("add", "--client", "nobody", "--proto", "iris.proto"), 'client "nobody": there is no such client'),
        (("add", "--client", "test", "--proto", "no.proto"), "no.proto: there is no such file"),
        (("add", "--client", "test", "--proto", "bad.proto"), "bad.proto:1:"),
        (("add", "--client", "test", "--proto", "iris.proto", "--request-class", "Iris"), "the messages are io.seldon"),
        (("show", "--client", "test"), 'client "test": has registered no protobufs'),
        (("remove", "--client", "test"), 'client "test": has registered no protobufs'),
        (("stub", "--client", "test", "--out", "out"), 'client "test": has registered no protobufs'),
    ],
)
def test_what_cannot_be_done_is_told_and_nothing_is_changed(
    gaal: Gaal, store: Store, words: tuple[str, ...], text: str
) -> None:
    Path("bad.proto").write_text("message")
    result = gaal(*words)
    assert result.exit_code == 1
    assert text in result.stderr
    assert store.registrations.all() == []
    assert store.audit.entries() == []


def test_a_proto_that_does_not_compile_leaves_what_was_registered(gaal: Gaal, store: Store) -> None:
    gaal("add", "--client", "test", "--proto", "iris.proto")
    before = store.registrations.get("test")
    Path("iris.proto").write_text(IRIS.replace("float f1", "flat f1"))
    result = gaal("add", "--client", "test", "--proto", "iris.proto")
    assert result.stderr == 'iris.proto:6:30: "flat" is not defined.\n'
    assert store.registrations.get("test") == before


def test_a_url_that_is_no_database_is_mistyped(gaal: Gaal) -> None:
    result = gaal("list", "--database", "mysql://x")
    assert result.exit_code == 2
    assert "--database: must be postgresql://" in result.stderr


def test_stubs_can_be_imported(gaal: Gaal) -> None:
    gaal("add", "--client", "test", "--proto", "iris.proto")
    assert gaal("stub", "--client", "test", "--out", "stubs").output == "stubs/iris_pb2.py\nstubs/iris_pb2.pyi\n"
    code = "import iris_pb2; print(iris_pb2.IrisPredictRequest(f1=1).SerializeToString().hex())"
    done = subprocess.run([sys.executable, "-c", code], cwd="stubs", capture_output=True, check=True, text=True)
    assert done.stdout == "0d0000803f\n"


# create-proto-jar


def test_the_jar_of_a_proto_is_registered_as_the_proto_is(
    gaal: Gaal, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create_proto_jar.run(["iris.proto", "jar/iris.jar"]) == 0
    assert capsys.readouterr().out == "jar/iris.jar made of iris.proto\n"
    gaal("add", "--client", "test", "--proto", "jar/iris.jar", "--request-class", IRIS_CLASS)
    of_jar = store.registrations.get("test")
    gaal("add", "--client", "test", "--proto", "iris.proto")
    of_proto = store.registrations.get("test")
    assert of_jar is not None
    assert of_proto is not None
    assert (of_jar.files, of_jar.source) == (of_proto.files, "iris.jar")


@pytest.mark.parametrize("words", [[], ["iris.proto"], ["iris.proto", "a.jar", "more"]])
def test_create_proto_jar_takes_exactly_two_arguments(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        create_proto_jar.main(words)
    assert ended.value.code == 255
    assert capsys.readouterr().err == "usage: create-proto-jar <input proto> <output jar>\n"


def test_create_proto_jar_tells_what_does_not_compile(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.proto").write_text('syntax = "proto3"; messag A {}')
    assert create_proto_jar.run(["bad.proto", "bad.jar"]) == 1
    assert capsys.readouterr().err.startswith("bad.proto:1:20: ")
    assert not Path("bad.jar").exists()
