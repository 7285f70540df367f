"""How hyperparameters are drawn from ranges."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.local.errors import RefusedError
from launcher.local.parameter_ranges import check_ranges, random_draws


def continuous(name: str, low: str, high: str, scale: str = "Auto") -> dict[str, str]:
    return {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scale}


RANGES = {
    "ContinuousParameterRanges": [
        continuous("eta", "0.01", "0.5", "Logarithmic"),
        continuous("subsample", "0.5", "0.9", "ReverseLogarithmic"),
        continuous("gamma", "-1", "1", "Linear"),
    ],
    "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "2", "MaxValue": "5"}],
    "CategoricalParameterRanges": [{"Name": "split", "Values": ["random", "temporal"]}],
}


@given(st.integers())
def test_draws_keep_to_their_ranges(seed: int) -> None:
    values = next(random_draws(RANGES, seed))
    assert 0.01 <= float(values["eta"]) <= 0.5
    assert 0.5 <= float(values["subsample"]) <= 0.9
    assert -1 <= float(values["gamma"]) <= 1
    assert values["max_depth"] in ("2", "3", "4", "5")
    assert values["split"] in ("random", "temporal")


@given(st.integers())
def test_the_same_seed_draws_the_same_values(seed: int) -> None:
    first = random_draws(RANGES, seed)
    again = random_draws(RANGES, seed)
    assert [next(first) for _ in range(3)] == [next(again) for _ in range(3)]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (continuous("eta", "low", "1"), "eta has a bound that is no number"),
        (continuous("eta", "1", "1"), "MinValue that isn't below its MaxValue"),
        (continuous("eta", "0", "1", "Logarithmic"), "can't be scaled as Logarithmic"),
        (
            continuous("eta", "0", "1", "ReverseLogarithmic"),
            "can't be scaled as ReverseLogarithmic",
        ),
    ],
)
def test_a_range_that_cannot_be_drawn_from_is_refused(
    entry: dict[str, Any], message: str
) -> None:
    with pytest.raises(RefusedError, match=message):
        check_ranges({"ContinuousParameterRanges": [entry]}, {})


def test_a_hyperparameter_is_either_fixed_or_drawn_once() -> None:
    check_ranges(RANGES, {"num_round": "5"})
    with pytest.raises(RefusedError, match="hyperparameter eta is given twice"):
        check_ranges(RANGES, {"eta": "0.3"})
    eta = continuous("eta", "0", "1")
    with pytest.raises(RefusedError, match="hyperparameter eta is given twice"):
        check_ranges({"ContinuousParameterRanges": [eta, eta]}, {})
