"""Tuning jobs: real training jobs with drawn hyperparameters, and the best of them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.launcher.local.stack_user import POLL_SECONDS, QUICK, StackUser

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
METRIC = {"Name": "test:rmse", "Regex": r"metric test:rmse=([0-9.]+)"}


def request(user: StackUser, name: str, **members: Any) -> dict[str, Any]:
    """A request for a tuning job, which may be changed before it is sent.

    Args:
        user: whose data and image are used.
        name: of the job.
        members: of HyperParameterTuningJobConfig.
    """
    job = user.job("unused", {})
    algorithm = {**job["AlgorithmSpecification"], "MetricDefinitions": [METRIC]}
    definition = {
        "RoleArn": job["RoleArn"],
        "AlgorithmSpecification": algorithm,
        "InputDataConfig": job["InputDataConfig"],
        "OutputDataConfig": job["OutputDataConfig"],
        "ResourceConfig": job["ResourceConfig"],
        "StoppingCondition": job["StoppingCondition"],
        "StaticHyperParameters": QUICK,
    }
    config = {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {
            "Type": "Minimize",
            "MetricName": METRIC["Name"],
        },
        "ResourceLimits": limits(3, at_once=2),
        "ParameterRanges": RANGES,
        **members,
    }
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": definition,
        "Tags": [{"Key": "team", "Value": "a"}],
    }


def limits(n_jobs: int, at_once: int) -> dict[str, int]:
    return {"MaxNumberOfTrainingJobs": n_jobs, "MaxParallelTrainingJobs": at_once}


def finished(user: StackUser, name: str) -> dict[str, Any]:
    """The description of a job once it has ended."""
    sagemaker = user.client("sagemaker")
    while True:
        job = sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )
        if job["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"):
            return dict(job)
        time.sleep(POLL_SECONDS)


def test_the_best_of_its_training_jobs_is_reported(user: StackUser) -> None:
    sagemaker = user.client("sagemaker")
    sagemaker.create_hyper_parameter_tuning_job(**request(user, "search"))
    job = finished(user, "search")
    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    assert job["TrainingJobStatusCounters"]["Completed"] == 3
    # It says what was done, whatever was asked for.
    assert job["HyperParameterTuningJobConfig"]["Strategy"] == "Random"

    found = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="search"
    )
    final_metric = "FinalHyperParameterTuningJobObjectiveMetric"
    rmse = {
        summary["TrainingJobName"]: summary[final_metric]["Value"]
        for summary in found["TrainingJobSummaries"]
    }
    assert sorted(rmse) == ["search-001", "search-002", "search-003"]
    described = job["TrainingJobDefinition"]["StaticHyperParameters"]
    assert described == {**QUICK, "_tuning_objective_metric": "test:rmse"}
    best = job["BestTrainingJob"]
    assert rmse[best["TrainingJobName"]] == min(rmse.values())

    trained = user.describe(best["TrainingJobName"])
    assert trained["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    assert trained["HyperParameters"] == {
        **QUICK,
        **best["TunedHyperParameters"],
        "_tuning_objective_metric": "test:rmse",
    }
    tags = sagemaker.list_tags(ResourceArn=trained["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "a"}]

    sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="search")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        finished(user, "search")


def test_a_search_fails_when_all_its_jobs_fail(user: StackUser) -> None:
    search = request(user, "vain", ResourceLimits=limits(1, at_once=1))
    definition = search["TrainingJobDefinition"]
    definition["StaticHyperParameters"] = {"features": "colour"}
    # The SDK's tuner sends its resources under this name.
    resources = definition.pop("ResourceConfig")
    definition["HyperParameterTuningResourceConfig"] = resources
    user.client("sagemaker").create_hyper_parameter_tuning_job(**search)
    job = finished(user, "vain")
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert "All training jobs failed" in job["FailureReason"]
    assert "BestTrainingJob" not in job
    assert user.describe("vain-001")["ResourceConfig"] == resources


def test_a_stop_ends_what_runs_and_starts_no_more(user: StackUser) -> None:
    sagemaker = user.client("sagemaker")
    search = request(user, "halted", ResourceLimits=limits(3, at_once=1))
    endless = {**QUICK, "num_round": "100000"}
    search["TrainingJobDefinition"]["StaticHyperParameters"] = endless
    sagemaker.create_hyper_parameter_tuning_job(**search)
    user.until_logged("halted-001", "round 1 of")
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="halted")
    job = finished(user, "halted")
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    counters = job["TrainingJobStatusCounters"]
    assert counters["Stopped"] == 1
    assert sum(counters.values()) == 1
    assert user.containers() == []


def numeric_range(kind: str, name: str, low: str, high: str) -> dict[str, Any]:
    entry = {"Name": name, "MinValue": low, "MaxValue": high}
    return {"ParameterRanges": {f"{kind}ParameterRanges": [entry]}}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"Strategy": "Grid"}, "Strategy Grid, only Bayesian and Random"),
        ({"ResourceLimits": limits(1, at_once=2)}, "is above"),
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
        (numeric_range("Integer", "num_round", "1", "2"), "num_round is given twice"),
        (numeric_range("Continuous", "eta", "1", "0.1"), "isn't below its MaxValue"),
    ],
)
def test_a_search_that_cannot_be_run_is_refused(
    user: StackUser, members: dict[str, Any], message: str
) -> None:
    search = request(user, "refused", **members)
    with pytest.raises(ClientError, match=message):
        user.client("sagemaker").create_hyper_parameter_tuning_job(**search)


def test_faults_of_the_training_jobs_are_refused_at_once(user: StackUser) -> None:
    search = request(user, "refused")
    search["TrainingJobDefinition"]["RoleArn"] = "arn:aws:iam::123456789012:role/nobody"
    with pytest.raises(ClientError, match="Could not assume role"):
        user.client("sagemaker").create_hyper_parameter_tuning_job(**search)
