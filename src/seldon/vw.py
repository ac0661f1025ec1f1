"""Not offered: importing this module says what to use instead."""

from __future__ import annotations

raise ImportError(
    "seldon.vw is not supported: it ran a Vowpal Wabbit daemon beside the microservice. "
    "Write a class with predict_proba(X) over your model, and keep it by seldon.pipeline.util.PipelineWrapper"
)
