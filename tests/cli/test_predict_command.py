"""`gaal predict` as a command: what it sends, what it prints, and with which status it ends."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from gaal_command import environment
from serving import Serve, Server

MODEL = """
heard = []

class Model:
    def predict(self, X, names):
        heard.append((X, list(names)))
        if isinstance(X, str) and X == "break":
            raise ValueError("one\\ntwo")
        return X
"""


@pytest.fixture
async def server(serve: Serve) -> Server:
    return await serve(MODEL)


async def ended(
    *arguments: str, stdin: str = "", variables: Mapping[str, str] | None = None, stdout: int = asyncio.subprocess.PIPE
) -> tuple[int, str, str]:
    """Exit status, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gaal", "predict", *arguments),
        env={**environment(), **(variables or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
    assert process.returncode is not None
    return process.returncode, (out or b"").decode(), err.decode()


async def replied(*arguments: str, **options: Any) -> Any:
    status, out, err = await ended(*arguments, **options)
    assert (status, err) == (0, "")
    return json.loads(out)


@pytest.mark.parametrize("by", [[], ["--grpc"]], ids=["rest", "grpc"])
async def test_an_array_is_predicted(server: Server, by: list[str]) -> None:
    reply = await replied(server.url, "--data", "[[1, 2]]", *by)

    assert reply["data"]["tensor"] == {"shape": [1, 2], "values": [1, 2]}
    assert reply["meta"]["puid"]


@pytest.mark.parametrize("kind", ["tensor", "ndarray", "tftensor"])
async def test_the_kind_can_be_chosen(server: Server, kind: str) -> None:
    assert kind in (await replied(server.url, "--data", "[[1.5]]", "--kind", kind))["data"]


async def test_a_message_comes_from_a_file_or_from_stdin(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text('{"strData": "from a file"}')

    assert (await replied(server.url, "--data", f"@{file}"))["strData"] == "from a file"
    assert (await replied(server.url, "--data", "-", stdin='{"jsonData": {"a": null}}'))["jsonData"] == {"a": None}


async def test_a_table_brings_its_names_and_its_types(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text('\ufeffsize,weight,name\n1,2.5,a\n2,,"b,c"\n')
    reply = await replied(server.url, "--csv", str(file))

    assert server.components.heard[-1][1] == ["size", "weight", "name"]
    assert reply["data"]["ndarray"] == [["1", "2.5", "a"], ["2", "NaN", "b,c"]]  # what NumPy makes of mixed rows


async def test_a_table_of_whole_numbers_stays_one(server: Server) -> None:
    reply = await replied(server.url, "--csv", "-", stdin="a,b\n1,2\n3,4\n")

    assert reply["data"]["tensor"] == {"shape": [2, 2], "values": [1, 2, 3, 4]}


async def test_repeating_tells_how_long_it_took_beside_the_reply(server: Server) -> None:
    status, out, err = await ended(server.url, "--data", "[1]", "--repeat", "20", "--timing")

    assert status == 0
    assert json.loads(out)["data"]["tensor"]["values"] == [1]
    head, row = (line.split() for line in err.splitlines())
    assert "".join(head) == "requestsfirstmsp50msp90msp99mslongestms"
    assert row[0] == "20"
    assert all(0 < float(milliseconds) < 10_000 for milliseconds in row[1:])
    assert len(server.components.heard) == 20


async def test_a_terminal_gets_it_indented_and_a_pipe_on_one_line(server: Server) -> None:
    terminal, side = pty.openpty()
    status, _, _ = await ended(server.url, "--data", '{"strData": "grüße"}', stdout=side)
    shown = os.read(terminal, 10_000).decode()
    os.close(terminal)
    os.close(side)
    _, piped, _ = await ended(server.url, "--data", '{"strData": "grüße"}')

    assert status == 0
    assert '  "strData": "grüße"' in shown
    assert piped.count("\n") == 1


async def test_a_deployment_has_a_name_and_may_have_a_namespace(server: Server) -> None:
    assert (await replied(server.url, "--data", "[1]", "--deployment", "here/one"))["data"]
    assert (await replied(server.url, "--data", "[1]", "--grpc", "--deployment", "one"))["data"]


@pytest.mark.parametrize("by", [[], ["--grpc"]], ids=["rest", "grpc"])
async def test_an_error_is_one_line_and_status_1(server: Server, by: list[str]) -> None:
    status, out, err = await ended(server.url, "--data", '{"strData": "break"}', *by)

    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert "ValueError: one two" in err


async def test_nobody_there_is_status_1() -> None:
    status, _, err = await ended("http://127.0.0.1:9", "--data", "[1]", "--timeout", "5")

    assert status == 1
    assert "cannot connect" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--data, --csv: exactly one"),
        (["--data", "[1]", "--csv", "x.csv"], "--data, --csv: exactly one"),
        (["--data", "[1"], "malformed JSON"),
        (["--data", "3"], "--data: must be an array"),
        (["--data", '{"dat": {}}'], "--data: must be an array, or a message"),
        (["--data", "@missing.json"], "missing.json"),
        (["--csv", "missing.csv"], "missing.csv"),
        (["--data", "[1]", "--kind", "matrix"], "--kind: must be one of"),
        (["--data", "[1]", "--timeout", "0"], "timeout_s"),
        (["--data", "[1]", "--tls-ca", "missing.pem"], "tls_ca"),
        (["--data", '[["a"]]', "--kind", "tensor"], "numbers only"),
        (["--data", "[1]", "--repeat", "0"], "--repeat"),
        (["--data", "[1]", "--bogus"], "--bogus"),
    ],
)
async def test_what_is_mistyped_is_told_with_status_2(arguments: list[str], says: str) -> None:
    status, out, err = await ended("http://127.0.0.1:9", *arguments)

    assert (status, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("table", "says"), [("a,b\n1\n", "row 2 must have 2 cells, and has 1"), ("a\n", "at least one row"), ("", "row of")]
)
async def test_a_table_that_is_none_is_told_where(table: str, says: str) -> None:
    status, _, err = await ended("http://127.0.0.1:9", "--csv", "-", stdin=table)

    assert status == 2
    assert says in err


async def test_the_token_may_come_from_the_environment_and_is_not_shown() -> None:
    status, out, err = await ended("http://127.0.0.1:9", "--data", "[1]", variables={"GAAL_TOKEN": "s3cret x\n"})

    assert status == 2
    assert "s3cret" not in out + err
