"""What one types by hand with boto3, as the developer guide has it, against whatever
endpoint the environment names.

Usage: ``python judge_boto3.py IMAGE ROLE BUCKET``. It prints what
it found as one line of JSON, and knows nothing of the services that it calls.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

INSTANCE = "ml.m5.large"
NAME = "judged-by-hand"
ROWS = b"1,318\n1,1\n"
VARIANT = [
    {"Name": "EndpointName", "Value": NAME},
    {"Name": "VariantName", "Value": "main"},
]
SCALED = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": f"endpoint/{NAME}/variant/main",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


def main(image: str, role: str, bucket: str) -> dict[str, Any]:
    """Do all of it; gives what was found on the way."""
    sagemaker = boto3.client("sagemaker")
    runtime = boto3.client("sagemaker-runtime")
    cloudwatch = boto3.client("cloudwatch")
    autoscaling = boto3.client("application-autoscaling")
    found: dict[str, Any] = {}

    # A training job.
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/data/"}
    sagemaker.create_training_job(
        TrainingJobName=NAME,
        RoleArn=role,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        HyperParameters={"num_round": "5", "features": "none"},
        InputDataConfig=[
            {"ChannelName": "training", "DataSource": {"S3DataSource": source}}
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/hand"},
        ResourceConfig={
            "InstanceType": INSTANCE,
            "InstanceCount": 1,
            "VolumeSizeInGB": 5,
        },
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    wait(sagemaker, "training_job_completed_or_stopped", TrainingJobName=NAME)
    job = sagemaker.describe_training_job(TrainingJobName=NAME)
    found["status"] = job["TrainingJobStatus"]
    streams = boto3.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{NAME}/"
    )
    found["streams"] = len(streams["logStreams"])

    # An endpoint with an alarm, which is asked rightly and wrongly.
    sagemaker.create_model(
        ModelName=NAME,
        ExecutionRoleArn=role,
        PrimaryContainer={
            "Image": image,
            "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
        },
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName=NAME,
        ProductionVariants=[
            {
                "VariantName": "main",
                "ModelName": NAME,
                "InstanceType": INSTANCE,
                "InitialInstanceCount": 1,
            }
        ],
    )
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
    wait(sagemaker, "endpoint_in_service", EndpointName=NAME)
    cloudwatch.put_metric_alarm(
        AlarmName=NAME,
        Namespace="AWS/SageMaker",
        MetricName="Invocation4XXErrors",
        Dimensions=VARIANT,
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    found["calm"] = alarm(cloudwatch)
    answer = runtime.invoke_endpoint(
        EndpointName=NAME, Body=ROWS, ContentType="text/csv", Accept="text/csv"
    )
    found["endpoint"] = answer["Body"].read().decode()
    try:
        runtime.invoke_endpoint(EndpointName=NAME, Body=b"bad", ContentType="text/csv")
    except runtime.exceptions.ModelError as error:
        found["refused"] = error.response["OriginalStatusCode"]
    found["alarmed"] = alarm(cloudwatch)
    found["invocations"] = total(cloudwatch, "Invocations")
    found["errors"] = total(cloudwatch, "Invocation4XXErrors")

    # Two instances and back to one, by the bounds of a scalable target.
    autoscaling.register_scalable_target(**SCALED, MinCapacity=2, MaxCapacity=3)
    until(lambda: instances(sagemaker) == 2)
    autoscaling.register_scalable_target(**SCALED, MinCapacity=1, MaxCapacity=1)
    until(lambda: instances(sagemaker) == 1)
    autoscaling.deregister_scalable_target(**SCALED)

    # What isn't offered says so.
    for operation, parameters in (
        ("create_processing_job", processing_job(image, role)),
        ("list_pipelines", {}),
    ):
        try:
            getattr(sagemaker, operation)(**parameters)
        except sagemaker.exceptions.ClientError as error:
            found[operation] = error.response["Error"]["Message"]

    sagemaker.delete_endpoint(EndpointName=NAME)
    wait(sagemaker, "endpoint_deleted", EndpointName=NAME)
    sagemaker.delete_endpoint_config(EndpointConfigName=NAME)
    sagemaker.delete_model(ModelName=NAME)
    cloudwatch.delete_alarms(AlarmNames=[NAME])
    return found


def wait(client: Any, waiter: str, **parameters: Any) -> None:
    """Wait for a state, however long that takes."""
    patience = {"Delay": 1, "MaxAttempts": 100_000}
    client.get_waiter(waiter).wait(**parameters, WaiterConfig=patience)


def until(holds: Callable[[], bool]) -> None:
    """Return once the condition holds; whoever runs this has a time limit."""
    while not holds():
        time.sleep(0.5)


def instances(sagemaker: Any) -> int:
    """How many the endpoint has, once it is in service."""
    wait(sagemaker, "endpoint_in_service", EndpointName=NAME)
    variants = sagemaker.describe_endpoint(EndpointName=NAME)["ProductionVariants"]
    return int(variants[0]["CurrentInstanceCount"])


def alarm(cloudwatch: Any) -> str:
    """The alarm's state."""
    alarms = cloudwatch.describe_alarms(AlarmNames=[NAME])["MetricAlarms"]
    return str(alarms[0]["StateValue"])


def total(cloudwatch: Any, metric: str) -> float:
    """The sum of a metric of the endpoint."""
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    points = cloudwatch.get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=VARIANT,
        StartTime=now - hour,
        EndTime=now + hour,
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


def processing_job(image: str, role: str) -> dict[str, Any]:
    cluster = {"InstanceCount": 1, "InstanceType": INSTANCE, "VolumeSizeInGB": 1}
    return {
        "ProcessingJobName": NAME,
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {"ImageUri": image},
        "RoleArn": role,
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
