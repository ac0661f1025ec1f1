"""Stands between the keeper and one process of a microservice: it ends with the keeper, and the process with it.

The process leads a session of its own. When it ends, or the keeper does, all of that session is killed, so that
nothing it has started stays behind. What it prints goes to its log, which is bounded.

    keeper → guardian, on standard input     "stop": let it end by itself. The end of the file: end it now
    guardian → keeper, on standard output    {"pid": 17}, then {"ended": "ended with status 3", "words": text}

Run as a file, by an interpreter without site packages: it imports the standard library alone, so it starts in a few
hundredths of a second and stays small. What it must know is its only argument, as JSON: the fields of `Orders`.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

MAX_LAST_WORDS_BYTES = 4096
CHUNK_BYTES = 65536
UNDO_S = 20.0
SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class Orders:
    """`undo` is run when the process has ended, however it did. `stop_s` is what it has to end by itself."""

    command: list[str]
    folder: str
    undo: list[str]
    log: str
    max_log_bytes: int
    stop_s: float


class Log:
    """A file that is renamed, to the name with `.1`, when it has grown to its limit. Two may write to one."""

    def __init__(self, path: str, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes

    def write(self, text: bytes) -> None:
        """A disk that is full loses the text, not the process."""
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, text)
                if os.fstat(descriptor).st_size >= self._max_bytes:
                    os.replace(self._path, f"{self._path}.1")
            finally:
                os.close(descriptor)


class Guardian:
    """One process, from its start to its end."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._log = Log(orders.log, orders.max_log_bytes)
        self._selector = selectors.DefaultSelector()
        self._words = b""
        self._kill_at = float("inf")

    def run(self) -> None:
        signals = _signals()
        try:
            self._start()
        except (OSError, subprocess.SubprocessError) as error:
            _tell(ended=f"could not be started: {error}", words="")
            return
        _tell(pid=self._process.pid)
        self._selector.register(signals, selectors.EVENT_READ)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        while not self._has_ended():
            for key, _ in self._selector.select(self._patience()):
                self._read(key.fd, signals)
            if time.monotonic() >= self._kill_at:
                self._signal(signal.SIGKILL)
                self._kill_at = float("inf")
        self._clean_up()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._orders.command,
            cwd=self._orders.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._stdout, self._stderr = self._process.stdout.fileno(), self._process.stderr.fileno()
        for each in (self._stdout, self._stderr):
            os.set_blocking(each, False)
            self._selector.register(each, selectors.EVENT_READ)

    def _read(self, source: int, signals: int) -> None:
        if source == signals:
            os.read(signals, CHUNK_BYTES)
        elif source == sys.stdin.fileno():
            self._hear(os.read(source, CHUNK_BYTES))
        elif not self._keep(source):
            self._selector.unregister(source)

    def _hear(self, said: bytes) -> None:
        if said:
            self._signal(signal.SIGTERM)
            self._kill_at = time.monotonic() + self._orders.stop_s
        else:
            self._selector.unregister(sys.stdin.fileno())
            self._signal(signal.SIGKILL)

    def _keep(self, source: int) -> bytes:
        """What the process has just printed, after it is in the log; b"" at its end."""
        text = os.read(source, CHUNK_BYTES)
        if text:
            self._log.write(text)
        if source == self._stderr:
            self._words = (self._words + text)[-MAX_LAST_WORDS_BYTES:]
        return text

    def _has_ended(self) -> bool:
        """Whether it has. It keeps its pid until it is reaped, so that its session can still be killed by that."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None

    def _clean_up(self) -> None:
        self._signal(signal.SIGKILL)
        status = self._process.wait()
        for source in (self._stdout, self._stderr):
            with suppress(BlockingIOError):
                while self._keep(source):
                    pass
        if self._orders.undo:
            with suppress(OSError, subprocess.SubprocessError):
                subprocess.run(self._orders.undo, timeout=UNDO_S, capture_output=True, check=False)
        _tell(ended=_how_it_ended(status), words=self._words.decode(errors="replace"))

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _patience(self) -> float | None:
        return None if self._kill_at == float("inf") else max(0.0, self._kill_at - time.monotonic())


def _signals() -> int:
    """A pipe in which each signal shows up. Those that end a process are the keeper's to handle."""

    def nothing(number: int, frame: FrameType | None) -> None: ...

    signals, signals_in = os.pipe()
    os.set_blocking(signals_in, False)
    signal.set_wakeup_fd(signals_in, warn_on_full_buffer=False)
    for number in SIGNALS:
        signal.signal(number, nothing)
    return signals


class _die_with:
    """Called in the fork: has the kernel kill it when the guardian is killed. Linux only, prctl(2)."""

    def __init__(self, guardian: int) -> None:
        self._guardian = guardian
        self._prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def __call__(self) -> None:
        if self._prctl is not None:
            self._prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            if os.getppid() != self._guardian:
                os._exit(1)


def _how_it_ended(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _tell(**said: object) -> None:
    with suppress(OSError):  # there may be no keeper any more
        os.write(sys.stdout.fileno(), json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    Guardian(Orders(**json.loads(sys.argv[1]))).run()
