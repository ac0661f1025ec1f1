"""The rules for a whole document, each a small generator. The defaults must be filled in.

Types of single values are checked while reading (`schema`), limits and cycles before that (`text`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from gaal.errors import Violation
from gaal.graph import far_sides, names, parameters, rules, unit_code
from gaal.graph.annotations import (
    BATCH,
    GRPC_TIMEOUT,
    HANG_TIMEOUT,
    IDEMPOTENT,
    NO_ENGINE,
    OF_A_UNIT,
    OF_WORKERS,
    PLACEMENT,
    PROTOCOL,
    QUEUE,
    REPLICAS,
    REST_TIMEOUT,
    SERVICE_NAME,
    THREADS,
    TLS,
    TLS_CA,
    Annotations,
    of_document,
    of_predictor,
)
from gaal.graph.deployment import Method, Parameter, Placement, UnitType
from gaal.graph.places import known_names, place, printable, shown
from gaal.graph.schema import Document, Predictor, Unit
from gaal.graph.unit_protocol import unit_protocol

_KUBERNETES_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_NAME = re.compile(r"[^\s/\x00-\x1f\x7f]+")
_MILLISECONDS = re.compile(r"[0-9]{1,12}")
_BATCH = re.compile(r"off|max=([2-9]|[1-9][0-9]{1,3}|10000)")
_QUEUE = re.compile(r"[1-9][0-9]{0,5}|1000000")
_REPLICAS = re.compile(r"[1-9]|[1-5][0-9]|6[0-4]")
_TRUE_OR_FALSE = re.compile(r"true|false")
_KAFKA_ENV = ("KAFKA_BROKER", "KAFKA_INPUT_TOPIC", "KAFKA_OUTPUT_TOPIC")


@dataclass(frozen=True, slots=True)
class Standing:
    """A unit, its place, and what is around it. `servers` are the implementations by configuration."""

    unit: Unit
    path: str
    predictor: Predictor
    predictor_path: str
    annotations: Annotations
    servers: Collection[str] = ()

    def at(self, *steps: str | int) -> str:
        return place(self.path, *steps)

    def has(self, unit_type: UnitType, method: Method) -> bool:
        """Whether the unit does what a unit of that type does, by its type or by its methods."""
        return self.unit.type == unit_type.value or method.value in self.unit.methods

    def below(self) -> Iterator[Standing]:
        """This unit and all below it, parents first."""
        yield self
        for index, child in enumerate(self.unit.children):
            yield from replace(self, unit=child, path=self.at("children", index)).below()


def violations(document: Document, servers: Collection[str] = ()) -> Iterator[Violation]:
    """Every rule that the document breaks. `servers` are the implementations that it may name beside Gaal's own."""
    yield from _head(document)
    yield from _predictors(document)
    for index, predictor in enumerate(document.spec.predictors):
        yield from _predictor(predictor, place("spec.predictors", index), document)
        units = _units(document, index, servers)
        yield from _unique_units(units)
        for standing in units:
            for rule in _UNIT_RULES:
                yield from rule(standing)
            yield from _protocol_of_server(standing, document.spec.protocol)
            yield from _calls_of_protocol(standing, document.spec.protocol)


def warnings(written: Document, document: Document, servers: Collection[str] = ()) -> Iterator[Violation]:
    """What is odd in a document as `written`, or once its defaults are filled in, and runs nevertheless."""
    for index, predictor in enumerate(written.spec.predictors):
        if predictor.graph:
            yield from _overruled_types(predictor.graph, place("spec.predictors", index, "graph"), servers)
    for index in range(len(document.spec.predictors)):
        units = _units(document, index)
        yield from _mixed_endpoints(units, document.spec.transport)
        for standing in units:
            yield from _odd_children(standing)
            yield from _repeated_parameters(standing)
            yield from _workers_of_none(standing)
    yield from _annotations_of_no_unit(document)


def _units(document: Document, index: int, servers: Collection[str] = ()) -> list[Standing]:
    predictor = document.spec.predictors[index]
    if predictor.graph is None:
        return []
    path = place("spec.predictors", index)
    root = Standing(predictor.graph, place(path, "graph"), predictor, path, of_predictor(document, index), servers)
    return list(root.below())


def _one_of(path: str, rule: str, value: str, known: Iterable[str]) -> Iterator[Violation]:
    known = tuple(known)
    if value not in known:
        yield Violation(path, rule + known_names(value, known), shown(value))


def _repeated(values: Iterable[tuple[str, str]], rule: str) -> Iterator[Violation]:
    """Of (place, value), those whose value stood before. Empty values are another rule's matter."""
    first: dict[str, str] = {}
    for path, value in values:
        if value and value in first:
            yield Violation(path, f"{rule}; it is also at {first[value]}", shown(value))
        first.setdefault(value, path)


# The deployment.


def _head(document: Document) -> Iterator[Violation]:
    spec, metadata = document.spec, document.metadata
    if document.apiVersion not in names.API_VERSIONS:
        yield from _one_of("apiVersion", rules.API_VERSION, document.apiVersion, names.API_VERSIONS)
    if not metadata.name:
        yield Violation("metadata.name", rules.REQUIRED)
    for key, name in (("name", metadata.name), ("namespace", metadata.namespace)):
        if name and not _KUBERNETES_NAME.fullmatch(name):
            yield Violation(f"metadata.{key}", rules.KUBERNETES_NAME, shown(name))
    yield from _one_of("spec.protocol", rules.PROTOCOL, spec.protocol, names.PROTOCOLS)
    yield from _one_of("spec.transport", rules.TRANSPORT, spec.transport, names.TRANSPORTS)
    yield from _one_of("spec.serverType", rules.SERVER_TYPE, spec.serverType, names.SERVER_TYPES)
    for key in (REST_TIMEOUT, GRPC_TIMEOUT):
        timeout = of_document(document).get(key)
        if timeout and not _MILLISECONDS.fullmatch(timeout.value):
            yield Violation(timeout.path, rules.TIMEOUT, shown(timeout.value))


# The predictors together.


def _predictors(document: Document) -> Iterator[Violation]:
    predictors = document.spec.predictors
    if not predictors:
        yield Violation("spec.predictors", rules.NO_PREDICTOR)
        return
    paths = [place("spec.predictors", index) for index in range(len(predictors))]
    yield from _repeated(
        ((place(path, "name"), each.name) for path, each in zip(paths, predictors, strict=True)),
        rules.DUPLICATE_PREDICTOR,
    )
    yield from _repeated(
        (
            (place(path, "annotations", SERVICE_NAME), each.annotations.get(SERVICE_NAME, ""))
            for path, each in zip(paths, predictors, strict=True)
        ),
        rules.DUPLICATE_SERVICE,
    )
    yield from _shadows(predictors)
    yield from _traffic(predictors)


def _shadows(predictors: list[Predictor]) -> Iterator[Violation]:
    shadows = [index for index, predictor in enumerate(predictors) if predictor.shadow]
    if shadows and len(predictors) == 1:
        yield Violation("spec.predictors[0].shadow", rules.ONLY_SHADOW, True)
    for index in shadows[1:]:
        yield Violation(place("spec.predictors", index, "shadow"), rules.SEVERAL_SHADOWS, True)


def _traffic(predictors: list[Predictor]) -> Iterator[Violation]:
    outside = False
    for index, predictor in enumerate(predictors):
        if not 0 <= (predictor.traffic or 0) <= 100:
            outside = True
            yield Violation(place("spec.predictors", index, "traffic"), rules.TRAFFIC_RANGE, predictor.traffic)
    served = [(index, each.traffic or 0) for index, each in enumerate(predictors) if not each.shadow]
    total = sum(traffic for _, traffic in served)
    if outside or total == 100:
        return
    if len(served) > 1:
        yield Violation("spec.predictors", f"{rules.TRAFFIC_SUM}; the sum is {total}", [each for _, each in served])
    elif served and total:
        yield Violation(place("spec.predictors", served[0][0], "traffic"), rules.TRAFFIC_SINGLE, total)


# A predictor by itself.


def _predictor(predictor: Predictor, path: str, document: Document) -> Iterator[Violation]:
    yield from _name(place(path, "name"), predictor.name)
    if predictor.graph is None:
        yield Violation(place(path, "graph"), rules.REQUIRED)
    elif predictor.graph.children and predictor.annotations.get(NO_ENGINE) == "true":
        yield Violation(place(path, "annotations", NO_ENGINE), rules.NO_ENGINE, "true")
    if document.spec.serverType == "kafka":
        given = {variable.name for variable in predictor.svcOrchSpec.env}
        missing = [name for name in _KAFKA_ENV if name not in given]
        if missing:
            yield Violation(place(path, "svcOrchSpec", "env"), f"{rules.KAFKA_ENV}; missing: {', '.join(missing)}")


def _name(path: str, name: str) -> Iterator[Violation]:
    if not name:
        yield Violation(path, rules.REQUIRED)
    elif not _NAME.fullmatch(name):
        yield Violation(path, rules.NAME, shown(name))


def _unique_units(units: list[Standing]) -> Iterator[Violation]:
    return _repeated(((each.at("name"), each.unit.name) for each in units), rules.DUPLICATE_UNIT)


# A unit by itself.


def _unit_name(standing: Standing) -> Iterator[Violation]:
    return _name(standing.at("name"), standing.unit.name)


def _known_words(standing: Standing) -> Iterator[Violation]:
    unit = standing.unit
    yield from _one_of(standing.at("type"), rules.UNIT_TYPE, unit.type, (each.value for each in UnitType))
    known = (*names.IMPLEMENTATIONS, *(each for each in standing.servers if each not in names.IMPLEMENTATIONS))
    yield from _one_of(standing.at("implementation"), rules.IMPLEMENTATION, unit.implementation, known)
    for index, method in enumerate(unit.methods):
        yield from _one_of(standing.at("methods", index), rules.METHOD, method, (each.value for each in Method))


def _something_to_do(standing: Standing) -> Iterator[Violation]:
    unit = standing.unit
    unknown = unit.type == UnitType.UNKNOWN_TYPE.value and unit.implementation == names.UNKNOWN_IMPLEMENTATION
    if unknown and not unit.methods:
        yield Violation(standing.at("type"), rules.NO_METHODS, unit.type)


def _children(standing: Standing) -> Iterator[Violation]:
    n_children = len(standing.unit.children)
    path = standing.at("children")
    if standing.unit.implementation == "RANDOM_ABTEST":
        if n_children != 2:
            yield Violation(path, f"{rules.ABTEST_CHILDREN}, got {n_children}")
    elif standing.has(UnitType.ROUTER, Method.ROUTE) and not n_children:
        yield Violation(path, rules.NO_CHILDREN)


def _model_uri(standing: Standing) -> Iterator[Violation]:
    implementation = standing.unit.implementation
    required = implementation in names.PREPACKAGED and implementation not in names.SPOKEN
    if required and not standing.unit.modelUri and not _has_code(standing):
        yield Violation(standing.at("modelUri"), f"{rules.MODEL_URI}; the implementation is {implementation}")


def _has_code(standing: Standing) -> bool:
    """Whether an annotation or the configuration has code for the unit, whatever its implementation."""
    by_annotation = unit_code.annotated(standing.unit, standing.annotations) is not None
    return by_annotation or standing.unit.implementation in standing.servers


def _far_side(standing: Standing) -> Iterator[Violation]:
    """A server that Gaal only asks must stand somewhere."""
    unit = standing.unit
    if unit.implementation not in names.SPOKEN or _has_code(standing):
        return
    named = far_sides.named(unit)
    for index, written in enumerate(unit.parameters):
        value = written.value or ""
        if written.name in named and far_sides.address(unit.implementation, written.name, value) is None:
            at = standing.at("parameters", index, "value")
            yield Violation(at, rules.FAR_SIDE_ADDRESS, shown(far_sides.without_login(value)))
    if not unit.endpoint.service_host and not named:
        loaded = f"; it loads {printable(shown(unit.modelUri))} by itself, not Gaal" if unit.modelUri else ""
        yield Violation(standing.at("implementation"), rules.FAR_SIDE + loaded, unit.implementation)


def _protocol_of_server(standing: Standing, protocol: str) -> Iterator[Violation]:
    implementation = standing.unit.implementation
    if protocol == "tensorflow" and implementation in names.NOT_TENSORFLOW:
        yield Violation(standing.at("implementation"), rules.TENSORFLOW_PROTOCOL, implementation)


def _calls_of_protocol(standing: Standing, spec_protocol: str) -> Iterator[Violation]:
    """A unit at a server of models can but predict."""
    unit = standing.unit
    if not unit.endpoint.service_host or unit_code.annotated(unit, standing.annotations) is not None:
        return
    protocol = unit_protocol(unit, spec_protocol, standing.annotations)
    routes = standing.has(UnitType.ROUTER, Method.ROUTE)
    if protocol in ("v2", "tensorflow") and (routes or standing.has(UnitType.COMBINER, Method.AGGREGATE)):
        yield Violation(standing.at("type"), f"{rules.NO_SUCH_CALL}, and it speaks {protocol}", unit.type)


def _endpoint(standing: Standing) -> Iterator[Violation]:
    endpoint = standing.unit.endpoint
    if endpoint.type:
        path = standing.at("endpoint", "type")
        yield from _one_of(path, rules.ENDPOINT_TYPE, endpoint.type, names.ENDPOINT_TYPES)
    for key in ("service_port", "httpPort", "grpcPort"):
        port = getattr(endpoint, key)
        if port and not 1 <= port <= 65535:
            yield Violation(standing.at("endpoint", key), rules.PORT, port)


def _logger(standing: Standing) -> Iterator[Violation]:
    logger = standing.unit.logger
    if logger:
        yield from _one_of(standing.at("logger", "mode"), rules.LOGGER_MODE, logger.mode, names.LOGGER_MODES)


def _parameters(standing: Standing) -> Iterator[Violation]:
    for index, written in enumerate(standing.unit.parameters):
        path = standing.at("parameters", index)
        missing = [key for key in ("name", "value", "type") if getattr(written, key) in ("", None)]
        if written.value == "" and written.type == "STRING":
            missing.remove("value")
        for key in missing:
            yield Violation(place(path, key), rules.REQUIRED)
        if missing:
            continue
        parameter = Parameter(written.name, written.value or "", written.type)
        yield from _parameter(parameter, path)
        if standing.unit.implementation == "RANDOM_ABTEST" and parameter.name == "ratioA":
            yield from _ratio(parameter, place(path, "value"))


def _parameter(parameter: Parameter, path: str) -> Iterator[Violation]:
    try:
        parameters.typed_value(parameter)
    except parameters.BadParameter as error:
        key = "value" if parameter.type in parameters.TYPES else "type"
        value = parameter.value if key == "value" else parameter.type
        yield Violation(place(path, key), f"{rules.PARAMETER}: {printable(shown(str(error)))}", shown(value))


def _ratio(parameter: Parameter, path: str) -> Iterator[Violation]:
    try:
        ratio = float(parameter.value)
    except ValueError:
        ratio = math.nan
    if not 0 <= ratio <= 1:
        yield Violation(path, rules.ABTEST_RATIO, shown(parameter.value))


def _code(standing: Standing) -> Iterator[Violation]:
    unit = standing.unit
    annotation = unit_code.annotated(unit, standing.annotations)
    code = unit_code.find(unit, standing.predictor, standing.annotations)
    if annotation and not unit_code.is_component(annotation.value):
        yield Violation(annotation.path, rules.COMPONENT, shown(annotation.value))
    if code:
        yield from _code_parameters(standing, code)
    elif unit.name and unit_code.needs_code(unit):
        yield Violation(standing.path, rules.NO_CODE, shown(unit.name))


def _code_parameters(standing: Standing, code: unit_code.Code) -> Iterator[Violation]:
    path = f"{standing.predictor_path}.{unit_code.container_place(standing.unit, standing.predictor)}"
    try:
        given = parameters.from_json(code.parameters)
    except parameters.BadParameter as error:
        yield Violation(path, f"{rules.PARAMETER}: {printable(shown(str(error)))}", shown(code.parameters))
        return
    for parameter in given:
        yield from _parameter(parameter, path)


def _placement(standing: Standing) -> Iterator[Violation]:
    annotation = standing.annotations.get(PLACEMENT + standing.unit.name)
    if annotation:
        yield from _one_of(annotation.path, rules.PLACEMENT, annotation.value, (each.value for each in Placement))

    if annotation and annotation.value == Placement.REMOTE.value and not standing.unit.endpoint.service_host:
        yield Violation(annotation.path, rules.REMOTE_ENDPOINT, annotation.value)


def _unit_protocol(standing: Standing) -> Iterator[Violation]:
    unit = standing.unit
    annotation = standing.annotations.get(PROTOCOL + unit.name)
    if annotation is None:
        return
    yield from _one_of(annotation.path, rules.UNIT_PROTOCOL, annotation.value, names.UNIT_PROTOCOLS)
    is_model = unit.type == UnitType.MODEL.value and not unit.methods
    if annotation.value == names.CLASSIFIER and not (is_model and unit.endpoint.service_host):
        yield Violation(annotation.path, rules.CLASSIFIER_UNIT, annotation.value)


def _tls(standing: Standing) -> Iterator[Violation]:
    tls, tls_ca = (standing.annotations.get(key + standing.unit.name) for key in (TLS, TLS_CA))
    if tls and not _TRUE_OR_FALSE.fullmatch(tls.value):
        yield Violation(tls.path, rules.TLS, shown(tls.value))
    if tls_ca and not (tls_ca.value and tls and tls.value == "true"):
        yield Violation(tls_ca.path, rules.TLS_CA, shown(tls_ca.value))


def _calls(standing: Standing) -> Iterator[Violation]:
    """The form of what is said of how a unit takes its calls."""
    forms = ((BATCH, rules.BATCH, _BATCH), (THREADS, rules.THREADS, _REPLICAS), (QUEUE, rules.QUEUE, _QUEUE))
    yield from _forms(standing, forms)


def _workers(standing: Standing) -> Iterator[Violation]:
    """The form of what is said of a unit's worker processes."""
    forms = ((REPLICAS, rules.REPLICAS, _REPLICAS), (IDEMPOTENT, rules.IDEMPOTENT, _TRUE_OR_FALSE))
    yield from _forms(standing, (*forms, (HANG_TIMEOUT, rules.TIMEOUT, _MILLISECONDS)))


def _forms(standing: Standing, forms: Iterable[tuple[str, str, re.Pattern[str]]]) -> Iterator[Violation]:
    """The annotations of a unit whose values do not have the form that they should have."""
    for key, rule, form in forms:
        annotation = standing.annotations.get(key + standing.unit.name)
        if annotation and not form.fullmatch(annotation.value):
            yield Violation(annotation.path, rule, shown(annotation.value))


_UNIT_RULES = (
    _unit_name,
    _known_words,
    _something_to_do,
    _children,
    _model_uri,
    _far_side,
    _endpoint,
    _logger,
    _parameters,
    _code,
    _placement,
    _unit_protocol,
    _tls,
    _calls,
    _workers,
)


# Warnings.


def _overruled_types(unit: Unit, path: str, servers: Collection[str]) -> Iterator[Violation]:
    decided = names.type_of(unit.implementation, servers)
    if decided and unit.type not in ("", UnitType.UNKNOWN_TYPE.value, decided.value):
        rule = f"{rules.OVERRULED_TYPE}: {unit.implementation} is a {decided.value}"
        yield Violation(place(path, "type"), rule, shown(unit.type))
    for index, child in enumerate(unit.children):
        yield from _overruled_types(child, place(path, "children", index), servers)


def _odd_children(standing: Standing) -> Iterator[Violation]:
    n_children = len(standing.unit.children)
    combines = standing.has(UnitType.COMBINER, Method.AGGREGATE)
    if combines and not n_children:
        yield Violation(standing.at("children"), rules.COMBINER_CHILDREN)
    if n_children > 1 and not combines and not standing.has(UnitType.ROUTER, Method.ROUTE):
        yield Violation(standing.at("children"), rules.FIRST_CHILD)


def _repeated_parameters(standing: Standing) -> Iterator[Violation]:
    written = enumerate(standing.unit.parameters)
    return _repeated(
        ((standing.at("parameters", index, "name"), each.name) for index, each in written), rules.DUPLICATE_PARAMETER
    )


def _workers_of_none(standing: Standing) -> Iterator[Violation]:
    """What is said of the worker processes of a unit that has none."""
    placement = standing.annotations.get(PLACEMENT + standing.unit.name)
    if placement and placement.value == Placement.WORKER.value:
        return
    for key in OF_WORKERS:
        annotation = standing.annotations.get(key + standing.unit.name)
        if annotation:
            yield Violation(annotation.path, rules.NO_WORKERS, annotation.value)


def _mixed_endpoints(units: list[Standing], transport: str) -> Iterator[Violation]:
    # What parameters name stands in no endpoint, so Seldon Core does not look at it.
    remote = [each for each in units if each.unit.endpoint.service_host and not far_sides.named(each.unit)]
    for standing in remote:
        if standing.unit.endpoint.type != transport.upper():
            yield Violation(standing.at("endpoint", "type"), rules.MIXED_ENDPOINTS, standing.unit.endpoint.type)


def _annotations_of_no_unit(document: Document) -> Iterator[Violation]:
    predictors = document.spec.predictors
    of_predictor = [{each.unit.name for each in _units(document, index)} for index in range(len(predictors))]
    everywhere = set().union(*of_predictor)
    layers = [(path, layer, everywhere) for path, layer in of_document(document).layers]
    for index, units in enumerate(of_predictor):
        layers.append((place("spec.predictors", index, "annotations"), predictors[index].annotations, units))
    for path, layer, units in layers:
        for key in layer:
            for prefix in OF_A_UNIT:
                unit = key.removeprefix(prefix)
                if unit != key and unit not in units:
                    yield Violation(place(path, key), rules.UNKNOWN_UNIT + known_names(unit, sorted(units)))
