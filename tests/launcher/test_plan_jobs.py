from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from launcher.config import Config
from launcher.errors import ConfigError, LauncherError
from launcher.images import LocalImage, RemoteImage
from launcher.plans.data import LocalFile, plan_data
from launcher.plans.images import ImageError, plan_push
from launcher.plans.jobs import (
    Inputs,
    JobPlan,
    plan_training,
    plan_transform,
    plan_tuning,
    training_name,
)
from launcher.requests import Call, PushImage, Request
from launcher.validate import validate
from launcher.world import Account

DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def inputs(account: Account) -> Inputs:
    role = "arn:aws:iam::123456789012:role/halfstar"
    return Inputs(
        account,
        role,
        f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/halfstar@{DIGEST}",
        {"ratings.csv": "x"},
    )


def request(job: JobPlan) -> Request:
    last = job.actions[-1]
    assert isinstance(last, Call)
    validate(last.request)
    return last.request


def test_a_training_job_has_what_the_configuration_says(
    config: Config, inputs: Inputs
) -> None:
    config = replace(
        config,
        hyperparameters={"eta": "0.2"},
        training_instance_count=2,
        tags={"team": "a"},
    )
    job = plan_training(config, inputs, {})
    parameters = request(job).parameters
    assert parameters["HyperParameters"] == {"eta": "0.2"}
    assert parameters["ResourceConfig"] == {
        "InstanceType": "ml.m5.large",
        "InstanceCount": 2,
        "VolumeSizeInGB": 10,
    }
    assert {tag["Key"]: tag["Value"] for tag in parameters["Tags"]} == {
        "team": "a",
        "halfstar": "halfstar",
    }
    assert parameters["EnableManagedSpotTraining"] is False
    assert "CheckpointConfig" not in parameters


def test_spot_has_checkpoints_that_the_next_attempt_finds(
    config: Config, inputs: Inputs
) -> None:
    config = replace(config, training_spot=True, training_max_wait_seconds=60)
    first = plan_training(config, inputs, {})
    second = plan_training(config, inputs, {first.name: "Stopped"})
    assert second.name == f"{first.name}-2"
    places = [
        request(job).parameters["CheckpointConfig"]["S3Uri"] for job in (first, second)
    ]
    assert places[0] == places[1]
    # SageMaker refuses a wait that is shorter than the run.
    assert request(first).parameters["StoppingCondition"] == {
        "MaxRuntimeInSeconds": 3600,
        "MaxWaitTimeInSeconds": 3600,
    }


@pytest.mark.parametrize("state", ["InProgress", "Stopping", "Completed"])
def test_the_same_work_is_not_begun_twice(
    config: Config, inputs: Inputs, state: str
) -> None:
    name = training_name(config, inputs)
    assert plan_training(config, inputs, {name: state}) == JobPlan(name, state, [])


@pytest.mark.parametrize("state", ["Failed", "Stopped"])
def test_work_that_was_not_done_is_tried_anew(
    config: Config, inputs: Inputs, state: str
) -> None:
    name = training_name(config, inputs)
    assert plan_training(config, inputs, {name: state}).name == f"{name}-2"
    assert (
        plan_training(config, inputs, {name: state, f"{name}-2": "InProgress"}).actions
        == []
    )
    assert (
        plan_training(config, inputs, {name: state, f"{name}-2": state}).name
        == f"{name}-3"
    )


def test_a_completed_job_is_repeated_when_asked(config: Config, inputs: Inputs) -> None:
    name = training_name(config, inputs)
    assert (
        plan_training(config, inputs, {name: "Completed"}, again=True).name
        == f"{name}-2"
    )


def test_other_work_has_another_name(config: Config, inputs: Inputs) -> None:
    others = [
        training_name(replace(config, hyperparameters={"eta": "0.2"}), inputs),
        training_name(replace(config, training_instance_type="ml.m5.xlarge"), inputs),
        training_name(config, replace(inputs, image="other")),
        training_name(config, replace(inputs, data={"ratings.csv": "y"})),
    ]
    assert len({training_name(config, inputs), *others}) == 5


def test_hyperparameters_that_the_job_would_refuse_are_refused_here(
    config: Config, inputs: Inputs
) -> None:
    for plan in (plan_training, plan_tuning):
        with pytest.raises(
            ConfigError, match="eta is '7', expected a number above 0 to 1"
        ):
            plan(replace(config, hyperparameters={"eta": "7"}), inputs, {})


def test_a_job_needs_data(config: Config, inputs: Inputs) -> None:
    with pytest.raises(LauncherError, match="run `launcher data`"):
        plan_training(config, replace(inputs, data={}), {})


def test_a_tuning_job_searches_what_is_not_fixed(
    config: Config, inputs: Inputs
) -> None:
    config = replace(
        config,
        name="a-rather-long-name-for-a-project-of-ours",
        hyperparameters={"eta": "0.2"},
    )
    parameters = request(plan_tuning(config, inputs, {})).parameters
    tuning = parameters["HyperParameterTuningJobConfig"]
    searched = {
        r["Name"] for ranges in tuning["ParameterRanges"].values() for r in ranges
    }
    assert "eta" not in searched
    assert {"max_depth", "subsample"} <= searched
    assert parameters["TrainingJobDefinition"]["StaticHyperParameters"] == {
        "eta": "0.2"
    }
    assert tuning["HyperParameterTuningJobObjective"] == {
        "Type": "Minimize",
        "MetricName": "test:log_loss",
    }


def test_agreement_is_maximized_and_an_unknown_objective_refused(
    config: Config, inputs: Inputs
) -> None:
    job = plan_tuning(replace(config, tuning_objective="test:accuracy"), inputs, {})
    objective = request(job).parameters["HyperParameterTuningJobConfig"][
        "HyperParameterTuningJobObjective"
    ]
    assert objective["Type"] == "Maximize"
    with pytest.raises(
        LauncherError, match=r"tuning\.objective is 'test:f1', expected one of"
    ):
        plan_tuning(replace(config, tuning_objective="test:f1"), inputs, {})


def test_a_transform_uploads_its_rows_first(
    config: Config, account: Account, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("1,318\n")
    job = plan_transform(config, account, "model", rows, "ab" * 32, {})
    assert [a.request.operation for a in job.actions if isinstance(a, Call)] == [
        "PutObject",
        "CreateTransformJob",
    ]
    assert request(job).parameters["TransformInput"]["SplitType"] == "Line"
    assert (
        plan_transform(
            config, account, "model", rows, "ab" * 32, {job.name: "InProgress"}
        ).actions
        == []
    )


def test_only_changed_files_are_uploaded_and_vanished_ones_removed(
    config: Config, account: Account
) -> None:
    local = [
        LocalFile(Path("a.csv"), "a.csv", 1, "1"),
        LocalFile(Path("b.csv"), "b.csv", 1, "2"),
    ]
    plan = plan_data(
        config, account, local, {"a.csv": "1", "b.csv": "old", "c.csv": "3"}
    )
    sent = [
        (a.request.operation, a.request.parameters["Key"])
        for a in plan
        if isinstance(a, Call)
    ]
    assert sent == [
        ("PutObject", "data/training/b.csv"),
        ("DeleteObject", "data/training/c.csv"),
    ]
    assert plan_data(config, account, local, {"a.csv": "1", "b.csv": "2"}) == []


IMAGE = LocalImage(
    "sha256:" + "1" * 64, "linux/amd64", "0.1.0", "abcdef0123456789abcd-dirty"
)


def test_an_image_is_tagged_with_version_and_commit() -> None:
    assert IMAGE.tags == ("0.1.0-abcdef012345-dirty", "latest")
    assert LocalImage("sha256:1", "linux/amd64", "", "").tags == ("latest",)


def test_an_image_is_pushed_under_the_tags_that_lack_it(config: Config) -> None:
    there, other = (
        RemoteImage(DIGEST, IMAGE.image_id),
        RemoteImage(DIGEST, "sha256:other"),
    )
    version, latest = IMAGE.tags

    def pushed(*found: RemoteImage | None) -> tuple[str, ...]:
        plan = plan_push(
            config, IMAGE, "host/halfstar", dict(zip(IMAGE.tags, found, strict=True))
        )
        return tuple(
            tag
            for action in plan
            if isinstance(action, PushImage)
            for tag in action.tags
        )

    assert pushed(None, None) == (version, latest)
    assert pushed(there, other) == (latest,)
    assert pushed(there, there) == ()


def test_an_image_for_another_platform_is_refused(config: Config) -> None:
    with pytest.raises(
        ImageError,
        match="the image is for linux/amd64, the configuration says linux/arm64",
    ):
        plan_push(replace(config, platform="linux/arm64"), IMAGE, "host/halfstar", {})
