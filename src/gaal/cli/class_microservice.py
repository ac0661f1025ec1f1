"""A class as a Classifier microservice: what the server runs where a microservice's target is `pkg.mod:Class`.

    python -m gaal.cli.class_microservice pkg.mod:Class --api rpc|rest --model-name NAME

The class has `predict_proba(X)`, or `predict(X)` or `predict(X, names)`, and gives probabilities of shape (n, classes).
X is an array, or for `predict_proba` what a pipeline gets: a table where the features have names. There may be
`load()`, and `get_class_id_map()`, `classes_`, `class_names()` or `class_names` for what the classes are called.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from gaal.components.loading import ComponentLoader
from gaal.errors import ComponentLoadError, MessageError
from gaal.protocols.own_types import DEFAULT_CLASS, NO_TYPES, OwnTypes


def main(arguments: Sequence[str] | None = None) -> None:
    from seldon.microservice.address import chosen_host, chosen_port
    from seldon.microservice.model import ServedModel
    from seldon.microservice.predict import prediction_app
    from seldon.microservice.rpc import RpcClassifier
    from seldon.microservice.rpc_server import rpc_server
    from seldon.microservice.script_arguments import log_to_standard_error
    from seldon.microservice.stopping import until_stopped

    given = parser().parse_args(arguments)
    log_to_standard_error()
    pipeline = ClassPipeline(given.target, loaded(given.target))
    if given.api == "rest":
        prediction_app(ServedModel(pipeline, given.model_name)).run()
        return
    servicer = RpcClassifier(pipeline, given.model_name, data_handler(types_of(given)))
    with until_stopped(), rpc_server(servicer, chosen_host(), chosen_port()) as (server, _):
        server.wait_for_termination()


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("class_microservice", allow_abbrev=False)
    parser.add_argument("target", metavar="pkg.mod:Class")
    parser.add_argument("--api", choices=("rpc", "rest"), required=True)
    parser.add_argument("--model-name", required=True, help="the name of the model, as replies say it")
    parser.add_argument("--types", type=Path, help="a FileDescriptorSet with the client's own protobufs")
    parser.add_argument("--request-class", default="", help="the message of them that requests bring")
    return parser


def loaded(target: str) -> Any:
    """The object. Raises ComponentLoadError if there is no such class; whatever the class raises goes through."""
    made = ComponentLoader(Path(), Random()).component_class(target, target)()
    load = getattr(made, "load", None)
    if callable(load):
        load()
    return made


def types_of(given: argparse.Namespace) -> OwnTypes:
    return OwnTypes(given.types.read_bytes(), given.request_class) if given.types else NO_TYPES


class ClassPipeline:
    """An object of a class of the user's, as something that `seldon.microservice` serves."""

    def __init__(self, target: str, made: Any) -> None:
        self.predict_proba = _probabilities_of(target, made)
        if hasattr(made, "get_class_id_map") or hasattr(made, "classes_"):
            self._final_estimator = made
        else:
            names = getattr(made, "class_names", ())
            self.classes_ = list(names() if callable(names) else names)


def _probabilities_of(target: str, made: Any) -> Callable[[Any], Any]:
    """The method that is asked, as one that takes what a pipeline takes. Raises ComponentLoadError without any."""
    if callable(getattr(made, "predict_proba", None)):
        method: Callable[[Any], Any] = made.predict_proba
        return method
    predict = getattr(made, "predict", None)
    if not callable(predict):
        raise ComponentLoadError(target, "needs a method predict_proba or predict")
    takes_names = len(inspect.signature(predict).parameters) > 1

    def probabilities(features: Any) -> Any:
        names = [str(each) for each in getattr(features, "columns", ())]
        array = features.to_numpy() if hasattr(features, "to_numpy") else features
        return predict(array, names) if takes_names else predict(array)

    return probabilities


def data_handler(types: OwnTypes) -> Any:
    """Makes a table of a message with scalar fields alone, and an array of the default type, a list of numbers."""
    import numpy as np
    import pandas as pd

    from seldon.microservice.rpc import CustomDataHandler

    class OwnDataHandler(CustomDataHandler):
        def getData(self, request: Any, *_: Any) -> Any:
            if request.data.TypeName() == DEFAULT_CLASS:
                return np.array([types.json_of(request.data)], dtype=float)
            message = types.message_in(request.data)
            row = None if message is None else types.row_of(message)
            if row is None:
                wanted = f"a {types.request_class} with scalar fields alone, or a {DEFAULT_CLASS}"
                raise MessageError(f"data: must be {wanted}, got {request.data.TypeName() or 'nothing'}")
            names, values = row
            return pd.DataFrame([values], columns=list(names))

    return OwnDataHandler()


if __name__ == "__main__":
    main()
