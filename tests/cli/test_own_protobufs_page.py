"""What docs/own-protobufs.md shows is what happens."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gaal.cli import create_proto_jar, proto
from gaal.errors import MessageError
from gaal.gateway import proto_sources
from gaal.gateway.proto_sources import registration_of
from gaal.protocols import classifier, proto_json
from gaal.protocols.own_types import OwnTypes
from gaal.storage.location import locate
from gaal.storage.records import Client
from gaal.storage.store import open_store

PAGE = (Path(__file__).parents[2] / "docs" / "own-protobufs.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
IRIS = next(text for kind, text in BLOCKS if kind == "proto")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the reader of the page stands, with the files that it shows or speaks of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAAL_DATA_DIR", str(tmp_path / "data"))
    Path("iris.proto").write_text(IRIS)
    Path("broken.proto").write_text('syntax = "proto3";\n\nmessage Broken {\n  flaot f1 = 1;\n}\n')
    return tmp_path


def run(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints, on either stream."""
    program, *words = shlex.split(line)
    if program == "create-proto-jar.sh":
        assert create_proto_jar.run(words) == 0
        return capsys.readouterr().out
    assert (program, words[0]) == ("gaal", "proto")
    result = CliRunner().invoke(proto.app, words[1:])
    return result.output


def test_the_commands_print_what_the_page_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(locate(None, folder / "data", {})) as store:
        store.clients.add(Client("test"))
    consoles = [text for kind, text in BLOCKS if kind == "console"]
    assert len(consoles) == 3
    for text in consoles:
        for command in re.findall(r"^\$ (.*?\n)((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
            line, printed = command
            assert run(line, capsys) == printed


def test_the_requests_get_what_the_page_says(folder: Path) -> None:
    found = registration_of("test", Path("iris.proto"))
    types = OwnTypes(found.files, found.request_class)
    [request] = [text for kind, text in BLOCKS if kind == "json"]
    payload = classifier.decode_json(request.encode(), types).payload
    assert payload is not None
    assert list(payload.names) == list(json.loads(request)["data"])
    rows = re.findall(r"^\| `(\{.*?\})` \| (.*) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 6
    for body, text in rows:
        with pytest.raises(MessageError) as refused:
            classifier.decode_json(body.encode(), types)
        assert str(refused.value) == text


def test_the_page_names_every_option_and_the_limits() -> None:
    for word in ("--proto", "--request-class", "--reply-class", "--include", "--data-dir", "--database"):
        assert f"`{word}`" in PAGE
    text = " ".join(PAGE.split())
    assert f"may have {proto_sources.MAX_BYTES // 2**20} MiB, in at most {proto_sources.MAX_FILES} files" in text
    assert f"protoc may take {proto_sources.COMPILE_TIMEOUT_S:.0f} s" in text
    assert f"nested {proto_json.MAX_DEPTH} deep" in text
