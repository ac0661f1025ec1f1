"""`gaal predict`: ask a server from the command line.

The reply goes to stdout, timing and errors to stderr. The exit status is 0, 1 where the server did not answer with a
prediction, or 2 where what was typed cannot be sent.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import StringIO
from math import nan
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gaal.errors import GaalError, MessageError, SettingsError, Violation

if TYPE_CHECKING:
    from gaal.client import Client, Data, PayloadKind, Reply

Option = typer.Option


def predict(
    url: Annotated[
        str,
        typer.Argument(metavar="URL", help="The server, http://host:port, or a deployment: …/seldon/namespace/name."),
    ],
    data: Annotated[
        str | None, Option("--data", metavar="JSON|@FILE|-", help="A message of the protocol, or an array; - is stdin.")
    ] = None,
    csv_file: Annotated[
        str | None, Option("--csv", metavar="FILE|-", help="A table; its first row are the names of the columns.")
    ] = None,
    grpc: Annotated[bool, Option("--grpc", help="Ask over gRPC. Otherwise over REST.")] = False,
    deployment: Annotated[
        str, Option("--deployment", metavar="NAMESPACE/NAME", help="Which deployment, where there are several.")
    ] = "",
    kind: Annotated[
        str | None, Option("--kind", metavar="tensor|ndarray|tftensor", help="How an array is sent.")
    ] = None,
    token: Annotated[str, Option("--token", envvar="GAAL_TOKEN", help="The token to show to the server.")] = "",
    key: Annotated[str, Option("--key", envvar="GAAL_KEY", help="Fetch a token with this key.")] = "",
    secret: Annotated[str, Option("--secret", envvar="GAAL_SECRET", help="And this secret of it.")] = "",
    timeout: Annotated[float, Option("--timeout", metavar="SECONDS", help="How long a prediction may take.")] = 60.0,
    repeat: Annotated[int, Option("--repeat", min=1, metavar="N", help="Ask so many times; show the last reply.")] = 1,
    timing: Annotated[bool, Option("--timing", help="Say how long it took.")] = False,
    tls_ca: Annotated[
        str | None, Option("--tls-ca", metavar="FILE", help="The authorities to trust instead of the system's, PEM.")
    ] = None,
    tls_cert: Annotated[str | None, Option("--tls-cert", metavar="FILE", help="The client's certificate, PEM.")] = None,
    tls_key: Annotated[str | None, Option("--tls-key", metavar="FILE", help="The key of the certificate, PEM.")] = None,
) -> None:
    """Send a prediction request and print the reply as JSON."""
    # Not at the top: `gaal serve` would carry the client along, and NumPy, in a process that only supervises.
    from gaal.client import Client
    from gaal.client.errors import CallFailed

    namespace, _, name = deployment.rpartition("/")
    try:
        array_kind = _kind(kind)
        request, names = _request(data, csv_file)
        client = Client(
            url,
            transport="grpc" if grpc else "rest",
            deployment=name,
            namespace=namespace,
            token=token,
            key=key,
            secret=secret,
            timeout_s=timeout,
            tls_ca=tls_ca,
            tls_cert=tls_cert,
            tls_key=tls_key,
        )
        with client:
            reply, seconds = _asked(client, request, names, array_kind, repeat)
        print(_text(reply.to_json(), sys.stdout.isatty()))
    except GaalError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        raise typer.Exit(1 if isinstance(error, CallFailed) else 2) from None
    if timing:
        print(_latencies(seconds), file=sys.stderr)


def register(app: typer.Typer) -> None:
    app.command()(predict)


def _asked(
    client: Client, request: Data, names: Sequence[str], kind: PayloadKind | None, n_times: int
) -> tuple[Reply, list[float]]:
    """The last of `n_times` replies, and how long each took, in seconds."""
    seconds = []
    while True:
        started = perf_counter()
        reply = client.predict(request, names=names, kind=kind)
        seconds.append(perf_counter() - started)
        if len(seconds) == n_times:
            return reply, seconds


def _kind(given: str | None) -> PayloadKind | None:
    match given:
        case None | "tensor" | "ndarray" | "tftensor":
            return given
    raise _mistyped("--kind", "must be one of tensor, ndarray, tftensor", given)


def _request(data: str | None, csv_file: str | None) -> tuple[Data, Sequence[str]]:
    """What to send, and the names of its columns."""
    if (data is None) == (csv_file is None):
        raise _mistyped("--data, --csv", "exactly one of them must be given")
    if csv_file is not None:
        return _table(_read(csv_file, "--csv"), csv_file)
    assert data is not None
    text = _read(data.removeprefix("@"), "--data") if data.startswith("@") or data == "-" else data
    return _message_or_array(text.encode()), ()


def _message_or_array(text: bytes) -> Data:
    from gaal.protocols import json_text, seldon_json

    value = json_text.parse_exactly(text)
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and not _PAYLOADS.isdisjoint(value):
        return seldon_json.message_of(value)
    raise MessageError(f"--data: must be an array, or a message with one of {', '.join(sorted(_PAYLOADS))}")


_PAYLOADS = frozenset(("data", "jsonData", "strData", "binData", "customData"))


def _table(text: str, source: str) -> tuple[list[list[Any]], list[str]]:
    """The rows and the names of the columns. A column is one of numbers if each of its cells is one, or empty."""
    rows = [row for row in csv.reader(StringIO(text)) if row]
    if len(rows) < 2:
        raise _mistyped("--csv", "must have a row of names and at least one row of values", source)
    names, *cells = rows
    for number, row in enumerate(cells, 2):
        if len(row) != len(names):
            raise _mistyped("--csv", f"row {number} must have {len(names)} cells, and has {len(row)}", source)
    columns = [_column(list(column)) for column in zip(*cells, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)], names


def _column(cells: list[str]) -> list[Any]:
    for number in (int, float):
        with suppress(ValueError):
            return [number(cell) for cell in cells]
    with suppress(ValueError):
        if any(cell.strip() for cell in cells):
            return [float(cell) if cell.strip() else nan for cell in cells]
    return cells


def _read(file: str, option: str) -> str:
    """The text of a file, or of stdin for `-`."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _mistyped(option, f"must be a file of text that can be read: {error}") from None


def _mistyped(option: str, rule: str, value: Any = None) -> SettingsError:
    return SettingsError([Violation(option, rule, value)])


def _text(reply: bytes, is_for_people: bool) -> str:
    return json.dumps(json.loads(reply), indent=2, ensure_ascii=False) if is_for_people else reply.decode()


def _latencies(seconds: Sequence[float]) -> str:
    """A table of two lines, in ms. The first request also opened the connection, and stands by itself."""
    later = sorted(seconds[1:] or seconds)
    shown = {"requests": f"{len(seconds)}", "first ms": f"{seconds[0] * 1000:.2f}"}
    for percent in (50, 90, 99):
        shown[f"p{percent} ms"] = f"{later[min(len(later) - 1, len(later) * percent // 100)] * 1000:.2f}"
    shown["longest ms"] = f"{later[-1] * 1000:.2f}"
    width = max(map(len, shown)) + 2
    return "\n".join("".join(cell.rjust(width) for cell in line) for line in (shown.keys(), shown.values()))
