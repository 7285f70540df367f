"""Draws hyperparameters from the ranges of a tuning job.

The same seed gives the same values. Random and Bayesian tuning are the same here: all
values are drawn at random, without regard to earlier jobs. Scaling follows the
developer guide's "Define Hyperparameter Ranges".
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from launcher.local.errors import invalid

# The members of ParameterRanges.
_CATEGORICAL = "CategoricalParameterRanges"
_CONTINUOUS = "ContinuousParameterRanges"
_INTEGER = "IntegerParameterRanges"


def _linear(share: float, low: float, high: float) -> float:
    return low + share * (high - low)


def _logarithmic(share: float, low: float, high: float) -> float:
    return float(low * (high / low) ** share)


def _reverse_logarithmic(share: float, low: float, high: float) -> float:
    return float(1 - (1 - low) * ((1 - high) / (1 - low)) ** share)


# From a share, 0 to 1, to a value between the bounds.
_SCALES: dict[str, Callable[[float, float, float], float]] = {
    "Auto": _linear,
    "Linear": _linear,
    "Logarithmic": _logarithmic,
    "ReverseLogarithmic": _reverse_logarithmic,
}


def check_ranges(ranges: Mapping[str, Any], fixed: Mapping[str, str]) -> None:
    """Return if values can be drawn.

    Args:
        ranges: ParameterRanges of a request.
        fixed: StaticHyperParameters of the request.

    Raises:
        RefusedError: for the first fault.
    """
    numeric = [*ranges.get(_INTEGER, []), *ranges.get(_CONTINUOUS, [])]
    entries = [*numeric, *ranges.get(_CATEGORICAL, [])]
    if not entries:
        raise invalid("ParameterRanges are empty: there is nothing to search")
    names = set(fixed)
    for entry in entries:
        name = entry["Name"]
        if name in names:
            raise invalid(f"hyperparameter {name} is given twice")
        names.add(name)
    for entry in numeric:
        _check_bounds(entry)


def _check_bounds(entry: Mapping[str, str]) -> None:
    name = entry["Name"]
    try:
        low = float(entry["MinValue"])
        high = float(entry["MaxValue"])
    except ValueError as error:
        raise invalid(f"the range of {name} has a bound that is no number") from error
    if not low < high:
        raise invalid(
            f"the range of {name} has a MinValue that isn't below its MaxValue"
        )
    scale = entry.get("ScalingType", "Auto")
    scalable = {"Logarithmic": low > 0, "ReverseLogarithmic": low >= 0 and high < 1}
    if not scalable.get(scale, True):
        raise invalid(f"the range of {name} can't be scaled as {scale}")


def random_draws(
    ranges: Mapping[str, Any], seed: int | str
) -> Iterator[dict[str, str]]:
    """Values by hyperparameter, without end.

    Values are strings, as a training job takes them.
    """
    rng = random.Random(seed)
    while True:
        values: dict[str, str] = {}
        for entry in ranges.get(_CONTINUOUS, []):
            values[entry["Name"]] = repr(_draw_number(entry, rng))
        for entry in ranges.get(_INTEGER, []):
            values[entry["Name"]] = str(round(_draw_number(entry, rng)))
        for entry in ranges.get(_CATEGORICAL, []):
            values[entry["Name"]] = rng.choice(entry["Values"])
        yield values


def _draw_number(entry: Mapping[str, str], rng: random.Random) -> float:
    scale = _SCALES[entry.get("ScalingType", "Auto")]
    return scale(rng.random(), float(entry["MinValue"]), float(entry["MaxValue"]))
