"""Recommendations over REST: `/recommend`."""

from __future__ import annotations

from typing import Any

from flask import request

from gaal.errors import MessageError
from seldon.microservice.app import MicroserviceApp
from seldon.microservice.memcached import Memcached
from seldon.recommender import Recommender


def recommendation_app(recommender: Recommender, candidates: Memcached | None) -> MicroserviceApp:
    """`candidates` holds lists of items by key, for the parameter `data_key`. Without it, all lists are empty."""
    app = MicroserviceApp("recommendation")

    @app.route("/recommend", methods=["GET", "POST"])
    def recommend() -> dict[str, Any]:
        keys = [key for key in request.values.get("data_key", "").split(",") if key]
        listed = {item for key in keys for item in (candidates.items(key) if candidates else ())}
        recommended = recommender.recommend(
            _number("user_id"),
            ids=listed - set(_numbers("exclusion_items")),
            recent_interactions=_numbers("recent_interactions"),
            client=request.values.get("client"),
            limit=_number("limit"),
        )
        return {"recommended": [{"item": int(item), "score": float(score)} for item, score in recommended]}

    return app


def _number(name: str) -> int:
    text = request.values.get(name)
    if not text:
        raise MessageError(f"{name}: an integer is needed, got nothing")
    return _integer(name, text)


def _numbers(name: str) -> list[int]:
    return [_integer(name, text) for text in request.values.get(name, "").split(",") if text]


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise MessageError(f"{name}: an integer is needed, got {text!r}") from None
