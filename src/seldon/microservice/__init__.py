"""Microservices of Seldon Server: a pipeline, a recommender or an extension behind REST or gRPC."""

from __future__ import annotations

from seldon.microservice.microservices import Microservices

__all__ = ["Microservices"]
