"""Starts the Python wrapper of Seldon Core 1.x in the place of this process, without the executor before it."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    ports = {name: os.environ[f"{name.upper()}_PORT"] for name in ("http", "grpc", "metrics")}
    for name, port in ports.items():
        os.environ[f"PREDICTIVE_UNIT_{name.upper()}_SERVICE_PORT"] = port
    options = [word for name, port in ports.items() for word in (f"--{name}-port", port)]
    program = str(Path(sys.executable).with_name("seldon-core-microservice"))
    command = [program, "Iris", "--service-type", "MODEL", "--workers", "1", "--log-level", "ERROR", *options]
    os.execv(program, command)
