"""A contract tried from the command line: what `gaal check` and the two testers have in common."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaal.cli import check_report
from gaal.errors import ContractError, GaalError, GraphError, SettingsError, Violation

if TYPE_CHECKING:
    from gaal.contracts.asking import Server
    from gaal.contracts.contract import Contract
    from gaal.contracts.trial import Plan

FINE, BROKEN, UNREADABLE = 0, 1, 2
"""The exit statuses: every rule is kept, a rule is broken, or what was typed or named cannot be read."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options ask for."""

    endpoint: str = "predict"
    n_requests: int = 1
    n_rows: int = 1
    as_tensor: bool = False
    shows_exchanges: bool = False
    seed: int | None = None


def read_documents(file: str) -> list[Any]:
    """What stands in a file, as plain data. Raises GraphError where it cannot be read."""
    from gaal.graph.text import parse, read_text

    return parse(read_text(Path(file), file), file)


def read_contract(file: str) -> Contract:
    """The contract in a file. Raises ContractError, or GraphError where the file cannot be read."""
    from gaal.contracts.read import contract_of

    documents = read_documents(file)
    return contract_of(documents[0] if len(documents) == 1 else documents, file)


def try_contract(title: str, contract: Contract, server: Server, wanted: Wanted) -> int:
    """The exit status of a trial, whose report is printed. Raises SettingsError."""
    import numpy as np

    from gaal.contracts.trial import exchanges

    plan = _plan(wanted, contract)
    seed = wanted.seed if wanted.seed is not None else int(np.random.SeedSequence().generate_state(1)[0])
    report = check_report.TrialReport(title)
    with server:
        for exchange in exchanges(contract, server, plan, np.random.default_rng(seed)):
            if wanted.shows_exchanges:
                check_report.show_exchange(exchange)
            report.take(exchange)
    report.show(wanted.n_requests, seed, with_example=not wanted.shows_exchanges)
    return FINE if report.is_kept else BROKEN


def _plan(wanted: Wanted, contract: Contract) -> Plan:
    from gaal.contracts.trial import ENDPOINTS, Plan
    from gaal.messages import Kind

    endpoints = {each: each for each in ENDPOINTS}
    if wanted.endpoint not in endpoints:
        raise SettingsError([Violation("--endpoint", f"must be one of {', '.join(ENDPOINTS)}", wanted.endpoint)])
    texts = [each.name for each in contract.features if each.has_text]
    if wanted.as_tensor and texts:
        raise SettingsError([Violation("--tensor", "must not be given where features have texts", texts)])
    kind = Kind.TENSOR if wanted.as_tensor else Kind.NDARRAY
    return Plan(endpoints[wanted.endpoint], wanted.n_requests, wanted.n_rows, kind)


def show_warnings(title: str, contract: Contract) -> None:
    for row in check_report.rows("warning", contract.warnings):
        print(f"{title}: {row}")


def refused(error: GaalError) -> int:
    """Show what is wrong with a file or with the options; the exit status."""
    if not isinstance(error, GraphError | ContractError):
        print(error, file=sys.stderr)
        return UNREADABLE
    check_report.show_rows(error.source, check_report.rows("error", error.violations))
    return UNREADABLE if _cannot_be_read(error.violations) else BROKEN


def _cannot_be_read(violations: Sequence[Violation]) -> bool:
    from gaal.graph import rules

    unreadable = (rules.UNREADABLE, rules.NOT_UTF8, rules.TOO_LONG, rules.SYNTAX, rules.TOO_DEEP, rules.TOO_MANY_VALUES)
    return any(each.rule.startswith(unreadable) for each in violations)
