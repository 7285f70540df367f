"""The operations on model packages and their groups."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from launcher.local.descriptions import Description, Descriptions, ResourceKind, page
from launcher.local.errors import invalid
from launcher.local.operation import Operation, Parameters, Result, without_tags
from launcher.local.stack_parts import StackParts

GROUP = ResourceKind(
    noun="model-package-group",
    prefix="ModelPackageGroup",
    summaries="ModelPackageGroupSummaryList",
    absent="ModelPackageGroup {arn} does not exist.",
    present="Model Package Group already exists: {arn}",
    summarized=("ModelPackageGroupDescription",),
)
PACKAGE = ResourceKind(
    noun="model-package",
    prefix="ModelPackage",
    summaries="ModelPackageSummaryList",
    absent="ModelPackage {arn} does not exist.",
    present="Model Package already exists: {arn}",
    summarized=(
        "ModelPackageGroupName",
        "ModelPackageVersion",
        "ModelPackageDescription",
        "ModelApprovalStatus",
    ),
)


class ModelPackages:
    """Packages, each kept under ``NAME`` or ``GROUP/VERSION``, as in its ARN."""

    def __init__(self, parts: StackParts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._by_token: dict[str, str] = {}
        # The last version that each group gave.
        self._versions: dict[str, int] = {}
        self.groups = Descriptions(GROUP, parts.settings.region)
        self.packages = Descriptions(PACKAGE, parts.settings.region)
        self.operations: dict[str, Operation] = {
            "CreateModelPackageGroup": self._create_group,
            "DescribeModelPackageGroup": self._describe_group,
            "ListModelPackageGroups": self.groups.list,
            "DeleteModelPackageGroup": self._delete_group,
            "CreateModelPackage": self._create,
            "DescribeModelPackage": self._describe,
            "ListModelPackages": self._list,
            "UpdateModelPackage": self._update,
            "DeleteModelPackage": self._delete,
        }

    def container(self, package: str) -> Mapping[str, Any]:
        """The container of a package that is approved.

        Args:
            package: its name or ARN.

        Raises:
            RefusedError: if there is no such package, or it isn't approved.
        """
        description = self.packages.get(self._key(package))
        status = description.get("ModelApprovalStatus", "Approved")
        if status != "Approved":
            arn = description[PACKAGE.arn]
            raise invalid(
                f"ModelPackage {arn} can't be deployed: its ModelApprovalStatus is "
                f"{status}"
            )
        containers = description["InferenceSpecification"]["Containers"]
        container: Mapping[str, Any] = containers[0]
        return container

    def _create_group(self, parameters: Parameters) -> Result:
        members = {**without_tags(parameters), GROUP.status: "Completed"}
        arn = self.groups.add(members)
        self._parts.tags.put(arn, parameters)
        return {GROUP.arn: arn}

    def _describe_group(self, parameters: Parameters) -> Result:
        return self.groups.get(self._key(parameters[GROUP.name]))

    def _delete_group(self, parameters: Parameters) -> Result:
        name = self._key(parameters[GROUP.name])
        if any(package.get(GROUP.name) == name for package in self.packages.all()):
            raise invalid(
                f"Cannot delete Model Package Group {name}: "
                "it still has model packages."
            )
        removed = self.groups.remove(name)
        self._parts.tags.drop(removed[GROUP.arn])
        return {}

    def _create(self, parameters: Parameters) -> Result:
        token = parameters.get("ClientToken", "")
        if token in self._by_token:
            # The SDK sends a request again if it saw no answer.
            return {PACKAGE.arn: self._by_token[token]}
        specification = parameters.get("InferenceSpecification")
        if specification is None or len(specification["Containers"]) != 1:
            raise invalid("the InferenceSpecification must have one container")
        self._parts.images.resolve(specification["Containers"][0].get("Image", ""))
        members = {
            **without_tags(parameters),
            PACKAGE.status: "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": []},
        }
        if GROUP.name in parameters:
            group = self._key(parameters[GROUP.name])
            self.groups.get(group)
            with self._lock:
                version = self._versions.get(group, 0) + 1
                self._versions[group] = version
            members |= {
                GROUP.name: group,
                PACKAGE.name: f"{group}/{version}",
                "ModelPackageVersion": version,
            }
            members.setdefault("ModelApprovalStatus", "PendingManualApproval")
        elif PACKAGE.name not in parameters:
            raise invalid("a model package needs a ModelPackageGroupName or a name")
        arn = self.packages.add(members)
        self._parts.tags.put(arn, parameters)
        if token:
            self._by_token[token] = arn
        return {PACKAGE.arn: arn}

    def _describe(self, parameters: Parameters) -> Result:
        return self.packages.get(self._key(parameters[PACKAGE.name]))

    def _list(self, parameters: Parameters) -> Result:
        group = parameters.get(GROUP.name)
        status = parameters.get("ModelApprovalStatus")
        kind = parameters.get("ModelPackageType", "Versioned" if group else "")

        def is_wanted(package: Description) -> bool:
            is_versioned = GROUP.name in package
            return (
                group in (None, package.get(GROUP.name))
                and status in (None, package.get("ModelApprovalStatus"))
                and (kind == "Both" or is_versioned == (kind == "Versioned"))
            )

        found = self.packages.found(parameters, is_wanted)
        return page(found, parameters, PACKAGE.summaries)

    def _update(self, parameters: Parameters) -> Result:
        arn = parameters[PACKAGE.arn]
        key = self._key(arn)
        self.packages.get(key)
        changed = {name: value for name, value in parameters.items() if value != arn}
        self.packages.set(key, **changed)
        return {PACKAGE.arn: arn}

    def _delete(self, parameters: Parameters) -> Result:
        removed = self.packages.remove(self._key(parameters[PACKAGE.name]))
        self._parts.tags.drop(removed[PACKAGE.arn])
        return {}

    def _key(self, name: str) -> str:
        """What comes after the kind in an ARN, or a name as it is."""
        return name.partition("/")[2] if name.startswith("arn:") else name
