"""Ray Serve with one replica; with BATCH, its batching of what waits. Its many processes share the one core."""

import os
import signal
from typing import Any

import joblib
import numpy as np
import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(max_ongoing_requests=512)
class Iris:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])
        self.batching = int(os.environ["BATCH"]) > 0

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.0)
    async def batched(self, requests: list[list[list[float]]]) -> list[list[list[float]]]:
        ends = np.cumsum([len(rows) for rows in requests])[:-1]
        probabilities = self.model.predict_proba(np.concatenate(requests))
        return [part.tolist() for part in np.split(probabilities, ends)]

    async def __call__(self, request: Request) -> dict[str, Any]:
        rows = (await request.json())["data"]["ndarray"]
        found = await self.batched(rows) if self.batching else self.model.predict_proba(np.array(rows)).tolist()
        return {"data": {"ndarray": found}}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["HTTP_PORT"])})
    serve.run(Iris.bind())
    signal.sigwait([signal.SIGTERM])
    serve.shutdown()
    ray.shutdown()
