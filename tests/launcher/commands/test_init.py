"""``init`` against a server of AWS's interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
from botocore import xform_name

from tests.launcher.conftest import (
    ACCOUNT,
    BUCKET,
    REGION,
    AwsServer,
    Launcher,
    create_bucket,
)


def test_the_bucket_is_private_encrypted_versioned_and_tagged(
    launcher: Launcher, aws: AwsServer
) -> None:
    result = launcher("init", "--json")
    assert result.code == 0, result.err
    assert result.json["bucket"] == BUCKET

    s3 = aws.client("s3")
    location = s3.get_bucket_location(Bucket=BUCKET)
    assert location["LocationConstraint"] == REGION
    blocked = s3.get_public_access_block(Bucket=BUCKET)
    assert all(blocked["PublicAccessBlockConfiguration"].values())
    encryption = s3.get_bucket_encryption(Bucket=BUCKET)
    rule = encryption["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    tags = s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"]
    assert tags == [{"Key": "halfstar", "Value": "halfstar"}]


def test_the_role_may_use_the_bucket_by_prefix(
    launcher: Launcher, aws: AwsServer
) -> None:
    result = launcher("init", "--json")
    assert result.json["role"].endswith(f":role/halfstar-{REGION}")
    policy = aws.client("iam").get_role_policy(
        RoleName=f"halfstar-{REGION}", PolicyName="halfstar"
    )
    statements = policy["PolicyDocument"]["Statement"]
    resources = {each["Sid"]: each["Resource"] for each in statements}
    data = f"arn:aws:s3:::{BUCKET}/data/*"
    assert data in resources["Read"]
    assert data not in resources["Write"]
    assert resources["Delete"] == f"arn:aws:s3:::{BUCKET}/checkpoints/*"


def test_the_repository_scans_and_expires_untagged_images(
    launcher: Launcher, aws: AwsServer
) -> None:
    assert launcher("init").code == 0
    ecr = aws.client("ecr")
    described = ecr.describe_repositories(repositoryNames=["halfstar"])
    repository = described["repositories"][0]
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    lifecycle = ecr.get_lifecycle_policy(repositoryName="halfstar")
    assert "untagged" in lifecycle["lifecyclePolicyText"]


def test_init_works_in_us_east_1(launcher: Launcher, aws: AwsServer) -> None:
    assert launcher("--region", "us-east-1", "init").code == 0
    s3 = aws.client("s3", "us-east-1")
    location = s3.get_bucket_location(Bucket=f"halfstar-{ACCOUNT}-us-east-1")
    assert location["LocationConstraint"] is None


def test_init_writes_a_file_that_is_read_again_and_left_alone(
    launcher: Launcher,
) -> None:
    path = launcher.folder / "halfstar.toml"
    assert launcher("--set", "hyperparameters.eta=0.2", "init").code == 0
    written = path.read_text()
    shown = launcher("config", "--json").json
    assert shown["region"] == {"value": REGION, "source": "$AWS_REGION"}
    assert shown["hyperparameters.eta"] == {"value": "0.2", "source": path.name}
    assert launcher("init").code == 0
    assert path.read_text() == written


def test_after_any_step_of_init_the_next_init_plans_the_rest(
    launcher: Launcher, aws: AwsServer
) -> None:
    """Whichever step was the last before `init` was killed."""
    whole = launcher("init", "--dry-run").json["plan"]
    for done, step in enumerate(whole):
        plan = launcher("init", "--dry-run").json["plan"]
        planned = [each["says"] for each in plan]
        assert planned == [each["says"] for each in whole[done:]]
        perform(aws, step)
    assert launcher("init", "--dry-run").json["plan"] == []


def perform(aws: AwsServer, step: dict[str, Any]) -> None:
    if "write" in step:
        Path(step["write"]).write_text(step["text"])
    else:
        operation = xform_name(step["operation"])
        getattr(aws.client(step["service"]), operation)(**step["parameters"])


def test_a_dry_run_changes_nothing(launcher: Launcher, aws: AwsServer) -> None:
    config = launcher.folder / "halfstar.toml"
    assert launcher("init", "--dry-run").code == 0
    assert not config.exists()
    buckets = aws.client("s3").list_buckets()
    assert buckets["Buckets"] == []
    roles = aws.client("iam").list_roles()
    assert roles["Roles"] == []


def test_a_foreign_bucket_with_our_name_stops_init_before_anything_is_made(
    launcher: Launcher, aws: AwsServer
) -> None:
    create_bucket(aws)
    aws.client("s3").put_object(Bucket=BUCKET, Key="theirs", Body=b"x")
    result = launcher("init")
    assert result.code == 1
    assert f"bucket {BUCKET} exists, but isn't ours" in result.err
    assert aws.client("iam").list_roles()["Roles"] == []


def test_a_bucket_of_another_account_is_foreign(
    launcher: Launcher, aws: AwsServer
) -> None:
    assumed = aws.client("sts").assume_role(
        RoleArn="arn:aws:iam::111111111111:role/other", RoleSessionName="other"
    )
    credentials = assumed["Credentials"]
    other = boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=aws.url,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    location = {"LocationConstraint": REGION}
    other.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=location)
    result = launcher("init")
    assert result.code == 1
    assert f"bucket {BUCKET} lets nobody look" in result.err
