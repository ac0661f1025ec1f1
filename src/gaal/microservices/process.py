"""One process of a microservice, from its start to its end, as the keeper sees it: through its guardian."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from gaal.microservices import guardian
from gaal.microservices.commands import Command
from gaal.microservices.guardian import Orders

MAX_LOG_BYTES = 1024 * 1024
"""Of a log and, beside it, of the one before it."""
MAX_LAST_LINES = 10
SHORTEST_SECRET = 6
SECRET_NAME = re.compile(r"SECRET|PASSWORD|PASSWD|TOKEN|KEY|CREDENTIAL", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended, "ended with status 3", and the last it said on stderr."""

    how: str
    last_words: str = ""

    def told(self, how: str = "") -> str:
        """As a text; `how` instead of what is known here, if it is given."""
        lines = self.last_words.strip().splitlines()[-MAX_LAST_LINES:]
        quoted = "; its last words:\n" + "\n".join(f"  {line}" for line in lines) if lines else ""
        return (how or self.how) + quoted


class Process:
    """Make it with `start`. `ended` is done when it has."""

    def __init__(self, guardian: asyncio.subprocess.Process, environment: Mapping[str, str]) -> None:
        self._guardian = guardian
        self._environment = environment
        self.pid = 0
        self.ended: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, command: Command, environment: Mapping[str, str], log: Path, lock: int, stop_s: float) -> Self:
        """The process, begun. `lock` is a descriptor that its guardian holds as long as it lives."""
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        orders = Orders(
            list(command.arguments), str(command.folder), list(command.undo), str(log), MAX_LOG_BYTES, stop_s
        )
        started = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", guardian.__file__, json.dumps(asdict(orders))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            pass_fds=(lock,),
        )
        return cls(started, environment)

    async def stop(self) -> None:
        """Let it end by itself, or end it when its time is up."""
        assert self._guardian.stdin is not None
        with suppress(ConnectionError, RuntimeError):
            self._guardian.stdin.write(b"stop")
        await asyncio.shield(self.ended)

    def kill(self) -> None:
        """End it now, with all that it has started."""
        assert self._guardian.stdin is not None
        self._guardian.stdin.close()

    async def _listen(self) -> None:
        """Hear the guardian to its end."""
        assert self._guardian.stdout is not None
        assert self._guardian.stdin is not None
        end: End | None = None
        async for line in self._guardian.stdout:
            said = json.loads(line)
            self.pid = said.get("pid", self.pid)
            if "ended" in said:
                end = End(said["ended"], redacted(said["words"], self._environment))
        await self._guardian.wait()
        self._guardian.stdin.close()
        if end is None and self.pid:  # somebody has killed the guardian
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self.ended.set_result(end or End("was left alone by its guardian, and killed"))


def redacted(text: str, environment: Mapping[str, str]) -> str:
    """The text without the values of those variables whose names say that they are secrets."""
    for name, value in environment.items():
        if SECRET_NAME.search(name) and len(value) >= SHORTEST_SECRET:
            text = text.replace(value, "***")
    return text
