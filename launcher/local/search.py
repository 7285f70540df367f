"""Draws hyperparameters from the ranges of a tuning job, the same for the same seed.

Both Random and Bayesian tuning are drawn at random here: the next job doesn't look at
    those before it. Scaling follows
the developer guide's "Define Hyperparameter Ranges".
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from launcher.local.errors import invalid

# Each from 0 to 1, to a value between the bounds.
_SCALES: dict[str, Callable[[float, float, float], float]] = {
    "Auto": lambda share, low, high: low + share * (high - low),
    "Linear": lambda share, low, high: low + share * (high - low),
    "Logarithmic": lambda share, low, high: low * (high / low) ** share,
    "ReverseLogarithmic": lambda share, low, high: (
        1 - (1 - low) * ((1 - high) / (1 - low)) ** share
    ),
}


def check_ranges(ranges: Mapping[str, Any], fixed: Mapping[str, str]) -> None:
    """Return when values can be drawn.

    Raises:
        RefusedError: with the first thing that is wrong.
    """
    entries = [*_numeric(ranges), *ranges.get("CategoricalParameterRanges", [])]
    if ranges.get("AutoParameters"):
        raise invalid("AutoParameters aren't offered here")
    if not entries:
        raise invalid("ParameterRanges are empty: there is nothing to search")
    names = [entry["Name"] for entry in entries]
    if twice := [name for name in names if names.count(name) > 1 or name in fixed]:
        raise invalid(f"hyperparameter {twice[0]} is given twice")
    for entry in _numeric(ranges):
        _check_bounds(entry)


def _check_bounds(entry: Mapping[str, str]) -> None:
    name, scale = entry["Name"], entry.get("ScalingType", "Auto")
    try:
        low, high = float(entry["MinValue"]), float(entry["MaxValue"])
    except ValueError as error:
        raise invalid(f"the range of {name} has a bound that is no number") from error
    if not low < high:
        raise invalid(
            f"the range of {name} has a MinValue that isn't below its MaxValue"
        )
    if (scale == "Logarithmic" and low <= 0) or (
        scale == "ReverseLogarithmic" and not 0 <= low < high < 1
    ):
        raise invalid(f"the range of {name} can't be scaled as {scale}")


def draws(ranges: Mapping[str, Any], seed: int | str) -> Iterator[dict[str, str]]:
    """Values by name, as strings, without end."""
    rng = random.Random(seed)
    while True:
        values = {
            entry["Name"]: _drawn(entry, rng)
            for entry in ranges.get("ContinuousParameterRanges", [])
        }
        values |= {
            entry["Name"]: str(round(float(_drawn(entry, rng))))
            for entry in ranges.get("IntegerParameterRanges", [])
        }
        values |= {
            entry["Name"]: rng.choice(entry["Values"])
            for entry in ranges.get("CategoricalParameterRanges", [])
        }
        yield values


def _drawn(entry: Mapping[str, str], rng: random.Random) -> str:
    scale = _SCALES[entry.get("ScalingType", "Auto")]
    return repr(scale(rng.random(), float(entry["MinValue"]), float(entry["MaxValue"])))


def _numeric(ranges: Mapping[str, Any]) -> Sequence[Mapping[str, str]]:
    return [
        *ranges.get("IntegerParameterRanges", []),
        *ranges.get("ContinuousParameterRanges", []),
    ]
