"""`import gaal` costs nothing, and the client needs nothing that only the server needs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from gaal_command import environment

SERVER_ONLY = ("h2corn", "pydantic", "yaml", "typer", "rich", "uvloop", "python_multipart", "pandas")
LIBRARIES = ("numpy", "google.protobuf", "grpc", "httpcore", "orjson")

WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
{code}
"""


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    ended = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def loaded_by(statement: str, among: tuple[str, ...]) -> set[str]:
    return set(run(f"{statement}\nimport sys\nprint(*(each for each in {among!r} if each in sys.modules))").split())


def test_importing_gaal_imports_no_library() -> None:
    assert loaded_by("import gaal", SERVER_ONLY + LIBRARIES) == set()


@pytest.mark.parametrize("statement", ["import gaal.client", "from gaal import Client, AsyncClient"])
def test_importing_the_client_imports_nothing_of_the_server(statement: str) -> None:
    assert loaded_by(statement, (*SERVER_ONLY, "grpc", "httpcore")) == set()


@pytest.mark.parametrize("transport", ["rest", "grpc"])
@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_a_client_works_where_the_server_is_not_installed(kind: str, transport: str) -> None:
    code = f"""
import asyncio, gaal, inspect
async def main():
    client = gaal.{kind}("http://127.0.0.1:9", transport={transport!r}, n_retries=0)
    ready, closed = client.ready(), client.close
    print(await ready if inspect.isawaitable(ready) else ready)
    if inspect.isawaitable(ending := closed()): await ending
asyncio.run(main())
"""
    assert run(WITHOUT.format(missing=SERVER_ONLY, code=code)) == "False\n"


def test_a_client_of_one_transport_does_not_load_the_other() -> None:
    asking = "from gaal import Client\nwith Client('http://127.0.0.1:9', n_retries=0, transport={!r}) as c: c.ready()"

    assert loaded_by(asking.format("rest"), ("grpc", "httpcore")) == {"httpcore"}
    assert loaded_by(asking.format("grpc"), ("grpc", "httpcore")) == {"grpc"}


def test_gaal_has_no_other_attributes() -> None:
    assert run("import gaal\nprint(hasattr(gaal, 'Server'), gaal.Client.__name__)") == "False Client\n"
