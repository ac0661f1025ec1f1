"""The Flask app of every REST microservice: where it listens, how it ends, and how it says what went wrong."""

from __future__ import annotations

import logging
from typing import Any

import orjson
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from gaal.errors import MessageError
from seldon.microservice.address import chosen_host, chosen_port
from seldon.microservice.stopping import until_stopped

logger = logging.getLogger("seldon.microservice")

GENERIC_ERROR, INVALID_JSON = 13, 38
"""Of the numbers that Seldon Server gives to errors."""

MAX_BODY_BYTES = 64 * 1024 * 1024


class MicroserviceApp(Flask):
    """A Flask app that answers errors in JSON. Any WSGI server can run it; `run` brings a small one.

    An error is `{"error_id", "error_msg", "http_response"}`. What the user's code raises goes to the log; the reply
    says only that it failed.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.json.sort_keys = False  # type: ignore[attr-defined]  # of the provider that every Flask has
        self.config.update(MAX_CONTENT_LENGTH=MAX_BODY_BYTES, MAX_FORM_MEMORY_SIZE=MAX_BODY_BYTES)
        self.add_url_rule("/health/ping", "ping", lambda: "pong")
        self.register_error_handler(MessageError, _refusal)
        self.register_error_handler(HTTPException, _http_error)
        self.register_error_handler(Exception, _failure)

    def run(self, host: str | None = None, port: int | None = None, *_: Any, **__: Any) -> None:
        """Serves until SIGTERM or Ctrl-C, a thread a request, and then answers what is under way.

        The variables GAAL_MICROSERVICE_HOST and GAAL_MICROSERVICE_PORT win over the arguments. `debug` and the others
        that Flask has take no effect: a debugger in reach of the network lets anybody run code.
        """
        with until_stopped(), _Server(chosen_host(host), chosen_port(port), self, _RequestHandler) as server:
            logger.info("%s listens on http://%s:%s", self.name, server.host, server.port)
            server.serve_forever()


class _Server(ThreadedWSGIServer):
    daemon_threads = False  # so that closing waits for the requests under way


class _RequestHandler(WSGIRequestHandler):
    timeout = 30.0

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the query of a request holds the features."""


def json_of_request(needed: bool = True) -> dict[str, Any]:
    """The JSON object of the request: the field `json` of the query or of a form, or the body.

    Raises MessageError where there is none, unless it is not needed, and for what is no JSON object.
    """
    text = request.values.get("json") or (request.get_data() if request.is_json else None)
    if not text and not needed:
        return {}
    if not text:
        raise MessageError("the request has no JSON, neither as the field json nor as the body")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MessageError(f"the request is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise MessageError(f"the request must be a JSON object, got {type(value).__name__}")
    return value


def _refusal(error: Exception) -> tuple[Response, int]:
    return _error(INVALID_JSON, str(error), 400)


def _http_error(error: Exception) -> tuple[Response, int]:
    assert isinstance(error, HTTPException)
    return _error(GENERIC_ERROR, error.name, error.code or 500)


def _failure(error: Exception) -> tuple[Response, int]:
    logger.error("the microservice failed", exc_info=error)
    return _error(GENERIC_ERROR, "The microservice failed", 500)


def _error(error_id: int, text: str, status: int) -> tuple[Response, int]:
    return jsonify(error_id=error_id, error_msg=text, http_response=status), status
