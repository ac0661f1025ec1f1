"""Asks a server by KServe's own client, and prints what comes back as JSON: `python -I kserve_client.py ADDRESS MODEL`.

It runs by itself, in an environment that has KServe and nothing of Gaal.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from importlib import import_module
from typing import Any

kserve: Any = import_module("kserve.inference_client")
types: Any = import_module("kserve.protocol.infer_type")
numpy: Any = import_module("numpy")

ROWS = [[1.5, 2.0], [3.0, 4.25]]
TEXTS = [["a"], ["ä"]]


async def main(address: str, model: str) -> dict[str, Any]:
    # What the client is refused, it logs with a traceback.
    logging.disable()
    os.environ["no_proxy"] = "*"
    return {
        "v1": await v1(f"http://{address}", model),
        "v2 JSON": await v2(f"http://{address}", model, binary=False),
        "v2 binary": await v2(f"http://{address}", model, binary=True),
        "v2 gRPC": await v2_grpc(address, model),
    }


async def v1(url: str, model: str) -> dict[str, Any]:
    async with kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v1")) as client:
        return {
            "live": await client.is_server_live(url),
            "ready": await client.is_model_ready(url, model),
            "predicted": await client.infer(url, {"instances": ROWS}, model_name=model),
            "refused": await refusal(client.infer(url, {"instances": ROWS}, model_name="other")),
        }


async def v2(url: str, model: str, *, binary: bool) -> dict[str, Any]:
    asked = {"binary_data_output": True} if binary else {}
    async with kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2")) as client:
        return {
            "live": await client.is_server_live(url),
            "ready": await client.is_server_ready(url),
            "model ready": await client.is_model_ready(url, model),
            "other ready": await client.is_model_ready(url, "other"),
            "predicted": [await v2_reply(client, url, each) for each in requests(model, binary, asked)],
            "refused": await refusal(client.infer(url, requests("other", binary, asked)[0], model_name="other")),
        }


async def v2_reply(client: Any, url: str, request: Any) -> list[Any]:
    """What was answered, and whether its data came after the JSON."""
    headers: dict[str, str] = {}
    reply = await client.infer(url, request, model_name=request.model_name, response_headers=headers)
    return [*shown(reply), "inference-header-content-length" in headers]


async def v2_grpc(address: str, model: str) -> dict[str, Any]:
    async with kserve.InferenceGRPCClient(address) as client:
        return {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "model ready": await client.is_model_ready(model),
            # Typed contents, then raw ones.
            "predicted": [
                shown(await client.infer(each)) for binary in (False, True) for each in requests(model, binary, {})
            ],
            "refused": await refusal(client.infer(requests("other", False, {})[0])),
        }


def requests(model: str, binary: bool, asked: dict[str, Any]) -> list[Any]:
    """One of numbers and one of texts, whose data are in the JSON or after it."""
    numbers = types.InferInput("x", [2, 2], "FP32")
    numbers.set_data_from_numpy(numpy.array(ROWS, numpy.float32), binary_data=binary)
    texts = types.InferInput("s", [2, 1], "BYTES")
    texts.set_data_from_numpy(numpy.array(TEXTS, object), binary_data=binary)
    return [types.InferRequest(model, [each], request_id="mine", parameters=dict(asked)) for each in (numbers, texts)]


def shown(reply: Any) -> list[Any]:
    [output] = reply.outputs
    array = output.as_numpy()
    values = [each.decode() if isinstance(each, bytes) else each for each in array.ravel().tolist()]
    return [reply.model_name, reply.id, output.name, output.datatype, list(array.shape), values]


async def refusal(call: Any) -> str:
    """The status or code of a call that fails."""
    try:
        await call
    except Exception as error:
        response, code = getattr(error, "response", None), getattr(error, "code", None)
        return str(response.status_code) if response is not None else code().name if code else repr(error)
    return "nothing"


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:3]))))
