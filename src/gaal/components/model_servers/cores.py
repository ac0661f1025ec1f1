"""How many cores this process was given: what libraries with threads of their own should go by."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def n_cores(quota_file: Path = CGROUP_QUOTA) -> int:
    """The cores that the process may run on, or the CPU quota of its container if that is less; at least 1."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(usable, math.ceil(_quota(quota_file, usable))))


def _quota(file: Path, otherwise: float) -> float:
    try:
        quota, period = file.read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or `max 100000`
        return otherwise
