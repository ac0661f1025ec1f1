"""Serves an extension over REST: `python -m seldon.microservice.serve_extension --extension FOLDER`."""

from __future__ import annotations

from collections.abc import Sequence

from seldon.microservice import Microservices
from seldon.microservice.script_arguments import add_flag, log_to_standard_error, parser_of


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of("extension")
    add_flag(parser, "extension", "the folder or URL of the extension")
    given = parser.parse_args(arguments)
    log_to_standard_error()
    microservices = Microservices(aws_key=given.aws_key, aws_secret=given.aws_secret)
    microservices.create_extension_microservice(given.extension).run()


if __name__ == "__main__":
    main()
