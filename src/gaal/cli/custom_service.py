"""The `custom_service` of a user's class, in a process of its own beside the workers.

The worker that holds a lock starts it; the lock falls to another one when that worker ends. So there is one at a time.
Run as a program, `python -m gaal.cli.custom_service`, with the settings in the environment as the worker has them.
"""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from random import Random
from typing import Any

from gaal.components.contract import implemented
from gaal.components.loading import ComponentLoader
from gaal.graph.parameters import from_json, typed
from gaal.transport.supervisor import die_with

logger = logging.getLogger("gaal")


def run_beside(component: Any, target: str, parameters: str, app_dir: Path, lock: int) -> None:
    """Start the service when `lock`, a file that all workers share, is this worker's; nothing if there is none."""
    if not implemented(component, "custom_service"):
        return
    command = [sys.executable, "-m", "gaal.cli.custom_service", target, parameters, str(app_dir), str(os.getpid())]
    threading.Thread(target=_run, args=(command, lock), name="gaal-custom-service", daemon=True).start()


def _run(command: list[str], lock: int) -> None:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    status = subprocess.call(command)
    if status:
        logger.error("custom_service ended with status %d", status)


def main() -> None:
    target, parameters, app_dir, worker = sys.argv[1:]
    die_with(int(worker))
    loader = ComponentLoader(Path(app_dir), Random())
    component = loader.component_class("custom_service", target)(**typed(from_json(parameters)))
    component.custom_service()


if __name__ == "__main__":
    main()
