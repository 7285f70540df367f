"""The state that planners of jobs and endpoints need: what is uploaded, what is pushed,
which jobs there are.
"""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from launcher import names
from launcher.aws import Aws
from launcher.config import Config
from launcher.errors import AwsError, LauncherError
from launcher.images import registry, remote_image
from launcher.plans.data import PREFIX
from launcher.plans.hosting import Hosted, HostingState, config_name, model_name
from launcher.plans.jobs import DONE, Inputs
from launcher.plans.setup import POLICY_NAME
from launcher.s3_uri import S3Uri
from launcher.world import Account, is_ours, read_repository, read_role

EVALUATION = "evaluation.json"


def remote_files(aws: Aws, config: Config, account: Account) -> dict[str, str]:
    """SHA-256 by name of the training channel's objects; empty where there is no bucket
    yet.
    """
    owned = {
        "Bucket": names.bucket(config, account.account),
        "ExpectedBucketOwner": account.account,
    }
    try:
        keys = [
            entry["Key"]
            for entry in aws.pages(
                "s3", "ListObjectsV2", "Contents", Prefix=PREFIX, **owned
            )
        ]
    except AwsError as error:
        if error.is_absent:
            return {}
        raise
    heads = {key: aws.read("s3", "HeadObject", Key=key, **owned) for key in keys}
    return {
        key.removeprefix(PREFIX): head["Metadata"].get("sha256", "")
        for key, head in heads.items()
    }


def repository_uri(aws: Aws, config: Config, account: Account) -> str:
    """Where images are pushed to and pulled from: the override's host, or ECR's."""
    if config.registry:
        return f"{config.registry}/{names.repository(config)}"
    return (
        read_repository(aws, config).uri
        or f"{account.ecr_host}/{names.repository(config)}"
    )


def image_uri(aws: Aws, config: Config, account: Account) -> str:
    """The configured image, or the one that was pushed last, by digest.

    Raises:
        LauncherError: if nothing was pushed.
    """
    if config.image:
        return config.image
    remote = remote_image(
        registry(aws, config.registry), names.repository(config), "latest"
    )
    uri = repository_uri(aws, config, account)
    if remote is None:
        raise LauncherError(
            f"{uri} has no image: run `launcher build` and `launcher push`, or set `image`"
        )
    return f"{uri}@{remote.digest}"


def role_arn(aws: Aws, config: Config) -> str:
    """The execution role's ARN.

    Raises:
        LauncherError: if it isn't there.
    """
    if config.role.startswith("arn:"):
        return config.role
    role = read_role(aws, config, POLICY_NAME)
    if role.ownership == "absent":
        raise LauncherError(
            f"role {names.role(config)} isn't there: run `launcher init`, or set `role`"
        )
    return role.arn


def read_inputs(aws: Aws, config: Config, account: Account) -> Inputs:
    """What a job stands on."""
    return Inputs(
        account,
        role_arn(aws, config),
        image_uri(aws, config, account),
        remote_files(aws, config, account),
    )


def read_attempts(aws: Aws, kind: str, containing: str) -> dict[str, str]:
    """The states by name of jobs of a kind (``TrainingJob``,
    ``HyperParameterTuningJob``, ``TransformJob``).

    A completed training job whose model has been deleted since counts as stopped: there
        is nothing to go on from.
    ``containing`` narrows the list to the names of one piece of work, or of the
    project.
    """
    found = aws.pages(
        "sagemaker", f"List{kind}s", f"{kind}Summaries", NameContains=containing
    )
    states = {entry[f"{kind}Name"]: entry[f"{kind}Status"] for entry in found}
    if kind == "TrainingJob":
        return {
            name: "Stopped" if state == DONE and not _has_model(aws, name) else state
            for name, state in states.items()
        }
    return states


def _has_model(aws: Aws, name: str) -> bool:
    artifacts = describe_training(aws, name)["ModelArtifacts"]
    model = S3Uri.parse(artifacts["S3ModelArtifacts"])
    found = aws.read_or_none("s3", "HeadObject", Bucket=model.bucket, Key=model.key)
    return found is not None


def describe_training(aws: Aws, name: str) -> dict[str, Any]:
    """DescribeTrainingJob.

    Raises:
        LauncherError: if there is no such job.
    """
    answer = aws.read_or_none("sagemaker", "DescribeTrainingJob", TrainingJobName=name)
    if answer is None:
        raise LauncherError(
            f"there is no training job {name}: `launcher status` lists ours"
        )
    return answer


def newest_model(aws: Aws, config: Config) -> dict[str, Any]:
    """DescribeTrainingJob of our newest completed job; where that is one of a tuning
    job, of the best one of it.

    Raises:
        LauncherError: if there is none.
    """
    listed = aws.pages(
        "sagemaker",
        "ListTrainingJobs",
        "TrainingJobSummaries",
        NameContains=names.searched(config),
        StatusEquals=DONE,
        SortBy="CreationTime",
        SortOrder="Descending",
    )
    # Sorted here again: not every service of this interface sorts.
    for entry in sorted(listed, key=lambda entry: entry["CreationTime"], reverse=True):
        if is_ours(aws, config, entry["TrainingJobArn"]) and _has_model(
            aws, entry["TrainingJobName"]
        ):
            return _best_of_its_search(
                aws, describe_training(aws, entry["TrainingJobName"])
            )
    raise LauncherError(
        "there is no completed training job with a model: run `launcher train`"
    )


def _best_of_its_search(aws: Aws, job: dict[str, Any]) -> dict[str, Any]:
    """The best training job of the tuning job that one belongs to, if it does, and if
    that is still there.
    """
    name = job.get("TuningJobArn", "").rpartition("/")[2]
    tuning = name and aws.read_or_none(
        "sagemaker", "DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name
    )
    best = tuning and tuning.get("BestTrainingJob", {}).get("TrainingJobName")
    return describe_training(aws, best) if best else job


def hosted(aws: Aws, config: Config, job: dict[str, Any]) -> Hosted:
    """What a completed job gives to serve: its own image, its model, and the role."""
    return Hosted(
        config.image or job["AlgorithmSpecification"]["TrainingImage"],
        job["ModelArtifacts"]["S3ModelArtifacts"],
        role_arn(aws, config),
    )


def read_hosting(
    aws: Aws, config: Config, account: Account, what: Hosted
) -> HostingState:
    """What there is of a deployment."""

    def described(operation: str, **name: str) -> dict[str, Any]:
        return aws.read_or_none("sagemaker", operation, **name) or {}

    model = described("DescribeModel", ModelName=model_name(config, what))
    settings = described(
        "DescribeEndpointConfig", EndpointConfigName=config_name(config, account, what)
    )
    endpoint = described("DescribeEndpoint", EndpointName=names.endpoint(config))
    return HostingState(
        bool(model),
        bool(settings),
        endpoint.get("EndpointStatus", ""),
        endpoint.get("EndpointConfigName", ""),
        not endpoint or is_ours(aws, config, endpoint["EndpointArn"]),
    )


def read_evaluation(aws: Aws, job: dict[str, Any]) -> dict[str, Any]:
    """The evaluation of a completed job, from its ``output.tar.gz``.

    Raises:
        LauncherError: if there is none in it.
    """
    outputs = S3Uri.parse(job["OutputDataConfig"]["S3OutputPath"])
    archive = outputs / job["TrainingJobName"] / "output" / "output.tar.gz"
    found = aws.read("s3", "GetObject", Bucket=archive.bucket, Key=archive.key)
    packed = io.BytesIO(found["Body"].read())
    with tarfile.open(fileobj=packed, mode="r:gz") as tar:
        member = next(
            (
                m
                for m in tar.getmembers()
                if Path(m.name).name == EVALUATION and m.isfile()
            ),
            None,
        )
        stream = tar.extractfile(member) if member else None
        if stream is None:
            raise LauncherError(f"{archive} has no {EVALUATION}")
        return dict(json.load(stream))
