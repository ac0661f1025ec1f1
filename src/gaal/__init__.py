"""Gaal, an open prediction server: models and inference graphs over REST and gRPC."""

__version__ = "0.1.0"
