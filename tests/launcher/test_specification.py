from __future__ import annotations

import pytest

from launcher.errors import ConfigError
from launcher.logs import metrics_of
from launcher.requests import Request
from launcher.specification import check_hyperparameters, search_ranges, specification
from launcher.validate import validate
from train import specification as job
from train.hyperparameters import Hyperparameters
from train.report import METRIC_NAMES, metric_line


def test_the_file_is_what_the_job_declares() -> None:
    """A hyperparameter or a metric that the job has gained or lost must not be missing
    here.
    """
    assert specification() == job.specification(), (
        "launcher/training.json is behind: `make specification` writes it"
    )


def test_it_is_a_specification_that_sagemaker_takes() -> None:
    training = {
        "TrainingImage": "i",
        "SupportedTrainingInstanceTypes": ["ml.m5.large"],
        "TrainingChannels": [
            {
                "Name": "training",
                "SupportedContentTypes": ["text/csv"],
                "SupportedInputModes": ["File"],
            }
        ],
        **{
            name: specification()[name]
            for name in ("SupportedHyperParameters", "MetricDefinitions")
        },
    }
    validate(
        Request(
            "sagemaker",
            "CreateAlgorithm",
            {"AlgorithmName": "a", "TrainingSpecification": training},
        )
    )


def test_the_defaults_are_allowed() -> None:
    defaults = {
        e["Name"]: e["DefaultValue"]
        for e in specification()["SupportedHyperParameters"]
    }
    check_hyperparameters(defaults)
    assert Hyperparameters.parse(defaults) == Hyperparameters()


def test_every_search_range_is_one_that_the_job_takes() -> None:
    for entries in search_ranges({}).values():
        for entry in entries:
            for bound in ("MinValue", "MaxValue"):
                Hyperparameters.parse({entry["Name"]: entry[bound]})


def test_what_is_fixed_is_not_searched() -> None:
    names = {
        entry["Name"]
        for entries in search_ranges({"eta": "0.1"}).values()
        for entry in entries
    }
    assert "eta" not in names
    assert "max_depth" in names


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        check_hyperparameters(
            {
                "etta": "1",
                "max_depth": "0",
                "split": "half",
                "subsample": "x",
                "num_round": "1.5",
            }
        )
    said = str(caught.value)
    assert "etta is unknown, known are eta" in said
    assert "max_depth is '0', expected a whole number from 1 to 20" in said
    assert "split is 'half'" in said
    assert "subsample is 'x'" in said
    assert "num_round is '1.5'" in said


@pytest.mark.parametrize("name", METRIC_NAMES)
def test_every_metric_line_is_read(name: str) -> None:
    line = f"2026-01-01 00:00:00,000 train.pipeline INFO     {metric_line(name, 1.25)}"
    assert dict(metrics_of(line)) == {name: 1.25}
