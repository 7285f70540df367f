"""``cleanup`` against a server of AWS's interface: all of ours goes, nothing else."""

from __future__ import annotations

from launcher.aws import Aws
from launcher.config import Config
from launcher.execute import Executor
from launcher.plans.cleanup import plan_cleanup
from launcher.world.account import Account
from launcher.world.inventory import packages_of, read_inventory
from tests.launcher.conftest import BUCKET, REGION, AwsServer, Launcher, create_endpoint


def bucket_names(aws: AwsServer) -> set[str]:
    listed = aws.client("s3").list_buckets()["Buckets"]
    return {bucket["Name"] for bucket in listed}


def test_an_empty_account_has_nothing_to_clean_up(launcher: Launcher) -> None:
    assert launcher("cleanup").out.strip() == "nothing of ours is left to delete"


def test_cleanup_takes_everything_and_a_second_run_finds_nothing(
    prepared: Launcher, aws: AwsServer
) -> None:
    s3 = aws.client("s3")
    key = "data/training/ratings.csv"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"another version")
    location = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="foreign", CreateBucketConfiguration=location)

    result = prepared("cleanup", "--yes", "--json")
    assert result.code == 0, result.err
    kinds = [entry["kind"] for entry in result.json["deleted"]]
    assert kinds == ["bucket", "repository", "role"]
    assert bucket_names(aws) == {"foreign"}
    assert aws.client("iam").list_roles()["Roles"] == []
    assert aws.client("ecr").describe_repositories()["repositories"] == []
    assert prepared("cleanup", "--json").json == {"deleted": []}


def test_nothing_is_deleted_without_a_confirmation(
    prepared: Launcher, aws: AwsServer
) -> None:
    refused = prepared("cleanup")
    assert refused.code == 1
    assert "nobody can be asked here: add --yes" in refused.err
    assert prepared("cleanup", "--dry-run").code == 0
    assert bucket_names(aws) == {BUCKET}


def test_cleanup_leaves_what_belongs_to_another_project(
    launcher: Launcher, aws: AwsServer
) -> None:
    assert launcher("--set", "name=other", "init").code == 0
    (launcher.folder / "halfstar.toml").unlink()
    assert launcher("cleanup", "--yes", "--json").json == {"deleted": []}
    roles = aws.client("iam").list_roles()["Roles"]
    assert len(roles) == 1


def test_a_foreign_package_group_is_left_alone(
    launcher: Launcher, aws: AwsServer
) -> None:
    sagemaker = aws.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="halfstar")
    assert launcher("cleanup", "--yes", "--json").json == {"deleted": []}
    groups = sagemaker.list_model_package_groups()
    assert len(groups["ModelPackageGroupSummaryList"]) == 1


def test_the_log_of_a_foreign_endpoint_is_left_alone(
    launcher: Launcher, aws: AwsServer
) -> None:
    create_endpoint(aws, "halfstar")
    group = "/aws/sagemaker/Endpoints/halfstar"
    aws.client("logs").create_log_group(logGroupName=group)
    assert launcher("cleanup", "--yes", "--json").json == {"deleted": []}

    aws.client("sagemaker").delete_endpoint(EndpointName="halfstar")
    # Nobody's endpoint has the name now, so the log is what ours has left.
    deleted = launcher("cleanup", "--yes", "--json").json["deleted"]
    assert [entry["kind"] for entry in deleted] == ["log streams"]


def test_what_somebody_else_deletes_meanwhile_is_no_failure(
    prepared: Launcher, connection: Aws, config: Config, account: Account
) -> None:
    plan = plan_cleanup(account, read_inventory(connection, config, account))
    assert len(plan) > 3
    assert prepared("cleanup", "-y").code == 0
    Executor(connection, report=lambda _: None).perform(plan)


def test_a_list_ends_where_what_it_is_about_has_gone(
    prepared: Launcher, connection: Aws, config: Config, account: Account
) -> None:
    assert prepared("cleanup", "--yes").code == 0
    assert list(packages_of(connection, "halfstar")) == []
    assert read_inventory(connection, config, account) == []


def test_a_dry_run_says_the_plan_in_words_beside_the_requests(
    prepared: Launcher,
) -> None:
    result = prepared("cleanup", "--dry-run")
    said = [step["says"] for step in result.json["plan"]]
    assert result.err.splitlines() == [f"would {each}" for each in said]


def test_each_thing_has_one_line(prepared: Launcher) -> None:
    result = prepared("cleanup", "--yes")
    lines = result.err.splitlines()
    assert [line.split()[0] for line in lines] == [
        "kind",
        "bucket",
        "repository",
        "role",
    ]
    assert result.out == "3 deleted\n"
