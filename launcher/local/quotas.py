"""How many instances of a type the account may have.

They are a new account's: none of the types with an accelerator, some of the others.
Quotas have the names that Service Quotas gives them, which `launcher doctor` reads.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from moto.core.utils import get_service_model

from launcher.local.errors import RefusedError
from launcher.local.operation import Parameters, Result, page

_INSTANCES = 20
# Families with GPUs and other accelerators, such as g4dn, p5, trn1 and inf2.
_ACCELERATED = re.compile(r"ml\.(g|p|trn|inf|dl)[0-9]")
# For each use, the shape of botocore's service model that lists its instance types.
_INSTANCE_TYPES = {
    "training job usage": "TrainingInstanceType",
    "spot training job usage": "TrainingInstanceType",
    "transform job usage": "TransformInstanceType",
    "endpoint usage": "ProductionVariantInstanceType",
}


@functools.cache
def _quotas() -> Mapping[str, int]:
    """Instances, by the quota's name."""
    model = get_service_model("sagemaker")
    values = {}
    for use, shape in _INSTANCE_TYPES.items():
        for each in model.shape_for(shape).enum:
            is_accelerated = _ACCELERATED.match(each)
            values[f"{each} for {use}"] = 0 if is_accelerated else _INSTANCES
    return values


def check_quota(instance_type: str, use: str, count: int) -> None:
    """Return if a request may have that many instances.

    Raises:
        RefusedError: if it may not.
    """
    name = f"{instance_type} for {use}"
    limit = _quotas().get(name, 0)
    if count > limit:
        raise RefusedError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{name}' is {limit} Instances, "
            f"and the request is for {count} Instances.",
        )


def list_quotas(parameters: Parameters) -> Result:
    """The operation ListServiceQuotas.

    Raises:
        RefusedError: if it is about another service than SageMaker.
    """
    service = parameters["ServiceCode"]
    if service != "sagemaker":
        raise RefusedError("NoSuchResourceException", f"no quotas of {service} here")
    quotas = [
        {
            "ServiceCode": service,
            "QuotaName": name,
            "Value": float(value),
            "Unit": "None",
            "Adjustable": True,
        }
        for name, value in _quotas().items()
    ]
    return page(quotas, parameters, "Quotas")
