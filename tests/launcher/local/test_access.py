"""Keys and policies of a stack that enforces IAM."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from launcher.local import stack
from launcher.local.settings import ACCOUNT, StackSettings
from tests.launcher.local.conftest import TRUST_SAGEMAKER
from tests.launcher.local.stack_user import clients

ROLE = f"arn:aws:iam::{ACCOUNT}:role/training"
GROUP = "arn:aws:sagemaker:*:*:model-package-group/mine*"
STATEMENTS = [
    {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::mine"},
    {"Effect": "Allow", "Action": "s3:*Object", "Resource": "arn:aws:s3:::mine/data/*"},
    {"Effect": "Allow", "Action": "sagemaker:*", "Resource": GROUP},
    {"Effect": "Allow", "Action": "sagemaker:CreateTrainingJob", "Resource": "*"},
    {"Effect": "Allow", "Action": "cloudwatch:DescribeAlarms", "Resource": "*"},
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE},
]
DENIED = ("AccessDenied", "AccessDeniedException")


@pytest.fixture(scope="module")
def enforcing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackSettings]:
    directory = tmp_path_factory.mktemp("iam") / "up"
    settings = stack.up(StackSettings(directory, enforces_iam=True))
    admin = clients(settings)
    admin("s3").create_bucket(Bucket="mine")
    admin("iam").create_role(
        RoleName="training", AssumeRolePolicyDocument=json.dumps(TRUST_SAGEMAKER)
    )
    yield settings
    stack.down(settings.directory)


@pytest.fixture(scope="module")
def operator(enforcing: StackSettings) -> Callable[[str], Any]:
    """Clients of a user with a few permissions."""
    iam = clients(enforcing)("iam")
    iam.create_user(UserName="operator")
    document = json.dumps({"Version": "2012-10-17", "Statement": STATEMENTS})
    iam.put_user_policy(UserName="operator", PolicyName="few", PolicyDocument=document)
    key = iam.create_access_key(UserName="operator")["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"])
    return lambda service: session.client(
        service, enforcing.region, endpoint_url=enforcing.endpoint_url
    )


def code_of(call: Callable[..., Any], **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


def test_a_user_may_do_what_the_policy_allows(
    operator: Callable[[str], Any],
) -> None:
    s3 = operator("s3")
    s3.put_object(Bucket="mine", Key="data/a", Body=b"a")
    assert s3.get_object(Bucket="mine", Key="data/a")["Body"].read() == b"a"
    assert s3.list_objects_v2(Bucket="mine")["KeyCount"] == 1
    operator("sagemaker").create_model_package_group(ModelPackageGroupName="mine-1")
    assert operator("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert operator("sts").get_caller_identity()["Arn"].endswith("user/operator")


def test_a_user_may_do_nothing_else(operator: Callable[[str], Any]) -> None:
    s3 = operator("s3")
    assert code_of(s3.put_object, Bucket="mine", Key="other", Body=b"") in DENIED
    assert code_of(s3.create_bucket, Bucket="another") in DENIED
    assert code_of(s3.list_buckets) in DENIED
    assert code_of(s3.get_bucket_encryption, Bucket="mine") in DENIED
    sagemaker = operator("sagemaker")
    group = sagemaker.create_model_package_group
    assert code_of(group, ModelPackageGroupName="yours") in DENIED
    assert code_of(sagemaker.list_models) in DENIED
    assert code_of(operator("iam").list_roles) in DENIED
    assert code_of(operator("ecr").describe_repositories) in DENIED
    cloudwatch = operator("cloudwatch")
    assert code_of(cloudwatch.delete_alarms, AlarmNames=["a"]) in DENIED
    runtime = operator("sagemaker-runtime")
    assert code_of(runtime.invoke_endpoint, EndpointName="a", Body=b"") in DENIED


def test_a_role_can_only_be_passed_by_who_may(
    operator: Callable[[str], Any],
) -> None:
    request = {
        "TrainingJobName": "a",
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://mine/jobs"},
        "StoppingCondition": {},
    }
    with pytest.raises(ClientError, match=rf"iam:PassRole on resource: {ROLE}"):
        operator("sagemaker").create_training_job(**request)


def test_the_keys_of_a_role_have_its_policies(
    enforcing: StackSettings, operator: Callable[[str], Any]
) -> None:
    sts = operator("sts")
    made = sts.assume_role(RoleArn=ROLE, RoleSessionName="session")
    keys = made["Credentials"]
    session = boto3.Session(
        keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]
    )
    s3 = session.client("s3", enforcing.region, endpoint_url=enforcing.endpoint_url)
    assert code_of(s3.get_object, Bucket="mine", Key="data/a") in DENIED
    document = json.dumps({"Version": "2012-10-17", "Statement": STATEMENTS[:2]})
    clients(enforcing)("iam").put_role_policy(
        RoleName="training", PolicyName="few", PolicyDocument=document
    )
    assert s3.list_objects_v2(Bucket="mine")["ResponseMetadata"]


def test_alarms_keys_and_scaling_are_looked_at_by_resource(
    enforcing: StackSettings, operator: Callable[[str], Any]
) -> None:
    kms = clients(enforcing)("kms")
    mine, yours = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    kms.create_alias(AliasName="alias/mine", TargetKeyId=mine)
    statements = [
        {
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricAlarm",
            "Resource": f"arn:aws:cloudwatch:*:{ACCOUNT}:alarm:mine*",
        },
        {
            "Effect": "Allow",
            "Action": "kms:DescribeKey",
            "Resource": "*",
            "Condition": {
                "ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/mine"]}
            },
        },
        {
            "Effect": "Allow",
            "Action": "application-autoscaling:*",
            "Resource": "arn:aws:application-autoscaling:*:scalable-target/endpoint/m*",
        },
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    clients(enforcing)("iam").put_user_policy(
        UserName="operator", PolicyName="looks", PolicyDocument=document
    )
    alarm = {
        "MetricName": "a",
        "Namespace": "b",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    cloudwatch = operator("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName="mine-1", **alarm)
    assert code_of(cloudwatch.put_metric_alarm, AlarmName="a", **alarm) in DENIED
    assert operator("kms").describe_key(KeyId="alias/mine")["KeyMetadata"]
    assert operator("kms").describe_key(KeyId=mine)["KeyMetadata"]
    assert code_of(operator("kms").describe_key, KeyId=yours) in DENIED
    register = operator("application-autoscaling").register_scalable_target
    target = {
        "ServiceNamespace": "sagemaker",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    resource = "endpoint/{}/variant/a"
    assert code_of(register, **target, ResourceId=resource.format("you")) in DENIED
    code = code_of(register, **target, ResourceId=resource.format("mine"))
    assert code not in DENIED


def test_what_a_role_may_do_is_simulated(enforcing: StackSettings) -> None:
    iam = clients(enforcing)("iam")
    iam.create_role(
        RoleName="simulated", AssumeRolePolicyDocument=json.dumps(TRUST_SAGEMAKER)
    )
    document = {"Version": "2012-10-17", "Statement": STATEMENTS[3]}
    iam.put_role_policy(
        RoleName="simulated", PolicyName="one", PolicyDocument=json.dumps(document)
    )
    found = iam.simulate_principal_policy(
        PolicySourceArn=ROLE.replace("training", "simulated"),
        ActionNames=["sagemaker:CreateTrainingJob", "s3:GetObject"],
    )["EvaluationResults"]
    assert [each["EvalDecision"] for each in found] == ["allowed", "implicitDeny"]
