"""Reads what a project has in an account with AWS's own clients, and gives it as the
settings of `halfstar.toml`: version 2 of SageMaker's SDK for all that it knows, and
boto3 beside it.

Usage: ``python describe_v2.py``, with the names of a project's things as JSON on stdin,
as the launcher's commands give them. It prints one line of JSON: by client and command,
the settings that were found. It knows nothing of the launcher but its settings' names.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3
from sagemaker.estimator import Estimator
from sagemaker.session import Session
from sagemaker.transformer import Transformer
from sagemaker.tuner import HyperparameterTuner

Settings = dict[str, Any]
Names = dict[str, str]


def main(names: Names) -> dict[str, dict[str, Settings]]:
    """All settings that each client finds, by what was run."""
    session = Session(default_bucket=names["bucket"])
    return {
        "v2": {
            "train": trained_by_sdk(session, names),
            "tune": tuned_by_sdk(session, names),
            "transform": transformed_by_sdk(session, names),
            "deploy": deployed_by_sdk(session, names["endpoint"]),
            "async": deployed_by_sdk(session, names["async"]),
            "serverless": deployed_by_sdk(session, names["serverless"]),
        },
        "boto3": {
            "init": prepared(names),
            "train": training_job(names["training_job"]),
            "tune": tuning_job(names["tuning_job"]),
            "transform": transform_job(names["transform_job"]),
            "deploy": {**endpoint(names["endpoint"]), **operated(names["endpoint"])},
            "async": {**endpoint(names["async"]), **operated(names["async"])},
            "serverless": endpoint(names["serverless"]),
            "register": tags(boto3.client("sagemaker"), names["package_group"]),
        },
    }


# Version 2 of the SDK


def trained_by_sdk(session: Session, names: Names) -> Settings:
    """An estimator of the job, and the description for what estimators leave out."""
    name = names["training_job"]
    estimator = Estimator.attach(name, sagemaker_session=session)
    described = session.describe_training_job(name)
    return {
        **of_estimator(estimator),
        "training.input_mode": estimator.input_mode,
        "training.spot": described["EnableManagedSpotTraining"],
        "training.max_wait_seconds": described["StoppingCondition"][
            "MaxWaitTimeInSeconds"
        ],
        "keys.volume": described["ResourceConfig"]["VolumeKmsKeyId"],
        **of_table("environment", described["Environment"]),
        **of_table("hyperparameters", estimator.hyperparameters()),
        **of_tags(estimator.tags),
    }


def tuned_by_sdk(session: Session, names: Names) -> Settings:
    """A tuner of the job, and its estimator."""
    tuner = HyperparameterTuner.attach(names["tuning_job"], session)
    return {
        **of_estimator(tuner.estimator),
        "tuning.objective": tuner.objective_metric_name,
        "tuning.max_jobs": tuner.max_jobs,
        "tuning.parallel_jobs": tuner.max_parallel_jobs,
    }


def of_estimator(estimator: Estimator) -> Settings:
    """What a training job and those of a search have in common."""
    return {
        "training.instance_type": estimator.instance_type,
        "training.instance_count": estimator.instance_count,
        "training.volume_gb": estimator.volume_size,
        "training.max_seconds": estimator.max_run,
        "network.subnets": estimator.subnets,
        "network.security_groups": estimator.security_group_ids,
        "network.isolation": estimator.enable_network_isolation(),
        "network.encrypt_traffic": estimator.encrypt_inter_container_traffic,
        "keys.output": estimator.output_kms_key,
    }


def transformed_by_sdk(session: Session, names: Names) -> Settings:
    """A transformer of the job."""
    transformer = Transformer.attach(names["transform_job"], session)
    return {
        "transform.instance_type": transformer.instance_type,
        "transform.instance_count": transformer.instance_count,
        "transform.payload_mb": transformer.max_payload,
        "keys.output": transformer.output_kms_key,
        "keys.volume": transformer.volume_kms_key,
    }


def deployed_by_sdk(session: Session, name: str) -> Settings:
    """An endpoint with its configuration and its model."""
    described = session.describe_endpoint(name)
    configuration = session.describe_endpoint_config(described["EndpointConfigName"])
    (variant,) = configuration["ProductionVariants"]
    return {
        "hosting.endpoint": described["EndpointName"],
        **of_configuration(configuration),
        **of_model(session.describe_model(variant["ModelName"])),
        **of_tags(session.list_tags(described["EndpointArn"])),
    }


# boto3


def prepared(names: Names) -> Settings:
    """Bucket, role and repository."""
    s3 = boto3.client("s3")
    encryption = s3.get_bucket_encryption(Bucket=names["bucket"])
    (rule,) = encryption["ServerSideEncryptionConfiguration"]["Rules"]
    role_name = names["role"].rpartition("/")[2]
    role = boto3.client("iam").get_role(RoleName=role_name)["Role"]
    ecr = boto3.client("ecr")
    repository = names["repository"].partition("/")[2]
    found = ecr.describe_repositories(repositoryNames=[repository])
    arn = found["repositories"][0]["repositoryArn"]
    tagged = (
        s3.get_bucket_tagging(Bucket=names["bucket"])["TagSet"],
        role["Tags"],
        ecr.list_tags_for_resource(resourceArn=arn)["tags"],
    )
    assert of_tags(tagged[0]) == of_tags(tagged[1]) == of_tags(tagged[2])
    return {
        "keys.bucket": rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"],
        "iam.boundary": role["PermissionsBoundary"]["PermissionsBoundaryArn"],
        "iam.path": role["Path"],
        **of_tags(tagged[0]),
    }


def training_job(name: str) -> Settings:
    client = boto3.client("sagemaker")
    described = client.describe_training_job(TrainingJobName=name)
    return {
        **of_training(described),
        **of_table("hyperparameters", described["HyperParameters"]),
        **tags(client, described["TrainingJobArn"]),
    }


def tuning_job(name: str) -> Settings:
    client = boto3.client("sagemaker")
    described = client.describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name
    )
    tuning = described["HyperParameterTuningJobConfig"]
    definition = described["TrainingJobDefinition"]
    fixed = dict(definition["StaticHyperParameters"])
    # SageMaker adds it to every search.
    fixed.pop("_tuning_objective_metric", None)
    return {
        **of_training(definition),
        **of_table("hyperparameters", fixed),
        "tuning.objective": tuning["HyperParameterTuningJobObjective"]["MetricName"],
        "tuning.max_jobs": tuning["ResourceLimits"]["MaxNumberOfTrainingJobs"],
        "tuning.parallel_jobs": tuning["ResourceLimits"]["MaxParallelTrainingJobs"],
        **tags(client, described["HyperParameterTuningJobArn"]),
    }


def of_training(described: dict[str, Any]) -> Settings:
    """What a training job and those of a search have in common."""
    resources = described["ResourceConfig"]
    stopping = described["StoppingCondition"]
    return {
        "training.instance_type": resources["InstanceType"],
        "training.instance_count": resources["InstanceCount"],
        "training.volume_gb": resources["VolumeSizeInGB"],
        "training.max_seconds": stopping["MaxRuntimeInSeconds"],
        "training.max_wait_seconds": stopping["MaxWaitTimeInSeconds"],
        "training.input_mode": described["AlgorithmSpecification"]["TrainingInputMode"],
        "training.spot": described["EnableManagedSpotTraining"],
        **of_network(described),
        "network.encrypt_traffic": described["EnableInterContainerTrafficEncryption"],
        "keys.output": described["OutputDataConfig"]["KmsKeyId"],
        "keys.volume": resources["VolumeKmsKeyId"],
        **of_table("environment", described["Environment"]),
    }


def transform_job(name: str) -> Settings:
    client = boto3.client("sagemaker")
    described = client.describe_transform_job(TransformJobName=name)
    resources = described["TransformResources"]
    return {
        "transform.instance_type": resources["InstanceType"],
        "transform.instance_count": resources["InstanceCount"],
        "transform.payload_mb": described["MaxPayloadInMB"],
        "keys.output": described["TransformOutput"]["KmsKeyId"],
        "keys.volume": resources["VolumeKmsKeyId"],
        **of_model(client.describe_model(ModelName=described["ModelName"])),
        **tags(client, described["TransformJobArn"]),
    }


def endpoint(name: str) -> Settings:
    client = boto3.client("sagemaker")
    described = client.describe_endpoint(EndpointName=name)
    configuration = client.describe_endpoint_config(
        EndpointConfigName=described["EndpointConfigName"]
    )
    (variant,) = configuration["ProductionVariants"]
    model = client.describe_model(ModelName=variant["ModelName"])
    arns = (
        described["EndpointArn"],
        configuration["EndpointConfigArn"],
        model["ModelArn"],
    )
    found: Settings = {}
    for arn in arns:
        found |= tags(client, arn)
    return {
        **found,
        "hosting.endpoint": described["EndpointName"],
        **of_configuration(configuration),
        **of_model(model),
    }


def operated(name: str) -> Settings:
    """Scaling, alarms and dashboard of an endpoint."""
    scaling = boto3.client("application-autoscaling")
    resource = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/main",
    }
    targets = scaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[resource["ResourceId"]]
    )
    (target,) = targets["ScalableTargets"]
    found: Settings = {
        "scaling.min": target["MinCapacity"],
        "scaling.max": target["MaxCapacity"],
    }
    policies = scaling.describe_scaling_policies(**resource)["ScalingPolicies"]
    for policy in policies:
        tracking = policy.get("TargetTrackingScalingPolicyConfiguration")
        if tracking is not None:
            is_async = "CustomizedMetricSpecification" in tracking
            key = "scaling.backlog" if is_async else "scaling.invocations"
            found[key] = tracking["TargetValue"]

    alarms = boto3.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{name}-")
    for alarm in alarms["MetricAlarms"]:
        what = alarm["AlarmName"].removeprefix(f"{name}-")
        if what == "errors":
            found["alarms.errors"] = alarm["Threshold"]
        if what == "latency":
            found["alarms.latency_ms"] = alarm["Threshold"] / 1000

    dashboard = boto3.client("cloudwatch").get_dashboard(DashboardName=name)
    found["alarms.dashboard"] = dashboard["DashboardName"] == name
    return found


# Both


def of_configuration(configuration: dict[str, Any]) -> Settings:
    (variant,) = configuration["ProductionVariants"]
    found: Settings = {"keys.endpoint": configuration["KmsKeyId"]}
    if "ServerlessConfig" in variant:
        serverless = variant["ServerlessConfig"]
        found["hosting.memory_mb"] = serverless["MemorySizeInMB"]
        found["hosting.max_concurrency"] = serverless["MaxConcurrency"]
    else:
        found["hosting.instance_type"] = variant["InstanceType"]
        found["hosting.instance_count"] = variant["InitialInstanceCount"]
    if "AsyncInferenceConfig" in configuration:
        later = configuration["AsyncInferenceConfig"]
        concurrency = later["ClientConfig"]["MaxConcurrentInvocationsPerInstance"]
        found["hosting.max_concurrency"] = concurrency
        found["keys.output"] = later["OutputConfig"]["KmsKeyId"]
    if "DataCaptureConfig" in configuration:
        capture = configuration["DataCaptureConfig"]
        found["capture.percent"] = capture["InitialSamplingPercentage"]
        found["keys.output"] = capture["KmsKeyId"]
    return found


def of_model(model: dict[str, Any]) -> Settings:
    variables = model["PrimaryContainer"]["Environment"]
    return {**of_network(model), **of_table("environment", variables)}


def of_network(described: dict[str, Any]) -> Settings:
    """Nothing for what has no network."""
    if "VpcConfig" not in described:
        return {}
    return {
        "network.subnets": described["VpcConfig"]["Subnets"],
        "network.security_groups": described["VpcConfig"]["SecurityGroupIds"],
        "network.isolation": described["EnableNetworkIsolation"],
    }


def tags(client: Any, arn: str) -> Settings:
    return of_tags(client.list_tags(ResourceArn=arn)["Tags"])


def of_tags(listed: list[dict[str, str]]) -> Settings:
    """Our tag has the project's name. Tags that remember something aren't settings."""
    by_key = {tag["Key"]: tag["Value"] for tag in listed}
    by_key.pop("halfstar-before", None)
    return {"name": by_key.pop("halfstar"), **of_table("tags", by_key)}


def of_table(table: str, values: dict[str, str]) -> Settings:
    return {f"{table}.{name}": value for name, value in values.items()}


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
