"""The `model_error_handler` of a user's class: a Flask Blueprint whose handlers answer exceptions of its own.

Flask is never imported unless the class has brought such a Blueprint.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

logger = logging.getLogger("gaal.components")


class Answer(NamedTuple):
    """What a handler made of an exception: the body, its content type, and an HTTP status."""

    body: bytes
    status: int
    content_type: str


Handler: TypeAlias = Callable[[BaseException], Answer | None]
"""None for an exception that nobody has registered for."""


def handler_of(blueprint: Any) -> Handler:
    """Answers exceptions as an application with this Blueprint does, by its `app_errorhandler`s."""
    import flask

    app = flask.Flask("gaal")
    app.register_blueprint(blueprint)

    def handle(error: BaseException) -> Answer | None:
        if not isinstance(error, Exception):
            return None
        with app.test_request_context():
            try:
                raise error
            except Exception:
                return _answered(app, error)

    return handle


def _answered(app: Any, error: Exception) -> Answer | None:
    """Called while `error` is being handled: Flask raises it again if nobody has registered for it."""
    try:
        response = app.make_response(app.handle_user_exception(error))
    except Exception as raised:
        if raised is not error:
            logger.error("model_error_handler failed", exc_info=raised)
        return None
    return Answer(response.get_data(), response.status_code, response.content_type)
