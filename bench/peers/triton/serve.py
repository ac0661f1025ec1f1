"""Triton with its Python backend and its dynamic batching, which joins what waits and does not wait for more."""

import os

import joblib
import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

model = joblib.load(os.environ["MODEL"])


@batch
def iris(x: np.ndarray) -> dict[str, np.ndarray]:
    return {"y": model.predict_proba(x)}


if __name__ == "__main__":
    ports = {name: int(os.environ[name.upper()]) for name in ("http_port", "grpc_port", "metrics_port")}
    config = TritonConfig(**ports, http_address="127.0.0.1", grpc_address="127.0.0.1", log_verbose=0)
    with Triton(config=config) as triton:
        triton.bind(
            model_name="iris",
            infer_func=iris,
            inputs=[Tensor(name="x", dtype=np.float64, shape=(4,))],
            outputs=[Tensor(name="y", dtype=np.float64, shape=(3,))],
            config=ModelConfig(max_batch_size=128, batcher=DynamicBatcher(max_queue_delay_microseconds=0)),
        )
        triton.serve()
