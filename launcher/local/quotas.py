"""How many instances of a type the account may have: as a new one, none of the
accelerated types and some of the rest.

Names are those of Service Quotas, which `launcher doctor` reads.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from launcher.local.errors import RefusedError
from launcher.local.records import page

_INSTANCES = 20
# Families of GPUs and other accelerators, such as g4dn, p5, trn1 and inf2.
_ACCELERATED = re.compile(r"ml\.(g|p|trn|inf|dl)[0-9]")
# Of each use, the shape of the service model that lists its instance types.
_TYPES = {
    "training job usage": "TrainingInstanceType",
    "spot training job usage": "TrainingInstanceType",
    "transform job usage": "TransformInstanceType",
    "endpoint usage": "ProductionVariantInstanceType",
}


class Quotas:
    """SageMaker's quotas, all of them the account's own limits."""

    def __init__(self) -> None:
        self.operations = {"ListServiceQuotas": self._list}

    @functools.cached_property
    def _values(self) -> dict[str, int]:
        """The quotas by name."""
        import botocore.session

        model = botocore.session.get_session().get_service_model("sagemaker")
        return {
            f"{instance_type} for {use}": 0
            if _ACCELERATED.match(instance_type)
            else _INSTANCES
            for use, shape in _TYPES.items()
            for instance_type in model.shape_for(shape).enum
        }

    def check(self, instance_type: str, use: str, count: int) -> None:
        """Return when a request may have so many instances.

        Raises:
            RefusedError: if it may not.
        """
        name = f"{instance_type} for {use}"
        if count > (most := self._values.get(name, 0)):
            raise RefusedError(
                "ResourceLimitExceeded",
                f"The account-level service limit '{name}' is {most} Instances, and the request is for {count} "
                "Instances. Please use AWS Service Quotas to request an increase for this quota.",
            )

    def _list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if request["ServiceCode"] != "sagemaker":
            raise RefusedError(
                "NoSuchResourceException", f"no service {request['ServiceCode']} here"
            )
        quotas = [
            {
                "ServiceCode": "sagemaker",
                "QuotaName": name,
                "Value": float(value),
                "Unit": "None",
                "Adjustable": True,
            }
            for name, value in self._values.items()
        ]
        return page(quotas, request, "Quotas")
