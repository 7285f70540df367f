"""Deleting model packages and their groups, which stock moto makes but doesn't delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from launcher.local.errors import invalid
from launcher.local.settings import ACCOUNT, Settings


class Packages:
    """Operations on moto's own records."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "DeleteModelPackage": self._delete,
            "DeleteModelPackageGroup": self._delete_group,
        }

    @property
    def _stock(self) -> Any:
        from moto.sagemaker.models import sagemaker_backends

        return sagemaker_backends[ACCOUNT][self._settings.region]

    def _delete(self, request: Mapping[str, Any]) -> dict[str, Any]:
        names, name = (
            self._stock.model_package_name_mapping,
            request["ModelPackageName"],
        )
        if name not in names:
            raise invalid(f"ModelPackage {name} does not exist.")
        arn = names[name]
        del self._stock.model_packages[arn]
        for other in [key for key, value in names.items() if value == arn]:
            del names[other]
        return {}

    def _delete_group(self, request: Mapping[str, Any]) -> dict[str, Any]:
        groups, name = (
            self._stock.model_package_groups,
            request["ModelPackageGroupName"],
        )
        if name not in groups:
            raise invalid(f"Model Package Group {name} does not exist.")
        if any(
            package.model_package_group_name == name
            for package in self._stock.model_packages.values()
        ):
            raise invalid(
                f"Cannot delete Model Package Group {name}: it still has model packages."
            )
        del groups[name]
        return {}
