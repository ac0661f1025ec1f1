"""What the load tools print, and how they are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench_modules import bench

wire_load = bench("wire_load")
wires = bench("wires")

WRK = """Running 2s test @ http://127.0.0.1:8000/api/v1.0/predictions
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.10ms  310.00us   6.11ms   84.20%
    Req/Sec    29.10k     1.20k   31.00k    70.00%
  Latency Distribution
     50%  951.00us
     75%    1.20ms
     90%    1.50ms
     99%    2.25ms
  58230 requests in 2.00s, 20.10MB read
Requests/sec:  29100.50
Transfer/sec:     10.04MB
"""
H2LOAD = """
finished in 2.00s, 10845.00 req/s, 1.56MB/s
requests: 1000 total, 1032 started, 1000 done, {n_good} succeeded, {n_bad} failed, 0 errored, 0 timeout
status codes: 1000 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 3.12MB (3275032) total, 672.64KB (688782) headers (space savings 73.09%), 88.9KB ({n_data}) data
"""
LOG = "".join(f"1795313340429476\t200\t{latency_us}\n" for latency_us in range(1, 1001)) + "1795313340429476\t0\t9\n"


def test_wrk_tells_the_rate_and_the_latencies_whatever_their_unit() -> None:
    assert wire_load.read_wrk(WRK) == wire_load.Figures(29100.5, 0.951, 2.25)


@pytest.mark.parametrize(
    "line", ["  Non-2xx or 3xx responses: 7", "  Socket errors: connect 0, read 0, write 0, timeout 3"]
)
def test_a_server_that_refused_some_is_not_measured(line: str) -> None:
    with pytest.raises(wire_load.Refused, match="not every request succeeded"):
        wire_load.read_wrk(WRK + line)


def test_a_server_that_never_answered_is_not_measured() -> None:
    with pytest.raises(wire_load.Refused, match="no reply in time"):
        wire_load.read_wrk(WRK.replace("29100.50", "0.00"))


def test_the_latencies_of_h2load_are_those_of_its_log() -> None:
    figures = wire_load.read_h2load(H2LOAD.format(n_good=1000, n_bad=0, n_data=91_000), LOG, 91)

    assert figures.per_second == 10845
    assert figures.p50_ms == pytest.approx(0.5005)
    assert figures.p99_ms == pytest.approx(0.990, abs=1e-3)


@pytest.mark.parametrize(("n_good", "n_data"), [(999, 91_000), (1000, 5_000), (0, 0)])
def test_failed_calls_and_calls_without_a_message_are_refused(n_good: int, n_data: int) -> None:
    with pytest.raises(wire_load.Refused):
        wire_load.read_h2load(H2LOAD.format(n_good=n_good, n_bad=1000 - n_good, n_data=n_data), LOG, 91)


@pytest.mark.parametrize(("n_at_once", "shape"), [(1, ("1", "1")), (32, ("4", "8")), (256, ("32", "8"))])
def test_grpc_has_eight_calls_on_a_connection(n_at_once: int, shape: tuple[str, str]) -> None:
    command = wire_load.h2load(wires.V2_GRPC, 8000, n_at_once, 3, Path("body"), Path("log"))

    assert (command[command.index("-c") + 1], command[command.index("-m") + 1]) == shape
