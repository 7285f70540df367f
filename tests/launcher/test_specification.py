from __future__ import annotations

import pytest

from launcher.errors import ConfigError
from launcher.requests import Request
from launcher.specification import check_hyperparameters, search_ranges, specification
from launcher.validate import validate
from train import specification as job
from train.hyperparameters import Hyperparameters


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
        "etta is unknown, known are eta",
        "max_depth is '0', expected a whole number from 1 to 20",
        "split is 'half'",
        "subsample is 'x'",
        "num_round is '1.5'",
    ):
        assert fault in str(caught.value)
