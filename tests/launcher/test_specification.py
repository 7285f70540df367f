from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.errors import ConfigError
from launcher.requests import Request
from launcher.specification import check_hyperparameters, search_ranges, specification
from launcher.validate import validate
from movielens.errors import HyperparameterError
from movielens.features.groups import GROUPS
from train import specification as job
from train.hyperparameters import Hyperparameters

# Values that one reader or another might take.
NUMBERS = [
    *("0", "0.0", "-0", "1", "+1", "-1", "1.", ".5", "5e-1", "1_0", "0x1", "१", "01"),
    *("1e-40", "1.2e-38", "1e-300", "1e38", "1.7014118346046923e+38", "1e39"),
    *("nan", "inf", "-inf", "0.9", "0.9000001", "2147483647", "2147483648"),
    *("1" * 5000, "1.5", "1e2"),
]
CHOICES = ["drop", "DROP", "fail", "Fail", "mode", "Mode", "random", "AUTO", "cpu"]
FLAGS = ["true", "True", "TRUE", "false", "FALSE", "yes", "on", "no"]
GROUP_LISTS = [
    *("default", "all", "none", "All", "default,ids", "", ",", "nothing"),
    *("ids", "ids,taste", " ids , taste ", "ids,", "IDS", *GROUPS),
]
VALUES = st.sampled_from([*NUMBERS, *CHOICES, *FLAGS, *GROUP_LISTS])
# As people type them, and as SDKs write them.
FORMS = st.sampled_from([str, json.dumps, " {} ".format, '"{}'.format, '" {} "'.format])


def test_the_file_is_what_the_job_declares() -> None:
    assert specification() == job.specification(), (
        "launcher/training.json is behind: `make specification` writes it"
    )


def test_sagemaker_takes_the_specification() -> None:
    channel = {
        "Name": "training",
        "SupportedContentTypes": ["text/csv"],
        "SupportedInputModes": ["File"],
    }
    training = {
        "TrainingImage": "i",
        "SupportedTrainingInstanceTypes": ["ml.m5.large"],
        "TrainingChannels": [channel],
        "SupportedHyperParameters": specification()["SupportedHyperParameters"],
        "MetricDefinitions": specification()["MetricDefinitions"],
    }
    algorithm = {"AlgorithmName": "a", "TrainingSpecification": training}
    validate(Request("sagemaker", "CreateAlgorithm", algorithm))


def test_the_defaults_are_allowed_and_are_the_jobs() -> None:
    entries = specification()["SupportedHyperParameters"]
    defaults = {entry["Name"]: entry["DefaultValue"] for entry in entries}
    check_hyperparameters(defaults)
    assert Hyperparameters.parse(defaults) == Hyperparameters()


def test_the_job_takes_both_ends_of_every_search_range() -> None:
    for ranges in search_ranges({}).values():
        for each in ranges:
            Hyperparameters.parse({each["Name"]: each["MinValue"]})
            Hyperparameters.parse({each["Name"]: each["MaxValue"]})


def test_a_fixed_hyperparameter_is_not_searched() -> None:
    searched: set[str] = set()
    for ranges in search_ranges({"eta": "0.1"}).values():
        searched |= {each["Name"] for each in ranges}
    assert "eta" not in searched
    assert "max_depth" in searched


def test_every_fault_is_reported_at_once() -> None:
    wrong = {
        "etta": "1",
        "max_depth": "0",
        "split": "half",
        "subsample": "x",
        "num_round": "1.5",
    }
    with pytest.raises(ConfigError) as caught:
        check_hyperparameters(wrong)
    for fault in (
        "etta is unknown, did you mean eta?",
        "max_depth is '0', expected a whole number from 1 to 20",
        "split is 'half'",
        "subsample is 'x'",
        "num_round is '1.5'",
    ):
        assert fault in str(caught.value)


@given(st.sampled_from(sorted(Hyperparameters.declarations())), VALUES, FORMS)
def test_the_launcher_takes_a_value_if_and_only_if_the_job_does(
    name: str, value: str, form: Callable[[str], str]
) -> None:
    written = {name: form(value)}
    try:
        Hyperparameters.parse(written)
    except HyperparameterError:
        with pytest.raises(ConfigError, match=f"hyperparameter {name} is "):
            check_hyperparameters(written)
    else:
        check_hyperparameters(written)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("on_bad_row", "DROP"),
        ("bad_row_share", "0"),
        ("eta", "0"),
        ("eta", "nan"),
        ("gamma", "1e-40"),
        ("num_round", "+5"),
        ("features", "genres"),
    ],
)
def test_what_the_job_would_refuse_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is '.*', expected "):
        check_hyperparameters({name: value})


def test_the_words_for_sets_of_groups_are_the_jobs() -> None:
    sets = specification()["Lists"]["features"]["Sets"]
    expected = Hyperparameters.declarations()["features"].expected
    assert expected.startswith(f"{', '.join(sets)}, or some of ")
