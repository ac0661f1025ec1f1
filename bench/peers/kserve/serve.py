"""KServe's Python server with a model of a user's own. It batches only in an agent before it, on Kubernetes."""

import os
from typing import Any

import joblib
import kserve
from kserve import InferOutput, InferRequest, InferResponse


class Iris(kserve.Model):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._model = joblib.load(os.environ["MODEL"])
        self.ready = True

    async def predict(self, payload: InferRequest, headers: Any = None, response_headers: Any = None) -> InferResponse:
        probabilities = self._model.predict_proba(payload.inputs[0].as_numpy())
        output = InferOutput("y", list(probabilities.shape), "FP64")
        output.set_data_from_numpy(probabilities, binary_data=payload.from_grpc)
        return InferResponse(response_id=payload.id or "1", model_name=self.name, infer_outputs=[output])


if __name__ == "__main__":
    kserve.ModelServer(
        http_port=int(os.environ["HTTP_PORT"]),
        grpc_port=int(os.environ["GRPC_PORT"]),
        workers=1,
        enable_latency_logging=False,
        access_log_format=None,
    ).start([Iris("iris")])
