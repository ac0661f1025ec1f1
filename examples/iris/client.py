"""A small client of the Seldon protocol: one request over REST with the standard library, one over gRPC with grpcio."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import grpc
from google.protobuf.json_format import MessageToJson, ParseDict

from gaal.protocols.descriptors import message_class

TIMEOUT_S = 30


class Client:
    """Talks to a server at `address`, such as 127.0.0.1:8000."""

    def __init__(self, address: str) -> None:
        self.address = address

    def predict_rest(self, message: dict[str, Any]) -> str:
        """The reply as JSON text. Raises RuntimeError with what the server says to a request that it refuses."""
        url = f"http://{self.address}/api/v1.0/predictions"
        headers = {"Content-Type": "application/json"}
        try:
            with urlopen(Request(url, json.dumps(message).encode(), headers), timeout=TIMEOUT_S) as reply:
                return reply.read().decode()
        except HTTPError as error:
            raise RuntimeError(f"HTTP {error.code}: {error.read().decode()}") from None

    def predict_grpc(self, message: dict[str, Any]) -> str:
        """The reply in its JSON form. Raises grpc.RpcError for a request that the server refuses."""
        # Whoever has generated code, say prediction_pb2.SeldonMessage, takes that instead.
        seldon_message = message_class("seldon.protos.SeldonMessage")
        with grpc.insecure_channel(self.address) as channel:
            predict = channel.unary_unary(
                "/seldon.protos.Seldon/Predict",
                request_serializer=seldon_message.SerializeToString,
                response_deserializer=seldon_message.FromString,
            )
            return MessageToJson(predict(ParseDict(message, seldon_message()), timeout=TIMEOUT_S))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python client.py ADDRESS REQUEST.json     for example 127.0.0.1:8000 request.json")
    client, request = Client(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    print("REST:", client.predict_rest(request))
    print("gRPC:", client.predict_grpc(request))
