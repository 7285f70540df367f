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
from movielens.json_text import parse_json

_FILE = Path(__file__).parent / "training.json"
_KINDS_OF_RANGES = (
    "CategoricalParameterRanges",
    "ContinuousParameterRanges",
    "IntegerParameterRanges",
)


@functools.cache
def specification() -> dict[str, Any]:
    """``SupportedHyperParameters``, ``MetricDefinitions`` and ``ParameterRanges``, in
    the form of SageMaker's API, and the job's rules that this form has no words for.
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
            advice = f"known are {', '.join(sorted(known))}"
            if nearest:
                advice = f"did you mean {nearest[0]}?"
            faults.append(f"hyperparameter {name} is unknown, {advice}")
        elif not _is_allowed(known[name], value):
            expected = known[name]["Description"]
            faults.append(f"hyperparameter {name} is {value!r}, expected {expected}")
    if faults:
        raise ConfigError("; ".join(faults))


def search_ranges(fixed: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    """The ranges that a tuning job searches: all declared ones, except the fixed.

    All kinds of ranges are there: an SDK that attaches to the job looks for each.
    """
    declared = specification()["ParameterRanges"]
    return {
        kind: [entry for entry in declared.get(kind, ()) if entry["Name"] not in fixed]
        for kind in _KINDS_OF_RANGES
    }


def plain_text(value: str) -> str:
    """A value as the job reads it: without blanks around it, and without the quotes of
    JSON that SDKs may have put around it.

    Example:
        >>> plain_text(' "0.1" ')
        '0.1'
    """
    text = value.strip()
    if not text.startswith('"'):
        return text
    try:
        return str(parse_json(text)).strip()
    except ValueError:
        return text


def _is_allowed(entry: Mapping[str, Any], value: str) -> bool:
    text = plain_text(value)
    name = entry["Name"]
    match entry["Type"]:
        case "Categorical":
            choices = entry["Range"]["CategoricalParameterRangeSpecification"]["Values"]
            if name in specification()["AnyCase"]:
                text = text.lower()
            return text in choices
        case "Integer" | "Continuous" as kind:
            bounds = entry["Range"][f"{kind}ParameterRangeSpecification"]
            try:
                number = _whole(text) if kind == "Integer" else _float(text)
            except ValueError:
                return False
            return float(bounds["MinValue"]) <= number <= float(bounds["MaxValue"])
        case _:
            return name not in specification()["Lists"] or _is_list(name, text)


def _whole(text: str) -> int:
    # int() also takes signs, underscores and the digits of other scripts.
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def _float(text: str) -> float:
    # float() also takes underscores and the digits of other scripts.
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    number = float(text)
    smallest = float(specification()["SmallestNumber"])
    if 0 < abs(number) < smallest:
        raise ValueError(text)
    return number


def _is_list(name: str, text: str) -> bool:
    """Whether a text is comma-separated names, or one word for a set of them."""
    known = specification()["Lists"][name]
    if text in known["Sets"]:
        return True
    return all(part.strip() in known["Names"] for part in text.split(","))
