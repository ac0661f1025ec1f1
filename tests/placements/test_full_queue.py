"""A full queue is the same refusal wherever the unit runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from running import ask, rows, runner

from gaal.errors import GaalError
from gaal.transport.errors import GrpcCode, grpc_code, http_status

SLOW = """
import time
class Model:
    batch = 2
    def predict(self, X, names):
        time.sleep(0.3)
        return X
"""


@pytest.mark.parametrize("placement", ["thread", "worker"])
async def test_a_full_queue_is_503_and_resource_exhausted(placement: str, tmp_path: Path) -> None:
    async with runner(tmp_path) as run:
        unit = "{name: m, type: MODEL, code: Model}"
        running = await run(unit, SLOW, placement, annotations={"gaal.dev/queue.m": "1", "gaal.dev/batch.m": "off"})
        outcomes = await asyncio.gather(*(ask(running, rows([1.0])) for _ in range(4)), return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, GaalError)]
    assert refused
    for error in refused:
        assert (http_status(error), grpc_code(error)) == (503, GrpcCode.RESOURCE_EXHAUSTED)
        assert 'unit "m": 1 calls wait for it, more may not' in str(error)
