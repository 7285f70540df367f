"""``deploy`` and ``register``: what becomes of a trained model."""

from __future__ import annotations

from launcher import names
from launcher.errors import ForeignError
from launcher.plans.hosting import PASSING, plan_deploy, settle
from launcher.plans.registry import plan_register
from launcher.session import Session
from launcher.state import (
    describe_training,
    hosted,
    newest_model,
    read_evaluation,
    read_hosting,
)
from launcher.world import is_ours


def deploy(session: Session, of_job: str | None) -> None:
    """An endpoint with the newest model, or that of a job; updated without downtime.

    Raises:
        JobFailedError: if it doesn't come into service, after the last good
            configuration is back.
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
    if (
        session.perform(
            plan, f"endpoint {endpoint} serves {job['TrainingJobName']} already"
        )
        is None
    ):
        return
    described = aws.read("sagemaker", "DescribeEndpoint", EndpointName=endpoint)
    value = {
        "endpoint": endpoint,
        "status": described["EndpointStatus"],
        "config": described["EndpointConfigName"],
        "training_job": job["TrainingJobName"],
    }
    session.emit(
        value,
        f"{endpoint}  {value['status']}  {value['training_job']}  {value['config']}",
    )


def register(session: Session, of_job: str | None, approve: bool) -> None:
    """A model package of the newest model, or that of a job, with the job's evaluation
    as its metrics.

    Raises:
        ForeignError: if the group's name is taken by one that isn't ours.
    """
    config, aws = session.config, session.aws
    job = describe_training(aws, of_job) if of_job else newest_model(aws, config)
    what = hosted(aws, config, job)
    group = names.package_group(config)
    found = aws.read_or_none(
        "sagemaker", "DescribeModelPackageGroup", ModelPackageGroupName=group
    )
    if found and not is_ours(aws, config, found["ModelPackageGroupArn"]):
        raise ForeignError(
            f"model package group {group} is there, but isn't ours: set another `name`"
        )
    packages = _packages(session, group) if found else {}
    if what.model_data in packages:
        arn = packages[what.model_data]
        if (
            session.perform([], f"{job['TrainingJobName']} is registered already")
            is not None
        ):
            session.emit({"model_package": arn}, arn)
        return
    evaluation = read_evaluation(aws, job)
    plan = plan_register(
        config,
        session.account,
        job,
        what,
        evaluation,
        has_group=found is not None,
        approve=approve,
    )
    answers = session.perform(plan, "")
    if answers is not None:
        arn = answers[-1]["ModelPackageArn"]
        session.emit({"model_package": arn}, arn)


def _packages(session: Session, group: str) -> dict[str, str]:
    """The packages of a group: ARN by address of the model archive."""
    found = {}
    listed = session.aws.pages(
        "sagemaker",
        "ListModelPackages",
        "ModelPackageSummaryList",
        ModelPackageGroupName=group,
    )
    for entry in listed:
        arn = entry["ModelPackageArn"]
        described = session.aws.read(
            "sagemaker", "DescribeModelPackage", ModelPackageName=arn
        )
        for container in described.get("InferenceSpecification", {}).get(
            "Containers", []
        ):
            found[container.get("ModelDataUrl", "")] = arn
    return found
