from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.errors import HyperparameterError
from movielens.features.groups import DEFAULT_GROUPS, GROUPS
from train.hyperparameters import Hyperparameters


@pytest.mark.parametrize("raw", ["5", '"5"', ' "5" ', "5 ", 5])
def test_json_encoded_values_mean_the_same(raw: object) -> None:
    assert Hyperparameters.parse({"max_depth": raw}).max_depth == 5


@pytest.mark.parametrize(
    ("raw", "value"),
    [("true", True), ("False", False), ('"true"', True), ("1", True), (True, True)],
)
def test_flags(raw: object, value: bool) -> None:
    assert Hyperparameters.parse({"save_predictions": raw}).save_predictions is value


def test_platform_keys_are_passed_over() -> None:
    assert (
        Hyperparameters.parse(
            {"sagemaker_region": '"us-east-1"', "_tuning_objective_metric": "test:rmse"}
        )
        == Hyperparameters()
    )


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(HyperparameterError) as caught:
        Hyperparameters.parse(
            {
                "max_dept": "5",
                "eta": "fast",
                "split": "half",
                "holdout": "1.5",
                "learning_rate": "0.1",
                "zzz": "1",
            }
        )
    message = str(caught.value)
    for part in (
        "max_dept is unknown, did you mean max_depth?",
        "eta is 'fast', expected a number above 0 to 1",
        "split is 'half', expected one of tutorial, random, temporal, "
        "user_temporal, none",
        "holdout is '1.5', expected a number above 0 to 0.9",
        "learning_rate is unknown, did you mean eta?",
        "zzz is unknown; known are alpha, bad_row_share, checkpoint_rounds",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("num_round", "0"),
        ("num_round", "1.5"),
        ("num_round", "1_0"),
        ("num_round", "\u0663"),
        ("eta", "0"),
        ("eta", "nan"),
        ("lambda", "inf"),
        ("alpha", "1e300"),
        ("eta", "1e-60"),
        ("gamma", "1_0"),
        ("nthread", "-1"),
        ("split", ""),
        ("decision", "max"),
    ],
)
def test_values_out_of_range_are_refused(name: str, raw: str) -> None:
    with pytest.raises(HyperparameterError, match=f"{name} is "):
        Hyperparameters.parse({name: raw})


def test_wire_names_are_xgboosts() -> None:
    parsed = Hyperparameters.parse({"lambda": "2.5"})
    assert parsed.lambda_ == 2.5
    assert parsed.to_json()["lambda"] == parsed.booster_params()["lambda"] == 2.5
    assert "split" not in parsed.booster_params()


def test_what_is_printed_is_parsed_again() -> None:
    chosen = Hyperparameters.parse(
        {"split": "temporal", "eta": "0.3", "save_predictions": "true"}
    )
    assert Hyperparameters.parse(chosen.to_json()) == chosen


@given(
    st.dictionaries(
        st.text(max_size=12) | st.sampled_from(["eta", "split", "seed"]),
        st.text(max_size=12),
    )
)
def test_any_strings_parse_or_are_refused(strings: dict[str, str]) -> None:
    try:
        Hyperparameters.parse(strings)
    except HyperparameterError as error:
        assert str(error)  # noqa: PT017 - either outcome is right, any other exception is not


def test_feature_groups_are_chosen_by_name() -> None:
    assert Hyperparameters().to_json()["features"] == ",".join(DEFAULT_GROUPS)
    assert Hyperparameters.parse({"features": "default"}) == Hyperparameters()
    assert (
        Hyperparameters.parse({"features": "all"}).features
        == (*DEFAULT_GROUPS, "ids")
        == tuple(GROUPS)
    )
    assert Hyperparameters.parse({"features": "none"}).features == ()
    assert Hyperparameters.parse({"features": "slopes, statistics"}).features == (
        "statistics",
        "slopes",
    )
    with pytest.raises(
        HyperparameterError,
        match="features is 'bias', expected default, all, none, or some of statistics",
    ):
        Hyperparameters.parse({"features": "bias"})
