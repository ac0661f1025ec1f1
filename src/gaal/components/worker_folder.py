"""A folder for the sockets of a unit's processes, that only this user may enter.

It is gone when its owner closes it. Of an owner that was killed it is left behind, and removed by the next one that
makes a folder: who holds no lock on its folder has ended.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

PREFIX = "gaal-unit-"

MAX_BASE_CHARACTERS = 60
"""The path of a socket has at most 103 bytes (sun_path, macOS; 107 on Linux)."""


class SocketFolder:
    """A new folder, and the paths in it, none of which is given twice."""

    def __init__(self, base: Path) -> None:
        with suppress(OSError):
            sweep(base)
        self.path, self._lock = _locked_folder(base)
        self._numbers = count()

    def new_path(self) -> Path:
        return self.path / f"{next(self._numbers)}"

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def base_folder() -> Path:
    """Where temporary files go; /tmp where that is too long for a socket."""
    base = tempfile.gettempdir()
    return Path(base if len(os.fsencode(base)) <= MAX_BASE_CHARACTERS else "/tmp")


def sweep(base: Path) -> None:
    """Remove the folders of owners that have ended."""
    for folder in base.glob(f"{PREFIX}*"):
        if folder.lstat().st_uid == os.getuid():
            with suppress(OSError), _lock_of(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _locked_folder(base: Path) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))  # 0700
        # Somebody who sweeps may have been faster between the two: then make another one.
        with suppress(OSError):
            lock = _lock(path)
            if path.exists():
                return path, lock
            os.close(lock)


@contextmanager
def _lock_of(folder: Path) -> Iterator[None]:
    lock = _lock(folder)
    try:
        yield
    finally:
        os.close(lock)


def _lock(folder: Path) -> int:
    """The descriptor that holds the folder's lock. Raises OSError if somebody else holds it, or the folder is gone."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
