"""Types the commands of Seldon Server's page on gRPC, one after another, against a server that runs.

`scripts/demo` shows this. The server keeps its data in `data_dir` and answers at `address`, host and port, on which it
serves REST and gRPC alike.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
REQUEST_CLASS = "io.seldon.microservice.iris.IrisPredictRequest"
REQUEST = '{"data":{"f1":1,"f2":2.7,"f3":5.3,"f4":1.9}}'


def show(address: str, data_dir: Path) -> None:
    """Raises CalledProcessError for a command that fails."""
    reader = Reader(address, data_dir)
    jar = str(data_dir / "iris.jar")
    if not (HERE / "iris-pipeline").exists():
        reader.types("python iris_pipeline.py")
    reader.types("seldon-cli --quiet client --action setup --db-name ClientDB --client-name test")
    reader.types(f"create-proto-jar.sh iris.proto {jar}")
    reader.types(f"seldon-cli --quiet rpc --action set --client-name test --jar {jar} --request-class {REQUEST_CLASS}")
    reader.types("gaal image add seldonio/iris_xgboost_rpc:2.1 .")
    reader.types(
        "start-microservice --type prediction --client test -i xgboostrpc seldonio/iris_xgboost_rpc:2.1 rpc 1.0"
    )
    reader.types(f"seldon-cli --quiet api --client-name test --endpoint /js/predict --json '{REQUEST}'")
    keys = reader.types("seldon-cli --quiet keys --action list --client-name test")
    [key] = [each for each in json.loads(keys) if each["scope"] == "all"]
    host, port = address.split(":")
    ports = f"--host {host} --http-port {port} --rpc-port {port}"
    reader.types(f"python iris_rpc_client.py {ports} --key {key['key']} --secret {key['secret']}")


class Reader:
    """Types commands in this folder, and shows them and what they print."""

    def __init__(self, address: str, data_dir: Path) -> None:
        self._environment = {
            **os.environ,
            "GAAL_DATA_DIR": str(data_dir),
            "GAAL_SERVER_ENDPOINT": f"http://{address}",
        }

    def types(self, command: str) -> str:
        """What the command prints."""
        print(f"$ {command}", flush=True)
        program, *arguments = shlex.split(command)
        executable = sys.executable if program == "python" else str(Path(sys.executable).with_name(program))
        printed = subprocess.run(
            [executable, *arguments], cwd=HERE, env=self._environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        print(printed, flush=True)
        return printed
