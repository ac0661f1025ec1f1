"""What Gaal costs, as ratios to a bare echo on the same server in the same run.

The server has one core, the load the other. Every round measures all of them once, one after the other, so that a
machine that is slower for a while is slower for all; a ratio is taken within its round, and the median of the rounds
is shown. Needs `wrk` and `h2load` (Debian: wrk, nghttp2-client), and two cores.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import JSON_BODY, Load, Rate

HERE = Path(__file__).parent
SERVER_CORE = "0"
CHAINS = (1, 5, 20)

DOCUMENT = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {{name: chain}}
spec:
  annotations: {annotations}
  predictors:
  - name: main
    graph: {graph}
"""


def chain(n_units: int) -> str:
    """A document: so many inline transformers in a row before an inline model."""
    graph = '{"name": "model", "type": "MODEL"}'
    names = [f"unit-{number}" for number in range(n_units)]
    for name in names:
        graph = f'{{"name": "{name}", "type": "TRANSFORMER", "children": [{graph}]}}'
    inline = [f'"gaal.dev/placement.{name}": inline, "gaal.dev/component.{name}": Stub' for name in [*names, "model"]]
    return DOCUMENT.format(annotations="{" + ", ".join(inline) + "}", graph=graph)


@contextmanager
def echo() -> Iterator[int]:
    """The port of a bare echo."""
    port = free_port()
    options = [
        "--grpc",
        "--no-access-log",
        "--lifespan",
        "off",
        "--runtime-threads",
        "1",
        "--bind",
        f"127.0.0.1:{port}",
    ]
    with process([sys.executable, "-m", "h2corn", "echo:app", *options]) as server:
        wait_until_it_answers(port, server)
        yield port


@contextmanager
def gaal(*arguments: str) -> Iterator[tuple[int, int]]:
    """The port and the process id of `gaal serve` with these arguments."""
    port = free_port()
    with process([sys.executable, "-m", "gaal", "serve", *arguments, "--port", str(port)]) as server:
        wait_until_it_answers(port, server)
        yield port, server.pid


@contextmanager
def process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    server = subprocess.Popen(
        ["taskset", "-c", SERVER_CORE, *command], cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield server
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_it_answers(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(3000):
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with status {server.returncode}")
        try:
            ask(port)
        except OSError:
            time.sleep(0.005)
        else:
            return
    raise RuntimeError("the server did not answer within 15 s")


def ask(port: int) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1.0/predictions", JSON_BODY.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        body: bytes = reply.read()
        return body


def worker_memory_mb(supervisor: int) -> float:
    """The peak of the resident memory of the one worker of a supervisor, in MB."""
    [worker] = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    status = Path(f"/proc/{worker}/status").read_text()
    [peak_kb] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peak_kb) * 1024 / 1e6


def measure(load: Load, port: int) -> dict[str, Rate]:
    return {"REST": load.rest(port), "gRPC": load.grpc(port), "REST, one connection": load.rest(port, connections=1)}


def time_to_first_answer_s(*arguments: str) -> float:
    started = time.perf_counter()
    with gaal(*arguments):
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured")
    parser.add_argument("--seconds", type=int, default=3, help="how long each measurement takes")
    options = parser.parse_args()
    missing = [tool for tool in ("wrk", "h2load", "taskset") if shutil.which(tool) is None]
    if missing or (os.cpu_count() or 1) < 2:
        sys.exit(
            f"needs two cores, wrk, h2load and taskset (Debian: wrk nghttp2-client); missing: {missing or 'a core'}"
        )
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), options.rounds, options.seconds)


def run(folder: Path, n_rounds: int, seconds: int) -> None:
    subjects: dict[str, tuple[str, ...]] = {
        "stub on its thread": ("Stub",),
        "stub inline": ("Stub", "--placement", "inline"),
    }
    for n_units in CHAINS:
        document = folder / f"chain-{n_units}.yaml"
        document.write_text(chain(n_units))
        subjects[f"stub inline, +{n_units} inline"] = (str(document),)
    load, warm_up = Load(folder, seconds), Load(folder, 1)
    floor: list[dict[str, Rate]] = []
    rates: dict[str, list[dict[str, Rate]]] = {name: [] for name in subjects}
    memory_mb: dict[str, float] = {}
    for number in range(n_rounds):
        print(f"round {number + 1} of {n_rounds}", file=sys.stderr, flush=True)
        with echo() as port:
            measure(warm_up, port)
            floor.append(measure(load, port))
        for name, arguments in subjects.items():
            with gaal(*arguments) as (port, supervisor):
                measure(warm_up, port)
                rates[name].append(measure(load, port))
                memory_mb[name] = max(memory_mb.get(name, 0.0), worker_memory_mb(supervisor))
    first_answers_s = [time_to_first_answer_s("Stub") for _ in range(5)]
    report(floor, rates, memory_mb, first_answers_s)


def report(
    floor: list[dict[str, Rate]],
    rates: dict[str, list[dict[str, Rate]]],
    memory_mb: dict[str, float],
    first_answers_s: list[float],
) -> None:
    print(f"{platform.platform()}, {cpu_model()}, Python {platform.python_version()}\n")
    print(f"{'':28}{'REST req/s':>12}{'of echo':>9}{'gRPC req/s':>12}{'of echo':>9}{'p50, 1 conn.':>14}{'x echo':>8}")
    print(row("bare echo", floor, floor))
    for name, measured in rates.items():
        print(row(name, measured, floor))
    print("\nµs for each further inline unit (goal: 10 at most)")
    base = rates["stub inline"]
    for n_units in CHAINS:
        further = rates[f"stub inline, +{n_units} inline"]
        costs = {kind: added_us(base, further, kind) / n_units for kind in ("REST", "gRPC")}
        print(f"  +{n_units:<3} " + "   ".join(f"{kind} {cost:5.1f}" for kind, cost in costs.items()))
    print(f"\npeak memory of a worker under load: {memory_mb['stub on its thread']:.0f} MB (goal: 90 at most)")
    print(f"from the command to the first answer: {statistics.median(first_answers_s):.2f} s (goal: 1 at most)")


def row(name: str, measured: list[dict[str, Rate]], floor: list[dict[str, Rate]]) -> str:
    text = f"{name:28}"
    for kind in ("REST", "gRPC"):
        text += f"{median_rate(measured, kind):12,.0f}{median_ratio(measured, floor, kind):9.2f}"
    kind = "REST, one connection"
    p50 = statistics.median(each[kind].p50_us for each in measured)
    slower = statistics.median(own[kind].p50_us / echo[kind].p50_us for own, echo in zip(measured, floor, strict=True))
    return f"{text}{p50:11.0f} µs{slower:8.2f}"


def median_rate(measured: list[dict[str, Rate]], kind: str) -> float:
    return statistics.median(each[kind].per_second for each in measured)


def median_ratio(measured: list[dict[str, Rate]], floor: list[dict[str, Rate]], kind: str) -> float:
    return statistics.median(
        own[kind].per_second / echo[kind].per_second for own, echo in zip(measured, floor, strict=True)
    )


def added_us(base: list[dict[str, Rate]], further: list[dict[str, Rate]], kind: str) -> float:
    return statistics.median(
        1e6 / more[kind].per_second - 1e6 / less[kind].per_second for more, less in zip(further, base, strict=True)
    )


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
