"""What a tensor of 1000 × 100 doubles costs in each form that it comes and goes in: µs to decode and to encode.

    PYTHONPATH=src python bench/tensor_codecs.py

Beside each stands what NumPy and orjson need for the same bytes by themselves, and nothing else: to parse them into an
array that may be written into, and to make them of an array. All on one thread; the median of many rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import orjson

from gaal.messages import Array, Encoding, Kind, Message, Payload
from gaal.protocols import seldon_json, seldon_proto
from gaal.protocols.open_inference import protobuf, rest
from gaal.protocols.open_inference.inference import Inference, message_of, reply_of, request_of

SHAPE = (1000, 100)
ROUNDS_S = 0.5
"""For each figure."""

WANTS_BINARY = Inference((), parameters={"binary_data_output": True})
WANTS_JSON = Inference(())


@dataclass(frozen=True)
class Form:
    """One form: its request, how it is read and written, and what has to be done for it at the least."""

    name: str
    request: bytes
    decode: Callable[[], Array]
    encode: Callable[[], Any]
    parse: Callable[[], Array]
    print: Callable[[], Any]


def forms(array: Array) -> list[Form]:
    message = Message(Payload(Kind.TENSOR, array))
    asked = request_of(message, "m")
    as_json = seldon_json.encode_message(message)
    as_proto = seldon_proto.encode_message(message)
    raw = protobuf.encode_request(asked)
    binary, json_bytes = rest.encode_request(asked, binary=True)
    v2_json, _ = rest.encode_request(asked)
    elements = array.tobytes()
    numbers = array.reshape(-1)

    def of_bytes() -> Array:
        return np.frombuffer(elements, "<f8").reshape(SHAPE).copy()

    def of_numbers(body: bytes, find: Callable[[Any], Any]) -> Callable[[], Array]:
        return lambda: np.array(find(orjson.loads(body))).reshape(SHAPE)

    def printed() -> bytes:
        return orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)

    return [
        Form(
            "Seldon, JSON tensor",
            as_json,
            lambda: _array(seldon_json.decode_message(as_json)),
            lambda: seldon_json.encode_message(message),
            of_numbers(as_json, lambda parsed: parsed["data"]["tensor"]["values"]),
            printed,
        ),
        Form(
            "Seldon, protobuf tensor",
            as_proto,
            lambda: _array(seldon_proto.decode_message(as_proto)),
            lambda: seldon_proto.encode_message(message),
            of_bytes,
            array.tobytes,
        ),
        Form(
            "V2, gRPC raw",
            raw,
            lambda: _array(message_of(protobuf.decode_request(raw), Encoding.PROTO)),
            lambda: protobuf.encode_reply(reply_of(message, WANTS_JSON, "m", "1")),
            of_bytes,
            array.tobytes,
        ),
        Form(
            "V2, REST binary",
            binary,
            lambda: _array(message_of(rest.decode_request(binary, json_bytes), Encoding.JSON)),
            lambda: rest.encode_reply(reply_of(message, WANTS_BINARY, "m", "1"), WANTS_BINARY),
            of_bytes,
            array.tobytes,
        ),
        Form(
            "V2, REST JSON",
            v2_json,
            lambda: _array(message_of(rest.decode_request(v2_json), Encoding.JSON)),
            lambda: rest.encode_reply(reply_of(message, WANTS_JSON, "m", "1"), WANTS_JSON),
            of_numbers(v2_json, lambda parsed: parsed["inputs"][0]["data"]),
            printed,
        ),
    ]


def _array(message: Message) -> Array:
    assert message.payload is not None
    return message.payload.array


def microseconds(work: Callable[[], Any]) -> float:
    times = []
    until = perf_counter() + ROUNDS_S
    while perf_counter() < until:
        started = perf_counter()
        work()
        times.append(perf_counter() - started)
    return median(times) * 1e6


def main() -> None:
    array = np.random.default_rng(7).random(SHAPE)
    print("| form | bytes | decode, µs | by itself | ratio | encode, µs | by itself | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for form in forms(array):
        assert np.array_equal(form.decode(), array)
        decode, parse, encode, printed = map(microseconds, (form.decode, form.parse, form.encode, form.print))
        figures = (decode, parse, decode / parse, encode, printed, encode / printed)
        shown = " | ".join(f"{each:,.1f}" if at % 3 == 2 else f"{each:,.0f}" for at, each in enumerate(figures))
        print(f"| {form.name} | {len(form.request):,} | {shown} |")


if __name__ == "__main__":
    main()
