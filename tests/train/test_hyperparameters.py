"""Hyperparameters as SageMaker hands them over: parsed, or refused with all faults."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.errors import HyperparameterError
from movielens.features.groups import DEFAULT_GROUPS, GROUPS
from train.failure import REASON_LENGTH
from train.hyperparameters import Hyperparameters


@pytest.mark.parametrize("raw", ["5", '"5"', ' "5" ', "5 ", 5])
def test_json_encoded_values_mean_the_same(raw: object) -> None:
    assert Hyperparameters.parse({"max_depth": raw}).max_depth == 5


@pytest.mark.parametrize(
    ("raw", "value"),
    [("true", True), ("False", False), ('"true"', True), ("1", True), (True, True)],
)
def test_flags_are_read(raw: object, value: bool) -> None:
    assert Hyperparameters.parse({"save_predictions": raw}).save_predictions is value


def test_the_platforms_own_keys_are_ignored() -> None:
    keys = {"sagemaker_region": '"us-east-1"', "_tuning_objective_metric": "test:rmse"}
    assert Hyperparameters.parse(keys) == Hyperparameters()


def test_all_faults_are_named_at_once() -> None:
    faulty = {
        "max_dept": "5",
        "eta": "fast",
        "split": "half",
        "holdout": "1.5",
        "learning_rate": "0.1",
        "zzz": "1",
    }
    with pytest.raises(HyperparameterError) as caught:
        Hyperparameters.parse(faulty)
    faults = str(caught.value).split("; ")
    assert faults[:5] == [
        "max_dept is unknown, did you mean max_depth?",
        "eta is 'fast', expected a number above 0 to 1",
        "split is 'half', expected one of tutorial, random, temporal, user_temporal, "
        "none",
        "holdout is '1.5', expected a number above 0 to 0.9",
        "learning_rate is unknown, did you mean eta?",
    ]
    assert faults[5] == "zzz is unknown"
    assert faults[6].startswith("known are alpha, axis_rounds, bad_row_share")


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


def test_xgboosts_names_are_used_outside_python() -> None:
    parsed = Hyperparameters.parse({"lambda": "2.5"})
    assert parsed.lambda_ == 2.5
    assert parsed.to_json()["lambda"] == 2.5
    assert parsed.booster_params()["lambda"] == 2.5


def test_xgboost_gets_its_own_hyperparameters_only() -> None:
    assert set(Hyperparameters().booster_params()) == {
        "seed",
        "eta",
        "max_depth",
        "min_child_weight",
        "gamma",
        "subsample",
        "colsample_bytree",
        "colsample_bynode",
        "lambda",
        "alpha",
        "max_bin",
        "nthread",
    }


def test_what_does_not_shape_the_model_is_left_out_of_its_fingerprint() -> None:
    hyperparameters = Hyperparameters()
    shapeless = hyperparameters.to_json().keys() - hyperparameters.shaping().keys()
    assert shapeless == {
        "decision",
        "save_predictions",
        "checkpoint_rounds",
        "nthread",
        "device",
    }


def test_values_written_as_json_are_parsed_again() -> None:
    chosen = Hyperparameters.parse(
        {"split": "temporal", "eta": "0.3", "save_predictions": "true"}
    )
    assert Hyperparameters.parse(chosen.to_json()) == chosen


def reason_for(faulty: Mapping[str, object]) -> str:
    with pytest.raises(HyperparameterError) as caught:
        Hyperparameters.parse(faulty)
    return str(caught.value)


def test_a_name_of_another_library_is_understood() -> None:
    reason = reason_for({"n_jobs": "2", "n_estimators": "9"})
    assert reason == (
        "n_jobs is unknown, did you mean nthread?; "
        "n_estimators is unknown, did you mean num_round?"
    )


def test_many_unknown_names_are_all_shown_and_the_known_ones_once() -> None:
    unknown = [
        "objective",
        "booster",
        "eval_metric",
        "num_class",
        "verbosity",
        "max_leaves",
        "grow_policy",
        "optimizer",
    ]
    reason = reason_for(dict.fromkeys(unknown, "1"))
    assert len(reason) <= REASON_LENGTH
    faults = reason.split("; ")
    for name, fault in zip(unknown, faults, strict=False):
        assert fault.startswith(f"{name} is unknown (nearest: ")
    assert faults[8:] == [
        "known are " + ", ".join(sorted(Hyperparameters.declarations()))
    ]


def test_misspelt_names_need_no_list_of_the_known_ones() -> None:
    names = ["max_depht", "etaa", "num_rounds", "sed", "gama", "alfa", "nthreads"]
    faults = reason_for(dict.fromkeys(names, "1")).split("; ")
    assert len(faults) == len(names)
    assert all(" is unknown, did you mean " in fault for fault in faults)


def test_every_hyperparameter_is_named_even_if_all_are_wrong() -> None:
    names = Hyperparameters.declarations()
    reason = reason_for(dict.fromkeys(names, "wrong" * 1_000))
    assert len(reason) <= REASON_LENGTH
    told, others = reason.split("; also wrong: ")
    told_names = [fault.split(" is ")[0] for fault in told.split("; ")]
    assert told_names + others.split(", ") == list(names)


def test_more_names_than_fit_end_in_an_ellipsis() -> None:
    reason = reason_for({f"name_{number}": "1" for number in range(1_000)})
    assert len(reason) == REASON_LENGTH
    assert reason.startswith("also wrong: name_0, name_1, ")
    assert reason.endswith("…")


def test_a_long_value_is_shortened() -> None:
    reason = reason_for({"eta": "9" * 2_500})
    assert reason == f"eta is '{'9' * 58}…, expected a number above 0 to 1"


@given(
    st.dictionaries(
        st.text() | st.sampled_from(list(Hyperparameters.declarations())),
        st.text() | st.integers() | st.none(),
        max_size=40,
    )
)
def test_any_values_are_parsed_or_refused_in_a_reason_that_can_be_shown(
    strings: dict[str, object],
) -> None:
    try:
        Hyperparameters.parse(strings)
    except HyperparameterError as error:
        reason = str(error)
        assert 0 < len(reason) <= REASON_LENGTH
        assert reason.isprintable()


@pytest.mark.parametrize(
    ("raw", "groups"),
    [
        ("default", DEFAULT_GROUPS),
        ("all", (*DEFAULT_GROUPS, "ids")),
        ("all", tuple(GROUPS)),
        ("none", ()),
        ("slopes, statistics", ("statistics", "slopes")),
    ],
)
def test_feature_groups_are_chosen_by_name(raw: str, groups: tuple[str, ...]) -> None:
    assert Hyperparameters.parse({"features": raw}).features == groups


def test_feature_groups_are_written_by_name() -> None:
    assert Hyperparameters().to_json()["features"] == ",".join(DEFAULT_GROUPS)
    assert Hyperparameters(features=()).to_json()["features"] == "none"


def test_an_unknown_feature_group_is_refused() -> None:
    expected = "features is 'bias', expected default, all, none, or some of statistics"
    with pytest.raises(HyperparameterError, match=expected):
        Hyperparameters.parse({"features": "bias"})
