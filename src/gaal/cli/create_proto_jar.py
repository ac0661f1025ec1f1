"""`create-proto-jar IN OUT`, also as `create-proto-jar.sh`: a jar of a `.proto`, to be registered for a client."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from gaal.cli.own_store import complain
from gaal.errors import GaalError

MISTYPED = 255
"""What the original's `exit -1` gives."""


def main(arguments: Sequence[str] | None = None) -> None:
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Gives the exit status."""
    from gaal.gateway.proto_sources import write_jar

    if len(arguments) != 2:
        complain("usage: create-proto-jar <input proto> <output jar>")
        return MISTYPED
    source, jar = map(Path, arguments)
    try:
        write_jar(source, jar)
    except GaalError as error:
        complain(error)
        return 1
    print(f"{jar} made of {source}")
    return 0
