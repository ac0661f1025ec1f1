"""What a pod tells its containers of itself in a file: its annotations, a line each, `key="value"`."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger("gaal")


def read_annotations(path: Path) -> dict[str, str]:
    """The annotations in the file; none if it is not there. Lines that are none are passed over.

    Source: the downward API of Kubernetes, which writes values as Go's `%q` does.
    """
    try:
        text = path.read_text()
    except OSError:
        return {}
    return dict(_annotations(text))


def _annotations(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if not equals:
            continue
        try:
            yield key.strip(), str(json.loads(value)) if value.startswith('"') else value
        except ValueError:
            yield key.strip(), value.strip('"')


def whole(annotations: dict[str, str], key: str) -> int | None:
    """The value as a whole number above 0, or None; what is none is passed over, with a warning."""
    text = annotations.get(key)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    logger.warning("annotation %s: must be a whole number above 0, got %r", key, text)
    return None
