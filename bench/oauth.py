"""What OAuth costs: the same request at a bare echo, at an anonymous server, and at one that asks for a token.

    python bench/oauth.py [--rounds N] [--seconds N]

The server runs on one core, the load on another; needs `wrk` and `h2load` (Debian: wrk, nghttp2-client) and two cores.
Figures are medians over the rounds, and ratios are of the same round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import Load, Rate
from serving import HERE, cpu_model, echo, free_port, gaal, measure, median_rate, median_ratio, process

KINDS = ("REST", "gRPC")
ECHO, ANONYMOUS, TOKEN, LIMITED = "bare echo", "without OAuth", "with OAuth", "with OAuth and a limit"
STUB = ("Stub", "--placement", "inline")
GOALS = "goals: with OAuth 0.85 of without, and 0.5 of the echo"


@contextmanager
def guarded(data_dir: Path) -> Iterator[int]:
    """The port of a server that asks for tokens."""
    port = free_port()
    arguments = [*STUB, "--no-anonymous", "--data-dir", str(data_dir), "--port", str(port)]
    with process([sys.executable, "-m", "gaal", "serve", *arguments]) as server:
        for _ in range(3000):
            if server.poll() is not None:
                raise RuntimeError(f"the server ended with status {server.returncode}")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/live", timeout=10).close()
            except OSError:
                time.sleep(0.005)
            else:
                break
        yield port


def added_key(data_dir: Path, name: str, *limits: str) -> dict[str, str]:
    """The key of a new client."""
    command = [sys.executable, "-m", "gaal", "client", "add", name, *limits, "--json", "--data-dir", str(data_dir)]
    keys = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE).stdout)
    found: dict[str, str] = keys[0]
    return found


def fetched_token(port: int, key: dict[str, str]) -> str:
    form = {"grant_type": "client_credentials", "client_id": key["key"], "client_secret": key["secret"]}
    body = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/oauth/token", body, timeout=10) as reply:
        token: str = json.loads(reply.read())["access_token"]
        return token


def one_round(folder: Path, seconds: int, keys: dict[str, dict[str, str]]) -> dict[str, dict[str, Rate]]:
    rates: dict[str, dict[str, Rate]] = {}

    def measured(name: str, port: int, token: str = "") -> None:
        measure(Load(folder, 1, token), port)
        rates[name] = measure(Load(folder, seconds, token), port)

    with echo() as port:
        measured(ECHO, port)
    with gaal(*STUB, "--anonymous") as (port, _):
        measured(ANONYMOUS, port)
    with guarded(folder / "data") as port:
        for name, key in keys.items():
            measured(name, port, fetched_token(port, key))
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured")
    parser.add_argument("--seconds", type=int, default=3, help="how long each measurement takes")
    options = parser.parse_args()
    os.environ.pop("GAAL_DATA_DIR", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        many = ("--rate", "1000000", "--burst", "1000000", "--max-concurrent", "1000")
        keys = {TOKEN: added_key(folder / "data", "bench"), LIMITED: added_key(folder / "data", "limited", *many)}
        rounds = []
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            rounds.append(one_round(folder, options.seconds, keys))
    report(rounds)


def report(rounds: list[dict[str, dict[str, Rate]]]) -> None:
    print(f"{platform.platform()}, {cpu_model()}, Python {platform.python_version()}\n{GOALS}\n")
    print(f"{'':26}" + "".join(f"{kind + ' req/s':>14}{'of echo':>9}{'of without':>12}" for kind in KINDS))
    by_name = {name: [each[name] for each in rounds] for name in rounds[0]}
    for name, measured in by_name.items():
        cells = (
            f"{median_rate(measured, kind):14,.0f}{median_ratio(measured, by_name[ECHO], kind):9.2f}"
            f"{median_ratio(measured, by_name[ANONYMOUS], kind):12.2f}"
            for kind in KINDS
        )
        print(f"{name:26}{''.join(cells)}")
    added = statistics.median(
        1e6 / each[TOKEN][kind].per_second - 1e6 / each[ANONYMOUS][kind].per_second for each in rounds for kind in KINDS
    )
    print(f"\na token costs {added:.1f} µs a request")


if __name__ == "__main__":
    main()
