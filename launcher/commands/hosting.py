"""``deploy``, ``predict`` and ``register``."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

from launcher import names
from launcher.aws import ABSENT_CODES
from launcher.errors import JobFailedError, LauncherError
from launcher.plans.hosting import PASSING, plan_deploy, settle
from launcher.plans.registry import plan_register
from launcher.queries import Pair
from launcher.session import Session, table
from launcher.state import describe_training, hosted, newest_model, read_evaluation, read_hosting, split_uri

_ROWS_AT_ONCE = 10_000
_ASYNC_SECONDS = 15 * 60
_JSON = "application/json"


def deploy(session: Session, of_job: str | None) -> None:
    """An endpoint with the newest model, or that of a job; updated without downtime.

    Raises:
        JobFailedError: if it doesn't come into service, after the last good configuration is back.
    """
    config, aws = session.config, session.aws
    job = describe_training(aws, of_job) if of_job else newest_model(aws, config)
    what = hosted(aws, config, job)
    state = read_hosting(aws, config, session.account, what)
    if state.status in PASSING and state.ours and not session.dry_run:
        session.executor.perform([settle(names.endpoint(config))])
        state = read_hosting(aws, config, session.account, what)
    plan = plan_deploy(config, session.account, what, state)
    endpoint = names.endpoint(config)
    session.resume = "SageMaker goes on; run the same command again to wait for it"
    if session.perform(plan, f"endpoint {endpoint} serves {job['TrainingJobName']} already") is None:
        return
    described = aws.read("sagemaker", "DescribeEndpoint", EndpointName=endpoint)
    value = {
        "endpoint": endpoint,
        "status": described["EndpointStatus"],
        "config": described["EndpointConfigName"],
        "training_job": job["TrainingJobName"],
    }
    session.emit(value, f"{endpoint}  {value['status']}  {value['training_job']}  {value['config']}")


def predict(session: Session, pairs: Sequence[Pair]) -> None:
    """Ask the endpoint for pairs of raw ids, thousands in one request."""
    answers: list[dict[str, Any]] = []
    for start in range(0, len(pairs), _ROWS_AT_ONCE):
        rows = [pair.as_json() for pair in pairs[start : start + _ROWS_AT_ONCE]]
        answers += ask(session, {"instances": rows})["predictions"]
    lines = (
        (a["userId"], a["movieId"], a["title"] or "(unknown)", a["rating"], f"{a['expected_rating']:.2f}")
        for a in answers
    )
    session.emit(answers, table(("userId", "movieId", "title", "rating", "expected"), lines))


def ask(session: Session, body: dict[str, Any]) -> Any:
    """One request of the endpoint, whatever its kind; gives the answer's JSON.

    Raises:
        AwsError: with the container's own message where it refused the request.
    """
    endpoint, aws = names.endpoint(session.config), session.aws
    sent = json.dumps(body).encode()
    if session.config.hosting_kind == "async":
        return json.loads(_ask_async(session, endpoint, sent))
    request = {"EndpointName": endpoint, "ContentType": _JSON, "Accept": _JSON, "Body": sent}
    return json.loads(aws.read("sagemaker-runtime", "InvokeEndpoint", **request)["Body"].read())


def _ask_async(session: Session, endpoint: str, sent: bytes) -> bytes:
    """Put the request into the bucket, and wait until its answer lies there."""
    aws, account = session.aws, session.account.account
    bucket = names.bucket(session.config, account)
    key = f"async/input/{hashlib.sha256(sent).hexdigest()[:16]}.json"
    aws.read("s3", "PutObject", Bucket=bucket, Key=key, Body=sent, ExpectedBucketOwner=account)
    answer = aws.read(
        "sagemaker-runtime",
        "InvokeEndpointAsync",
        EndpointName=endpoint,
        ContentType=_JSON,
        Accept=_JSON,
        InputLocation=f"s3://{bucket}/{key}",
    )
    good, bad = (
        split_uri(answer[name]) if answer.get(name) else None for name in ("OutputLocation", "FailureLocation")
    )
    for _ in _ticks(session, _ASYNC_SECONDS):
        for place, is_good in ((good, True), (bad, False)):
            found = place and aws.read_or_none("s3", "GetObject", ABSENT_CODES, Bucket=place[0], Key=place[1])
            if found and is_good:
                return bytes(found["Body"].read())
            if found:
                raise JobFailedError(f"endpoint {endpoint}: {found['Body'].read().decode(errors='replace')}")
    raise LauncherError(f"endpoint {endpoint} gave no answer within {_ASYNC_SECONDS} s: `launcher logs {endpoint}`")


def _ticks(session: Session, seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        session.executor.sleep(min(session.poll_seconds, 1.0))


def register(session: Session, of_job: str | None, approve: bool) -> None:
    """A model package of the newest model, or that of a job, with the job's evaluation as its metrics."""
    config, aws = session.config, session.aws
    job = describe_training(aws, of_job) if of_job else newest_model(aws, config)
    what = hosted(aws, config, job)
    group = names.fitted(config.name, 63)
    found = aws.read_or_none("sagemaker", "DescribeModelPackageGroup", ABSENT_CODES, ModelPackageGroupName=group)
    packages = _packages(session, group) if found else {}
    if what.model_data in packages:
        arn = packages[what.model_data]
        if session.perform([], f"{job['TrainingJobName']} is registered already") is not None:
            session.emit({"model_package": arn}, arn)
        return
    evaluation = read_evaluation(aws, job)
    plan = plan_register(config, session.account, job, what, evaluation, has_group=found is not None, approve=approve)
    answers = session.perform(plan, "")
    if answers is not None:
        arn = answers[-1]["ModelPackageArn"]
        session.emit({"model_package": arn}, arn)


def _packages(session: Session, group: str) -> dict[str, str]:
    """The packages of a group: ARN by address of the model archive."""
    found = {}
    listed = session.aws.pages("sagemaker", "ListModelPackages", "ModelPackageSummaryList", ModelPackageGroupName=group)
    for entry in listed:
        arn = entry["ModelPackageArn"]
        described = session.aws.read("sagemaker", "DescribeModelPackage", ModelPackageName=arn)
        for container in described.get("InferenceSpecification", {}).get("Containers", []):
            found[container.get("ModelDataUrl", "")] = arn
    return found
