"""The iris model through each of Gaal's model servers, with batching and without, and through the peers, in one run.

    python bench/model_servers.py [--peers FOLDER] [--rounds N] [--seconds S] [--connections 1,32,256] [--only WORD]

The server has one core, the load the other. Every round measures all of them once, one after the other; a ratio is
taken within its round, and the median of the rounds is shown. Peers need an environment each: bench/peers/README.md.
Needs `wrk` and `h2load` (Debian: wrk, nghttp2-client), and two cores.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError

import grpc
import subjects
from result_tables import Place, Results, load_table, ratio_table, shown
from serving import cpu_model
from subjects import SKLEARN, UNBATCHED, Running, Subject
from wire_load import Refused, measure
from wires import WIRES, Wire

START_S = 120
"""Some peers need a minute on one core."""
WARM_UP_AT_ONCE = 32
COLUMNS = [wire.name for wire in WIRES]


@dataclass(frozen=True)
class Plan:
    """How much is measured: rounds, seconds for each figure, and how many requests at once, a load after another."""

    n_rounds: int
    seconds: int
    warm_up_s: int
    loads: Sequence[int]


def main() -> None:
    options = parse(sys.argv[1:])
    missing = [tool for tool in ("wrk", "h2load", "taskset") if shutil.which(tool) is None]
    if missing or (os.cpu_count() or 1) < 2:
        sys.exit(f"needs two cores, wrk, h2load and taskset; missing: {missing or 'a core'}")
    plan = Plan(options.rounds, options.seconds, options.warm_up, options.connections)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours, theirs = subjects.of_gaal(folder, say), subjects.of_peers(options.peers, folder, say)
        chosen = [each for each in [*ours, *theirs] if any(word in each.name.lower() for word in options.only)]
        results = Results()
        for number in range(plan.n_rounds):
            say(f"round {number + 1} of {plan.n_rounds}")
            for subject in chosen:
                measure_subject(subject, number, plan, folder, results)
    names = [subject.name for subject in chosen]
    print(report(results, names, [each.name for each in theirs if each.name in names], plan.loads))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    peers = os.environ.get("PEERS")
    parser.add_argument("--peers", type=Path, default=Path(peers) if peers else None, help="their environments; $PEERS")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured")
    parser.add_argument("--seconds", type=int, default=3, help="how long each measurement takes")
    parser.add_argument("--warm-up", type=int, default=1, help="seconds before the first measurement on each wire")
    parser.add_argument("--connections", type=_loads, default=[1, 32, 256], help="requests at once: 1,32,256")
    parser.add_argument("--only", type=lambda text: text.lower().split(","), default=[""], help="words of the names")
    options = parser.parse_args(arguments)
    # Servers run in folders of their own.
    options.peers = options.peers.absolute() if options.peers else None
    return options


def _loads(text: str) -> list[int]:
    """How many requests at once. Over gRPC there are eight calls on a connection, from eight on."""
    loads = [int(word) for word in text.split(",")]
    if any(load < 1 or (load > 8 and load % 8) for load in loads):
        raise argparse.ArgumentTypeError("expected numbers from 1 to 8, or multiples of 8")
    return loads


def measure_subject(subject: Subject, number: int, plan: Plan, folder: Path, results: Results) -> None:
    """Everything about one server in one round. What it refuses is said, and missing in the tables."""
    with subject.start() as running:
        for column, wire in subject.wires.items():
            try:
                reply = first_answer(wire, running)
                measure(wire, running.port(wire), WARM_UP_AT_ONCE, plan.warm_up_s, folder, len(reply))
            except Refused as refused:
                say(f"{subject.name}, {column}: {refused}")
                continue
            for n_at_once in plan.loads:
                measure_load(
                    Place(subject.name, column, n_at_once), wire, running, number, plan, folder, results, reply
                )


def measure_load(
    place: Place,
    wire: Wire,
    running: Running,
    number: int,
    plan: Plan,
    folder: Path,
    results: Results,
    reply: bytes,
) -> None:
    try:
        figures = measure(wire, running.port(wire), place.n_at_once, plan.seconds, folder, len(reply))
    except Refused as refused:
        say(f"{place}: {refused}")
    else:
        results.add(place, number, figures)
        say(f"{place.subject:34} {place.wire:12} {place.n_at_once:4}  {shown(figures)}")


def first_answer(wire: Wire, running: Running) -> bytes:
    """The reply to the first request that is answered. Raises Refused if none is in time, or it is not the model's."""
    until = time.monotonic() + START_S
    while True:
        try:
            reply = wire.ask(running.port(wire))
        except (OSError, grpc.RpcError) as error:
            if running.server.poll() is not None or time.monotonic() > until or is_final(error):
                raise Refused(f"no answer: {error}; its log ends {last_words(running.log)}") from error
            time.sleep(0.1)
        else:
            break
    if not wire.answers(reply):
        raise Refused(f"these are not the probabilities of the flower: {reply!r}")
    return reply


def is_final(error: Exception) -> bool:
    """Whether the server is there and will not have it; 404 and 503 are what some say until their model is loaded."""
    return isinstance(error, HTTPError) and error.code not in (404, 503)


def last_words(log: Path) -> str:
    return log.read_text(errors="replace")[-1000:]


def report(results: Results, names: Sequence[str], peers: Sequence[str], loads: Sequence[int]) -> str:
    """All tables, as Markdown."""
    parts = [f"{platform.platform()}, {cpu_model()}, Python {platform.python_version()}"]
    for n_at_once in loads:
        parts += [f"### {n_at_once} at once", "Requests a second · p50 · p99 in ms."]
        parts.append(load_table(results, names, COLUMNS, n_at_once))
    shown_loads = " · ".join(map(str, loads))
    batched = [name for name in names if name + UNBATCHED in names]
    if batched:
        parts += ["### With batching to without", f"Times as many requests a second, with {shown_loads} at once."]
        pairs = [(name, name, name + UNBATCHED) for name in batched]
        parts.append(ratio_table(results, pairs, COLUMNS, loads))
    if peers and SKLEARN in names:
        parts += ["### Gaal to the peers", f"{SKLEARN} is faster by, with {shown_loads} at once, on the same wire."]
        parts.append(ratio_table(results, [(peer, SKLEARN, peer) for peer in peers], COLUMNS, loads))
    return "\n\n".join(parts)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
