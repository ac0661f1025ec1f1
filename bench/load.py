"""Load from Debian's `wrk` (REST) and `h2load` (gRPC), on a core of its own."""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

JSON_BODY = '{"data":{"names":["f0","f1","f2","f3"],"ndarray":[[5.1,3.5,1.4,0.2]]}}'
CORE = "1"


@dataclass(frozen=True)
class Rate:
    """Requests in a second, and the median latency in µs where the tool tells it."""

    per_second: float
    p50_us: float = 0.0


def grpc_body() -> bytes:
    """The same row as a framed SeldonMessage with a tensor, written from the protocol's field numbers."""
    values = struct.pack("<4d", 5.1, 3.5, 1.4, 0.2)
    tensor = _field(1, bytes([1, 4])) + _field(2, values)
    data = b"".join(_field(1, f"f{column}".encode()) for column in range(4)) + _field(2, tensor)
    message = _field(3, data)
    return b"\0" + struct.pack(">I", len(message)) + message


def _field(number: int, payload: bytes) -> bytes:
    return bytes([number << 3 | 2, len(payload)]) + payload


class Load:
    """Sends the same row again and again to a server on 127.0.0.1, with a token if one is given."""

    def __init__(self, folder: Path, seconds: int, token: str = "") -> None:
        self._seconds = seconds
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._script = folder / f"post{'-with-token' if token else ''}.lua"
        headers = {"content-type": "application/json", **self._headers}
        lines = [f'wrk.headers["{name}"] = "{value}"\n' for name, value in headers.items()]
        self._script.write_text(f"wrk.method = \"POST\"\nwrk.body = '{JSON_BODY}'\n{''.join(lines)}")
        self._grpc = folder / "request.bin"
        self._grpc.write_bytes(grpc_body())

    def rest(self, port: int, connections: int = 32) -> Rate:
        url = f"http://127.0.0.1:{port}/api/v1.0/predictions"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{self._seconds}s", "--latency", "-s", str(self._script), url]
        text = _run(command)
        if "Non-2xx" in text:
            raise RuntimeError(f"the server refused: {text}")
        return Rate(float(_found(r"Requests/sec:\s+([\d.]+)", text)), _in_us(_found(r"(?m)^\s+50%\s+(\S+)", text)))

    def grpc(self, port: int, clients: int = 4, streams: int = 8) -> Rate:
        """`h2load` counts requests, not seconds: a first short run tells how many fill the time."""
        rate = self._grpc_once(port, clients, streams, 2000).per_second
        return self._grpc_once(port, clients, streams, max(int(rate) * self._seconds, 2000))

    def _grpc_once(self, port: int, clients: int, streams: int, n_requests: int) -> Rate:
        url = f"http://127.0.0.1:{port}/seldon.protos.Seldon/Predict"
        given = {"content-type": "application/grpc", "te": "trailers", **self._headers}
        headers = [word for name, value in given.items() for word in ("-H", f"{name}: {value}")]
        shape = ["-n", str(n_requests), "-c", str(clients), "-m", str(streams), "-d", str(self._grpc)]
        text = _run(["h2load", *shape, *headers, url])
        if f"{n_requests} succeeded" not in text:
            raise RuntimeError(f"not every call succeeded: {text}")
        return Rate(float(_found(r"finished in .*, ([\d.]+) req/s", text)))


def _run(command: list[str]) -> str:
    return subprocess.run(["taskset", "-c", CORE, *command], check=True, capture_output=True, text=True).stdout


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"no {pattern} in: {text}")
    return match[1]


def _in_us(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1.0, "ms": 1e3, "s": 1e6}[unit]
