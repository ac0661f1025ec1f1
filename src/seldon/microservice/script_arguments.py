"""The flags of the scripts that start microservices: each with dashes, and with underscores."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence


def parser_of(kind: str) -> argparse.ArgumentParser:
    """A parser with the flags that every script has."""
    parser = argparse.ArgumentParser(prog=f"python -m seldon.microservice.serve_{kind}", allow_abbrev=False)
    add_flag(parser, "aws-key", "the key for folders at s3://", required=False)
    add_flag(parser, "aws-secret", "its secret", required=False)
    return parser


def add_flag(parser: argparse.ArgumentParser, name: str, words: str, required: bool = True) -> None:
    spellings = dict.fromkeys([f"--{name}", f"--{name.replace('-', '_')}"])
    parser.add_argument(*spellings, help=words, required=required)


def prediction_arguments(kind: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of(kind)
    add_flag(parser, "model-name", "the name of the model, as replies say it")
    add_flag(parser, "pipeline", "the folder or URL of the pipeline")
    return parser.parse_args(arguments)


def log_to_standard_error() -> None:
    logging.basicConfig(format="%(asctime)s : %(levelname)s : %(name)s : %(message)s", level=logging.INFO)
