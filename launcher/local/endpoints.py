"""The operations on endpoints: a deployment behind a name, replaced only when the new
one is healthy.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from launcher.local.deployment import Deployment
from launcher.local.descriptions import Description, Descriptions, ResourceKind
from launcher.local.errors import (
    FailureReasonError,
    RefusedError,
    internal_reason,
    invalid,
)
from launcher.local.model_catalog import ModelCatalog
from launcher.local.operation import Operation, Parameters, Result
from launcher.local.stack_parts import StackParts

ENDPOINT = ResourceKind(
    noun="endpoint",
    prefix="Endpoint",
    summaries="Endpoints",
    absent='Could not find endpoint "{arn}".',
    present='Cannot create already existing endpoint "{arn}".',
)
_CHANGING = ("Creating", "Updating", "Deleting")

_log = logging.getLogger(__name__)


class Endpoints:
    """Endpoints, and the threads that change them."""

    def __init__(self, parts: StackParts, catalog: ModelCatalog) -> None:
        self._parts = parts
        self._catalog = catalog
        self._lock = threading.Lock()
        self._deployments: dict[str, Deployment] = {}
        self.descriptions = Descriptions(ENDPOINT, parts.settings.region)
        self.operations: dict[str, Operation] = {
            "CreateEndpoint": self._create,
            "DescribeEndpoint": self._describe,
            "ListEndpoints": self.descriptions.list,
            "UpdateEndpoint": self._update,
            "UpdateEndpointWeightsAndCapacities": self._resize,
            "DeleteEndpoint": self._delete,
        }

    def deployment(self, name: str) -> Deployment:
        """What answers for an endpoint.

        Raises:
            RefusedError: if nothing does.
        """
        with self._lock:
            deployment = self._deployments.get(name)
        if deployment is None:
            raise RefusedError(
                "ValidationError", f"Endpoint {name} of account not found."
            )
        return deployment

    def check_in_service(self, name: str) -> Description:
        """The description of an endpoint that is in service.

        Raises:
            RefusedError: if there is none of that name, or it is in another state.
        """
        description = self.descriptions.get(name)
        if description["EndpointStatus"] != "InService":
            raise _is_changing(description)
        return description

    def _describe(self, parameters: Parameters) -> Result:
        description = self.descriptions.describe(parameters)
        with self._lock:
            deployment = self._deployments.get(parameters["EndpointName"])
        if deployment is not None:
            description["ProductionVariants"] = [
                variant.describe() for variant in deployment.variants
            ]
            if deployment.capture is not None:
                description["DataCaptureConfig"] = deployment.capture.describe()
        return description

    def _create(self, parameters: Parameters) -> Result:
        name = parameters["EndpointName"]
        self.descriptions.check_free(name)
        deployment = self._new_deployment(parameters)
        members = {
            "EndpointName": name,
            "EndpointConfigName": parameters["EndpointConfigName"],
            "EndpointStatus": "Creating",
        }
        arn = self.descriptions.add(members)
        self._parts.tags.put(arn, parameters)
        _in_thread(self._bring_up, name, deployment)
        return {"EndpointArn": arn}

    def _bring_up(self, name: str, deployment: Deployment) -> None:
        reason = _start(deployment)
        if reason is not None:
            self.descriptions.set(name, EndpointStatus="Failed", FailureReason=reason)
            return
        with self._lock:
            self._deployments[name] = deployment
        self._describe_in_service(name, deployment)

    def _update(self, parameters: Parameters) -> Result:
        name = parameters["EndpointName"]
        description = self.check_in_service(name)
        deployment = self._new_deployment(parameters)
        if parameters.get("RetainAllVariantProperties"):
            excluded = [
                entry["VariantPropertyType"]
                for entry in parameters.get("ExcludeRetainedVariantProperties", [])
            ]
            deployment.retain(self.deployment(name), excluded)
        self.descriptions.set(name, EndpointStatus="Updating")
        _in_thread(self._replace, name, deployment)
        return {"EndpointArn": description["EndpointArn"]}

    def _replace(self, name: str, deployment: Deployment) -> None:
        """The old deployment answers until the new one is healthy, and goes on if it
        isn't.
        """
        reason = _start(deployment)
        if reason is not None:
            self.descriptions.set(
                name, EndpointStatus="InService", FailureReason=reason
            )
            return
        with self._lock:
            old = self._deployments[name]
            self._deployments[name] = deployment
        self._describe_in_service(name, deployment)
        old.stop()

    def _resize(self, parameters: Parameters) -> Result:
        """Change weights and numbers of containers of variants."""
        name = parameters["EndpointName"]
        description = self.check_in_service(name)
        deployment = self.deployment(name)
        counts: dict[str, int] = {}
        for entry in parameters["DesiredWeightsAndCapacities"]:
            variant = deployment.choose(entry["VariantName"])
            if "DesiredInstanceCount" in entry:
                count = entry["DesiredInstanceCount"]
                variant.check_count(count)
                counts[variant.name] = count
        for entry in parameters["DesiredWeightsAndCapacities"]:
            variant = deployment.choose(entry["VariantName"])
            variant.weight = entry.get("DesiredWeight", variant.weight)
        self.descriptions.set(name, EndpointStatus="Updating")
        _in_thread(self.scale, name, counts)
        return {"EndpointArn": description["EndpointArn"]}

    def scale(self, name: str, counts: Mapping[str, int]) -> None:
        """Give an endpoint's variants other numbers of containers, and return when they
        have them.
        """
        self.descriptions.set(name, EndpointStatus="Updating")
        deployment = self.deployment(name)
        members = {"EndpointStatus": "InService"}
        try:
            for variant, count in counts.items():
                deployment.choose(variant).scale(count)
        except FailureReasonError as error:
            members["FailureReason"] = str(error)
        self.descriptions.set(name, **members)

    def _delete(self, parameters: Parameters) -> Result:
        name = parameters["EndpointName"]
        description = self.descriptions.get(name)
        if description["EndpointStatus"] in _CHANGING:
            raise _is_changing(description)
        self.descriptions.set(name, EndpointStatus="Deleting")
        with self._lock:
            # There is none if it has failed.
            deployment = self._deployments.pop(name, None)
        _in_thread(self._take_down, name, deployment)
        return {}

    def _take_down(self, name: str, deployment: Deployment | None) -> None:
        if deployment is not None:
            deployment.stop()
        removed = self.descriptions.remove(name)
        self._parts.tags.drop(removed["EndpointArn"])

    def _new_deployment(self, parameters: Parameters) -> Deployment:
        config = self._catalog.configs.get(parameters["EndpointConfigName"])
        deployment = Deployment(
            self._parts, self._catalog, parameters["EndpointName"], config
        )
        for variant in deployment.variants:
            variant.check_count(variant.desired_count)
        return deployment

    def _describe_in_service(self, name: str, deployment: Deployment) -> None:
        config = deployment.config

        def change(description: Description) -> None:
            # The configuration before, or the update before, may have left these.
            description.pop("AsyncInferenceConfig", None)
            description.pop("FailureReason", None)
            description["EndpointStatus"] = "InService"
            description["EndpointConfigName"] = config["EndpointConfigName"]
            if deployment.is_async:
                description["AsyncInferenceConfig"] = config["AsyncInferenceConfig"]

        self.descriptions.update(name, change)


def _start(deployment: Deployment) -> str | None:
    """Start a deployment; gives the FailureReason if that fails."""
    try:
        deployment.start()
    except FailureReasonError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 a bug mustn't leave an endpoint Creating
        _log.exception("endpoint")
        return internal_reason(error)
    return None


def _is_changing(description: Description) -> RefusedError:
    arn = description["EndpointArn"]
    return invalid(f'Cannot update in-progress endpoint "{arn}".')


def _in_thread(target: Callable[..., None], *arguments: Any) -> None:
    thread = threading.Thread(
        target=target, args=arguments, daemon=True, name="endpoint"
    )
    thread.start()
