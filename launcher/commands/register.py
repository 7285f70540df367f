"""``register``: a model package of a model, with its evaluation."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from launcher import names
from launcher.aws import Aws
from launcher.config import Config
from launcher.errors import ForeignError
from launcher.kinds import MODEL_PACKAGE, MODEL_PACKAGE_GROUP
from launcher.options import DryRun, Json, OfJob, start_session
from launcher.plans.model_package import plan_approval, plan_register
from launcher.requests import Action, Call, Request
from launcher.world.inventory import packages_of
from launcher.world.jobs import chosen_training_job, read_evaluation, trained_model
from launcher.world.resources import is_ours, tags_of


def register(
    context: typer.Context,
    job: OfJob = None,
    approve: Annotated[
        bool, typer.Option("--approve", help="Mark it as approved.")
    ] = False,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Register the newest model and its evaluation as a package."""
    session = start_session(context, as_json, dry_run)
    config = session.config
    aws = session.aws

    training_job = chosen_training_job(aws, config, job)
    trained = trained_model(aws, config, training_job)
    group = names.package_group(config)
    found = aws.send_or_none(MODEL_PACKAGE_GROUP.request("Describe", group))
    if found and not is_ours(aws, config, found["ModelPackageGroupArn"]):
        raise ForeignError(
            f"model package group {group} exists, but isn't ours: set another `name`"
        )

    tagging = _missing_tags(aws, config, found) if found else []
    registered = _packages_by_model(aws, group) if found else {}
    package = registered.get(trained.model_data)
    if package is not None:
        name = training_job["TrainingJobName"]
        status = package.get("ModelApprovalStatus", "")
        arn = package["ModelPackageArn"]
        approval = plan_approval(arn, status) if approve else []
        said = f"{name} is registered already, and {status}"
        if session.perform([*tagging, *approval], said) is not None:
            session.emit({"model_package": arn}, arn)
        return

    evaluation = read_evaluation(aws, training_job)
    plan = plan_register(
        config,
        session.account,
        training_job,
        trained,
        evaluation,
        has_group=found is not None,
        approve=approve,
    )
    answers = session.perform([*tagging, *plan], if_empty="")
    if answers is not None:
        arn = answers[-1]["ModelPackageArn"]
        session.emit({"model_package": arn}, arn)
        if not approve:
            session.hint("`launcher register --approve` approves it")


def _missing_tags(aws: Aws, config: Config, group: dict[str, Any]) -> list[Action]:
    """Give the group those of our tags that it hasn't got."""
    arn = group["ModelPackageGroupArn"]
    missing = names.missing_tags(config, tags_of(aws, arn))
    if not missing:
        return []
    request = Request("sagemaker", "AddTags", {"ResourceArn": arn, "Tags": missing})
    name = group["ModelPackageGroupName"]
    return [Call(f"tag model package group {name}", request)]


def _packages_by_model(aws: Aws, group: str) -> dict[str, dict[str, Any]]:
    """Each package of a group as described, by the address of its model archive."""
    found: dict[str, dict[str, Any]] = {}
    for entry in packages_of(aws, group):
        arn = entry["ModelPackageArn"]
        described = aws.send(MODEL_PACKAGE.request("Describe", arn))
        inference = described.get("InferenceSpecification", {})
        for container in inference.get("Containers", []):
            found[container.get("ModelDataUrl", "")] = described
    return found
