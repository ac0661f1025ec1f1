"""Documents of the kinds that people have: old and new, small and nested. All of them load."""

from __future__ import annotations

from gaal.graph.deployment import Endpoint, Method, Parameter, UnitType
from gaal.graph.load import loads

OLD_MODEL = """{
  "apiVersion": "machinelearning.seldon.io/v1alpha2",
  "kind": "SeldonDeployment",
  "metadata": {"labels": {"app": "seldon"}, "name": "sklearn-iris", "creationTimestamp": null},
  "spec": {
    "annotations": {"project_name": "Iris", "deployment_version": "v1"},
    "name": "sklearn-iris",
    "oauth_key": "oauth-key",
    "oauth_secret": "oauth-secret",
    "predictors": [{
      "componentSpecs": [{"spec": {"containers": [{
        "image": "example/sklearn-iris:0.1", "imagePullPolicy": "IfNotPresent", "name": "classifier",
        "env": [{"name": "MODEL_NAME", "value": "IrisClassifier"}, {"name": "SERVICE_TYPE", "value": "MODEL"},
                {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "resources": {"requests": {"memory": "1Mi"}}}], "terminationGracePeriodSeconds": 20}}],
      "graph": {"children": [], "name": "classifier", "endpoint": {"type": "REST"}, "type": "MODEL"},
      "name": "predictor", "replicas": 1, "engineResources": {}, "annotations": {"predictor_version": "v1"}
    }]
  },
  "status": {"state": "Available", "deploymentStatus": {"d": {"availableReplicas": 1}}}
}"""

CANARY_WITH_SHADOW = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: iris, namespace: models, resourceVersion: "12"}
spec:
  protocol: v2
  predictors:
  - name: main
    traffic: 75
    graph: &server
      name: classifier
      implementation: SKLEARN_SERVER
      modelUri: gs://bucket/iris
      envSecretRefName: rclone
      storageInitializerImage: example/init:1
      serviceAccountName: reader
      logger: {mode: all, url: http://broker}
    replicas: 2
    ssl: {certSecretName: tls}
    progressDeadlineSeconds: 600
    explainer: {type: AnchorTabular, modelUri: gs://bucket/explainer, initParameters: '{"a": 1}'}
    svcOrchSpec: {resources: {requests: {cpu: "1"}}, replicas: 1, env: [{name: SELDON_LOG_LEVEL, value: DEBUG}]}
    componentSpecs:
    - hpaSpec: {minReplicas: 1, maxReplicas: 3, metricsv2: [{type: Resource}]}
      pdbSpec: {maxUnavailable: 50%}
    - kedaSpec: {maxReplicaCount: 5, triggers: [{type: kafka}], advanced: {a: b}}
      metadata: {labels: {a: b}, annotations: {c: d}}
  - {name: canary, traffic: 25, graph: *server}
  - {name: mirror, shadow: true, graph: *server}
"""

ABTEST = """
apiVersion: machinelearning.seldon.io/v1alpha3
kind: SeldonDeployment
metadata: {name: abtest}
spec:
  predictors:
  - name: default
    componentSpecs:
    - spec:
        containers:
        - {name: one, image: example/one:1, command: [seldon-core-microservice, One, --service-type, MODEL]}
    - spec:
        containers:
        - {name: two, image: example/two:1, command: [sh, -c, exec seldon-core-microservice Two REST]}
    graph:
      name: abtest
      implementation: RANDOM_ABTEST
      parameters: [{name: ratioA, value: "0.25", type: FLOAT}]
      children:
      - {name: one, type: MODEL}
      - {name: two, type: MODEL}
"""

NESTED = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata:
  name: nested
  annotations:
    gaal.dev/component.scale: steps:Scale
    gaal.dev/component.eg-router: bandits:EpsilonGreedy
    gaal.dev/component.mean: steps:Mean
    gaal.dev/component.label: steps:Label
    gaal.dev/component.free: steps:Free
spec:
  predictors:
  - name: default
    graph:
      name: label
      type: OUTPUT_TRANSFORMER
      children:
      - name: scale
        type: TRANSFORMER
        children:
        - name: eg-router
          type: ROUTER
          methods: [SEND_FEEDBACK]
          parameters:
          - {name: n_branches, value: "2", type: INT}
          children:
          - name: mean
            type: COMBINER
            children:
            - {name: a, implementation: SIMPLE_MODEL}
            - {name: b, endpoint: {service_host: b.example, service_port: 9001, type: REST}}
          - {name: free, methods: [TRANSFORM_INPUT, TRANSFORM_OUTPUT]}
"""


def test_an_old_document_in_json_loads() -> None:
    [found] = loads(OLD_MODEL, "old.json")
    [predictor] = found.predictors
    assert (found.name, found.namespace, found.warnings) == ("sklearn-iris", "default", ())
    assert (predictor.name, predictor.labels) == ("predictor", {"version": "predictor"})
    assert predictor.graph.component == "IrisClassifier"
    assert predictor.graph.image == "example/sklearn-iris:0.1"
    assert predictor.graph.env == {"MODEL_NAME": "IrisClassifier", "SERVICE_TYPE": "MODEL"}
    assert found.annotations["project_name"] == "Iris"


def test_a_canary_with_a_shadow_and_every_kubernetes_field_loads_without_a_warning() -> None:
    [found] = loads(CANARY_WITH_SHADOW, "canary.yaml")
    assert (found.namespace, found.protocol, found.warnings) == ("models", "v2", ())
    assert [(each.name, each.traffic, each.shadow) for each in found.predictors] == [
        ("main", 75, False),
        ("canary", 25, False),
        ("mirror", 100, True),
    ]
    unit = found.predictors[1].graph
    assert (unit.implementation, unit.model_uri, unit.type) == ("SKLEARN_SERVER", "gs://bucket/iris", UnitType.MODEL)


def test_an_abtest_loads() -> None:
    [found] = loads(ABTEST, "abtest.yaml")
    graph = found.predictors[0].graph
    assert (graph.type, graph.component, graph.implementation) == (UnitType.ROUTER, None, "RANDOM_ABTEST")
    assert graph.parameters == (Parameter("ratioA", "0.25", "FLOAT"),)
    assert [(child.component, child.image) for child in graph.children] == [
        ("One", "example/one:1"),
        ("Two", "example/two:1"),
    ]


def test_a_nested_graph_of_all_types_loads() -> None:
    [found] = loads(NESTED, "nested.yaml")
    units = {unit.name: unit for unit in found.predictors[0].graph.walk()}
    assert found.warnings == ()
    assert list(units) == ["label", "scale", "eg-router", "mean", "a", "b", "free"]
    assert units["eg-router"].methods == {Method.SEND_FEEDBACK}
    assert units["b"].endpoint == Endpoint("b.example", 9001, 9500, "REST")
    assert (units["free"].type, units["free"].component) == (UnitType.UNKNOWN_TYPE, "steps:Free")
