"""The job's hyperparameters, metrics and search ranges, from ``training.json``.

``make specification`` writes the file from what the job declares. A test compares the
two.
"""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launcher.errors import ConfigError

_FILE = Path(__file__).parent / "training.json"


@functools.cache
def specification() -> dict[str, Any]:
    """``SupportedHyperParameters``, ``MetricDefinitions`` and ``ParameterRanges``, in
    the form of SageMaker's API.
    """
    return dict(json.loads(_FILE.read_text()))


def metric_definitions() -> list[dict[str, str]]:
    """Name and regular expression of each metric that SageMaker reads from the log."""
    return list(specification()["MetricDefinitions"])


def default_hyperparameters() -> dict[str, str]:
    """The default of every hyperparameter, as text, by name."""
    return {
        entry["Name"]: entry["DefaultValue"]
        for entry in specification()["SupportedHyperParameters"]
    }


def check_hyperparameters(values: Mapping[str, str]) -> None:
    """Check that the job would take these values.

    Raises:
        ConfigError: names every unknown hyperparameter with the nearest known one, and
            every value out of range.
    """
    entries = specification()["SupportedHyperParameters"]
    known = {entry["Name"]: entry for entry in entries}
    faults: list[str] = []
    for name, value in values.items():
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            candidates = ", ".join(nearest or sorted(known))
            faults.append(f"hyperparameter {name} is unknown, known are {candidates}")
        elif not _is_allowed(known[name], value):
            expected = known[name]["Description"]
            faults.append(f"hyperparameter {name} is {value!r}, expected {expected}")
    if faults:
        raise ConfigError("; ".join(faults))


def search_ranges(fixed: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    """The ranges that a tuning job searches: all declared ones, except the fixed."""
    return {
        kind: [entry for entry in ranges if entry["Name"] not in fixed]
        for kind, ranges in specification()["ParameterRanges"].items()
    }


def _is_allowed(entry: Mapping[str, Any], value: str) -> bool:
    match entry["Type"]:
        case "Categorical":
            choices = entry["Range"]["CategoricalParameterRangeSpecification"]["Values"]
            return value.lower() in choices
        case "Integer" | "Continuous" as kind:
            bounds = entry["Range"][f"{kind}ParameterRangeSpecification"]
            try:
                number = int(value) if kind == "Integer" else float(value)
            except ValueError:
                return False
            low = float(bounds["MinValue"])
            high = float(bounds["MaxValue"])
            return low <= number <= high
        case _:
            return True
