"""Every request carries the network and the keys that are configured, and no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launcher.config import Config
from launcher.errors import ConfigError
from launcher.plans.hosting import config_name, model_name, plan_deploy
from launcher.plans.jobs import (
    TransformInput,
    plan_training,
    plan_transform,
    plan_tuning,
    training_name,
)
from launcher.plans.setup import plan_bucket, plan_role
from launcher.requests import Action, Call
from launcher.validate import validate
from launcher.world.account import Account
from launcher.world.endpoints import HostingState
from launcher.world.jobs import JobInputs, TrainedModel
from launcher.world.resources import BucketState, RoleState

KEYS = {name: f"alias/{name}" for name in ("bucket", "output", "volume", "endpoint")}
BOUNDARY = "arn:aws:iam::123456789012:policy/teams"
VPC = {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
ROLE = "arn:aws:iam::123456789012:role/r"
TRAINED = TrainedModel("i@sha256:1", "s3://b/model.tar.gz", ROLE)


@pytest.fixture
def company(config: Config) -> Config:
    return replace(
        config,
        hosting_kind="async",
        network_subnets=("subnet-1", "subnet-2"),
        network_security_groups=("sg-1",),
        network_isolation=True,
        network_encrypt_traffic=True,
        keys_bucket=KEYS["bucket"],
        keys_output=KEYS["output"],
        keys_volume=KEYS["volume"],
        keys_endpoint=KEYS["endpoint"],
        iam_boundary=BOUNDARY,
        iam_path="/teams/",
        capture_percent=20,
    )


@pytest.fixture
def inputs(account: Account) -> JobInputs:
    role = "arn:aws:iam::123456789012:role/halfstar"
    return JobInputs(account, role, "i@sha256:1", {"ratings.csv": "0"})


def parameters(plan: list[Action], operation: str) -> dict[str, Any]:
    """Those of the plan's one call of an operation, which the service takes."""
    found = [
        action.request
        for action in plan
        if isinstance(action, Call) and action.request.operation == operation
    ]
    (request,) = found
    validate(request)
    return dict(request.parameters)


def test_a_training_job_has_network_and_keys(
    company: Config, inputs: JobInputs
) -> None:
    plan = plan_training(company, inputs, {}).actions
    check_definition(parameters(plan, "CreateTrainingJob"))


def test_the_training_jobs_of_a_search_have_network_and_keys(
    company: Config, inputs: JobInputs
) -> None:
    plan = plan_tuning(company, inputs, {}).actions
    tuning = parameters(plan, "CreateHyperParameterTuningJob")
    check_definition(tuning["TrainingJobDefinition"])


def check_definition(definition: dict[str, Any]) -> None:
    assert definition["VpcConfig"] == VPC
    assert definition["EnableNetworkIsolation"] is True
    assert definition["EnableInterContainerTrafficEncryption"] is True
    assert definition["OutputDataConfig"]["KmsKeyId"] == KEYS["output"]
    assert definition["ResourceConfig"]["VolumeKmsKeyId"] == KEYS["volume"]


def test_a_model_has_the_network_and_its_configuration_the_keys(
    company: Config, account: Account
) -> None:
    plan = plan_deploy(company, account, TRAINED, HostingState())
    model = parameters(plan, "CreateModel")
    assert model["VpcConfig"] == VPC
    assert model["EnableNetworkIsolation"] is True

    configuration = parameters(plan, "CreateEndpointConfig")
    assert configuration["KmsKeyId"] == KEYS["endpoint"]
    output = configuration["AsyncInferenceConfig"]["OutputConfig"]
    assert output["KmsKeyId"] == KEYS["output"]
    capture = configuration["DataCaptureConfig"]
    assert capture["EnableCapture"] is True
    assert capture["InitialSamplingPercentage"] == 20
    assert capture["KmsKeyId"] == KEYS["output"]
    assert capture["DestinationS3Uri"].endswith("/capture")


def test_a_transform_has_the_keys(company: Config, account: Account) -> None:
    rows = TransformInput(Path("rows.csv"), "0" * 64)
    plan = plan_transform(company, account, "model", rows, {}).actions
    transform = parameters(plan, "CreateTransformJob")
    assert transform["TransformOutput"]["KmsKeyId"] == KEYS["output"]
    assert transform["TransformResources"]["VolumeKmsKeyId"] == KEYS["volume"]


def test_the_bucket_has_its_key(company: Config, account: Account) -> None:
    absent = plan_bucket(company, account, BucketState("absent"))
    put = parameters(absent, "PutBucketEncryption")
    (rule,) = put["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["BucketKeyEnabled"] is True
    default = rule["ApplyServerSideEncryptionByDefault"]
    assert default == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEYS["bucket"]}


def test_the_role_has_its_path_and_boundary(company: Config, account: Account) -> None:
    create = parameters(plan_role(company, account, RoleState("absent")), "CreateRole")
    assert create["Path"] == "/teams/"
    assert create["PermissionsBoundary"] == BOUNDARY

    made_before = RoleState("ours", "arn", path="/teams/")
    plan = plan_role(company, account, made_before)
    put = parameters(plan, "PutRolePermissionsBoundary")
    assert put["PermissionsBoundary"] == BOUNDARY


def test_what_is_not_configured_is_not_sent(config: Config, inputs: JobInputs) -> None:
    plan = plan_training(config, inputs, {}).actions
    job = parameters(plan, "CreateTrainingJob")
    for member in ("VpcConfig", "EnableNetworkIsolation"):
        assert member not in job
    assert "KmsKeyId" not in job["OutputDataConfig"]


def test_work_in_another_network_or_with_another_key_is_other_work(
    config: Config, company: Config, account: Account, inputs: JobInputs
) -> None:
    assert training_name(config, inputs) != training_name(company, inputs)
    assert model_name(config, TRAINED) != model_name(company, TRAINED)
    other = replace(config, keys_endpoint="alias/other")
    names = {config_name(each, account, TRAINED) for each in (config, other)}
    assert len(names) == 2


def test_subnets_without_security_groups_are_refused(
    config: Config, inputs: JobInputs
) -> None:
    half = replace(config, network_subnets=("subnet-1",))
    with pytest.raises(ConfigError, match="go together: set both"):
        plan_training(half, inputs, {})
