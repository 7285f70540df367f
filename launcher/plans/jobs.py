"""Training, tuning and batch transform: one request each, under a name that follows
from the work.

The same work always gets the same name. So a job that is under way is followed instead
of started twice, one that is completed isn't run again, and one that failed or was
stopped is tried again under the next number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher import names
from launcher.config import Config
from launcher.errors import ConfigError, LauncherError
from launcher.kinds import COMPLETED, TRAINING_JOB
from launcher.plans.data import PREFIX
from launcher.plans.protection import key, network, traffic
from launcher.redaction import without_secrets
from launcher.requests import Action, Call, Request
from launcher.s3_uri import S3Uri
from launcher.specification import (
    check_hyperparameters,
    metric_definitions,
    search_ranges,
)
from launcher.world.account import Account
from launcher.world.jobs import JobInputs


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A job, and what starts it.

    Attributes:
        name: the job's name.
        state: its state, empty if it doesn't exist yet.
        actions: what starts it; nothing if it exists.
    """

    name: str
    state: str
    actions: list[Action]


def choose_attempt(
    name_of: Callable[[int], str], found: Mapping[str, str], again: bool
) -> tuple[str, str]:
    """Name and state of the attempt to go on with; the state is empty for a new one.

    Args:
        name_of: the name of an attempt, counted from 1.
        found: the states of the attempts that exist, by name.
        again: don't be content with a completed one, but begin another.
    """
    number = 1
    while True:
        name = name_of(number)
        state = found.get(name)
        if state is None:
            return name, ""
        if state in TRAINING_JOB.under_way or (state == COMPLETED and not again):
            return name, state
        number += 1


def plan_training(
    config: Config, inputs: JobInputs, found: Mapping[str, str], again: bool = False
) -> JobPlan:
    """One CreateTrainingJob, or nothing if the job is under way or completed.

    Args:
        config: instances, limits and hyperparameters.
        inputs: role, image and data.
        found: the states of the training jobs that exist, by name.
        again: run completed work once more.

    Raises:
        ConfigError: hyperparameters that the job would refuse.
        LauncherError: there is no data in the bucket.
    """
    check_hyperparameters(config.hyperparameters)

    def name_of(number: int) -> str:
        return training_name(config, inputs, number)

    name, state = choose_attempt(name_of, found, again)
    parameters: dict[str, Any] = {
        "TrainingJobName": name,
        **_training_definition(config, inputs),
        "HyperParameters": dict(config.hyperparameters),
        "Tags": names.tag_list(config),
    }
    if config.training_spot:
        bucket = S3Uri(names.bucket(config, inputs.account.id), "")
        # All attempts at the same work share one place, so that the next one goes on
        # from the rounds of the last.
        place = bucket / f"checkpoints/{name_of(1)}/"
        parameters["CheckpointConfig"] = {
            "S3Uri": str(place),
            "LocalPath": "/opt/ml/checkpoints",
        }
    if state:
        return JobPlan(name, state, [])
    request = Request("sagemaker", "CreateTrainingJob", parameters)
    return JobPlan(
        name, state, [Call(f"start training job {name}", request, creates=True)]
    )


def training_name(config: Config, inputs: JobInputs, number: int = 1) -> str:
    """The name of an attempt at this training, counted from 1."""
    work: dict[str, Any] = {
        "image": inputs.image,
        "data": dict(inputs.data),
        "hyperparameters": dict(config.hyperparameters),
        "instances": [config.training_instance_type, config.training_instance_count],
        "input_mode": config.training_input_mode,
    }
    work |= _surroundings(config)
    return names.for_work(config.name, work, number)


def _surroundings(config: Config) -> dict[str, Any]:
    """What a job runs in, as part of its work: a job in another network is another."""
    parts: dict[str, Any] = {}
    if config.environment:
        parts["environment"] = without_secrets(config.environment)
    protection = {
        **network(config),
        **traffic(config),
        **key("output", config.keys_output),
        **key("volume", config.keys_volume),
    }
    if protection:
        parts["protection"] = protection
    return parts


def plan_tuning(
    config: Config, inputs: JobInputs, found: Mapping[str, str], again: bool = False
) -> JobPlan:
    """One CreateHyperParameterTuningJob, or nothing if it is under way or completed.

    Hyperparameters that the configuration sets are fixed; the declared ranges of the
    others are searched. The arguments are those of `plan_training`.

    Raises:
        ConfigError: hyperparameters that the job would refuse, or an objective that it
            doesn't report.
        LauncherError: there is no data in the bucket.
    """
    check_hyperparameters(config.hyperparameters)
    objective = config.tuning_objective
    metrics = [definition["Name"] for definition in metric_definitions()]
    if objective not in metrics:
        raise ConfigError(
            f"tuning.objective is {objective!r}, expected one of {', '.join(metrics)}"
        )

    work: dict[str, Any] = {
        "image": inputs.image,
        "data": dict(inputs.data),
        "fixed": dict(config.hyperparameters),
        "jobs": [config.tuning_max_jobs, objective],
    }
    work |= _surroundings(config)

    def name_of(number: int) -> str:
        return names.for_work(config.name, work, number, names.TUNING_NAME_LENGTH)

    name, state = choose_attempt(name_of, found, again)
    # These metrics measure agreement; all others measure errors.
    higher_is_better = objective.endswith(("accuracy", "kappa"))
    tuning = {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {
            "Type": "Maximize" if higher_is_better else "Minimize",
            "MetricName": objective,
        },
        "ResourceLimits": {
            "MaxNumberOfTrainingJobs": config.tuning_max_jobs,
            "MaxParallelTrainingJobs": config.tuning_parallel_jobs,
        },
        "ParameterRanges": search_ranges(config.hyperparameters),
        "TrainingJobEarlyStoppingType": "Auto",
    }
    definition = {
        **_training_definition(config, inputs),
        "StaticHyperParameters": dict(config.hyperparameters),
    }
    parameters = {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": tuning,
        "TrainingJobDefinition": definition,
        "Tags": names.tag_list(config),
    }
    if state:
        return JobPlan(name, state, [])
    request = Request("sagemaker", "CreateHyperParameterTuningJob", parameters)
    return JobPlan(
        name, state, [Call(f"start tuning job {name}", request, creates=True)]
    )


@dataclass(frozen=True, slots=True)
class TransformInput:
    """A local CSV file of raw ids to answer.

    Attributes:
        path: the file.
        sha256: of its bytes.
    """

    path: Path
    sha256: str

    @property
    def file_name(self) -> str:
        """Its name in the bucket, which follows from its content."""
        return f"{self.sha256[:16]}.csv"


def plan_transform(
    config: Config,
    account: Account,
    model: str,
    rows: TransformInput,
    found: Mapping[str, str],
    again: bool = False,
) -> JobPlan:
    """Upload the rows, then one CreateTransformJob; or nothing, as `plan_training`.

    The answers will be under ``transform/NAME/output/`` in the bucket.

    Args:
        config: instances and limits.
        account: whose bucket has the rows and the answers.
        model: the SageMaker model's name.
        rows: what to answer.
        found: the states of the transform jobs that exist, by name.
        again: run completed work once more.
    """
    work = {
        "model": model,
        "input": rows.sha256,
        "payload": config.transform_payload_mb,
        **key("output", config.keys_output),
        **key("volume", config.keys_volume),
    }

    def name_of(number: int) -> str:
        return names.for_work(config.name, work, number)

    name, state = choose_attempt(name_of, found, again)
    if state:
        return JobPlan(name, state, [])

    bucket = S3Uri(names.bucket(config, account.id), "")
    # Named by content and not by job, so that a second attempt finds it there.
    uploaded = bucket / f"transform/input/{rows.file_name}"
    upload = Call(
        f"upload {uploaded.key}",
        Request(
            "s3",
            "PutObject",
            {**account.owned(bucket.bucket), "Key": uploaded.key, "Body": rows.path},
        ),
    )
    source = {"S3DataType": "S3Prefix", "S3Uri": str(uploaded)}
    parameters = {
        "TransformJobName": name,
        "ModelName": model,
        "MaxPayloadInMB": config.transform_payload_mb,
        "BatchStrategy": "MultiRecord",
        "TransformInput": {
            "DataSource": {"S3DataSource": source},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": str(bucket / f"transform/{name}/output"),
            "Accept": "application/jsonlines",
            "AssembleWith": "Line",
            **key("KmsKeyId", config.keys_output),
        },
        "TransformResources": {
            "InstanceType": config.transform_instance_type,
            "InstanceCount": config.transform_instance_count,
            **key("VolumeKmsKeyId", config.keys_volume),
        },
        "Tags": names.tag_list(config),
    }
    request = Request("sagemaker", "CreateTransformJob", parameters)
    start = Call(f"start transform job {name}", request, creates=True)
    return JobPlan(name, state, [upload, start])


def _training_definition(config: Config, inputs: JobInputs) -> dict[str, Any]:
    """What a training job has in common with the training jobs of a tuning job."""
    if not inputs.data:
        raise LauncherError("the bucket has no data to train on: run `launcher data`")

    bucket = S3Uri(names.bucket(config, inputs.account.id), "")
    stopping = {"MaxRuntimeInSeconds": config.training_max_seconds}
    if config.training_spot:
        # SageMaker refuses a wait that is shorter than the run.
        stopping["MaxWaitTimeInSeconds"] = max(
            config.training_max_wait_seconds, config.training_max_seconds
        )
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": str(bucket / PREFIX),
        "S3DataDistributionType": "FullyReplicated",
    }
    channel = {
        "ChannelName": names.CHANNEL,
        "DataSource": {"S3DataSource": source},
        "InputMode": config.training_input_mode,
    }
    definition: dict[str, Any] = {
        "AlgorithmSpecification": {
            "TrainingImage": inputs.image,
            "TrainingInputMode": config.training_input_mode,
            "MetricDefinitions": metric_definitions(),
        },
        "RoleArn": inputs.role_arn,
        "InputDataConfig": [channel],
        "OutputDataConfig": {
            "S3OutputPath": str(bucket / "jobs"),
            **key("KmsKeyId", config.keys_output),
        },
        "ResourceConfig": {
            "InstanceType": config.training_instance_type,
            "InstanceCount": config.training_instance_count,
            "VolumeSizeInGB": config.training_volume_gb,
            **key("VolumeKmsKeyId", config.keys_volume),
        },
        "StoppingCondition": stopping,
        "EnableManagedSpotTraining": config.training_spot,
        **network(config),
        **traffic(config),
    }
    if config.environment:
        definition["Environment"] = dict(config.environment)
    return definition
