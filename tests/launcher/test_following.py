from __future__ import annotations

import time

from tests.examples import EVALUATION
from tests.launcher.commands.conftest import IMAGE, store_outputs
from tests.launcher.conftest import AwsServer, Launcher
from train.report import metric_line

GROUP = "/aws/sagemaker/TrainingJobs"
PREFIX = "2026-11-26 15:00:01,123 train.pipeline INFO     "
LOG = (
    f"{PREFIX}read 100 ratings",
    f"{PREFIX}evaluation (class: by mode; stars: the expected rating)",
    "                 rows  exact",
    "test             100   40.0%",
    f"{PREFIX}{metric_line('test:rmse', 0.8)}",
    f"{PREFIX}what the stages have cost",
    "stage       seconds",
    "boosting          3",
)


def write_log(aws: AwsServer, job: str) -> None:
    """The log of a job that is going to be started; here it ends at once."""
    logs = aws.client("logs")
    stream = {"logGroupName": GROUP, "logStreamName": f"{job}/algo-1-1"}
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(**stream)
    now = int(1000 * time.time())
    events = [{"timestamp": now, "message": message} for message in LOG]
    logs.put_log_events(**stream, logEvents=events)


def test_a_jobs_log_is_said_without_what_the_evaluation_says(
    prepared: Launcher, aws: AwsServer
) -> None:
    (action,) = prepared(*IMAGE, "train", "--dry-run").json["plan"]
    job = action["parameters"]["TrainingJobName"]
    write_log(aws, job)
    store_outputs(aws, job)
    result = prepared(*IMAGE, "train")
    assert result.code == 0, result.err
    said = result.err.splitlines()
    assert said[1:-1] == [
        "15:00:01 read 100 ratings",
        "15:00:01 evaluation (class: by mode; stars: the expected rating)",
        "15:00:01 what the stages have cost",
        "stage       seconds",
        "boosting          3",
        f"{job}: Completed",
    ]
    assert f"{EVALUATION.train.rmse:.3f}" in result.out

    # It is done, so there is nothing to follow.
    again = prepared(*IMAGE, "train")
    assert again.out == result.out
    assert again.err.splitlines() == [
        f"training job {job} is done already; --again does it once more",
        said[-1],
    ]
