"""The messages and services of the Classifier API: `seldon.rpc.seldon_pb2`."""
