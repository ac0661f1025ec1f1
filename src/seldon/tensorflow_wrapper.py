"""Not offered: importing this module says what to use instead."""

from __future__ import annotations

raise ImportError(
    "seldon.tensorflow_wrapper is not supported: it kept the graph and session of TensorFlow 1. "
    "Write a class with predict_proba(X) over your model, and keep it by seldon.pipeline.util.PipelineWrapper"
)
