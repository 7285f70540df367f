"""Commands against AWS's interface over HTTP; what needs a running job or endpoint is
in tests/cloud.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import xform_name

from tests.launcher.conftest import ACCOUNT, REGION, Aws, Launcher

BUCKET = f"halfstar-{ACCOUNT}-{REGION}"


def test_init_makes_a_private_encrypted_versioned_bucket(
    launcher: Launcher, aws: Aws
) -> None:
    result = launcher("init", "--json")
    assert result.code == 0, result.err
    s3 = aws.client("s3")
    assert result.json["bucket"] == BUCKET
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] == REGION
    assert set(
        s3.get_public_access_block(Bucket=BUCKET)[
            "PublicAccessBlockConfiguration"
        ].values()
    ) == {True}
    rules = s3.get_bucket_encryption(Bucket=BUCKET)[
        "ServerSideEncryptionConfiguration"
    ]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"] == [
        {"Key": "halfstar", "Value": "halfstar"}
    ]


def test_init_makes_a_role_and_a_repository(launcher: Launcher, aws: Aws) -> None:
    result = launcher("init", "--json")
    policy = aws.client("iam").get_role_policy(
        RoleName=f"halfstar-{REGION}", PolicyName="halfstar"
    )["PolicyDocument"]
    assert f"arn:aws:s3:::{BUCKET}/*" in [
        statement["Resource"] for statement in policy["Statement"]
    ]
    assert result.json["role"].endswith(f":role/halfstar-{REGION}")
    repository = aws.client("ecr").describe_repositories(repositoryNames=["halfstar"])[
        "repositories"
    ][0]
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    assert (
        "untagged"
        in aws.client("ecr").get_lifecycle_policy(repositoryName="halfstar")[
            "lifecyclePolicyText"
        ]
    )


def test_init_in_us_east_1(launcher: Launcher, aws: Aws) -> None:
    assert launcher("--region", "us-east-1", "init").code == 0
    found = aws.client("s3", "us-east-1").get_bucket_location(
        Bucket=f"halfstar-{ACCOUNT}-us-east-1"
    )
    assert found["LocationConstraint"] is None


def test_init_writes_a_file_that_is_read_again_and_left_alone(
    launcher: Launcher,
) -> None:
    path = launcher.folder / "halfstar.toml"
    assert launcher("--set", "hyperparameters.eta=0.2", "init").code == 0
    written = path.read_text()
    shown = launcher("config", "--json").json
    assert shown["region"] == {"value": REGION, "source": "$AWS_REGION"}
    assert shown["hyperparameters.eta"] == {"value": "0.2", "source": str(path)}
    assert launcher("init").code == 0
    assert path.read_text() == written


def test_every_step_of_init_can_be_the_last_before_it_was_killed(
    launcher: Launcher, aws: Aws
) -> None:
    """Whatever a half-way `init` has left, the next one plans the rest and no more."""
    whole = launcher("init", "--dry-run").json["plan"]
    for done, step in enumerate(whole):
        plan = launcher("init", "--dry-run").json["plan"]
        assert [s["says"] for s in plan] == [s["says"] for s in whole[done:]]
        if "write" in step:
            Path(step["write"]).write_text(step["text"])
        else:
            send(aws, step)
    assert launcher("init", "--dry-run").json["plan"] == []


def send(aws: Aws, step: dict[str, Any]) -> None:
    getattr(aws.client(step["service"]), xform_name(step["operation"]))(
        **step["parameters"]
    )


def test_a_dry_run_changes_nothing(launcher: Launcher, aws: Aws) -> None:
    assert launcher("init", "--dry-run").code == 0
    assert not (launcher.folder / "halfstar.toml").exists()
    assert aws.client("s3").list_buckets()["Buckets"] == []
    assert aws.client("iam").list_roles()["Roles"] == []


def test_a_foreign_bucket_with_our_name_stops_init_before_anything_is_made(
    launcher: Launcher, aws: Aws
) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    s3.put_object(Bucket=BUCKET, Key="theirs", Body=b"x")
    result = launcher("init")
    assert result.code == 1
    assert f"bucket {BUCKET} is there, but isn't ours" in result.err
    assert aws.client("iam").list_roles()["Roles"] == []


def test_a_bucket_of_another_account_is_foreign(launcher: Launcher, aws: Aws) -> None:
    credentials = aws.client("sts").assume_role(
        RoleArn="arn:aws:iam::111111111111:role/other", RoleSessionName="other"
    )["Credentials"]
    other = boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=aws.url,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    other.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    result = launcher("init")
    assert result.code == 1
    assert f"bucket {BUCKET} is there, but isn't ours" in result.err


def test_data_uploads_what_changed_only(
    launcher: Launcher, aws: Aws, small_csvs: Path
) -> None:
    assert launcher("init").code == 0
    first = launcher("data", "--json")
    assert first.json["changed"] == 2
    (small_csvs / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,10,5.0,964982703\n"
    )
    plan = launcher("data", "--dry-run").json["plan"]
    assert [step["parameters"]["Key"] for step in plan] == ["data/training/ratings.csv"]
    assert plan[0]["parameters"]["Body"] == f"file://{small_csvs}/ratings.csv"
    assert launcher("data", "--json").json["changed"] == 1
    assert launcher("data", "--json").json["changed"] == 0
    stored = (
        aws.client("s3")
        .get_object(Bucket=BUCKET, Key="data/training/ratings.csv")["Body"]
        .read()
    )
    assert stored == (small_csvs / "ratings.csv").read_bytes()


def test_data_that_training_would_refuse_is_not_uploaded(
    launcher: Launcher, aws: Aws, small_csvs: Path
) -> None:
    assert launcher("init").code == 0
    (small_csvs / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,10,4.0,964982703\n2,ten,3.5,964982704\n"
    )
    result = launcher("data")
    assert result.code == 2
    assert "ratings.csv line 3: movieId is 'ten'" in result.err
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=BUCKET)


def test_train_says_what_is_missing(launcher: Launcher) -> None:
    result = launcher("--set", "image=i@sha256:1", "train")
    assert (
        result.err
        == f"launcher: role halfstar-{REGION} isn't there: run `launcher init`, or set `role`\n"
    )
    assert launcher("init").code == 0
    assert (
        "the bucket has no data to train on: run `launcher data`"
        in launcher("--set", "image=i", "train").err
    )


def test_a_wrong_hyperparameter_stops_train(launcher: Launcher) -> None:
    assert launcher("init").code == 0
    assert launcher("data").code == 0
    result = launcher(
        "--set", "image=i", "train", "-p", "etta=0.1", "-p", "max_depth=99"
    )
    assert result.code == 2
    assert "etta is unknown, known are eta" in result.err
    assert "max_depth is '99'" in result.err


def test_tune_plans_the_search(launcher: Launcher) -> None:
    assert launcher("init").code == 0
    assert launcher("data").code == 0
    result = launcher(
        "--set", "image=i", "tune", "-p", "eta=0.1", "--max-jobs", "4", "--dry-run"
    )
    tuning = result.json["plan"][0]["parameters"]["HyperParameterTuningJobConfig"]
    assert tuning["ResourceLimits"] == {
        "MaxNumberOfTrainingJobs": 4,
        "MaxParallelTrainingJobs": 2,
    }


def test_a_dry_run_shows_no_request_that_the_service_would_refuse(
    launcher: Launcher,
) -> None:
    assert launcher("init").code == 0
    assert launcher("data").code == 0
    result = launcher(
        "--set", "image=i", "train", "--instance-type", "ml.none", "--dry-run"
    )
    assert (result.code, result.out) == (2, "")
    assert "ResourceConfig.InstanceType is 'ml.none', expected one of" in result.err


@pytest.mark.parametrize("command", [("predict", "1:318"), ("recommend", "1")])
def test_without_an_endpoint_there_are_no_answers(
    launcher: Launcher, command: tuple[str, ...]
) -> None:
    result = launcher(*command)
    assert (result.code, result.err) == (
        1,
        "launcher: there is no endpoint halfstar: run `launcher deploy`\n",
    )


def test_a_foreign_package_group_is_left_alone(launcher: Launcher, aws: Aws) -> None:
    aws.client("sagemaker").create_model_package_group(ModelPackageGroupName="halfstar")
    assert launcher("cleanup", "--yes", "--json").json == {"deleted": []}
    assert aws.client("sagemaker").list_model_package_groups()[
        "ModelPackageGroupSummaryList"
    ]


def test_the_log_of_a_foreign_endpoint_is_left_alone(
    launcher: Launcher, aws: Aws
) -> None:
    sagemaker = aws.client("sagemaker")
    role = "arn:aws:iam::123456789012:role/any"
    sagemaker.create_model(
        ModelName="m", PrimaryContainer={"Image": "i"}, ExecutionRoleArn=role
    )
    variant = {
        "VariantName": "v",
        "ModelName": "m",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName="c", ProductionVariants=[variant]
    )
    sagemaker.create_endpoint(EndpointName="halfstar", EndpointConfigName="c")
    aws.client("logs").create_log_group(
        logGroupName="/aws/sagemaker/Endpoints/halfstar"
    )
    assert launcher("cleanup", "--yes", "--json").json == {"deleted": []}
    sagemaker.delete_endpoint(EndpointName="halfstar")
    # Now nobody's endpoint has the name, so the log is what ours has left.
    assert [
        entry["kind"]
        for entry in launcher("cleanup", "--yes", "--json").json["deleted"]
    ] == ["log streams"]


def test_nothing_to_show_and_nothing_to_clean_up(launcher: Launcher) -> None:
    assert launcher("status").out.strip() == "no jobs, no endpoints"
    assert launcher("cleanup").out.strip() == "nothing of ours is left"


@pytest.mark.parametrize("command", ["logs", "stop", "status"])
def test_an_unknown_name_is_said_to_be_unknown(
    launcher: Launcher, command: str
) -> None:
    result = launcher(command, "nobody")
    assert result.code == 1
    assert (
        result.err
        == "launcher: none of our jobs and endpoints is named nobody: `launcher status` lists them\n"
    )


def test_cleanup_takes_everything_and_a_second_run_finds_nothing(
    launcher: Launcher, aws: Aws
) -> None:
    assert launcher("init").code == 0
    assert launcher("data").code == 0
    aws.client("s3").put_object(
        Bucket=BUCKET, Key="data/training/ratings.csv", Body=b"another version"
    )
    aws.client("s3").create_bucket(
        Bucket="foreign", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    refused = launcher("cleanup")
    assert refused.code == 1
    assert "nobody can be asked here: add --yes" in refused.err
    assert launcher("cleanup", "--dry-run").code == 0
    assert {b["Name"] for b in aws.client("s3").list_buckets()["Buckets"]} == {
        "foreign",
        BUCKET,
    }
    result = launcher("cleanup", "--yes", "--json")
    assert result.code == 0, result.err
    assert [entry["kind"] for entry in result.json["deleted"]] == [
        "bucket",
        "repository",
        "role",
    ]
    assert [b["Name"] for b in aws.client("s3").list_buckets()["Buckets"]] == [
        "foreign"
    ]
    assert aws.client("iam").list_roles()["Roles"] == []
    assert aws.client("ecr").describe_repositories()["repositories"] == []
    assert launcher("cleanup", "--json").json == {"deleted": []}


def test_cleanup_leaves_another_projects_things(launcher: Launcher, aws: Aws) -> None:
    assert launcher("--set", "name=other", "init").code == 0
    (launcher.folder / "halfstar.toml").unlink()
    assert launcher("cleanup", "--yes", "--json").json == {"deleted": []}
    assert len(aws.client("iam").list_roles()["Roles"]) == 1


def test_a_missing_permission_names_the_statement_to_add(
    launcher: Launcher, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam = aws.client("iam")
    iam.create_user(UserName="weak")
    allowed = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}],
    }
    iam.put_user_policy(
        UserName="weak", PolicyName="p", PolicyDocument=json.dumps(allowed)
    )
    key = iam.create_access_key(UserName="weak")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    aws.post("/moto-api/reset-auth", b"0")
    try:
        result = launcher("--set", "bucket=b-c-d", "status")
    finally:
        aws.post("/moto-api/reset-auth", b"inf")
    assert result.code == 1
    assert "sagemaker ListHyperParameterTuningJobs: permission denied" in result.err
    assert '"Action": "sagemaker:ListHyperParameterTuningJobs"' in result.err
    assert key["SecretAccessKey"] not in result.err
    assert "Traceback" not in result.err
