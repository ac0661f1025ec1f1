"""The stubs and servicers alone, where today's generated code has them."""

from __future__ import annotations

from seldon.rpc.services import (
    ClassifierServicer,
    ClassifierStub,
    SeldonServicer,
    SeldonStub,
    add_ClassifierServicer_to_server,
    add_SeldonServicer_to_server,
)

__all__ = [
    "ClassifierServicer",
    "ClassifierStub",
    "SeldonServicer",
    "SeldonStub",
    "add_ClassifierServicer_to_server",
    "add_SeldonServicer_to_server",
]
