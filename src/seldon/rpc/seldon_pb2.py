"""Messages, stubs and servicers of the Classifier API in one module, as code written for Seldon Server imports them."""

from __future__ import annotations

from seldon.rpc.messages import (
    DESCRIPTOR,
    ClassificationReply,
    ClassificationReplyMeta,
    ClassificationRequest,
    ClassificationRequestMeta,
    ClassificationResult,
    DefaultCustomPredictRequest,
)
from seldon.rpc.services import (
    ClassifierServicer,
    ClassifierStub,
    SeldonServicer,
    SeldonStub,
    add_ClassifierServicer_to_server,
    add_SeldonServicer_to_server,
)

__all__ = [
    "DESCRIPTOR",
    "ClassificationReply",
    "ClassificationReplyMeta",
    "ClassificationRequest",
    "ClassificationRequestMeta",
    "ClassificationResult",
    "ClassifierServicer",
    "ClassifierStub",
    "DefaultCustomPredictRequest",
    "SeldonServicer",
    "SeldonStub",
    "add_ClassifierServicer_to_server",
    "add_SeldonServicer_to_server",
]
