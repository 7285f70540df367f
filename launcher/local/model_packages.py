"""Deletes model packages and their groups: moto makes them but can't delete them."""

from __future__ import annotations

from typing import Any

from launcher.local.errors import invalid
from launcher.local.operation import Operation, Parameters, Result
from launcher.local.settings import ACCOUNT


class ModelPackages:
    """Operations on moto's own model packages in a region."""

    def __init__(self, region: str) -> None:
        self._region = region
        self.operations: dict[str, Operation] = {
            "DeleteModelPackage": self._delete,
            "DeleteModelPackageGroup": self._delete_group,
        }

    @property
    def _moto(self) -> Any:
        from moto.sagemaker.models import sagemaker_backends

        return sagemaker_backends[ACCOUNT][self._region]

    def _delete(self, parameters: Parameters) -> Result:
        # moto has a package under its ARN and under each of its names.
        arns = self._moto.model_package_name_mapping
        name = parameters["ModelPackageName"]
        if name not in arns:
            raise invalid(f"ModelPackage {name} does not exist.")
        arn = arns[name]
        del self._moto.model_packages[arn]
        for other in [other for other, its_arn in arns.items() if its_arn == arn]:
            del arns[other]
        return {}

    def _delete_group(self, parameters: Parameters) -> Result:
        groups = self._moto.model_package_groups
        name = parameters["ModelPackageGroupName"]
        if name not in groups:
            raise invalid(f"Model Package Group {name} does not exist.")
        packages = self._moto.model_packages.values()
        if any(package.model_package_group_name == name for package in packages):
            raise invalid(
                f"Cannot delete Model Package Group {name}: "
                "it still has model packages."
            )
        del groups[name]
        return {}
