"""The example's dashboard for Grafana, as far as tests look at it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

EXAMPLES = Path(__file__).parents[3] / "examples" / "operations"
DASHBOARD: dict[str, Any] = json.loads((EXAMPLES / "grafana.json").read_text())
INSTANCE = "instance"


class Series(NamedTuple):
    """What a panel asks.

    Attributes:
        title: of the panel.
        query: with the dashboard's variables.
        legend: with the labels that it shows.
    """

    title: str
    query: str
    legend: str

    @property
    def labels(self) -> set[str]:
        """Those that the legend shows."""
        return set(re.findall(r"\{\{(\w+)\}\}", self.legend))

    def expression(self, instance: str) -> str:
        """The query, as Grafana asks it of instances that a pattern names."""
        query = self.query.replace("$__rate_interval", "1m")
        return query.replace(f"${INSTANCE}", instance)


SERIES = [
    Series(panel["title"], target["expr"], target["legendFormat"])
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
]
