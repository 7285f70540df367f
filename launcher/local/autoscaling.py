"""Application Auto Scaling for endpoints: moto keeps targets and policies, and a thread
obeys them.

Once a period, each variant that is a target gets the number of containers that its
policies ask for:

- target tracking on SageMakerVariantInvocationsPerInstance: as many as it takes for no
  container to get more invocations a minute than the target;
- target tracking on ApproximateBacklogSizePerInstance: the same for requests that wait;
- step scaling: the adjustment is made while an alarm that has the policy as an action
  is in ALARM.

The most that a policy asks for counts, within the target's bounds.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Mapping
from typing import Any

from launcher.local.cloudwatch import ENDPOINTS
from launcher.local.endpoints import Deployment, Endpoints, Variant
from launcher.local.errors import RefusedError, invalid
from launcher.local.operation import Operation, Parameters
from launcher.local.stack_parts import StackParts

_TRACKING = "TargetTrackingScalingPolicyConfiguration"
_STEP = "StepScalingPolicyConfiguration"
_COOLDOWN_SECONDS = 300
_MINUTE = 60.0

_log = logging.getLogger(__name__)


class Autoscaling(threading.Thread):
    """Of one region; the thread starts with the first target."""

    def __init__(self, parts: StackParts, endpoints: Endpoints) -> None:
        super().__init__(daemon=True, name="autoscaling")
        self._parts = parts
        self._endpoints = endpoints
        self._lock = threading.Lock()
        # By a target's resource: the invocations up to the period before, and when the
        # number of containers was changed.
        self._counted: dict[str, int] = {}
        self._changed: dict[str, float] = {}
        self.operations: dict[str, Operation] = {
            "RegisterScalableTarget": self._register,
            "PutScalingPolicy": self._put_policy,
        }

    def run(self) -> None:
        """Look after all targets, period after period."""
        while True:
            time.sleep(self._parts.settings.limits.scaling_seconds)
            client = self._parts.clients.client("application-autoscaling")
            pages = client.get_paginator("describe_scalable_targets").paginate(
                ServiceNamespace="sagemaker"
            )
            for target in pages.search("ScalableTargets[]"):
                try:
                    self._look_after(client, target)
                except Exception:  # noqa: BLE001 the next target goes on
                    _log.exception("autoscaling %s", target["ResourceId"])

    def _register(self, parameters: Parameters) -> None:
        deployment, variant = self._scaled(parameters)
        if variant.is_serverless:
            raise invalid("a serverless variant has no instances to scale")
        least = parameters.get("MinCapacity", 1)
        if least < 1 and not deployment.is_async:
            raise invalid("MinCapacity 0 is for asynchronous endpoints alone")
        variant.check_count(parameters.get("MaxCapacity", 1))
        with self._lock:
            if not self.is_alive():
                self.start()

    def _put_policy(self, parameters: Parameters) -> None:
        self._scaled(parameters)
        steps = parameters.get(_STEP, {}).get("StepAdjustments", [])
        if parameters.get("PolicyType") == "StepScaling" and len(steps) != 1:
            raise invalid("step scaling is offered here with one step")
        endpoint = parameters["ResourceId"].split("/")[1]
        metric = parameters.get(_TRACKING, {}).get("CustomizedMetricSpecification", {})
        for dimension in metric.get("Dimensions", []):
            if dimension != {"Name": "EndpointName", "Value": endpoint}:
                raise invalid(f"the backlog is that of endpoint {endpoint}, no other")

    def _scaled(self, parameters: Parameters) -> tuple[Deployment, Variant]:
        """What a request is about.

        Raises:
            RefusedError: if it isn't a variant of an endpoint that is in service.
        """
        resource = parameters["ResourceId"]
        parts = resource.split("/")
        if len(parts) != 4 or parts[0::2] != ["endpoint", "variant"]:
            raise invalid(f"{resource} isn't endpoint/NAME/variant/NAME")
        deployment = self._endpoints.deployment(parts[1])
        return deployment, deployment.choose(parts[3])

    def _look_after(self, client: Any, target: Mapping[str, Any]) -> None:
        resource = target["ResourceId"]
        endpoint = resource.split("/")[1]
        try:
            deployment, variant = self._scaled(target)
            self._endpoints.descriptions.check(endpoint, ["InService"])
        except RefusedError:
            # It is deleted, or is changed now.
            return
        if deployment.is_async:
            self._record_backlog(endpoint, deployment.backlog, variant.count)
        per_minute = self._per_minute(resource, variant)
        policies = client.describe_scaling_policies(
            ServiceNamespace="sagemaker", ResourceId=resource
        )["ScalingPolicies"]
        seconds = time.monotonic() - self._changed.get(resource, -math.inf)
        wanted = []
        for policy in policies:
            if policy["PolicyType"] != "StepScaling":
                tracking = policy[_TRACKING]
                is_backlog = "CustomizedMetricSpecification" in tracking
                load = deployment.backlog if is_backlog else per_minute
                count, cooldown = _by_target(tracking, variant.count, load)
            elif self._is_due(policy):
                count, cooldown = _by_step(policy[_STEP], variant.count)
            else:
                continue
            wanted.append(count if seconds >= cooldown else variant.count)
        count = max(wanted, default=variant.count)
        count = min(max(count, target["MinCapacity"]), target["MaxCapacity"])
        if count != variant.count:
            _log.info("%s: %d containers become %d", resource, variant.count, count)
            self._endpoints.scale(endpoint, {variant.name: count})
            self._changed[resource] = time.monotonic()

    def _per_minute(self, resource: str, variant: Variant) -> float:
        """Invocations a minute, in the last period."""
        before = self._counted.get(resource, variant.n_invocations)
        self._counted[resource] = variant.n_invocations
        # The count begins anew when the endpoint is updated.
        n_invocations = max(0, variant.n_invocations - before)
        return n_invocations * _MINUTE / self._parts.settings.limits.scaling_seconds

    def _is_due(self, policy: Mapping[str, Any]) -> bool:
        """Whether an alarm that has the policy as an action is in ALARM."""
        return any(
            alarm.state_value == "ALARM"
            and alarm.actions_enabled
            and policy["PolicyARN"] in alarm.alarm_actions
            for alarm in self._parts.watch.alarms.values()
        )

    def _record_backlog(self, endpoint: str, backlog: int, count: int) -> None:
        """Tell CloudWatch what waits at an asynchronous endpoint."""
        values = {
            "ApproximateBacklogSize": backlog,
            "ApproximateBacklogSizePerInstance": backlog / max(1, count),
            "HasBacklogWithoutCapacity": backlog > 0 and count == 0,
        }
        self._parts.watch.record(ENDPOINTS, values, {"EndpointName": endpoint})


def _by_target(
    tracking: Mapping[str, Any], count: int, load: float
) -> tuple[int, float]:
    """How many containers target tracking asks for, and its cooldown: how many seconds
    must have passed since their number was changed.

    Args:
        tracking: TargetTrackingScalingPolicyConfiguration.
        count: how many containers there are.
        load: what they share: invocations a minute, or requests that wait.
    """
    wanted = math.ceil(load / tracking["TargetValue"])
    if tracking.get("DisableScaleIn"):
        wanted = max(wanted, count)
    member = "ScaleOutCooldown" if wanted > count else "ScaleInCooldown"
    return wanted, tracking.get(member, _COOLDOWN_SECONDS)


def _by_step(scaling: Mapping[str, Any], count: int) -> tuple[int, float]:
    """The same for step scaling that is due."""
    (step,) = scaling["StepAdjustments"]
    return count + int(step["ScalingAdjustment"]), scaling.get("Cooldown", 0)
