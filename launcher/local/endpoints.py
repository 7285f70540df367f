"""The operations on endpoints: a deployment behind a name, replaced only when the new
one is healthy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from launcher.local.deployment import Deployment
from launcher.local.descriptions import Description, Descriptions, ResourceKind
from launcher.local.errors import RefusedError, reason_of
from launcher.local.model_catalog import ModelCatalog
from launcher.local.operation import Operation, Parameters, Result
from launcher.local.stack_parts import StackParts

ENDPOINT = ResourceKind(
    noun="endpoint",
    prefix="Endpoint",
    summaries="Endpoints",
    absent='Could not find endpoint "{arn}".',
    present='Cannot create already existing endpoint "{arn}".',
    busy='Cannot update in-progress endpoint "{arn}".',
)


class Endpoints:
    """Endpoints, and the threads that change them."""

    def __init__(self, parts: StackParts, catalog: ModelCatalog) -> None:
        self._parts = parts
        self._catalog = catalog
        self._lock = threading.Lock()
        self._deployments: dict[str, Deployment] = {}
        self.descriptions = Descriptions(ENDPOINT, parts.settings.region, parts.tags)
        self.operations: dict[str, Operation] = {
            **self.descriptions.operations,
            "CreateEndpoint": self._create,
            "DescribeEndpoint": self._describe,
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
        return self.descriptions.check(name, ["InService"])

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
        deployment = self._new_deployment(parameters)
        result = self.descriptions.add({**parameters, "EndpointStatus": "Creating"})
        _in_thread(self._bring_up, name, deployment)
        return result

    def _bring_up(self, name: str, deployment: Deployment) -> None:
        """Start a deployment. One that there is already answers until the new one is
        healthy, and goes on if it isn't.
        """
        try:
            deployment.start()
        except Exception as error:  # noqa: BLE001 a bug mustn't leave it Creating
            status = "InService" if name in self._deployments else "Failed"
            self.descriptions.set(
                name, EndpointStatus=status, FailureReason=reason_of(error)
            )
            return
        with self._lock:
            old = self._deployments.get(name)
            self._deployments[name] = deployment
        self._describe_in_service(name, deployment)
        if old is not None:
            old.stop()

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
        _in_thread(self._bring_up, name, deployment)
        return {"EndpointArn": description["EndpointArn"]}

    def _resize(self, parameters: Parameters) -> Result:
        """Change weights and numbers of containers of variants."""
        name = parameters["EndpointName"]
        description = self.check_in_service(name)
        deployment = self.deployment(name)
        entries = parameters["DesiredWeightsAndCapacities"]
        variants = [deployment.choose(entry["VariantName"]) for entry in entries]
        counts: dict[str, int] = {}
        for variant, entry in zip(variants, entries, strict=True):
            if "DesiredInstanceCount" in entry:
                counts[variant.name] = entry["DesiredInstanceCount"]
                variant.check_count(counts[variant.name])
        for variant, entry in zip(variants, entries, strict=True):
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
        except Exception as error:  # noqa: BLE001 a bug mustn't leave it Updating
            members["FailureReason"] = reason_of(error)
        self.descriptions.set(name, **members)

    def _delete(self, parameters: Parameters) -> Result:
        name = parameters["EndpointName"]
        self.descriptions.check(name, ["InService", "Failed"])
        self.descriptions.set(name, EndpointStatus="Deleting")
        with self._lock:
            # There is none if it has failed.
            deployment = self._deployments.pop(name, None)
        _in_thread(self._take_down, parameters, deployment)
        return {}

    def _take_down(self, parameters: Parameters, deployment: Deployment | None) -> None:
        if deployment is not None:
            deployment.stop()
        self.descriptions.delete(parameters)

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


def _in_thread(target: Callable[..., None], *arguments: Any) -> None:
    thread = threading.Thread(
        target=target, args=arguments, daemon=True, name="endpoint"
    )
    thread.start()
