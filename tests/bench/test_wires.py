"""What the benchmark sends, and what it takes for an answer."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from bench_modules import bench

from gaal.messages import Encoding
from gaal.protocols import seldon_json, seldon_proto
from gaal.protocols.open_inference import protobuf, rest
from gaal.protocols.open_inference.inference import message_of

wires = bench("wires")
SETOSA = (0.97, 0.02, 0.01)


def test_all_four_wires_ask_about_the_same_row() -> None:
    messages = (
        seldon_json.decode_message(wires.SELDON_REST.body),
        seldon_proto.decode_message(wires.SELDON_GRPC.body[5:]),
        message_of(rest.decode_request(wires.V2_REST.body), Encoding.JSON),
        message_of(protobuf.decode_request(wires.V2_GRPC.body[5:]), Encoding.PROTO),
    )

    for message in messages:
        assert message.payload is not None
        assert message.payload.array.tolist() == [list(wires.ROW)]


@pytest.mark.parametrize("wire", ["SELDON_GRPC", "V2_GRPC"])
def test_a_grpc_body_has_its_length_in_front(wire: str) -> None:
    body = getattr(wires, wire).body

    assert body[:1] == b"\0"
    assert struct.unpack(">I", body[1:5]) == (len(body) - 5,)


def test_probabilities_are_found_wherever_they_stand_in_json() -> None:
    replies = ({"data": {"ndarray": [SETOSA]}}, {"outputs": [{"shape": [1, 3], "data": SETOSA}]}, [SETOSA])

    assert all(wires.V2_REST.answers(json.dumps(reply).encode()) for reply in replies)


@pytest.mark.parametrize("dtype", ["<f8", "<f4"])
def test_probabilities_are_found_wherever_they_stand_in_protobuf(dtype: str) -> None:
    assert wires.V2_GRPC.answers(b"\x0a\x04iris" + np.array(SETOSA, dtype).tobytes() + b"\x12")


def test_another_species_a_label_and_an_error_are_no_answer() -> None:
    assert not wires.V2_REST.answers(b'{"outputs": [{"data": [0.01, 0.97, 0.02]}]}')
    assert not wires.V2_REST.answers(b'{"outputs": [{"data": [0]}]}')
    assert not wires.V2_REST.answers(b'{"error": "no such model"}')
    assert not wires.V2_GRPC.answers(b"\x0a\x04iris")
