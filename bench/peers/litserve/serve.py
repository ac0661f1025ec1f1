"""LitServe with one worker and one API server; with BATCH, its batching of what waits."""

import os
from typing import Any

import joblib
import litserve
import numpy as np


class Iris(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    def decode_request(self, request: dict[str, Any]) -> np.ndarray:
        return np.array(request["data"]["ndarray"])

    def predict(self, rows: np.ndarray) -> np.ndarray:
        # A batch is the requests stacked: (requests, rows, columns).
        return np.asarray(self.model.predict_proba(rows.reshape(-1, 4))).reshape(*rows.shape[:-1], 3)

    def encode_response(self, output: np.ndarray) -> dict[str, Any]:
        return {"data": {"ndarray": output.tolist()}}


if __name__ == "__main__":
    api = Iris(max_batch_size=int(os.environ["BATCH"]) or 1, batch_timeout=0.005)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["HTTP_PORT"]),
        generate_client_file=False,
        log_level="error",
        num_api_servers=1,
    )
