"""``policy``: its policies are enough for every command, and nothing in them is unused.

The server enforces IAM as moto does: it knows actions, and of resources those of S3
only. So the policy is first brought into the form that moto understands.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from launcher.config import Config
from launcher.permissions import permissions_of
from launcher.policies import (
    MANAGED_POLICY_CHARACTERS,
    boundary_policy,
    operator_policy,
    role_policy,
)
from launcher.requests import Request
from launcher.world.account import Account
from tests.launcher.commands.conftest import (
    IMAGE,
    disown_what_cannot_be_deleted,
    store_outputs,
)
from tests.launcher.conftest import BUCKET, AwsServer, Launcher, Result

# moto calls some actions by other names: that of the operation, or the address's.
MOTO_NAMES = {"s3:ListBucket": "s3:HeadBucket", "cloudwatch:": "monitoring:"}
LONG_NAME = "stars-of-the-recommendations-team"
CONFIGURATION = """
[scaling]
max = 3

[alarms]
errors = 5

[capture]
percent = 10
"""


def as_moto_reads_it(policy: dict[str, Any], without: str = "") -> dict[str, Any]:
    """A policy without conditions and resources that moto doesn't look at."""
    statements: list[dict[str, Any]] = []
    for statement in policy["Statement"]:
        if without and statement["Sid"].startswith(without):
            continue
        actions = list(statement["Action"])
        for name, moto_name in MOTO_NAMES.items():
            actions += [each.replace(name, moto_name) for each in actions]
        is_of_s3 = all(action.startswith("s3:") for action in actions)
        resource = statement["Resource"] if is_of_s3 else "*"
        if resource == f"arn:aws:s3:::{BUCKET}/*":
            # moto takes a request that deletes several objects for one on the bucket.
            resource = [resource, f"arn:aws:s3:::{BUCKET}"]
        statements.append({"Effect": "Allow", "Action": actions, "Resource": resource})
    return {"Version": "2012-10-17", "Statement": statements}


@dataclass
class Operator:
    """Somebody who may do what a policy says and nothing else."""

    aws: AwsServer
    launcher: Launcher
    policy: dict[str, Any]

    def __call__(self, *arguments: str, without: str = "") -> Result:
        """Run a command under IAM's enforcement, with a statement left out."""
        document = json.dumps(as_moto_reads_it(self.policy, without))
        iam = self.aws.client("iam")
        iam.put_user_policy(UserName="o", PolicyName="p", PolicyDocument=document)
        with enforced(self.aws):
            return self.launcher(*IMAGE, *arguments)

    def runs(self, *arguments: str, only_with: tuple[str, ...] = ()) -> Result:
        """Run a command; without any of these statements it is denied."""
        for sid in only_with:
            assert sid in [each["Sid"] for each in self.policy["Statement"]]
            denied = self(*arguments, without=sid)
            assert denied.code == 1, f"{arguments} runs without {sid}"
            assert "permission denied" in denied.err or "lets nobody look" in denied.err
        result = self(*arguments)
        assert result.code == 0, result.err
        return result


@contextlib.contextmanager
def enforced(aws: AwsServer) -> Iterator[None]:
    aws.post("/moto-api/reset-auth", b"0")
    try:
        yield
    finally:
        aws.post("/moto-api/reset-auth", b"inf")


@pytest.fixture
def operator(
    launcher: Launcher,
    aws: AwsServer,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
) -> Operator:
    path = launcher.folder / "halfstar.toml"
    path.write_text(CONFIGURATION)
    policy = launcher("policy").json
    config, _ = Config.load(path, {"AWS_REGION": account.region}, {})
    assert policy == operator_policy(config, account)

    iam = aws.client("iam")
    iam.create_user(UserName="o")
    key = iam.create_access_key(UserName="o")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    return Operator(aws, launcher, policy)


@pytest.mark.slow
def test_the_policy_is_enough_for_the_whole_flow_and_each_statement_is_needed(
    operator: Operator, aws: AwsServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "launcher.aws")
    rows = operator.launcher.folder / "rows.csv"
    rows.write_text("1,318\n")

    operator.runs("init", only_with=("Bucket", "Role", "Repository"))
    operator.runs("data", only_with=("Objects",))
    train = ("train", "--detach")
    job = operator.runs(*train, only_with=("Look", "Jobs")).out.strip()
    store_outputs(aws, job)
    operator.runs("train")
    operator.runs("tune", "--detach")
    deploying = ("Models", "Endpoints", "Scaling", "Alarms")
    operator.runs("deploy", "--job", job, only_with=deploying)
    operator.runs("register", "--job", job, only_with=("Packages",))
    operator.runs("transform", str(rows), "--job", job, "--detach")
    operator.runs("status")
    operator.runs("logs", job, only_with=("Logs",))
    operator.runs("stop", "halfstar")
    disown_what_cannot_be_deleted(aws, "halfstar")
    operator.runs("cleanup", "--yes")

    # moto doesn't know that jobs, models and endpoints are given a role.
    passing = {"CreateTrainingJob", "CreateHyperParameterTuningJob", "CreateModel"}
    sent = {tuple(each.getMessage().split()) for each in caplog.records}
    for service, operation in sent:
        needed = {each.action for each in permissions_of(Request(service, operation))}
        assert ("iam:PassRole" in needed) == (operation in passing)
    (pass_role,) = [
        each for each in operator.policy["Statement"] if each["Sid"] == "PassRole"
    ]
    assert pass_role["Action"] == ["iam:PassRole"]


@pytest.mark.slow
def test_a_company_has_statements_for_its_network_keys_and_boundary(
    operator: Operator, aws: AwsServer
) -> None:
    options = company(aws)
    operator.policy = operator.launcher("policy", *options).json
    by_sid = {each["Sid"]: each for each in operator.policy["Statement"]}
    boundary = by_sid["Boundary"]["Resource"]
    bound = by_sid["RoleWithBoundary"]["Condition"]["StringEquals"]
    assert bound == {"iam:PermissionsBoundary": boundary}
    aliases = by_sid["KeysByAlias"]["Condition"]["ForAnyValue:StringEquals"]
    assert aliases == {"kms:ResourceAliases": ["alias/endpoints"]}

    # A role is made with its boundary or not at all.
    operator.runs("init", *options, only_with=("RoleWithBoundary",))
    role = aws.client("iam").get_role(RoleName="halfstar-eu-central-1")["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    assert role["Path"] == "/teams/"

    statements = {"network": "Network", "keys": "Keys", "boundary": "Boundary"}
    looked = operator("doctor", "--json", *options)
    for check, statement in statements.items():
        assert finding(looked, check)["good"]
        denied = operator("doctor", "--json", *options, without=statement)
        assert "permission denied" in finding(denied, check)["found"]


@pytest.mark.slow
def test_the_files_of_a_long_policy_allow_what_it_allows(
    operator: Operator, aws: AwsServer
) -> None:
    options = (*company(aws), "--set", f"name={LONG_NAME}")
    whole = operator.launcher("policy", *options)
    assert "--directory DIRECTORY writes it as 2 that fit" in whole.err
    command = ("policy", *options, "--directory", "policies", "--json")
    files = operator.launcher(*command).json["files"]
    assert [Path(each["file"]).name for each in files] == [
        "operator-1.json",
        "operator-2.json",
    ]

    iam = aws.client("iam")
    statements = []
    for number, each in enumerate(files):
        assert each["characters"] <= MANAGED_POLICY_CHARACTERS
        document = json.loads((operator.launcher.folder / each["file"]).read_text())
        made = iam.create_policy(
            PolicyName=f"operator-{number}",
            PolicyDocument=json.dumps(as_moto_reads_it(document)),
        )
        iam.attach_user_policy(UserName="o", PolicyArn=made["Policy"]["Arn"])
        statements += document["Statement"]
    assert statements == whole.json["Statement"]
    with enforced(aws):
        assert operator.launcher("init", *options).code == 0


def company(aws: AwsServer) -> tuple[str, ...]:
    """A network, two keys and a boundary, as options."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]
    group = ec2.create_security_group(VpcId=vpc, GroupName="g", Description="d")
    kms = aws.client("kms")
    keys = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2)]
    kms.create_alias(AliasName="alias/endpoints", TargetKeyId=keys[1])
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [allowed]}
    boundary = aws.client("iam").create_policy(
        PolicyName="teams", PolicyDocument=json.dumps(document)
    )
    settings = {
        "network.subnets": subnet["SubnetId"],
        "network.security_groups": group["GroupId"],
        "network.isolation": "true",
        "keys.bucket": keys[0],
        "keys.endpoint": "alias/endpoints",
        "iam.boundary": boundary["Policy"]["Arn"],
        "iam.path": "/teams/",
    }
    options: list[str] = []
    for key, value in settings.items():
        options += ["--set", f"{key}={value}"]
    return tuple(options)


def finding(result: Result, check: str) -> dict[str, Any]:
    (found,) = [each for each in result.json if each["what"] == check]
    return dict(found)


LATEST = {"imageTag": "latest"}
# What SageMaker does in the role's name, as (service, operation, parameters).
AS_ROLE: list[tuple[str, str, dict[str, Any]]] = [
    ("s3", "list_objects_v2", {"Bucket": BUCKET, "Prefix": "data/"}),
    ("s3", "get_object", {"Bucket": BUCKET, "Key": "data/training/ratings.csv"}),
    ("s3", "put_object", {"Bucket": BUCKET, "Key": "jobs/j/output/model.tar.gz"}),
    ("s3", "put_object", {"Bucket": BUCKET, "Key": "checkpoints/j/round-1"}),
    ("s3", "delete_object", {"Bucket": BUCKET, "Key": "checkpoints/j/round-1"}),
    ("ecr", "get_authorization_token", {}),
    ("ecr", "batch_get_image", {"repositoryName": "halfstar", "imageIds": [LATEST]}),
    ("logs", "create_log_group", {"logGroupName": "/aws/sagemaker/TrainingJobs"}),
    ("cloudwatch", "put_metric_data", {"Namespace": "AWS/SageMaker", "MetricData": []}),
]
NOT_AS_ROLE = [
    ("s3", "put_object", {"Bucket": BUCKET, "Key": "data/training/ratings.csv"}),
    ("s3", "delete_object", {"Bucket": BUCKET, "Key": "jobs/j/output/model.tar.gz"}),
    ("iam", "list_roles", {}),
]


@pytest.mark.parametrize("make", [role_policy, boundary_policy])
def test_the_role_may_do_what_jobs_do_and_each_statement_is_needed(
    prepared: Launcher, aws: AwsServer, config: Config, account: Account, make: Any
) -> None:
    policy = make(config, account)
    iam = aws.client("iam")
    iam.create_user(UserName="o")
    key = iam.create_access_key(UserName="o")["AccessKey"]
    pair = (key["AccessKeyId"], key["SecretAccessKey"])
    services = {service for service, _, _ in (*AS_ROLE, *NOT_AS_ROLE)}
    clients = {service: aws.client(service, key=pair) for service in services}

    def denied(without: str = "") -> list[str]:
        """The requests that are denied, with a statement left out."""
        document = json.dumps(as_moto_reads_it(policy, without))
        iam.put_user_policy(UserName="o", PolicyName="p", PolicyDocument=document)
        with enforced(aws):
            return [
                operation
                for service, operation, parameters in (*AS_ROLE, *NOT_AS_ROLE)
                if is_denied(clients[service], operation, parameters)
            ]

    forbidden = [operation for _, operation, _ in NOT_AS_ROLE]
    assert denied() == forbidden
    for statement in policy["Statement"]:
        assert denied(statement["Sid"]) != forbidden, statement["Sid"]
    assert prepared("policy", "--role").json == role_policy(config, account)


def is_denied(client: Any, operation: str, parameters: dict[str, Any]) -> bool:
    try:
        getattr(client, operation)(**parameters)
    except client.exceptions.ClientError as error:
        return "AccessDenied" in str(error)
    return False
