"""What docs/clients-and-tokens.md shows is what happens: from nothing to a prediction, as it is typed."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sys
from base64 import b64encode
from pathlib import Path

import httpx
import pytest
from gaal_command import environment, gaal_serve

from gaal.gateway.jwt_tokens import ALGORITHMS, CLIENT_CLAIMS
from gaal.gateway.scope import parse_scope
from gaal.gateway.throttle import OF_ADDRESS, OF_KEY
from gaal.transport.error_bean import ERROR_IDS

PAGE = (Path(__file__).parent.parent.parent / "docs" / "clients-and-tokens.md").read_text()
SHELL = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.strip().splitlines()]
SIZES = """
class Sizes:
    def predict(self, X, names=None):
        return X.sum(axis=1, keepdims=True)
"""


async def ended(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments), env=environment(), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, arguments
    return out.decode()


async def curled(line: str, address: str) -> httpx.Response:
    """What `curl -s URL [-u USER:PASSWORD] [-H HEADER]… -d BODY` gets."""
    words = iter(shlex.split(line.replace("127.0.0.1:8000", address)))
    assert (next(words), next(words)) == ("curl", "-s")
    url, headers, user, body = next(words), {"content-type": "application/x-www-form-urlencoded"}, "", ""
    for flag in words:
        value = next(words)
        match flag:
            case "-u":
                user = value
            case "-H":
                name, _, text = value.partition(": ")
                headers[name.lower()] = text
            case "-d":
                body = value
    if user:
        headers["authorization"] = f"Basic {b64encode(user.encode()).decode()}"
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.post(url, headers=headers, content=body)


async def test_five_commands_lead_from_nothing_to_a_prediction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Sizes.py").write_text(SIZES)
    monkeypatch.setenv("GAAL_DATA_DIR", str(tmp_path / "data"))
    export, add, serve, fetch, predict = SHELL[:5]
    assert export == "export GAAL_DATA_DIR=./data"
    added, _, file = add.partition(" > ")
    assert file == "shop.json"
    key = json.loads(await ended(*shlex.split(added)))[0]

    async with gaal_serve(shlex.split(serve)[2:], tmp_path) as address:
        filled = fetch.replace("KEY:SECRET", f"{key['key']}:{key['secret']}")
        token = (await curled(filled, address)).json()["access_token"]
        reply = await curled(predict.replace("TOKEN", token), address)
        refused = await curled(predict.replace("TOKEN", "x"), address)

    assert reply.json()["data"]["ndarray"] == [[pytest.approx(10.2)]]
    assert refused.status_code == 401


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("gaal ") and " serve " not in line])
async def test_every_command_of_the_page_is_one(line: str) -> None:
    command = shlex.split(line.partition("#")[0].partition(" > ")[0])
    help_text = await asyncio.to_thread(_help, *command[1:3])

    assert all(flag in help_text for flag in command if flag.startswith("--"))


def _help(*command: str) -> str:
    from typer.testing import CliRunner

    from gaal.cli.main import app

    result = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    assert result.exit_code == 0, result.output
    return re.sub(r"\x1b\[[0-9;]*m", "", result.output)


def test_the_numbers_of_errors_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \| ", PAGE, re.MULTILINE)
    told = {int(number) for row in rows for number in row.split(",")}

    assert told <= {*ERROR_IDS.values(), 13}


def test_the_scopes_of_the_page_are_scopes() -> None:
    rows = re.findall(r"^\| `(all|readonly|js|deployment:NAMESPACE/NAME)` \|", PAGE, re.MULTILINE)

    assert len(rows) == 4
    for row in rows:
        parse_scope(row.lower())


def test_the_other_figures_are_those_of_the_code() -> None:
    assert (OF_KEY.n_free, OF_KEY.longest_wait_s) == (5, 300.0)
    assert (OF_ADDRESS.n_free, OF_ADDRESS.longest_wait_s) == (50, 30.0)
    assert {name[:2] for name in ALGORITHMS} == {"RS", "PS", "ES", "Ed"}
    *first, last = (f"`{name}`" for name in CLIENT_CLAIMS)
    assert f"The first of the claims {', '.join(first)} and {last} that is there" in " ".join(PAGE.split())
