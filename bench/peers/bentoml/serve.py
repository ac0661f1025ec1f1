"""Starts BentoML's server in the place of this process."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    service = "service:BatchedIris" if int(os.environ["BATCH"]) else "service:Iris"
    program = str(Path(sys.executable).with_name("bentoml"))
    os.execv(program, [program, "serve", service, "--host", "127.0.0.1", "--port", os.environ["HTTP_PORT"]])
