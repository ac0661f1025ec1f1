"""MLServer with its server for scikit-learn in its one process; with BATCH, its adaptive batching."""

import asyncio
import os

from mlserver import MLServer, ModelSettings, Settings
from mlserver.settings import ModelParameters
from mlserver.utils import install_uvloop_event_loop


def settings() -> Settings:
    ports = {name: int(os.environ[name.upper()]) for name in ("http_port", "grpc_port", "metrics_port")}
    return Settings(parallel_workers=0, host="127.0.0.1", debug=False, load_models_at_startup=False, **ports)


def model() -> ModelSettings:
    n_rows = int(os.environ["BATCH"])
    # It waits for a batch to fill: a millisecond is the least that its users set.
    batching = {"max_batch_size": n_rows, "max_batch_time": 0.001} if n_rows else {}
    parameters = ModelParameters(uri=os.environ["MODEL"], extra={"predict_fn": "predict_proba"})
    return ModelSettings(name="iris", implementation="mlserver_sklearn.SKLearnModel", parameters=parameters, **batching)


async def main() -> None:
    await MLServer(settings()).start([model()])


if __name__ == "__main__":
    install_uvloop_event_loop()
    asyncio.run(main())
