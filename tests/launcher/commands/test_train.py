"""``train`` against a server whose jobs do nothing.

Real jobs are in tests/launcher/local.
"""

from __future__ import annotations

import pytest

from launcher.commands.train import billing_line
from launcher.outcome import outcome_text
from launcher.s3_uri import S3Uri
from movielens.evaluation import Evaluation
from tests.examples import EVALUATION
from tests.launcher.commands.conftest import IMAGE, store_outputs
from tests.launcher.conftest import BUCKET, REGION, AwsServer, Launcher


def test_a_missing_role_is_named(launcher: Launcher) -> None:
    result = launcher("--set", "image=i@sha256:1", "train")
    assert result.err == (
        f"launcher: role halfstar-{REGION} doesn't exist: "
        "run `launcher init`, or set `role`\n"
    )


def test_missing_data_is_said(launcher: Launcher) -> None:
    assert launcher("init").code == 0
    result = launcher(*IMAGE, "train")
    assert "the bucket has no data to train on: run `launcher data`" in result.err


def test_all_wrong_hyperparameters_are_named(prepared: Launcher) -> None:
    wrong = ("-p", "etta=0.1", "-p", "max_depth=99")
    result = prepared(*IMAGE, "train", *wrong)
    assert result.code == 2
    assert "etta is unknown, did you mean eta?" in result.err
    assert "max_depth is '99'" in result.err


def test_a_dry_run_shows_no_request_that_the_service_would_refuse(
    prepared: Launcher,
) -> None:
    options = ("--instance-type", "ml.none", "--dry-run")
    result = prepared(*IMAGE, "train", *options)
    assert (result.code, result.out) == (2, "")
    assert "ResourceConfig.InstanceType is 'ml.none', expected one of" in result.err

    mistyped = ("--instance-type", "ml.m5.lagre", "--dry-run")
    said = prepared(*IMAGE, "train", *mistyped).err
    assert "is 'ml.m5.lagre', expected one of ml.m5.large, " in said


def test_a_job_that_is_not_waited_for_is_named(
    prepared: Launcher, aws: AwsServer
) -> None:
    started = prepared(*IMAGE, "train", "--no-wait")
    assert started.code == 0
    store_outputs(aws, started.out.strip())
    assert prepared(*IMAGE, "train", "--detach").out == started.out


def test_a_completed_job_is_shown_with_its_evaluation(
    prepared: Launcher, aws: AwsServer
) -> None:
    name = prepared(*IMAGE, "train", "--detach").out.strip()
    store_outputs(aws, name)
    shown = prepared(*IMAGE, "train")
    assert shown.code == 0, shown.err
    already = f"training job {name} is done already; --again does it once more"
    assert already in shown.err
    archive = S3Uri(BUCKET, f"jobs/{name}/output/output.tar.gz")
    assert shown.out == outcome_text(name, EVALUATION, archive) + "\n"

    result = prepared(*IMAGE, "train", "--json").json
    assert (result["training_job"], result["status"]) == (name, "Completed")
    assert result["model"] == f"s3://{BUCKET}/jobs/{name}/output/model.tar.gz"
    assert Evaluation.from_json(result["evaluation"]) == EVALUATION


def test_a_role_that_is_set_and_does_not_exist_is_not_left_to_init(
    launcher: Launcher,
) -> None:
    result = launcher(*IMAGE, "--set", "role=wrong", "train")
    assert result.code == 1
    assert "role wrong doesn't exist: create it, or mend or remove `role`" in result.err
    assert "launcher init" not in result.err


@pytest.mark.parametrize(
    ("took", "billed", "said"),
    [
        (100, 100, "billed  100 s of 2 x ml.m5.large"),
        (2000, 500, "500 s of 2 x ml.m5.large, 75% less than the 2,000 s that it took"),
    ],
)
def test_what_a_job_is_billed_for_is_said(took: int, billed: int, said: str) -> None:
    job = {
        "BillableTimeInSeconds": billed,
        "TrainingTimeInSeconds": took,
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2},
    }
    assert billing_line(job).endswith(said)


def test_nothing_is_said_of_billing_where_sagemaker_says_nothing() -> None:
    assert billing_line({}) == ""
