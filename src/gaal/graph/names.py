"""The names that a document may use, and what follows from them."""

from __future__ import annotations

from collections.abc import Collection

from gaal.graph.deployment import UnitType

GROUP = "machinelearning.seldon.io"
API_VERSIONS = (f"{GROUP}/v1", f"{GROUP}/v1alpha3", f"{GROUP}/v1alpha2")
KIND = "SeldonDeployment"

PROTOCOLS = ("seldon", "tensorflow", "kfserving", "v2")
TRANSPORTS = ("rest", "grpc")
SERVER_TYPES = ("rpc", "kafka")
ENDPOINT_TYPES = ("REST", "GRPC")
CLASSIFIER = "classifier"
"""What a microservice of Seldon Server speaks."""
LOGGER_MODES = ("request", "response", "all")

UNKNOWN_IMPLEMENTATION = "UNKNOWN_IMPLEMENTATION"

BUILT_IN = {
    "SIMPLE_MODEL": UnitType.MODEL,
    "SIMPLE_ROUTER": UnitType.ROUTER,
    "RANDOM_ABTEST": UnitType.ROUTER,
    "AVERAGE_COMBINER": UnitType.COMBINER,
}
"""Implementations that need no code, and the type that each has."""

PREPACKAGED = (
    "SKLEARN_SERVER",
    "XGBOOST_SERVER",
    "LIGHTGBM_SERVER",
    "ONNX_SERVER",
    "MLFLOW_SERVER",
    "TENSORFLOW_SERVER",
    "TRITON_SERVER",
    "HUGGINGFACE_SERVER",
    "TEMPO_SERVER",
)
"""Servers of model files. Their type is MODEL."""

SERVED_HERE = ("SKLEARN_SERVER", "XGBOOST_SERVER", "LIGHTGBM_SERVER", "ONNX_SERVER", "MLFLOW_SERVER")
"""Those of them that this version of Gaal runs."""

IMPLEMENTATIONS = (UNKNOWN_IMPLEMENTATION, *BUILT_IN, *PREPACKAGED)

SPOKEN = {"TENSORFLOW_SERVER": "tensorflow", "TRITON_SERVER": "v2", "HUGGINGFACE_SERVER": "v2"}
"""What those speak that stand elsewhere, at an endpoint."""

UNIT_PROTOCOLS = {
    "seldon": "seldon",
    "tensorflow": "tensorflow",
    "v2": "v2",
    "kfserving": "v2",
    CLASSIFIER: CLASSIFIER,
}
"""What a unit at an endpoint may speak, and what kfserving, the older name of v2, means."""

NOT_TENSORFLOW = ("SKLEARN_SERVER", "XGBOOST_SERVER", "MLFLOW_SERVER", "HUGGINGFACE_SERVER")


def type_of(implementation: str, servers: Collection[str] = ()) -> UnitType | None:
    """The type that an implementation decides; None where it leaves it open. `servers` are those by configuration."""
    is_server = implementation in PREPACKAGED or implementation in servers
    return UnitType.MODEL if is_server else BUILT_IN.get(implementation)
