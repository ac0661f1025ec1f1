from __future__ import annotations

from collections.abc import Callable

import pytest

from gaal.graph.deployment import Calls, Deployment, Endpoint, Placement, UnitType, Workers, single

Load = Callable[..., Deployment]


def test_the_namespace_is_default(load_graph: Load) -> None:
    assert load_graph("{name: m, implementation: SIMPLE_MODEL}").namespace == "default"


def test_a_namespace_that_is_written_stays(load_graph: Load) -> None:
    assert load_graph("{name: m, implementation: SIMPLE_MODEL}", metadata="{namespace: team}").namespace == "team"


def test_the_label_version_is_the_name_of_the_predictor(load_graph: Load) -> None:
    deployment = load_graph("{name: m, implementation: SIMPLE_MODEL}", predictor="{labels: {tier: gold}}")
    assert deployment.predictors[0].labels == {"version": "p", "tier": "gold"}


def test_a_label_version_that_is_written_stays(load_graph: Load) -> None:
    deployment = load_graph("{name: m, implementation: SIMPLE_MODEL}", predictor='{labels: {version: "2"}}')
    assert deployment.predictors[0].labels == {"version": "2"}


def test_the_protocol_is_seldon_and_there_is_no_timeout(load_graph: Load) -> None:
    deployment = load_graph("{name: m, implementation: SIMPLE_MODEL}")
    assert (deployment.protocol, deployment.rest_timeout_s, deployment.grpc_timeout_s) == ("seldon", None, None)


@pytest.mark.parametrize(
    ("unit", "unit_type"),
    [
        ("{name: m}", UnitType.MODEL),
        ("{name: m, implementation: UNKNOWN_IMPLEMENTATION}", UnitType.MODEL),
        ("{name: m, methods: [TRANSFORM_INPUT]}", UnitType.UNKNOWN_TYPE),
        ("{name: m, type: TRANSFORMER}", UnitType.TRANSFORMER),
        ("{name: m, implementation: SKLEARN_SERVER, modelUri: 'file:///m'}", UnitType.MODEL),
        ("{name: m, implementation: SIMPLE_MODEL}", UnitType.MODEL),
        ("{name: m, implementation: SIMPLE_ROUTER, children: [{name: c}]}", UnitType.ROUTER),
        ("{name: m, type: UNKNOWN_TYPE, implementation: AVERAGE_COMBINER}", UnitType.COMBINER),
    ],
)
def test_the_type_follows_from_what_is_written(load_graph: Load, unit: str, unit_type: UnitType) -> None:
    code = "{annotations: {gaal.dev/component.c: C}}"
    if "implementation" not in unit or "UNKNOWN_IMPL" in unit:
        code = "{annotations: {gaal.dev/component.m: M}}"
    assert load_graph(unit, spec=code).predictors[0].graph.type is unit_type


def test_the_implementation_overrules_another_type_with_a_warning(load_graph: Load) -> None:
    deployment = load_graph("{name: m, type: ROUTER, implementation: SIMPLE_MODEL}")
    assert deployment.predictors[0].graph.type is UnitType.MODEL
    assert deployment.warnings == (
        "spec.predictors[0].graph.type: the implementation decides the type of this unit: "
        "SIMPLE_MODEL is a MODEL (got 'ROUTER')",
    )


def test_the_implementation_is_unknown_implementation(load_graph: Load) -> None:
    deployment = load_graph("{name: m}", spec="{annotations: {gaal.dev/component.m: M}}")
    assert deployment.predictors[0].graph.implementation == "UNKNOWN_IMPLEMENTATION"


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("{service_host: h}", Endpoint("h", 9000, 9500, "REST")),
        ("{service_host: h, service_port: 8080}", Endpoint("h", 8080, 9500, "REST")),
        ("{service_host: h, service_port: 8080, type: GRPC}", Endpoint("h", 9000, 8080, "GRPC")),
        ("{service_host: h, service_port: 1, httpPort: 2, grpcPort: 3}", Endpoint("h", 2, 3, "REST")),
        ("{service_host: localhost, httpPort: 9001}", Endpoint("localhost", 9001, 9500, "REST")),
        ("{type: REST, service_port: 9000}", None),
        ("null", None),
    ],
)
def test_a_host_makes_a_unit_remote(load_graph: Load, endpoint: str, expected: Endpoint | None) -> None:
    code = "" if expected else "{annotations: {gaal.dev/component.m: M}}"
    unit = load_graph(f"{{name: m, type: MODEL, endpoint: {endpoint}}}", spec=code).predictors[0].graph
    assert unit.endpoint == expected
    assert unit.component == (None if expected else "M")


def test_a_remote_unit_of_a_grpc_deployment_is_called_over_grpc(load_graph: Load) -> None:
    unit = load_graph("{name: m, endpoint: {service_host: h, service_port: 1}}", spec="{transport: grpc}")
    assert unit.predictors[0].graph.endpoint == Endpoint("h", 9000, 1, "GRPC")


@pytest.mark.parametrize("traffic", ["{}", "{traffic: 0}", "{traffic: 100}"])
def test_a_single_predictor_has_all_the_traffic(load_graph: Load, traffic: str) -> None:
    assert load_graph("{name: m, implementation: SIMPLE_MODEL}", predictor=traffic).predictors[0].traffic == 100


@pytest.mark.parametrize(
    ("annotations", "seconds"),
    [
        ('spec: {seldon.io/rest-timeout: "1500"}', 1.5),
        ('metadata: {seldon.io/rest-timeout: "250"}', 0.25),
        ('spec: {seldon.io/rest-timeout: "0"}', None),
    ],
)
def test_a_timeout_is_written_in_milliseconds(load_graph: Load, annotations: str, seconds: float | None) -> None:
    where, _, mapping = annotations.partition(": ")
    deployment = load_graph("{name: m, implementation: SIMPLE_MODEL}", **{where: f"{{annotations: {mapping}}}"})
    assert deployment.rest_timeout_s == seconds


def test_the_annotations_of_the_spec_win_over_those_of_the_metadata(load_graph: Load) -> None:
    deployment = load_graph(
        "{name: m, implementation: SIMPLE_MODEL}",
        spec='{annotations: {seldon.io/grpc-timeout: "1000"}}',
        metadata='{annotations: {seldon.io/grpc-timeout: "2000", owner: me}}',
    )
    assert deployment.grpc_timeout_s == 1.0
    assert deployment.annotations == {"seldon.io/grpc-timeout": "1000", "owner": "me"}


def test_a_unit_is_placed_automatically_unless_an_annotation_says_otherwise(load_graph: Load) -> None:
    unit = "{name: m, implementation: SIMPLE_MODEL}"
    assert load_graph(unit).predictors[0].graph.placement is Placement.AUTO
    placed = load_graph(unit, predictor="{annotations: {gaal.dev/placement.m: inline}}")
    assert placed.predictors[0].graph.placement is Placement.INLINE


def test_a_unit_in_worker_has_one_process_that_may_hang_for_half_a_minute(load_graph: Load) -> None:
    assert load_graph("{name: m, implementation: SIMPLE_MODEL}").predictors[0].graph.workers == Workers(1, False, 30.0)


@pytest.mark.parametrize(("milliseconds", "seconds"), [("1500", 1.5), ("0", None)])
def test_annotations_say_what_is_different_about_its_processes(
    load_graph: Load, milliseconds: str, seconds: float | None
) -> None:
    annotations = (
        "{gaal.dev/placement.m: worker, gaal.dev/replicas.m: '3', gaal.dev/idempotent.m: 'true', "
        f"gaal.dev/hang-timeout.m: '{milliseconds}'}}"
    )
    unit = load_graph("{name: m, implementation: SIMPLE_MODEL}", spec=f"{{annotations: {annotations}}}")
    assert unit.predictors[0].graph.workers == Workers(3, True, seconds)


def test_a_unit_takes_its_calls_on_one_thread_unless_annotations_say_otherwise(load_graph: Load) -> None:
    unit = "{name: m, implementation: SKLEARN_SERVER, modelUri: /models/m, envSecretRefName: bucket-secret}"
    root = load_graph(unit).predictors[0].graph
    assert (root.calls, root.model_uri, root.env_secret) == (Calls(None, 1, 4096), "/models/m", "bucket-secret")
    annotations = "{gaal.dev/batch.m: max=10000, gaal.dev/threads.m: '4', gaal.dev/queue.m: '1000000'}"
    said = load_graph(unit, spec=f"{{annotations: {annotations}}}").predictors[0].graph.calls
    assert said == Calls(10_000, 4, 1_000_000)
    off = load_graph(unit, spec='{annotations: {gaal.dev/batch.m: "off"}}').predictors[0].graph.calls
    assert off.max_batch_rows == 1


def test_a_unit_with_code_is_remote_if_it_is_placed_there(load_graph: Load) -> None:
    unit = "{name: m, type: MODEL, endpoint: {service_host: far, type: REST}}"
    annotations = "gaal.dev/component.m: 'a:B'"
    at_home = load_graph(unit, spec=f"{{annotations: {{{annotations}}}}}")
    assert at_home.predictors[0].graph.endpoint is None
    away = load_graph(unit, spec=f"{{annotations: {{{annotations}, gaal.dev/placement.m: remote}}}}")
    assert away.predictors[0].graph.endpoint is not None


def test_a_unit_knows_who_it_is_as_in_a_cluster(load_graph: Load) -> None:
    unit = "{name: m, implementation: SIMPLE_MODEL, parameters: [{name: n, value: '1', type: INT}]}"
    deployment = load_graph(unit)
    [predictor] = deployment.predictors
    assert predictor.graph.identity == {
        "PREDICTIVE_UNIT_ID": "m",
        "PREDICTIVE_UNIT_IMAGE": "",
        "PREDICTIVE_UNIT_PARAMETERS": '[{"name": "n", "value": "1", "type": "INT"}]',
        "PREDICTOR_ID": predictor.name,
        "PREDICTOR_LABELS": f'{{"version": "{predictor.name}"}}',
        "SELDON_DEPLOYMENT_ID": deployment.name,
        "SELDON_EXECUTOR_ENABLED": "true",
    }


def test_the_environment_of_the_orchestrator_is_kept(load_graph: Load) -> None:
    env = "{svcOrchSpec: {env: [{name: SELDON_LOG_LEVEL, value: DEBUG}, {name: S, valueFrom: {secretKeyRef: {}}}]}}"
    deployment = load_graph("{name: m, implementation: SIMPLE_MODEL}", predictor=env)
    assert deployment.predictors[0].env == {"SELDON_LOG_LEVEL": "DEBUG"}


def test_a_null_is_the_same_as_nothing(load_graph: Load) -> None:
    unit = load_graph("{name: m, implementation: SIMPLE_MODEL, children: null, logger: null, type: ~}")
    assert unit == load_graph("{name: m, implementation: SIMPLE_MODEL}")


def test_a_deployment_of_one_unit_needs_no_document() -> None:
    deployment = single("iris", "iris:IrisClassifier", unit_type=UnitType.ROUTER)
    [predictor] = deployment.predictors
    assert (deployment.name, deployment.namespace, predictor.traffic) == ("iris", "default", 100)
    assert (predictor.graph.component, predictor.graph.type) == ("iris:IrisClassifier", UnitType.ROUTER)
