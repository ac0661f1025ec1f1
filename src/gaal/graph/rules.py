"""The rules that a deployment document is held to, in the words that a violation shows.

`docs/graph-document.md` lists them all. A violation may add to the text, after a semicolon or a colon, what it
knows beyond the rule: the nearest known name, the place of the other one, the sum that came out.
"""

from __future__ import annotations

# The text of the document.
UNREADABLE = "the file cannot be read"
NOT_UTF8 = "the text must be UTF-8"
TOO_LONG = "a file has at most 4 MiB"
SYNTAX = "the text must be valid YAML or JSON"
TOO_DEEP = "values nest at most 200 deep"
TOO_MANY_VALUES = "a file holds at most 50,000 values, aliases counted as often as they are used"
CYCLE = "a value must not contain itself"
DUPLICATE_KEY = "a key stands only once in a mapping"
NO_DEPLOYMENT = "there must be at least one SeldonDeployment"

# The form of the document.
KIND = "the kind must be SeldonDeployment"
API_VERSION = "the API version must be a known one"
REQUIRED = "a value must be given"
NEEDS_TEXT = "the value must be a text; put it in quotes"
NEEDS_INTEGER = "the value must be a whole number"
NEEDS_BOOLEAN = "the value must be true or false"
NEEDS_LIST = "the value must be a list"
NEEDS_MAPPING = "the value must be a mapping"
WRONG_TYPE = "the value must be of another type"

# The deployment.
KUBERNETES_NAME = "a name has at most 253 lower-case letters, digits, '-' and '.', a letter or digit at both ends"
DUPLICATE_DEPLOYMENT = "a name is given to one deployment of a namespace only"
PROTOCOL = "the protocol must be a known one"
TRANSPORT = "the transport must be rest or grpc"
SERVER_TYPE = "the server type must be rpc or kafka"
KAFKA_ENV = "a kafka server needs the svcOrchSpec envs KAFKA_BROKER, KAFKA_INPUT_TOPIC and KAFKA_OUTPUT_TOPIC"
TIMEOUT = "a timeout must be a whole number of milliseconds, not negative, 0 for none"

# The predictors.
NO_PREDICTOR = "a deployment needs at least one predictor"
DUPLICATE_PREDICTOR = "a predictor's name must be its own"
DUPLICATE_SERVICE = "a service name stands for one predictor only"
TRAFFIC_RANGE = "traffic must be from 0 to 100"
TRAFFIC_SUM = "the traffic of several predictors must sum to 100"
TRAFFIC_SINGLE = "the traffic of a single predictor must be 100 when it is set"
ONLY_SHADOW = "a shadow cannot be the only predictor"
SEVERAL_SHADOWS = "a deployment has at most one shadow"
NO_ENGINE = "a predictor without an engine has a graph of one unit"

# The units.
NAME = "a name must not be empty and must have no slash, space or control character"
DUPLICATE_UNIT = "a unit's name must be its own within the predictor"
UNIT_TYPE = "the type must be a known one"
METHOD = "the method must be a known one"
IMPLEMENTATION = "the implementation must be a known one"
NO_METHODS = "a unit of UNKNOWN_TYPE needs methods or an implementation"
NO_CHILDREN = "a router needs at least one child"
ABTEST_CHILDREN = "RANDOM_ABTEST needs exactly two children"
ABTEST_RATIO = "ratioA must be a number from 0 to 1"
MODEL_URI = "a prepackaged server needs a modelUri"
FAR_SIDE = (
    "this implementation asks a server that runs elsewhere and has the model; its endpoint.service_host must be given, "
    "or for TENSORFLOW_SERVER the parameter rest_endpoint or grpc_endpoint"
)
FAR_SIDE_ADDRESS = "a rest_endpoint is written http://host:8501, a grpc_endpoint host:8500"
UNIT_PROTOCOL = "a unit speaks seldon, v2, kfserving, tensorflow or classifier"
NO_SUCH_CALL = "a unit that speaks v2 or tensorflow can neither route nor combine"
TENSORFLOW_PROTOCOL = "this prepackaged server does not speak the tensorflow protocol"
ENDPOINT_TYPE = "the endpoint type must be REST or GRPC"
PORT = "a port must be from 1 to 65535"
LOGGER_MODE = "a logger needs a mode: request, response or all"
PARAMETER = "a parameter must have a known type and a value of that type"
NO_CODE = (
    "the code of a unit must be given: by the command of the container of the same name "
    "(seldon-core-microservice MyModel), by its env MODEL_NAME, or by the annotation gaal.dev/component.<unit>"
)
COMPONENT = "a component is written pkg.mod:Class or Module"
PLACEMENT = "the placement must be auto, inline, thread, worker or remote"
REMOTE_ENDPOINT = "a unit that is placed remote needs an endpoint with a service_host"
REPLICAS = "replicas must be a whole number from 1 to 64"
IDEMPOTENT = "idempotent must be true or false"
CLASSIFIER_UNIT = (
    "a unit with the protocol classifier must be a MODEL without methods, and have an endpoint with a host"
)
BATCH = "a batch is written max=64, with a number of rows from 2 to 10000, or off"
THREADS = "threads must be a whole number from 1 to 64"
QUEUE = "a queue must be a whole number from 1 to 1000000"
TLS = "tls must be true or false"
TLS_CA = "tls-ca needs a file of certificates, and tls"

# What is odd, but runs: these become warnings.
UNKNOWN_FIELD = "unknown field, ignored"
OTHER_KIND = "not a SeldonDeployment, skipped"
FIRST_CHILD = "several children without a combiner or router: the first child's reply is used"
COMBINER_CHILDREN = "a combiner without children has nothing to combine"
OVERRULED_TYPE = "the implementation decides the type of this unit"
MIXED_ENDPOINTS = "endpoint types are mixed, or differ from the transport; Seldon Core refuses this document"
DUPLICATE_PARAMETER = "a parameter stands twice, the last one counts"
NO_WORKERS = "the annotation matters only to a unit that is placed in worker"
UNKNOWN_UNIT = "the annotation names no unit of this deployment"
