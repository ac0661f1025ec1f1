"""`start-microservice`: run microservices for a client, and let its predictions go to them.

    start-microservice --type prediction --client test -i NAME IMAGE rpc|rest RATIO … -p NAME FOLDER [rpc|rest] RATIO …

It writes what is to run to the store; a running server starts it at once, any other when it starts. Where a server
runs, predictions go to the microservices from the moment when all of them answer.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gaal.cli.own_store import complain, own_store, require_client
from gaal.errors import GaalError, SettingsError, Violation

if TYPE_CHECKING:
    from gaal.storage.records import Api, Microservice
    from gaal.storage.store import Store

TOLERANCE = 1e-6
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
CONTAINER_PORT = 5000
LOOK_EVERY_S = 0.1
SERVER_NOTICES_S = 2.0
"""A server that had no store looks every 100 ms whether there is one now."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One -i or -p: `source` is an image or target, or with -p a pipeline's folder."""

    option: Literal["-i", "-p"]
    name: str
    source: str
    api: Api
    ratio: float


def main(arguments: Sequence[str] | None = None) -> None:
    try:
        sys.exit(run(sys.argv[1:] if arguments is None else arguments))
    except GaalError as error:
        complain(error)
        sys.exit(2 if isinstance(error, SettingsError) else 1)


def run(arguments: Sequence[str]) -> int:
    """Gives the exit status. Raises SettingsError for what was mistyped, and other errors of the tree."""
    given = parser().parse_args(arguments)
    if given.type == "recommendation":
        complain("--type recommendation: Gaal serves predictions, not recommendations")
        return 1
    wanted = wanted_of(given)
    check(wanted)
    with own_store(given.data_dir, given.database) as store:
        require_client(store, given.client)
        return _started(store, given, wanted)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "start-microservice", description="Run microservices for a client, and let its predictions go to them."
    )
    parser.add_argument("--type", required=True, choices=("prediction", "recommendation"), help="What they answer.")
    parser.add_argument("--client", required=True, metavar="CLIENT", help="Whose predictions go to them.")
    parser.add_argument("--replicas", type=int, default=1, metavar="N", help="How many processes of each. Default: 1.")
    parser.add_argument(
        *("-i", "--image"),
        nargs=4,
        action="append",
        default=[],
        metavar=("NAME", "IMAGE", "API", "RATIO"),
        help="A microservice: a registered image, a folder with a script, a script, a Python target or a container "
        "image; rpc or rest; its share of the predictions.",
    )
    parser.add_argument(
        *("-p", "--pipeline"),
        nargs="+",
        action="append",
        default=[],
        metavar="NAME FOLDER [API] RATIO",
        help="A microservice over the pipeline in a folder; rpc or rest (rest if it is not said); its share.",
    )
    parser.add_argument("--no-wait", action="store_true", help="Do not wait until they answer.")
    parser.add_argument(
        "--timeout", type=float, default=300.0, metavar="SECONDS", help="How long to wait for that. Default: 300."
    )
    parser.add_argument("--data-dir", metavar="PATH", help="The server's data directory. [GAAL_DATA_DIR]")
    parser.add_argument("--database", metavar="URL", help="The server's database. [GAAL_DATABASE]")
    return parser


def wanted_of(given: argparse.Namespace) -> list[Wanted]:
    """What was asked for, the images first. Raises SettingsError."""
    images = [_wanted("-i", *values) for values in given.image]
    pipelines = [_wanted("-p", *_with_api(values)) for values in given.pipeline]
    found = images + pipelines
    if given.replicas < 1:
        raise SettingsError([Violation("--replicas", "must be 1 or more", given.replicas)])
    if not found:
        raise SettingsError([Violation("-i, -p", "at least one microservice must be given")])
    return found


def _with_api(values: Sequence[str]) -> Sequence[str]:
    """The four values of a pipeline. In the older form, of three, it is served over REST."""
    if len(values) not in (3, 4):
        raise SettingsError(
            [Violation("-p", "takes NAME FOLDER RATIO or NAME FOLDER rpc|rest RATIO", " ".join(values))]
        )
    return values if len(values) == 4 else (values[0], values[1], "rest", values[2])


def _wanted(option: Literal["-i", "-p"], name: str, source: str, api: str, ratio: str) -> Wanted:
    place = f"{option} {name}"
    if not NAME.fullmatch(name):
        raise SettingsError([Violation(option, "a name has letters, digits, . _ and -, 63 at most", name)])
    try:
        share = float(ratio)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise SettingsError([Violation(place, "the ratio must be a number from 0 to 1", ratio)])
    match api:
        case "rpc" | "rest":
            return Wanted(option, name, source, api, share)
    raise SettingsError([Violation(place, "must say rpc or rest before the ratio", api)])


def check(wanted: Sequence[Wanted]) -> None:
    """Raises SettingsError if names stand twice, or the ratios do not sum to 1."""
    names = [each.name for each in wanted]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError([Violation("-i, -p", "each microservice needs a name of its own", ", ".join(twice))])
    total = math.fsum(each.ratio for each in wanted)
    if abs(total - 1) > TOLERANCE:
        shown = " + ".join(f"{each.ratio:g}" for each in wanted)
        raise SettingsError([Violation("-i, -p", f"the ratios must sum to 1; {shown} is {total:g}")])


def predict_algs(wanted: Sequence[Wanted]) -> str:
    """The client's variations: one for each microservice, called as it is."""
    from gaal.gateway.predict_algs import PredictAlgs, RestServer, RpcServer, Variation, written

    def algorithm(each: Wanted) -> RpcServer | RestServer:
        if each.api == "rpc":
            return RpcServer(each.name, CONTAINER_PORT)
        return RestServer(f"http://{each.name}:{CONTAINER_PORT}/predict", each.name)

    variations = (Variation(each.name, each.ratio, (algorithm(each),)) for each in wanted)
    return json.dumps(written(PredictAlgs(tuple(variations))))


def _started(store: Store, given: argparse.Namespace, wanted: Sequence[Wanted]) -> int:
    rows = [_row(store, given.client, given.replicas, each) for each in wanted]
    algs = predict_algs(wanted)
    waits = not given.no_wait and _server_runs(store)
    # In one commit: a server that notices finds all of it. Where one runs, predictions wait until there is an answer.
    store.transact(_write, store, rows, "" if waits else algs)
    if waits:
        if not _became_ready(store, rows, given.timeout):
            complain("The client's variations are as they were. The server goes on trying to start what is not ready.")
            return 1
        store.strategies.set(given.client, algs)
    for row, each in zip(rows, wanted, strict=True):
        print(f'{row.name}: {row.api}, {each.ratio:.4g} of the predictions of client "{given.client}"')
    if not waits and not given.no_wait:
        print(f"No server runs on this machine with {store.location.data_dir}: they start when one does (gaal serve).")
    return 0


def _write(store: Store, rows: Sequence[Microservice], algs: str) -> None:
    from gaal.gateway.audit import audited

    for row in rows:
        store.microservices.put(row)
        audited(store, "microservice.start", f"{row.client}/{row.name}", row.target or row.pipeline)
    if algs:
        store.strategies.set(rows[0].client, algs)


def _row(store: Store, client: str, n_replicas: int, wanted: Wanted) -> Microservice:
    """Raises NotFound for a path where nothing is."""
    from gaal.microservices.commands import absolute
    from gaal.storage.records import Microservice

    is_image = wanted.option == "-i"
    known = is_image and store.images.get(wanted.source) is not None
    return Microservice(
        client,
        wanted.name,
        target=(wanted.source if known else absolute(wanted.source, Path.cwd())) if is_image else "",
        api=wanted.api,
        model_name="" if is_image else wanted.name,
        pipeline="" if is_image else _folder(wanted),
        n_replicas=n_replicas,
        created_at=time.time(),
    )


def _folder(wanted: Wanted) -> str:
    """The pipeline's folder, or its URL as it is."""
    if "://" in wanted.source:
        return wanted.source
    folder = Path(wanted.source).expanduser()
    if not folder.is_dir():
        raise SettingsError([Violation(f"-p {wanted.name}", "there must be a folder with a pipeline", wanted.source)])
    return str(folder.resolve())


def _server_runs(store: Store) -> bool:
    from gaal.microservices.lock import is_held

    deadline = time.monotonic() + SERVER_NOTICES_S
    while not is_held(store.location.data_dir):
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def _became_ready(store: Store, rows: Sequence[Microservice], timeout_s: float) -> bool:
    """Waits for all of them, and says how far they are."""
    from gaal.microservices.commands import HOST
    from gaal.microservices.readiness import progress_of

    waiting = list(rows)
    deadline = time.monotonic() + timeout_s
    print(f"Starting {', '.join(row.name for row in rows)} …", flush=True)
    while waiting and time.monotonic() < deadline:
        processes = store.microservices.processes()
        for row in list(waiting):
            progress = progress_of(row, processes)
            if progress.failure:
                complain(f"{row.name}: {progress.failure}")
                return False
            if progress.is_ready:
                waiting.remove(row)
                print(f"{row.name} is ready at {', '.join(f'{HOST}:{port}' for port in progress.ports)}", flush=True)
        time.sleep(LOOK_EVERY_S if waiting else 0)
    for row in waiting:
        complain(f"{row.name}: was not ready within {timeout_s:g} s; gaal microservices logs {row.client} {row.name}")
    return not waiting


if __name__ == "__main__":
    main()
