"""What the launcher knows of each kind of resource: how AWS's API names it, and which
of its states end by themselves.

This is the one place that decides whether a resource is absent and whether it is under
way. SageMaker's API is regular: from the stem ``TrainingJob`` follow the operations
``DescribeTrainingJob``, ``StopTrainingJob`` and ``DeleteTrainingJob``, and the members
``TrainingJobName`` and ``TrainingJobStatus``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from launcher.requests import Request

Kind = Literal[
    "training job",
    "tuning job",
    "transform job",
    "endpoint",
    "endpoint config",
    "model",
    "model package",
    "model package group",
    "bucket",
    "repository",
    "role",
    "log streams",
    "alarm",
    "dashboard",
    "scaling",
]

# The state of a resource that doesn't exist. AWS answers with an error instead.
ABSENT = "absent"

COMPLETED = "Completed"
FAILED = "Failed"
STOPPED = "Stopped"
IN_SERVICE = "InService"

_ABSENT_CODES = {
    "404",
    "LifecyclePolicyNotFoundException",
    "NoSuchBucket",
    "NoSuchEntity",
    "NoSuchKey",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchTagSet",
    "NoSuchTagSetError",
    "NotFound",
    "RepositoryNotFoundException",
    "ResourceNotFound",
    "ResourceNotFoundException",
    "ServerSideEncryptionConfigurationNotFoundError",
}
# SageMaker answers ValidationException with one of these.
_ABSENT_MESSAGE = re.compile(
    r"could not find|does not exist|not found|RecordNotFound", re.IGNORECASE
)


def means_absent(code: str, message: str) -> bool:
    """Whether an error of AWS says that the resource doesn't exist.

    Args:
        code: the error's code, such as ``NoSuchBucket``.
        message: the error's text, which counts only where the code leaves it open.
    """
    if code == "ValidationException":
        return _ABSENT_MESSAGE.search(message) is not None
    return code in _ABSENT_CODES


@dataclass(frozen=True, slots=True)
class SageMakerKind:
    """A kind of SageMaker resource, in the words of SageMaker's API.

    Attributes:
        stem: what the names of its operations and members are made of.
        list_member: the member of a list operation's answer that has the entries.
        under_way: states that end by themselves.
        settled: all other states of an existing resource.
        log_group: the CloudWatch log group that jobs of this kind share. Each endpoint
            has its own group beneath it.

    Example:
        >>> TRAINING_JOB.request("Stop", "stars-1").operation
        'StopTrainingJob'
        >>> TRAINING_JOB.state_member
        'TrainingJobStatus'
    """

    stem: str
    list_member: str
    under_way: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()
    log_group: str = ""

    @property
    def name_member(self) -> str:
        """The member that has a resource's name."""
        return f"{self.stem}Name"

    @property
    def arn_member(self) -> str:
        """The member that has a resource's ARN."""
        return f"{self.stem}Arn"

    @property
    def state_member(self) -> str:
        """The member that has a resource's state."""
        return f"{self.stem}Status"

    @property
    def list_operation(self) -> str:
        """The operation that lists the account's resources of this kind."""
        return f"List{self.stem}s"

    def request(self, verb: str, name: str) -> Request:
        """A request about one resource, with a verb such as ``Describe``."""
        return Request("sagemaker", f"{verb}{self.stem}", {self.name_member: name})


_JOB_UNDER_WAY = ("InProgress", "Stopping")
_JOB_SETTLED = (COMPLETED, FAILED, STOPPED)

TRAINING_JOB = SageMakerKind(
    "TrainingJob",
    "TrainingJobSummaries",
    _JOB_UNDER_WAY,
    _JOB_SETTLED,
    "/aws/sagemaker/TrainingJobs",
)
# Its log is that of its training jobs.
TUNING_JOB = SageMakerKind(
    "HyperParameterTuningJob",
    "HyperParameterTuningJobSummaries",
    _JOB_UNDER_WAY,
    _JOB_SETTLED,
    "/aws/sagemaker/TrainingJobs",
)
TRANSFORM_JOB = SageMakerKind(
    "TransformJob",
    "TransformJobSummaries",
    _JOB_UNDER_WAY,
    _JOB_SETTLED,
    "/aws/sagemaker/TransformJobs",
)
ENDPOINT = SageMakerKind(
    "Endpoint",
    "Endpoints",
    ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"),
    (IN_SERVICE, FAILED, "OutOfService", "UpdateRollbackFailed"),
    "/aws/sagemaker/Endpoints",
)
# During an update the old instances go on answering.
SERVING = (IN_SERVICE, "Updating", "SystemUpdating", "RollingBack")

ENDPOINT_CONFIG = SageMakerKind("EndpointConfig", "EndpointConfigs")
MODEL = SageMakerKind("Model", "Models")
# A package's name is its ARN.
MODEL_PACKAGE = SageMakerKind("ModelPackage", "ModelPackageSummaryList")
MODEL_PACKAGE_GROUP = SageMakerKind("ModelPackageGroup", "ModelPackageGroupSummaryList")

JOBS: dict[Kind, SageMakerKind] = {
    "tuning job": TUNING_JOB,
    "training job": TRAINING_JOB,
    "transform job": TRANSFORM_JOB,
}
SAGEMAKER_KINDS: dict[Kind, SageMakerKind] = {
    **JOBS,
    "endpoint": ENDPOINT,
    "endpoint config": ENDPOINT_CONFIG,
    "model": MODEL,
    "model package": MODEL_PACKAGE,
    "model package group": MODEL_PACKAGE_GROUP,
}
