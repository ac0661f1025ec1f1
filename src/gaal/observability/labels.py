"""The labels by which metrics name a predictor and a unit's image."""

from __future__ import annotations

from gaal.graph.deployment import Deployment, Predictor


def predictor_labels(deployment: Deployment, predictor: Predictor) -> tuple[str, str, str]:
    """The version is the predictor's annotation `version`, not its label. Source: Seldon Core's executor."""
    return deployment.name, predictor.name, predictor.annotations.get("version", "")


def image_and_version(image: str) -> tuple[str, str]:
    """`org/model:0.1` in its two parts; two empty texts for anything that does not have exactly one colon.

    Source: Seldon Core's executor.
    """
    parts = image.split(":")
    return (parts[0], parts[1]) if len(parts) == 2 else ("", "")
