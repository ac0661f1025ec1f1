"""Extensions over REST: `/extension`."""

from __future__ import annotations

from typing import Any

from seldon.extension import Extension
from seldon.microservice.app import MicroserviceApp, json_of_request


def extension_app(extension: Extension) -> MicroserviceApp:
    app = MicroserviceApp("extension")

    @app.route("/extension", methods=["GET", "POST"])
    def predict() -> dict[str, Any]:
        return extension.predict(json_of_request(needed=False))

    return app
