"""What jobs are made from, which jobs there are, and what completed ones have left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from launcher import names
from launcher.aws import Aws
from launcher.config import Config
from launcher.errors import LauncherError
from launcher.kinds import COMPLETED, STOPPED, TRAINING_JOB, TUNING_JOB, SageMakerKind
from launcher.s3_uri import S3Uri
from launcher.world.account import Account
from launcher.world.data import remote_files
from launcher.world.images import image_uri
from launcher.world.resources import is_ours, role_arn
from movielens.json_text import parse_json

if TYPE_CHECKING:
    from movielens.evaluation import Evaluation
    from movielens.report_numbers import ReportNumbers

_EVALUATION = "evaluation.json"
_MOST_EVALUATION_BYTES = 2**24
_REPORT = "report.html"
_MOST_REPORT_BYTES = 2**24
_MOST_NUMBERS_BYTES = 2**22


@dataclass(frozen=True, slots=True)
class JobInputs:
    """What the jobs of a project are made from.

    Attributes:
        account: where they run.
        role_arn: whose permissions they have.
        image: URI with a digest.
        data: SHA-256 of the files of the training channel, by name.
    """

    account: Account
    role_arn: str
    image: str
    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What is needed to serve the model of a completed training job.

    Attributes:
        image: URI with a digest.
        model_data: the job's model archive in S3.
        role_arn: whose permissions serving has.
    """

    image: str
    model_data: str
    role_arn: str


def read_inputs(aws: Aws, config: Config, account: Account) -> JobInputs:
    """The role, image and data that a job would have now.

    Raises:
        LauncherError: the role or the image doesn't exist.
    """
    return JobInputs(
        account,
        role_arn(aws, config),
        image_uri(aws, config, account),
        remote_files(aws, config, account),
    )


def read_attempts(aws: Aws, kind: SageMakerKind, containing: str) -> dict[str, str]:
    """The states of the account's jobs of one kind, by name.

    A completed training job whose model has been deleted counts as stopped, since its
    model can't be used any more.

    Args:
        aws: where to look.
        kind: such as `launcher.kinds.TRAINING_JOB`.
        containing: only jobs with this in their names.
    """
    listed = aws.pages(
        "sagemaker", kind.list_operation, kind.list_member, NameContains=containing
    )
    states: dict[str, str] = {}
    for entry in listed:
        name = entry[kind.name_member]
        state = entry[kind.state_member]
        if kind == TRAINING_JOB and state == COMPLETED and not _has_model(aws, name):
            state = STOPPED
        states[name] = state
    return states


def _has_model(aws: Aws, name: str) -> bool:
    artifacts = describe_training_job(aws, name)["ModelArtifacts"]
    model = S3Uri.parse(artifacts["S3ModelArtifacts"])
    found = aws.read_or_none("s3", "HeadObject", Bucket=model.bucket, Key=model.key)
    return found is not None


def describe_training_job(aws: Aws, name: str) -> dict[str, Any]:
    """The answer of DescribeTrainingJob.

    Raises:
        LauncherError: there is no such job.
    """
    answer = aws.send_or_none(TRAINING_JOB.request("Describe", name))
    if answer is None:
        raise LauncherError(
            f"there is no training job {name}: `launcher status` lists ours"
        )
    return answer


def chosen_training_job(aws: Aws, config: Config, name: str | None) -> dict[str, Any]:
    """The training job whose model is used: the named one, or our newest with a model.

    If the newest job belongs to a tuning job, it is that tuning job's best one.

    Raises:
        LauncherError: there is no such job.
    """
    if name is not None:
        return completed_training_job(aws, name)

    listed = aws.pages(
        "sagemaker",
        TRAINING_JOB.list_operation,
        TRAINING_JOB.list_member,
        NameContains=names.search_term(config),
        StatusEquals=COMPLETED,
        SortBy="CreationTime",
        SortOrder="Descending",
    )
    # Sorted again, because not every server of this API sorts.
    newest_first = sorted(listed, key=lambda job: job["CreationTime"], reverse=True)
    for entry in newest_first:
        found = entry["TrainingJobName"]
        if is_ours(aws, config, entry["TrainingJobArn"]) and _has_model(aws, found):
            return _best_of_its_search(aws, describe_training_job(aws, found))
    raise LauncherError(
        "there is no completed training job with a model: run `launcher train`"
    )


def completed_training_job(aws: Aws, name: str) -> dict[str, Any]:
    """The description of a job that has left a model.

    Raises:
        LauncherError: there is no such job, or it isn't completed.
    """
    job = describe_training_job(aws, name)
    state = job["TrainingJobStatus"]
    if state == COMPLETED:
        return job
    reason = job.get("FailureReason")
    said = f"{state}: {reason}" if reason else state
    raise LauncherError(
        f"training job {name} has no model to use, it is {said}; "
        "`launcher status` lists those that are Completed"
    )


def _best_of_its_search(aws: Aws, job: dict[str, Any]) -> dict[str, Any]:
    """The best training job of the tuning job that ``job`` belongs to, or ``job``."""
    tuning_job = job.get("TuningJobArn", "").rpartition("/")[2]
    if not tuning_job:
        return job
    described = aws.send_or_none(TUNING_JOB.request("Describe", tuning_job)) or {}
    best = described.get("BestTrainingJob", {}).get("TrainingJobName")
    return describe_training_job(aws, best) if best else job


def trained_model(aws: Aws, config: Config, job: dict[str, Any]) -> TrainedModel:
    """What a completed job gives to serve, in the job's own image or the configured."""
    return TrainedModel(
        config.image or job["AlgorithmSpecification"]["TrainingImage"],
        job["ModelArtifacts"]["S3ModelArtifacts"],
        role_arn(aws, config),
    )


def read_evaluation(aws: Aws, job: dict[str, Any]) -> Evaluation:
    """The evaluation of a completed job, from its ``output.tar.gz``.

    Raises:
        LauncherError: there is none in it, or another version of the job wrote it.
    """
    archive = output_archive(job)
    return evaluation_in(aws.get_object(archive), str(archive))


def read_results(
    aws: Aws, job: dict[str, Any]
) -> tuple[Evaluation, ReportNumbers | None]:
    """The evaluation of a completed job, and what its report measured besides.

    An older version, or a job whose report failed, has left no such numbers.

    Raises:
        LauncherError: there is no evaluation, or another version of the job wrote one
            of both.
    """
    archive = output_archive(job)
    content = aws.get_object(archive)
    place = str(archive)
    return evaluation_in(content, place), report_numbers_in(content, place)


def read_report(aws: Aws, job: dict[str, Any]) -> bytes:
    """The report of a completed job, from its ``output.tar.gz``.

    Raises:
        LauncherError: there is none in it.
    """
    from movielens.packed_files import find

    archive = output_archive(job)
    try:
        page = find(aws.get_object(archive), _REPORT, _MOST_REPORT_BYTES)
    except ValueError as error:
        raise LauncherError(f"{archive}: {error}; train again") from error
    if page is None:
        raise LauncherError(
            f"{archive} has no {_REPORT}: the log of the job may say why, or an older "
            "version ran it; train again"
        )
    return page


def output_archive(job: dict[str, Any]) -> S3Uri:
    """The ``output.tar.gz`` of a job that was described."""
    outputs = S3Uri.parse(job["OutputDataConfig"]["S3OutputPath"])
    name: str = job["TrainingJobName"]
    return outputs / name / "output/output.tar.gz"


def evaluation_in(archive: bytes, place: str) -> Evaluation:
    """The evaluation in the bytes of an ``output.tar.gz``.

    Args:
        archive: the bytes.
        place: where they come from, for the error message.

    Raises:
        LauncherError: there is none in it, or another version of the job wrote it.
    """
    from movielens.evaluation import Evaluation

    found = _json_in(archive, place, _EVALUATION, _MOST_EVALUATION_BYTES)
    if found is None:
        raise LauncherError(
            f"{place} has no {_EVALUATION}; train again with this version"
        )
    with _read_by_this_version(place, _EVALUATION):
        return Evaluation.from_json(found)


def report_numbers_in(archive: bytes, place: str) -> ReportNumbers | None:
    """What the report of a job measured, in the bytes of an ``output.tar.gz``.

    Args:
        archive: the bytes.
        place: where they come from, for the error message.

    Raises:
        LauncherError: another version of the job wrote it.
    """
    from movielens.report_numbers import REPORT_NUMBERS, ReportNumbers

    found = _json_in(archive, place, REPORT_NUMBERS, _MOST_NUMBERS_BYTES)
    if found is None:
        return None
    with _read_by_this_version(place, REPORT_NUMBERS):
        return ReportNumbers.from_json(found)


def _json_in(archive: bytes, place: str, name: str, most_bytes: int) -> Any:
    """The value of a JSON file in an archive; None if there is no such file."""
    from movielens.packed_files import find

    with _read_by_this_version(place, name):
        text = find(archive, name, most_bytes)
        return None if text is None else parse_json(text)


@contextlib.contextmanager
def _read_by_this_version(place: str, name: str) -> Iterator[None]:
    """Says of a file that can't be read which it is, and what to do."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise LauncherError(
            f"{place}: {name} isn't one that this version reads "
            f"({type(error).__name__}: {error}); train again with this version"
        ) from error
