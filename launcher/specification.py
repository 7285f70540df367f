"""The image's training specification (``training.json``): which hyperparameters,
metrics and search ranges it has.

``make specification`` writes the file from the job's own declarations; a test compares
the two.
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
    """``SupportedHyperParameters``, ``MetricDefinitions`` and ``ParameterRanges``, as
    SageMaker's API has them.
    """
    return dict(json.loads(_FILE.read_text()))


def metric_definitions() -> list[dict[str, str]]:
    """What CreateTrainingJob is told to read from the log."""
    return list(specification()["MetricDefinitions"])


def default_hyperparameters() -> dict[str, str]:
    """The default of every hyperparameter, as text, by name."""
    return {
        entry["Name"]: entry["DefaultValue"]
        for entry in specification()["SupportedHyperParameters"]
    }


def check_hyperparameters(values: Mapping[str, str]) -> None:
    """Return when the job would take them.

    Raises:
        ConfigError: naming every unknown name with the nearest known one, and every
            value out of range.
    """
    known = {
        entry["Name"]: entry for entry in specification()["SupportedHyperParameters"]
    }
    faults = []
    for name, value in values.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            faults.append(
                f"hyperparameter {name} is unknown, known are {', '.join(near or sorted(known))}"
            )
        elif not _is_allowed(known[name], value):
            faults.append(
                f"hyperparameter {name} is {value!r}, expected {known[name]['Description']}"
            )
    if faults:
        raise ConfigError("; ".join(faults))


def search_ranges(fixed: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    """The ranges of a tuning job, without what is fixed."""
    ranges = specification()["ParameterRanges"]
    return {
        kind: [r for r in entries if r["Name"] not in fixed]
        for kind, entries in ranges.items()
    }


def _is_allowed(entry: Mapping[str, Any], value: str) -> bool:
    match entry["Type"]:
        case "Categorical":
            return (
                value.lower()
                in entry["Range"]["CategoricalParameterRangeSpecification"]["Values"]
            )
        case "Integer" | "Continuous" as kind:
            bounds = entry["Range"][f"{kind}ParameterRangeSpecification"]
            try:
                number = int(value) if kind == "Integer" else float(value)
            except ValueError:
                return False
            return float(bounds["MinValue"]) <= number <= float(bounds["MaxValue"])
        case _:
            return True
