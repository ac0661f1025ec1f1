"""The Python SDK: ask a server for predictions, and tell it what became of them, over REST or gRPC.

Needs NumPy, protobuf, orjson, and httpcore or grpcio, whichever is used; nothing that the server needs.
"""

from gaal.client.client import AsyncClient, Client
from gaal.client.payloads import Data, PayloadKind
from gaal.client.replies import Reply

__all__ = ["AsyncClient", "Client", "Data", "PayloadKind", "Reply"]
