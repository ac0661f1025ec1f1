"""KServe's own client, as its users have it, asks for predictions and readiness in every protocol that it speaks."""

from __future__ import annotations

from pathlib import Path

from serving import Serve
from tools import client_python, run_program

CLIENT = Path(__file__).with_name("kserve_client.py")
TWICE = """
class Model:
    def predict(self, X, names, meta=None):
        return X * 2 if X.dtype.kind == "f" else X
"""


async def test_kserves_own_client_gets_its_answers(serve: Serve) -> None:
    python = client_python("kserve")
    server = await serve(TWICE)
    told = await run_program(python, "-I", str(CLIENT), server.address, "one")
    numbers = ["one", "mine", "output-0", "FP32", [2, 2], [3.0, 4.0, 6.0, 8.5]]
    texts = ["one", "mine", "output-0", "BYTES", [2, 1], ["a", "ä"]]
    well = {"live": True, "ready": True, "model ready": True}
    rows = {"predictions": [[3.0, 4.0], [6.0, 8.5]]}
    assert told["v1"] == {"live": True, "ready": True, "predicted": rows, "refused": "404"}
    for way, binary in (("v2 JSON", False), ("v2 binary", True)):
        predicted = [[*numbers, binary], [*texts, binary]]
        assert told[way] == {**well, "other ready": False, "predicted": predicted, "refused": "404"}
    assert told["v2 gRPC"] == {**well, "predicted": [numbers, texts] * 2, "refused": "NOT_FOUND"}
