"""Who keeps the microservices of a machine: the process that holds the lock on a file in the data directory.

The guardians of its processes hold the same lock: whoever takes it next finds none of them alive.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from pathlib import Path

logger = logging.getLogger("gaal.microservices")

FILE = "microservices.lock"
LOOK_EVERY_S = 0.1


async def take(data_dir: Path) -> int:
    """The descriptor that holds the lock, once it is free. Closing it gives the lock up."""
    told = ""
    while True:
        try:
            return _locked(data_dir / FILE, fcntl.LOCK_EX)
        except BlockingIOError:
            pass
        except OSError as error:
            if str(error) != told:
                told = str(error)
                logger.error("no microservices are run as long as there is no lock: %s", error)
        await asyncio.sleep(LOOK_EVERY_S)


def is_held(data_dir: Path) -> bool:
    """Whether a server on this machine keeps the microservices of this data directory."""
    path = data_dir / FILE
    if not path.exists():
        return False
    try:
        os.close(_locked(path, fcntl.LOCK_SH))
    except BlockingIOError:
        return True
    return False


def _locked(path: Path, kind: int) -> int:
    """Raises BlockingIOError if somebody else holds it, another OSError if it cannot be had at all."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
