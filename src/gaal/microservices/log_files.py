"""Where the logs of microservices are: in the data directory, one for each replica, and the one before it beside it."""

from __future__ import annotations

from pathlib import Path


def log_of(data_dir: Path, client: str, name: str, replica: int) -> Path:
    return data_dir / "logs" / "microservices" / client / f"{name}.{replica}.log"


def logs_of(data_dir: Path, client: str, name: str) -> list[Path]:
    """The logs of all replicas that there are, the first replica's first."""
    folder = log_of(data_dir, client, name, 0).parent
    found = {int(number): path for path in folder.glob("*.log") if (number := _number(path, name))}
    return [found[number] for number in sorted(found)]


def last_lines(log: Path, n_lines: int) -> list[str]:
    """The last lines of a log, from the one before it too where it has fewer."""
    lines: list[str] = []
    for path in (log.with_name(f"{log.name}.1"), log):
        if path.exists():
            lines += path.read_text(errors="replace").splitlines()
    return lines[-n_lines:]


def _number(path: Path, name: str) -> str:
    """The replica's number in `name.0.log`; "" for a log of another microservice."""
    number = path.name.removeprefix(f"{name}.").removesuffix(".log")
    return number if number.isdecimal() and path.name.startswith(f"{name}.") else ""
