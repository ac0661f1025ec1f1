from __future__ import annotations

import re
from pathlib import Path

from gaal.observability.catalog import BUCKETS, CATALOG, QUANTILES, Definition, Kind
from gaal.observability.components import LABELS, METHOD_LABELS
from gaal.observability.listener import UNIT_SERVICES
from gaal.observability.prometheus import number

PAGE = (Path(__file__).parent.parent.parent / "docs" / "metrics.md").read_text()
SHOWN_AS = {
    Kind.COUNTER: "counter",
    Kind.GAUGE: "gauge",
    Kind.DURATION: "histogram and summary",
    Kind.SIZE: "histogram",
}


def row(metric: Definition) -> str:
    """A metric as a line of the table in docs/metrics.md."""
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {SHOWN_AS[metric.kind]} | {labels} | {metric.help} |"


def test_the_page_lists_every_metric_as_it_is() -> None:
    assert re.findall(r"^\| `(?!/).*", PAGE, re.MULTILINE) == [row(each) for each in CATALOG.values()]


def test_the_page_lists_the_buckets_and_quantiles() -> None:
    assert ", ".join(map(number, BUCKETS)) in PAGE
    assert ", ".join(map(number, QUANTILES)) in PAGE


def test_the_page_lists_the_services_of_units() -> None:
    services = [f"| `{path}` | `{verb}` | `{method}` |" for method, (path, verb) in UNIT_SERVICES.items()]
    assert re.findall(r"^\| `/.*", PAGE, re.MULTILINE) == services


def test_the_page_lists_the_labels_of_what_components_report() -> None:
    assert ", ".join(f"`{label}`" for label in LABELS) in PAGE
    assert ", ".join(f"`{label}`" for label in METHOD_LABELS.values()) in PAGE
