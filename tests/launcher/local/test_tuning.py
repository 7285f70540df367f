"""Tuning jobs: real training jobs with drawn hyperparameters, and the best of them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from launcher.local.search import draws
from tests.launcher.local.account import Account

QUICK = {"num_round": "3", "features": "none", "hidden_share": "0"}
RANGES = {
    "ContinuousParameterRanges": [
        {
            "Name": "eta",
            "MinValue": "0.01",
            "MaxValue": "0.5",
            "ScalingType": "Logarithmic",
        },
        {
            "Name": "subsample",
            "MinValue": "0.5",
            "MaxValue": "0.9",
            "ScalingType": "ReverseLogarithmic",
        },
    ],
    "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "2", "MaxValue": "5"}],
    "CategoricalParameterRanges": [{"Name": "split", "Values": ["random", "temporal"]}],
}


def request(account: Account, name: str, **members: Any) -> dict[str, Any]:
    job = account.job("unused", {})
    metric = {"Name": "test:rmse", "Regex": r"metric test:rmse=([0-9.]+)"}
    definition = {
        name: job[name]
        for name in ("RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig")
    }
    config = {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {
            "Type": "Minimize",
            "MetricName": "test:rmse",
        },
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": RANGES,
    }
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {**config, **members},
        "TrainingJobDefinition": {
            **definition,
            "AlgorithmSpecification": {
                **job["AlgorithmSpecification"],
                "MetricDefinitions": [metric],
            },
            "StoppingCondition": job["StoppingCondition"],
            "StaticHyperParameters": QUICK,
        },
        "Tags": [{"Key": "team", "Value": "a"}],
    }


def finished(account: Account, name: str) -> dict[str, Any]:
    sagemaker = account.client("sagemaker")
    while True:
        job = sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )
        if job["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"):
            return dict(job)
        time.sleep(0.1)


def test_the_best_of_its_training_jobs_is_told(account: Account) -> None:
    sagemaker = account.client("sagemaker")
    sagemaker.create_hyper_parameter_tuning_job(**request(account, "search"))
    job = finished(account, "search")
    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    assert job["TrainingJobStatusCounters"]["Completed"] == 3
    found = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="search"
    )
    reached = {
        summary["TrainingJobName"]: summary[
            "FinalHyperParameterTuningJobObjectiveMetric"
        ]["Value"]
        for summary in found["TrainingJobSummaries"]
    }
    assert sorted(reached) == ["search-001", "search-002", "search-003"]
    best = job["BestTrainingJob"]
    assert reached[best["TrainingJobName"]] == min(reached.values())
    trained = sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
    assert trained["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    told = {"_tuning_objective_metric": "test:rmse"}
    assert trained["HyperParameters"] == {
        **QUICK,
        **best["TunedHyperParameters"],
        **told,
    }
    assert sagemaker.list_tags(ResourceArn=trained["TrainingJobArn"])["Tags"] == [
        {"Key": "team", "Value": "a"}
    ]
    sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="search")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName="search"
        )


def test_a_search_whose_jobs_all_fail_has_failed(account: Account) -> None:
    asked = request(
        account,
        "vain",
        ResourceLimits={"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
    )
    asked["TrainingJobDefinition"]["StaticHyperParameters"] = {"features": "colour"}
    account.client("sagemaker").create_hyper_parameter_tuning_job(**asked)
    job = finished(account, "vain")
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert "All training jobs failed" in job["FailureReason"]
    assert "BestTrainingJob" not in job


def test_a_stop_ends_what_runs_and_begins_no_more(account: Account) -> None:
    sagemaker = account.client("sagemaker")
    asked = request(
        account,
        "halted",
        ResourceLimits={"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 1},
    )
    asked["TrainingJobDefinition"]["StaticHyperParameters"] = {
        **QUICK,
        "num_round": "100000",
    }
    sagemaker.create_hyper_parameter_tuning_job(**asked)
    account.until_logged("halted-001", "round 1 of")
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="halted")
    job = finished(account, "halted")
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert (
        sum(job["TrainingJobStatusCounters"].values())
        == job["TrainingJobStatusCounters"]["Stopped"]
        == 1
    )
    assert account.containers() == []


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"Strategy": "Grid"}, "offered here as Bayesian and Random"),
        (
            {
                "ResourceLimits": {
                    "MaxNumberOfTrainingJobs": 1,
                    "MaxParallelTrainingJobs": 2,
                }
            },
            "is above",
        ),
        (
            {
                "HyperParameterTuningJobObjective": {
                    "Type": "Minimize",
                    "MetricName": "f1",
                }
            },
            "isn't among",
        ),
        ({"ParameterRanges": {}}, "there is nothing to search"),
        (
            {
                "ParameterRanges": {
                    "IntegerParameterRanges": [
                        {"Name": "num_round", "MinValue": "1", "MaxValue": "2"}
                    ]
                }
            },
            "num_round is given twice",
        ),
        (
            {
                "ParameterRanges": {
                    "ContinuousParameterRanges": [
                        {"Name": "eta", "MinValue": "1", "MaxValue": "0.1"}
                    ]
                }
            },
            "isn't below its MaxValue",
        ),
    ],
)
def test_what_is_refused(
    account: Account, members: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        account.client("sagemaker").create_hyper_parameter_tuning_job(
            **request(account, "refused", **members)
        )


def test_what_its_training_jobs_would_be_refused_for_is_said_at_once(
    account: Account,
) -> None:
    asked = request(account, "refused")
    asked["TrainingJobDefinition"]["RoleArn"] = "arn:aws:iam::123456789012:role/nobody"
    with pytest.raises(ClientError, match="Could not assume role"):
        account.client("sagemaker").create_hyper_parameter_tuning_job(**asked)


@given(st.integers())
def test_draws_keep_to_their_ranges_and_are_the_same_for_the_same_seed(
    seed: int,
) -> None:
    values = next(draws(RANGES, seed))
    assert values == next(draws(RANGES, seed))
    assert 0.01 <= float(values["eta"]) <= 0.5
    assert 0.5 <= float(values["subsample"]) <= 0.9
    assert values["max_depth"] in ("2", "3", "4", "5")
    assert values["split"] in ("random", "temporal")
