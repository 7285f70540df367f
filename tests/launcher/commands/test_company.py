"""AWS's own client finds every setting of ``halfstar.toml`` on what the commands made,
and one environment's commands leave the other's things alone.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.launcher.commands.conftest import (
    IMAGE,
    disown_what_cannot_be_deleted,
    store_outputs,
)
from tests.launcher.conftest import REGION, AwsServer, Launcher

KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BOUNDARY = "arn:aws:iam::123456789012:policy/teams"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:on-call"
FILE = f"""
name = "stars"

[environments.dev]

[environments.prod.network]
subnets = ["subnet-1", "subnet-2"]
security_groups = ["sg-1"]
isolation = true
encrypt_traffic = true

[environments.prod.keys]
bucket = "{KEY}"
output = "{KEY}"
volume = "{KEY}"
endpoint = "{KEY}"

[environments.prod.iam]
boundary = "{BOUNDARY}"
path = "/teams/"

[environments.prod.scaling]
min = 2
max = 4
invocations = 600

[environments.prod.capture]
percent = 20

[environments.prod.alarms]
errors = 5
latency_ms = 250
notify = ["{TOPIC}"]
dashboard = true

[environments.prod.tags]
team = "recommendations"
"""
VPC = {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
TEAM = {"Key": "team", "Value": "recommendations"}


@pytest.fixture
def prod(launcher: Launcher) -> tuple[str, ...]:
    """The options of the environment."""
    (launcher.folder / "halfstar.toml").write_text(FILE)
    return (*IMAGE, "--env", "prod")


def test_awss_own_client_finds_every_setting_on_what_was_made(
    launcher: Launcher, aws: AwsServer, prod: tuple[str, ...]
) -> None:
    bucket = launcher(*prod, "init", "--json").json["bucket"]
    check_bucket_and_role(aws, bucket)

    assert launcher(*prod, "data").code == 0
    job = launcher(*prod, "train", "--detach").out.strip()
    sagemaker = aws.client("sagemaker")
    described = sagemaker.describe_training_job(TrainingJobName=job)
    assert described["VpcConfig"] == VPC
    assert described["EnableNetworkIsolation"] is True
    assert described["EnableInterContainerTrafficEncryption"] is True
    assert described["OutputDataConfig"]["KmsKeyId"] == KEY
    assert described["ResourceConfig"]["VolumeKmsKeyId"] == KEY

    store_outputs(aws, job, bucket=bucket)
    deployed = launcher(*prod, "deploy", "--json")
    assert deployed.code == 0, deployed.err
    check_endpoint(aws, deployed.json["config"])
    assert launcher(*prod, "deploy", "--dry-run", "--json").json == {"plan": []}


def check_bucket_and_role(aws: AwsServer, bucket: str) -> None:
    s3 = aws.client("s3")
    encryption = s3.get_bucket_encryption(Bucket=bucket)
    (rule,) = encryption["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == KEY
    assert TEAM in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    role = aws.client("iam").get_role(RoleName=f"stars-prod-{REGION}")["Role"]
    assert role["Path"] == "/teams/"
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY
    assert TEAM in role["Tags"]


def check_endpoint(aws: AwsServer, configuration: str) -> None:
    sagemaker = aws.client("sagemaker")
    described = sagemaker.describe_endpoint_config(EndpointConfigName=configuration)
    assert described["KmsKeyId"] == KEY
    capture = described["DataCaptureConfig"]
    assert capture["InitialSamplingPercentage"] == 20
    model = described["ProductionVariants"][0]["ModelName"]
    assert sagemaker.describe_model(ModelName=model)["VpcConfig"] == VPC

    scaling = aws.client("application-autoscaling")
    targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")
    (target,) = targets["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)
    policies = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")
    (policy,) = policies["ScalingPolicies"]
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 600
    alarms = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    thresholds = {alarm["AlarmName"]: alarm["Threshold"] for alarm in alarms}
    assert thresholds == {"stars-prod-errors": 5, "stars-prod-latency": 250_000}
    for alarm in alarms:
        assert alarm["AlarmActions"] == [TOPIC]
    assert dashboards_of(aws) == ["stars-prod"]


def dashboards_of(aws: AwsServer) -> list[str]:
    listed = aws.client("cloudwatch").list_dashboards()["DashboardEntries"]
    return [each["DashboardName"] for each in listed]


def test_nothing_of_one_environment_touches_the_other(
    launcher: Launcher, aws: AwsServer, prod: tuple[str, ...]
) -> None:
    dev = (*IMAGE, "--env", "dev")
    kept = deploy(launcher, aws, dev)
    deploy(launcher, aws, prod)
    assert launcher(*prod, "status", "--json").code == 0
    shown = launcher(*prod, "status", "--json").json
    assert {each["name"].partition("-")[2].partition("-")[0] for each in shown} == {
        "prod"
    }

    disown_what_cannot_be_deleted(aws, "prod")
    cleaned = launcher(*prod, "cleanup", "--yes", "--json")
    assert cleaned.code == 0, cleaned.err
    deleted = cleaned.json["deleted"]
    kinds = {each["kind"] for each in deleted}
    assert {"scaling", "alarm", "dashboard", "endpoint", "bucket", "role"} <= kinds
    assert launcher(*dev, "status", "--json").json == kept
    assert aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert dashboards_of(aws) == []
    assert launcher(*dev, "init", "--dry-run", "--json").json == {"plan": []}


def deploy(
    launcher: Launcher, aws: AwsServer, options: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Everything from the bucket to the endpoint; what `status` then shows."""
    bucket = launcher(*options, "init", "--json").json["bucket"]
    assert launcher(*options, "data").code == 0
    job = launcher(*options, "train", "--detach").out.strip()
    store_outputs(aws, job, bucket=bucket)
    deployed = launcher(*options, "deploy")
    assert deployed.code == 0, deployed.err
    return list(launcher(*options, "status", "--json").json)


def test_status_shows_an_endpoint_on_one_screen(
    launcher: Launcher, aws: AwsServer, prod: tuple[str, ...]
) -> None:
    deploy(launcher, aws, prod)
    lines = launcher(*prod, "status", "stars-prod").out.splitlines()
    shown = {line.split("  ")[0]: line for line in lines}
    assert shown["instances"].endswith("1 of ml.m5.large, scaled between 2 and 4")
    assert shown["data capture"].endswith("20%")
    assert "errors OK, latency OK" in shown["alarms"]
    assert shown["last hour"].endswith("0 requests, 0 failed, 0 refused")
    assert max(len(line) for line in lines) <= 80

    assert launcher(*prod, "stop", "stars-prod").code == 0
    scaling = aws.client("application-autoscaling")
    targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")
    assert targets["ScalableTargets"] == []
    assert aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert dashboards_of(aws) == []
