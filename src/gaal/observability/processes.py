"""What the operating system knows of the server's processes. Reads Linux' /proc; elsewhere there is nothing to show."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gaal.observability.catalog import CPU_SECONDS, OPEN_FDS, RESIDENT_MEMORY, START_TIME, Definition


@dataclass(frozen=True, slots=True)
class Process:
    """One process: CPU time (that of its ended children too) and start in seconds, memory in bytes."""

    cpu_s: float
    resident_bytes: int
    n_open_files: int
    started_at: float


def process_values(pids: Iterable[int]) -> Iterator[tuple[Definition, float]]:
    """The process metrics, summed over these processes. 0 and processes that have ended are passed over."""
    processes = [process for pid in set(pids) - {0} if (process := read_process(pid))]
    if not processes:
        return
    yield CPU_SECONDS, sum(each.cpu_s for each in processes)
    yield OPEN_FDS, sum(each.n_open_files for each in processes)
    yield RESIDENT_MEMORY, sum(each.resident_bytes for each in processes)
    yield START_TIME, min(each.started_at for each in processes)


def read_process(pid: int, proc: Path = Path("/proc")) -> Process | None:
    """None if there is no such process, or no /proc."""
    try:
        # The second field is the program's name in brackets, which may hold blanks.
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        n_open_files = len(os.listdir(proc / str(pid) / "fd"))
        booted_at = _booted_at(proc)
    except OSError:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    # Counted from the field after the name, number 3 of proc_pid_stat(5): 14–17 are utime, stime, cutime, cstime.
    return Process(
        cpu_s=sum(int(field) for field in fields[11:15]) / ticks,
        resident_bytes=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        n_open_files=n_open_files,
        started_at=booted_at + int(fields[19]) / ticks,
    )


def _booted_at(proc: Path) -> float:
    lines = (proc / "stat").read_text().splitlines()
    return next((float(line.split()[1]) for line in lines if line.startswith("btime ")), 0.0)
