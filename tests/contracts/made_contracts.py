"""Contracts for the tests of this folder, from their interesting parts."""

from __future__ import annotations

from typing import Any

from gaal.contracts.contract import Contract
from gaal.contracts.read import contract_of


def feature(name: str = "x", **fields: Any) -> dict[str, Any]:
    return {"name": name, "dtype": "FLOAT", "ftype": "continuous", **fields}


def categorical(name: str, values: list[Any], dtype: str = "INT", **fields: Any) -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "ftype": "categorical", "values": values, **fields}


def contract(*targets: dict[str, Any], features: list[dict[str, Any]] | None = None) -> Contract:
    return contract_of({"features": features or [feature()], "targets": list(targets)}, "test")
