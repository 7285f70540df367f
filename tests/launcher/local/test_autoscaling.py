"""Autoscaling: targets and policies that are refused; what is obeyed needs an endpoint,
and `test_endpoints` shows it.
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from launcher.local.settings import StackSettings
from tests.launcher.local.stack_user import clients

INSTANCES = "sagemaker:variant:DesiredInstanceCount"


@pytest.mark.parametrize(
    ("resource", "dimension", "message"),
    [
        ("endpoint/nobody/variant/main", INSTANCES, "nobody of account not found"),
        ("endpoint/nobody", INSTANCES, "isn't endpoint/NAME/variant/NAME"),
        (
            "endpoint/nobody/variant/main",
            "sagemaker:variant:DesiredProvisionedConcurrency",
            "only sagemaker:variant:DesiredInstanceCount",
        ),
    ],
)
def test_only_a_variant_in_service_is_a_target(
    settings: StackSettings, resource: str, dimension: str, message: str
) -> None:
    target: dict[str, Any] = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": resource,
        "ScalableDimension": dimension,
    }
    client = clients(settings)("application-autoscaling")
    with pytest.raises(ClientError, match=message):
        client.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)


def test_scheduled_actions_are_refused(settings: StackSettings) -> None:
    client = clients(settings)("application-autoscaling")
    with pytest.raises(ClientError, match=r"doesn't offer .* PutScheduledAction"):
        client.put_scheduled_action(
            ServiceNamespace="sagemaker",
            ResourceId="endpoint/a/variant/main",
            ScalableDimension=INSTANCES,
            ScheduledActionName="nightly",
            Schedule="rate(1 day)",
        )
