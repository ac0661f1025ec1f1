"""Serves a pipeline over REST: `python -m seldon.microservice.serve_rest --model-name NAME --pipeline FOLDER`."""

from __future__ import annotations

from collections.abc import Sequence

from seldon.microservice import Microservices
from seldon.microservice.script_arguments import log_to_standard_error, prediction_arguments


def main(arguments: Sequence[str] | None = None) -> None:
    given = prediction_arguments("rest", arguments)
    log_to_standard_error()
    microservices = Microservices(aws_key=given.aws_key, aws_secret=given.aws_secret)
    microservices.create_prediction_microservice(given.pipeline, given.model_name).run()


if __name__ == "__main__":
    main()
