from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from launcher.config import Config
from launcher.errors import ConfigError, LauncherError
from launcher.plans.jobs import (
    JobPlan,
    TransformInput,
    plan_training,
    plan_transform,
    plan_tuning,
    training_name,
)
from launcher.requests import Call, Request
from launcher.validate import validate
from launcher.world.account import Account
from launcher.world.jobs import JobInputs

REPOSITORY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/halfstar"


@pytest.fixture
def inputs(account: Account) -> JobInputs:
    return JobInputs(
        account,
        role_arn="arn:aws:iam::123456789012:role/halfstar",
        image=f"{REPOSITORY}@sha256:{'a' * 64}",
        data={"ratings.csv": "x"},
    )


def request(job: JobPlan) -> Request:
    """The last request of a plan, which starts the job."""
    last = job.actions[-1]
    assert isinstance(last, Call)
    validate(last.request)
    return last.request


def test_a_training_job_has_what_the_configuration_says(
    config: Config, inputs: JobInputs
) -> None:
    config = replace(
        config,
        hyperparameters={"eta": "0.2"},
        training_instance_count=2,
        tags={"team": "a"},
    )
    parameters = request(plan_training(config, inputs, {})).parameters
    assert parameters["HyperParameters"] == {"eta": "0.2"}
    assert parameters["ResourceConfig"] == {
        "InstanceType": "ml.m5.large",
        "InstanceCount": 2,
        "VolumeSizeInGB": 10,
    }
    tags = {tag["Key"]: tag["Value"] for tag in parameters["Tags"]}
    assert tags == {"team": "a", "halfstar": "halfstar"}
    assert parameters["EnableManagedSpotTraining"] is False
    assert "CheckpointConfig" not in parameters


def test_all_attempts_at_spot_training_share_their_checkpoints(
    config: Config, inputs: JobInputs
) -> None:
    config = replace(config, training_spot=True)
    first = plan_training(config, inputs, {})
    second = plan_training(config, inputs, {first.name: "Stopped"})
    assert second.name == f"{first.name}-2"
    checkpoints = request(first).parameters["CheckpointConfig"]
    assert request(second).parameters["CheckpointConfig"] == checkpoints


def test_spot_training_never_waits_for_less_than_its_run(
    config: Config, inputs: JobInputs
) -> None:
    config = replace(config, training_spot=True, training_max_wait_seconds=60)
    job = plan_training(config, inputs, {})
    # SageMaker refuses a wait that is shorter than the run.
    assert request(job).parameters["StoppingCondition"] == {
        "MaxRuntimeInSeconds": 3600,
        "MaxWaitTimeInSeconds": 3600,
    }


@pytest.mark.parametrize("state", ["InProgress", "Stopping", "Completed"])
def test_the_same_work_is_not_started_twice(
    config: Config, inputs: JobInputs, state: str
) -> None:
    name = training_name(config, inputs)
    assert plan_training(config, inputs, {name: state}) == JobPlan(name, state, [])


@pytest.mark.parametrize("state", ["Failed", "Stopped"])
def test_work_that_was_not_done_is_tried_again_under_the_next_number(
    config: Config, inputs: JobInputs, state: str
) -> None:
    first = training_name(config, inputs)
    second = f"{first}-2"
    assert plan_training(config, inputs, {first: state}).name == second
    running = plan_training(config, inputs, {first: state, second: "InProgress"})
    assert running == JobPlan(second, "InProgress", [])
    third = plan_training(config, inputs, {first: state, second: state})
    assert third.name == f"{first}-3"


def test_a_completed_job_is_repeated_when_asked(
    config: Config, inputs: JobInputs
) -> None:
    name = training_name(config, inputs)
    job = plan_training(config, inputs, {name: "Completed"}, again=True)
    assert job.name == f"{name}-2"


def test_other_work_has_another_name(config: Config, inputs: JobInputs) -> None:
    other_parameters = replace(config, hyperparameters={"eta": "0.2"})
    other_instances = replace(config, training_instance_type="ml.m5.xlarge")
    other_image = replace(inputs, image="other")
    other_data = replace(inputs, data={"ratings.csv": "y"})
    names = {
        training_name(config, inputs),
        training_name(other_parameters, inputs),
        training_name(other_instances, inputs),
        training_name(config, other_image),
        training_name(config, other_data),
    }
    assert len(names) == 5


def test_hyperparameters_that_the_job_would_refuse_are_refused_here(
    config: Config, inputs: JobInputs
) -> None:
    config = replace(config, hyperparameters={"eta": "7"})
    message = "eta is '7', expected a number above 0 to 1"
    with pytest.raises(ConfigError, match=message):
        plan_training(config, inputs, {})
    with pytest.raises(ConfigError, match=message):
        plan_tuning(config, inputs, {})


def test_a_job_needs_data(config: Config, inputs: JobInputs) -> None:
    with pytest.raises(LauncherError, match="run `launcher data`"):
        plan_training(config, replace(inputs, data={}), {})


def test_a_tuning_job_searches_what_is_not_fixed(
    config: Config, inputs: JobInputs
) -> None:
    config = replace(
        config,
        name="a-rather-long-name-for-a-project-of-ours",
        hyperparameters={"eta": "0.2"},
    )
    parameters = request(plan_tuning(config, inputs, {})).parameters
    tuning = parameters["HyperParameterTuningJobConfig"]
    searched: set[str] = set()
    for ranges in tuning["ParameterRanges"].values():
        searched |= {each["Name"] for each in ranges}
    assert {"max_depth", "subsample"} <= searched
    assert "eta" not in searched
    fixed = parameters["TrainingJobDefinition"]["StaticHyperParameters"]
    assert fixed == {"eta": "0.2"}


@pytest.mark.parametrize(
    ("metric", "kind"),
    [("test:log_loss", "Minimize"), ("test:accuracy", "Maximize")],
)
def test_errors_are_minimized_and_agreement_is_maximized(
    config: Config, inputs: JobInputs, metric: str, kind: str
) -> None:
    job = plan_tuning(replace(config, tuning_objective=metric), inputs, {})
    tuning = request(job).parameters["HyperParameterTuningJobConfig"]
    objective = tuning["HyperParameterTuningJobObjective"]
    assert objective == {"Type": kind, "MetricName": metric}


def test_an_objective_that_the_job_does_not_report_is_refused(
    config: Config, inputs: JobInputs
) -> None:
    message = r"tuning\.objective is 'test:f1', expected one of"
    with pytest.raises(LauncherError, match=message):
        plan_tuning(replace(config, tuning_objective="test:f1"), inputs, {})


def test_a_transform_uploads_its_rows_first(
    config: Config, account: Account, tmp_path: Path
) -> None:
    rows = TransformInput(tmp_path / "rows.csv", sha256="ab" * 32)
    rows.path.write_text("1,318\n")
    job = plan_transform(config, account, "model", rows, {})
    steps = [each.request.operation for each in job.actions if isinstance(each, Call)]
    assert steps == ["PutObject", "CreateTransformJob"]
    assert request(job).parameters["TransformInput"]["SplitType"] == "Line"


def test_a_transform_that_is_under_way_is_not_started_again(
    config: Config, account: Account, tmp_path: Path
) -> None:
    rows = TransformInput(tmp_path / "rows.csv", sha256="ab" * 32)
    name = plan_transform(config, account, "model", rows, {}).name
    again = plan_transform(config, account, "model", rows, {name: "InProgress"})
    assert again == JobPlan(name, "InProgress", [])


def test_containers_get_their_variables_which_a_dry_run_hides(
    config: Config, inputs: JobInputs
) -> None:
    key = "secret" * 5
    variables = {"HALFSTAR_SIGNING_KEY": key, "TZ": "UTC"}
    signed = replace(config, environment=variables)
    for plan in (plan_training, plan_tuning):
        sent = request(plan(signed, inputs, {}))
        definition = sent.parameters.get("TrainingJobDefinition", sent.parameters)
        assert definition["Environment"] == variables
        assert "secret" not in str(sent.to_json())
        assert "UTC" in str(sent.to_json())

        # The name changes with the variables, but tells nothing of secrets.
        others = replace(config, environment={**variables, "HALFSTAR_SIGNING_KEY": "x"})
        assert plan(others, inputs, {}).name == plan(signed, inputs, {}).name
        assert plan(config, inputs, {}).name != plan(signed, inputs, {}).name
