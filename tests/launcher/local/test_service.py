"""The services' process: what it holds, and that regions are apart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from launcher.local import stack
from launcher.local.settings import StackSettings
from tests.launcher.local.stack_user import QUICK, StackUser, clients, poll

MEBIBYTE = 2**20
# Three times these are more than the process may hold.
N_OBJECTS = 15


def resident(settings: StackSettings) -> int:
    """Bytes of memory of the services' process."""
    (pid,) = stack.processes(settings)["service"].pids()
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def test_objects_of_s3_are_not_held_in_memory(
    settings: StackSettings, tmp_path: Path
) -> None:
    s3 = clients(settings)("s3")
    s3.create_bucket(Bucket="churn")
    large = tmp_path / "large"
    large.write_bytes(os.urandom(9 * MEBIBYTE))
    for round_number in range(3):
        for i in range(N_OBJECTS):
            s3.upload_file(str(large), "churn", f"{round_number}/{i}")
    s3.download_file("churn", f"2/{N_OBJECTS - 1}", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    assert resident(settings) < 400 * MEBIBYTE
    for round_number in range(3):
        keys = [{"Key": f"{round_number}/{i}"} for i in range(N_OBJECTS)]
        s3.delete_objects(Bucket="churn", Delete={"Objects": keys})
    s3.delete_bucket(Bucket="churn")


def a_days_flow(user: StackUser, day: int) -> None:
    """A model, an endpoint that is asked, and a transform job."""
    sagemaker = user.client("sagemaker")
    name = f"day-{day}"
    job = user.train(user.job(name, QUICK))
    data = job["ModelArtifacts"]["S3ModelArtifacts"]
    sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={"Image": user.image, "ModelDataUrl": data},
        ExecutionRoleArn=user.role,
    )
    variant = {
        "VariantName": "main",
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant]
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 300}
    )
    runtime = user.client("sagemaker-runtime")
    rows = b"1,318\n" * 2000
    for _ in range(20):
        answer = runtime.invoke_endpoint(
            EndpointName=name, Body=rows, ContentType="text/csv"
        )
        assert answer["Body"].read()
    source = {"S3DataType": "S3Prefix", "S3Uri": user.put(f"{name}/rows.csv", rows)}
    sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=name,
        TransformInput={
            "DataSource": {"S3DataSource": source},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        TransformOutput={"S3OutputPath": user.uri(f"{name}/out")},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    sagemaker.get_waiter("transform_job_completed_or_stopped").wait(
        TransformJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 300}
    )
    sagemaker.delete_endpoint(EndpointName=name)
    poll(lambda: user.containers() == [])


@pytest.mark.slow
def test_a_days_flow_three_times_over_leaves_little_in_memory(user: StackUser) -> None:
    for day in range(3):
        a_days_flow(user, day)
    assert resident(user.settings) < 400 * MEBIBYTE


def test_regions_are_told_apart(settings: StackSettings) -> None:
    session = boto3.Session(settings.access_key, settings.secret_key)

    def client(service: str) -> Any:
        return session.client(service, "eu-north-1", endpoint_url=settings.endpoint_url)

    here = clients(settings)("sagemaker")
    here.create_model_package_group(ModelPackageGroupName="here")
    there = client("sagemaker")
    assert there.list_model_package_groups()["ModelPackageGroupSummaryList"] == []
    key = clients(settings)("kms").create_key()["KeyMetadata"]["KeyId"]
    with pytest.raises(ClientError, match="Invalid keyId"):
        there.create_endpoint_config(
            EndpointConfigName="there",
            ProductionVariants=[{"VariantName": "a", "ModelName": "b"}],
            KmsKeyId=key,
        )
    made = there.create_model_package_group(ModelPackageGroupName="here")
    assert ":eu-north-1:" in made["ModelPackageGroupArn"]
    with pytest.raises(ClientError, match="images are kept in the region"):
        client("ecr").create_repository(repositoryName="there")
    here.delete_model_package_group(ModelPackageGroupName="here")
