"""Load on one wire, from a core of its own: requests a second and latencies, by `wrk` (REST) and `h2load` (gRPC)."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from load import CORE
from wires import Wire

STREAMS = 8
"""Calls at once on one connection of gRPC, where there are that many."""
IN_US = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}
POST = 'wrk.method = "POST"\nwrk.body = \'{}\'\nwrk.headers["Content-Type"] = "application/json"\n'


class Refused(RuntimeError):
    """The server did not answer, or not with what it answers to one request."""


@dataclass(frozen=True)
class Figures:
    """Requests a second, and the latency that half and 99 % of them stay under, in ms."""

    per_second: float
    p50_ms: float
    p99_ms: float


def measure(wire: Wire, port: int, n_at_once: int, seconds: int, folder: Path, reply_bytes: int) -> Figures:
    """What a server does under so many requests at once. Raises Refused.

    `reply_bytes` is the length of a good reply of gRPC, since an error there has the HTTP status 200, and no message.
    """
    body = folder / "body"
    if wire.grpc:
        body.write_bytes(wire.body)
        log = folder / "latencies"
        log.unlink(missing_ok=True)
        printed = _run(h2load(wire, port, n_at_once, seconds, body, log), seconds)
        return read_h2load(printed, log.read_text(), reply_bytes)
    body.write_text(POST.format(wire.body.decode()))
    return read_wrk(_run(wrk(wire, port, n_at_once, seconds, body), seconds))


def wrk(wire: Wire, port: int, n_at_once: int, seconds: int, script: Path) -> list[str]:
    shape = ["-t1", f"-c{n_at_once}", f"-d{seconds}s", "--latency", "--timeout", "20s"]
    return ["wrk", *shape, "-s", str(script), f"http://127.0.0.1:{port}{wire.path}"]


def h2load(wire: Wire, port: int, n_at_once: int, seconds: int, body: Path, log: Path) -> list[str]:
    streams = min(STREAMS, n_at_once)
    shape = ["-D", str(seconds), "-c", str(n_at_once // streams), "-m", str(streams), "-d", str(body)]
    headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    return ["h2load", *shape, f"--log-file={log}", *headers, f"http://127.0.0.1:{port}{wire.path}"]


def read_wrk(printed: str) -> Figures:
    """What `wrk --latency` says. Raises Refused if there was an error, or no reply at all."""
    if re.search(r"Non-2xx|connect [1-9]|timeout [1-9]", printed):
        raise Refused(f"not every request succeeded: {printed}")
    rate = float(_found(r"Requests/sec:\s+([\d.]+)", printed))
    if rate == 0:
        raise Refused("no reply in time")
    p50_us, p99_us = (_in_us(_found(rf"(?m)^\s+{share}%\s+(\S+)", printed)) for share in (50, 99))
    return Figures(rate, p50_us / 1e3, p99_us / 1e3)


def read_h2load(printed: str, log: str, reply_bytes: int) -> Figures:
    """What `h2load -D` says, and the latencies of its log: start, status and µs a line. Raises Refused likewise."""
    n_done = int(_found(r"(\d+) succeeded", printed))
    if n_done == 0:
        raise Refused("no reply in time")
    n_data = int(_found(r"\((\d+)\) data", printed))
    # A reply may be some bytes shorter than another: JSON in it, or a varint.
    if " 0 failed, 0 errored" not in printed or n_data < 0.9 * n_done * reply_bytes:
        raise Refused(f"not every call succeeded: {printed}")
    latencies_us = [int(line.split("\t")[2]) for line in log.splitlines() if line.split("\t")[1] == "200"]
    p50_us, p99_us = np.percentile(latencies_us, (50, 99))
    return Figures(float(_found(r"finished in .*?, ([\d.]+) req/s", printed)), p50_us / 1e3, p99_us / 1e3)


def _run(command: list[str], seconds: int) -> str:
    pinned = ["taskset", "-c", CORE, *command]
    try:
        return subprocess.run(pinned, check=True, capture_output=True, text=True, timeout=seconds + 60).stdout
    except subprocess.SubprocessError as error:
        raise Refused(str(error)) from error


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise Refused(f"no {pattern} in: {text}")
    return match[1]


def _in_us(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * IN_US[unit]
