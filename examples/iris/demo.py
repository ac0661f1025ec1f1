"""What `scripts/demo` shows: trains the model, serves it, asks it over REST and gRPC, and keeps serving.

Then it types the commands of Seldon Server's page on gRPC, with a microservice of a client's own, against this server.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc
import train
from client import Client

HERE = Path(__file__).parent
sys.path.append(str(HERE.with_name("iris-classifier")))

import page  # noqa: E402 – the other example

READY = "Gaal is serving on http://"


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Serves the iris model and asks it twice.")
    parser.add_argument("--once", action="store_true", help="end after the replies")
    parser.add_argument("--port", type=int, default=8000, help="the port to serve on; 0 is a free one (default: 8000)")
    options = parser.parse_args()
    os.environ["no_proxy"] = "127.0.0.1"  # a proxy of the user's own knows nothing of this machine's ports
    # Ctrl-C and a kill both end the demo by an exception, so that the server never outlives it.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.default_int_handler)

    if not train.MODEL.exists():
        print("Training an XGBoost model on the iris data …", flush=True)
        train.train(train.MODEL)
    command = ["gaal", "serve", "IrisClassifier", "--port", str(free_port(options.port))]
    print(f"Starting the server: {' '.join(command)}", flush=True)
    # Apart from the terminal: Ctrl-C comes here only, and the server is told by SIGTERM.
    gaal = [sys.executable, "-m", *command]
    quiet = {**os.environ, "GAAL_LOG_LEVEL": "warning"}
    with (
        tempfile.TemporaryDirectory(prefix="gaal-demo-") as data_dir,
        subprocess.Popen(
            [*gaal, "--data-dir", data_dir],
            cwd=HERE,
            env=quiet,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as server,
    ):
        try:
            return show(server, Path(data_dir), options.once)
        except KeyboardInterrupt:
            print("\nStopping.", flush=True)
            return 0
        finally:
            server.terminate()
            signal.signal(signal.SIGINT, lambda *_: server.kill())  # who presses Ctrl-C again does not want to wait


def free_port(wanted: int) -> int:
    """The port that is wanted if nobody listens on it, else 0, which lets the server pick one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            print(f"Port {wanted} cannot be had ({error.strerror}): taking a free one.", flush=True)
            return 0
    return wanted


def show(server: subprocess.Popen[str], data_dir: Path, once: bool) -> int:
    assert server.stdout is not None
    line = server.stdout.readline().strip()
    if not line.startswith(READY):
        print("The server did not start; what it says stands above.", file=sys.stderr)
        return server.wait() or 1
    address = line.removeprefix(READY)
    print(f"{line}\n", flush=True)

    request = json.loads((HERE / "request.json").read_text())
    client = Client(address)
    try:
        print(f"REST reply, /api/v1.0/predictions:\n{pretty(client.predict_rest(request))}\n")
        print(f"gRPC reply, seldon.protos.Seldon/Predict:\n{pretty(client.predict_grpc(request))}\n", flush=True)
    except (OSError, RuntimeError, grpc.RpcError) as error:
        print(f"The server did not answer: {error}", file=sys.stderr)
        return 1
    print("Seldon Server's page on gRPC, with the same server:\n", flush=True)
    try:
        page.show(address, data_dir)
    except subprocess.CalledProcessError as error:
        print(f"{error.cmd[0]} ended with status {error.returncode}", file=sys.stderr)
        return 1
    if once:
        return 0
    body = json.dumps({"data": {"ndarray": [[5.1, 3.5, 1.4, 0.2]]}})
    print("Try it yourself:")
    print(f"  curl -H 'Content-Type: application/json' -d '{body}' http://{address}/api/v1.0/predictions")
    print(f"  http://{address}/docs describes the API, http://{address}/metrics counts the requests.")
    print("Ctrl-C ends it.", flush=True)
    return server.wait() or 1


def pretty(reply: str) -> str:
    """JSON over several lines, but each list of plain values on one."""
    text = json.dumps(json.loads(reply), indent=2)
    return re.sub(r"\[[^\[\]{}]+\]", lambda values: f"[{' '.join(values[0][1:-1].split())}]", text)


if __name__ == "__main__":
    sys.exit(main())
