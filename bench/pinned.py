"""A server on a core of its own, and the end of it with everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

SERVER_CORE = "0"
MARK = "GAAL_BENCH_SERVER"


@contextmanager
def pinned(
    command: list[str], folder: Path, variables: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The server runs in `folder`, and what it says goes to `log`.

    Some servers start daemons that outlive them and leave their process group. So all processes carry a mark in their
    environment, and those that have it are ended last.
    """
    mark = uuid.uuid4().hex
    environment = {**os.environ, **variables, MARK: mark}
    pinned_command = ["taskset", "-c", SERVER_CORE, *command]
    with log.open("wb") as output:
        server = subprocess.Popen(pinned_command, cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        yield server
    finally:
        server.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            server.wait(15)
        for process in marked(mark):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        server.wait()


def marked(mark: str) -> list[int]:
    """The processes whose environment has this mark."""
    found = []
    for variables in Path("/proc").glob("[0-9]*/environ"):
        # It may have ended meanwhile, or be somebody else's.
        with suppress(OSError):
            if f"{MARK}={mark}".encode() in variables.read_bytes().split(b"\0"):
                found.append(int(variables.parent.name))
    return found
