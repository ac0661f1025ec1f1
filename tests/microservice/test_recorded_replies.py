"""What the internal REST API answers, compared with what the original answered to the very same requests.

`recorded.json` holds requests to the classes in wrapped_models.py, and the `reply` that the Python wrapper of Seldon
Core 1.18.2 gave to each, in its own Flask application. Where Gaal differs on purpose, `gaal` has its reply, and `why`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import HERE, Start

ROWS: list[dict[str, Any]] = json.loads((HERE / "recorded.json").read_text())


def parameters_of(row: dict[str, Any]) -> str:
    return json.dumps(
        [
            {"name": name, "value": str(value), "type": "INT" if isinstance(value, int) else "STRING"}
            for name, value in row.get("parameters", {}).items()
        ]
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['model']}{row['path'].partition('?')[0]}")
async def test_a_reply_is_the_one_that_was_recorded(start: Start, row: dict[str, Any]) -> None:
    served = await start(row["model"], environment=row.get("env", {}), parameters=parameters_of(row))
    headers = {"content-type": row["type"]} if "type" in row else {}
    reply = await served.rest.request(row["verb"], row["path"], content=row["body"].encode(), headers=headers)
    expected = row.get("gaal", row["reply"])
    assert (reply.status_code, reply.text) == (expected["status"], expected["body"])


def test_where_a_reply_differs_it_says_why() -> None:
    differing = [row for row in ROWS if "gaal" in row]
    assert all(row["why"] and row["gaal"] != row["reply"] for row in differing)
    assert len(differing) <= 40
