"""Training, tuning and batch transform: one request each, under a name that the same
work always gets again.

A job that was begun is gone on with, one that is done is not done again, and one that
failed or was stopped is tried anew under the next number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from launcher import names
from launcher.config import Config
from launcher.errors import LauncherError
from launcher.plans.data import PREFIX
from launcher.requests import Action, Call, Request
from launcher.specification import (
    check_hyperparameters,
    metric_definitions,
    search_ranges,
)
from launcher.world import Account

UNDER_WAY = ("InProgress", "Stopping")
DONE = "Completed"
CHANNEL = "training"


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A job's name, whether it is there already, its state then, and what is to be
    done.
    """

    name: str
    state: str
    actions: list[Action]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the jobs of a project stand on.

    Attributes:
        account: where they run.
        role_arn: whose permissions they have.
        image: URI with a digest.
        data: SHA-256 by name of the files of the training channel.
    """

    account: Account
    role_arn: str
    image: str
    data: Mapping[str, str]


def attempt(
    name_of: Callable[[int], str], found: Mapping[str, str], again: bool
) -> tuple[str, str]:
    """The attempt to go on with and its state, or the next one's name and an empty
    state.

    Args:
        name_of: the name of an attempt, counted from 1.
        found: the states of the attempts that there are.
        again: leave a completed one alone and begin another.
    """
    number = 1
    while (state := found.get(name_of(number))) is not None:
        if state in UNDER_WAY or (state == DONE and not again):
            return name_of(number), state
        number += 1
    return name_of(number), ""


def plan_training(
    config: Config, inputs: Inputs, found: Mapping[str, str], again: bool = False
) -> JobPlan:
    """One CreateTrainingJob, or none where the job is under way or done.

    Raises:
        ConfigError: hyperparameters that the job would refuse.
        LauncherError: no data in the bucket.
    """
    check_hyperparameters(config.hyperparameters)
    common = _training_definition(config, inputs)
    name, state = attempt(
        lambda number: training_name(config, inputs, number), found, again
    )
    parameters: dict[str, Any] = {
        "TrainingJobName": name,
        **common,
        "AlgorithmSpecification": _algorithm(config, inputs),
        "HyperParameters": dict(config.hyperparameters),
        "Tags": names.tag_list(config),
    }
    if config.training_spot:
        bucket = names.bucket(config, inputs.account.account)
        parameters["CheckpointConfig"] = {
            # Every attempt at the same work has the same place, so that the next goes
            # on from the last one's rounds.
            "S3Uri": f"s3://{bucket}/checkpoints/{training_name(config, inputs)}/",
            "LocalPath": "/opt/ml/checkpoints",
        }
    create = Call(
        f"start training job {name}",
        Request("sagemaker", "CreateTrainingJob", parameters),
    )
    return JobPlan(name, state, [] if state else [create])


def training_name(config: Config, inputs: Inputs, number: int = 1) -> str:
    """The name that this work has."""
    decides = {
        "image": inputs.image,
        "data": dict(inputs.data),
        "hyperparameters": dict(config.hyperparameters),
        "instances": [config.training_instance_type, config.training_instance_count],
        "input_mode": config.training_input_mode,
    }
    return names.of_work(config.name, decides, number)


def plan_tuning(
    config: Config, inputs: Inputs, found: Mapping[str, str], again: bool = False
) -> JobPlan:
    """One CreateHyperParameterTuningJob; what the configuration sets is fixed, the
    other declared ranges are searched.

    Raises:
        ConfigError: hyperparameters that the job would refuse.
        LauncherError: no data in the bucket, or an objective that the job doesn't tell.
    """
    check_hyperparameters(config.hyperparameters)
    known = [definition["Name"] for definition in metric_definitions()]
    if config.tuning_objective not in known:
        raise LauncherError(
            f"tuning.objective is {config.tuning_objective!r}, expected one of {', '.join(known)}"
        )
    training = _training_definition(config, inputs)
    decides = {
        "image": inputs.image,
        "data": dict(inputs.data),
        "fixed": dict(config.hyperparameters),
        "jobs": [config.tuning_max_jobs, config.tuning_objective],
    }

    def name_of(number: int) -> str:
        return names.of_work(config.name, decides, number, names.TUNING_NAME_LENGTH)

    name, state = attempt(name_of, found, again)
    # A metric that is better when it is higher is one of agreement; the others are
    # errors.
    agreement = config.tuning_objective.endswith(("accuracy", "kappa"))
    tuning = {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {
            "Type": "Maximize" if agreement else "Minimize",
            "MetricName": config.tuning_objective,
        },
        "ResourceLimits": {
            "MaxNumberOfTrainingJobs": config.tuning_max_jobs,
            "MaxParallelTrainingJobs": config.tuning_parallel_jobs,
        },
        "ParameterRanges": search_ranges(config.hyperparameters),
        "TrainingJobEarlyStoppingType": "Auto",
    }
    parameters = {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": tuning,
        "TrainingJobDefinition": {
            **training,
            "AlgorithmSpecification": _algorithm(config, inputs),
            "StaticHyperParameters": dict(config.hyperparameters),
        },
        "Tags": names.tag_list(config),
    }
    create = Call(
        f"start tuning job {name}",
        Request("sagemaker", "CreateHyperParameterTuningJob", parameters),
    )
    return JobPlan(name, state, [] if state else [create])


def plan_transform(
    config: Config,
    account: Account,
    model: str,
    path: Any,
    sha256: str,
    found: Mapping[str, str],
    again: bool = False,
) -> JobPlan:
    """Upload a CSV of ids and answer it in a batch; the output lies under
    ``transform/NAME/output/``.
    """
    decides = {"model": model, "input": sha256, "payload": config.transform_payload_mb}
    name, state = attempt(
        lambda number: names.of_work(config.name, decides, number), found, again
    )
    bucket = names.bucket(config, account.account)
    # By content, not by job: a second attempt finds its input there.
    key = f"transform/input/{sha256[:16]}.csv"
    upload = Request(
        "s3",
        "PutObject",
        {
            "Bucket": bucket,
            "ExpectedBucketOwner": account.account,
            "Key": key,
            "Body": path,
        },
    )
    parameters = {
        "TransformJobName": name,
        "ModelName": model,
        "MaxPayloadInMB": config.transform_payload_mb,
        "BatchStrategy": "MultiRecord",
        "TransformInput": {
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://{bucket}/{key}",
                }
            },
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://{bucket}/transform/{name}/output",
            "Accept": "application/jsonlines",
            "AssembleWith": "Line",
        },
        "TransformResources": {
            "InstanceType": config.transform_instance_type,
            "InstanceCount": config.transform_instance_count,
        },
        "Tags": names.tag_list(config),
    }
    create = Call(
        f"start transform job {name}",
        Request("sagemaker", "CreateTransformJob", parameters),
    )
    return JobPlan(
        name, state, [] if state else [Call(f"upload {key}", upload), create]
    )


def _training_definition(config: Config, inputs: Inputs) -> dict[str, Any]:
    """What a training job and a tuning job's training jobs have in common."""
    if not inputs.data:
        raise LauncherError("the bucket has no data to train on: run `launcher data`")
    bucket = names.bucket(config, inputs.account.account)
    stop = {"MaxRuntimeInSeconds": config.training_max_seconds}
    if config.training_spot:
        stop["MaxWaitTimeInSeconds"] = max(
            config.training_max_wait_seconds, config.training_max_seconds
        )
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{bucket}/{PREFIX}",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {
        "RoleArn": inputs.role_arn,
        "InputDataConfig": [
            {
                "ChannelName": CHANNEL,
                "DataSource": {"S3DataSource": source},
                "InputMode": config.training_input_mode,
            }
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/jobs"},
        "ResourceConfig": {
            "InstanceType": config.training_instance_type,
            "InstanceCount": config.training_instance_count,
            "VolumeSizeInGB": config.training_volume_gb,
        },
        "StoppingCondition": stop,
        "EnableManagedSpotTraining": config.training_spot,
    }


def _algorithm(config: Config, inputs: Inputs) -> dict[str, Any]:
    return {
        "TrainingImage": inputs.image,
        "TrainingInputMode": config.training_input_mode,
        "MetricDefinitions": metric_definitions(),
    }
