"""Not offered: importing this module says what to use instead."""

from __future__ import annotations

raise ImportError(
    "seldon.keras is not supported: the models of the Keras of that time do not load in today's. "
    "Write a class with predict_proba(X) over your model, and keep it by seldon.pipeline.util.PipelineWrapper"
)
