"""The labels by which a microservice's own metrics say what it is. Source: Seldon Core's Python wrapper."""

from __future__ import annotations

import json

UNSET = "NOT_IMPLEMENTED"
"""The value of a label that the environment does not name."""

FEEDBACK = "seldon_api_model_feedback"
REWARD = "seldon_api_model_feedback_reward"


def microservice_labels(
    deployment: str | None,
    predictor: str | None,
    predictor_labels: str,
    unit: str | None,
    image: str | None,
    worker: int,
) -> dict[str, str]:
    """All labels but `method`. `predictor_labels` is a JSON object, whose `version` counts; `worker` a process id."""
    name, version = _name_and_tag(image)
    return {
        "deployment_name": deployment or UNSET,
        "model_name": unit or UNSET,
        "model_image": name,
        "model_version": version,
        "predictor_name": predictor or UNSET,
        "predictor_version": _version(predictor_labels),
        # The names that these had first; dashboards still read them.
        "seldon_deployment_name": deployment or UNSET,
        "image_name": name,
        "image_version": version,
        "worker_id": str(worker),
    }


def _name_and_tag(image: str | None) -> tuple[str, str]:
    if not image:
        return UNSET, UNSET
    name, colon, tag = image.rpartition(":")
    # What follows the colon of `registry:5000/iris` is no tag.
    return (name, tag) if colon and "/" not in tag else (image, "")


def _version(labels: str) -> str:
    try:
        found = json.loads(labels)
    except ValueError:
        return UNSET
    return str(found.get("version", UNSET)) if isinstance(found, dict) else UNSET
