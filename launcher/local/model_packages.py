"""The operations on model packages and their groups."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from launcher.local.descriptions import Descriptions, ResourceKind
from launcher.local.errors import invalid
from launcher.local.operation import Operation, Parameters, Result
from launcher.local.stack_parts import StackParts

GROUP = ResourceKind(
    noun="model-package-group",
    absent="ModelPackageGroup {arn} does not exist.",
    present="Model Package Group already exists: {arn}",
)
PACKAGE = ResourceKind("model-package", absent="ModelPackage {arn} does not exist.")


class ModelPackages:
    """Packages, each kept under ``GROUP/VERSION``, as in its ARN."""

    def __init__(self, parts: StackParts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        # The result for each token: the SDK sends a request again if it saw no answer.
        self._by_token: dict[str, Result] = {}
        # The last version that each group gave.
        self._versions: dict[str, int] = {}
        region = parts.settings.region
        self.groups = Descriptions(GROUP, region, parts.tags)
        self.packages = Descriptions(PACKAGE, region, parts.tags)
        self.operations: dict[str, Operation] = {
            **self.groups.operations,
            **self.packages.operations,
            "CreateModelPackageGroup": self._create_group,
            "DeleteModelPackageGroup": self._delete_group,
            "CreateModelPackage": self._create,
            "UpdateModelPackage": self._update,
        }

    def container(self, package: str) -> Mapping[str, Any]:
        """The container of a package that is approved.

        Args:
            package: its name or ARN.

        Raises:
            RefusedError: if there is no such package, or it isn't approved.
        """
        description = self.packages.get(package)
        status = description["ModelApprovalStatus"]
        if status != "Approved":
            arn = description[PACKAGE.arn]
            raise invalid(
                f"ModelPackage {arn} can't be deployed: its ModelApprovalStatus is "
                f"{status}"
            )
        (container,) = description["InferenceSpecification"]["Containers"]
        return dict(container)

    def _create_group(self, parameters: Parameters) -> Result:
        return self.groups.add({**parameters, GROUP.status: "Completed"})

    def _delete_group(self, parameters: Parameters) -> Result:
        name = self.groups.describe(parameters)[GROUP.name]
        if any(package[GROUP.name] == name for package in self.packages.all()):
            raise invalid(
                f"Cannot delete Model Package Group {name}: "
                "it still has model packages."
            )
        return self.groups.delete(parameters)

    def _create(self, parameters: Parameters) -> Result:
        token = parameters.get("ClientToken", "")
        if token in self._by_token:
            return self._by_token[token]
        containers = parameters.get("InferenceSpecification", {}).get("Containers", [])
        if GROUP.name not in parameters or len(containers) != 1:
            raise invalid(
                "a model package is offered here with a ModelPackageGroupName and an "
                "InferenceSpecification of one container"
            )
        self._parts.images.resolve(containers[0].get("Image", ""))
        group = self.groups.describe(parameters)[GROUP.name]
        with self._lock:
            version = self._versions.get(group, 0) + 1
            self._versions[group] = version
        result = self.packages.add(
            {
                "ModelApprovalStatus": "PendingManualApproval",
                **parameters,
                GROUP.name: group,
                PACKAGE.name: f"{group}/{version}",
                PACKAGE.status: "Completed",
                "ModelPackageVersion": version,
                "ModelPackageStatusDetails": {"ValidationStatuses": []},
            }
        )
        if token:
            self._by_token[token] = result
        return result

    def _update(self, parameters: Parameters) -> Result:
        package = self.packages.get(parameters[PACKAGE.arn])
        self.packages.set(package[PACKAGE.name], **parameters)
        return {PACKAGE.arn: parameters[PACKAGE.arn]}
