"""The operations on models and endpoint configurations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from launcher.local.descriptions import Descriptions, ResourceKind
from launcher.local.errors import FailureReasonError, invalid
from launcher.local.model_container import (
    container_of,
    is_multi_model,
    model_location,
)
from launcher.local.model_packages import ModelPackages
from launcher.local.operation import Operation, Parameters, Result, without_tags
from launcher.local.stack_parts import StackParts

MODEL = ResourceKind(
    noun="model",
    prefix="Model",
    summaries="Models",
    absent='Could not find model "{arn}".',
    present='Cannot create already existing model "{arn}".',
    has_status=False,
)
ENDPOINT_CONFIG = ResourceKind(
    noun="endpoint-config",
    prefix="EndpointConfig",
    summaries="EndpointConfigs",
    absent='Could not find endpoint configuration "{arn}".',
    present='Cannot create already existing endpoint configuration "{arn}".',
    has_status=False,
)


class ModelCatalog:
    """Models and endpoint configurations. Neither changes once it is made."""

    def __init__(self, parts: StackParts, packages: ModelPackages) -> None:
        self._parts = parts
        self._packages = packages
        region = parts.settings.region
        self.models = Descriptions(MODEL, region)
        self.configs = Descriptions(ENDPOINT_CONFIG, region)
        self.operations: dict[str, Operation] = {
            "CreateModel": self._create_model,
            "DescribeModel": self.models.describe,
            "ListModels": self.models.list,
            "DeleteModel": partial(self._delete, self.models),
            "CreateEndpointConfig": self._create_config,
            "DescribeEndpointConfig": self.configs.describe,
            "ListEndpointConfigs": self.configs.list,
            "DeleteEndpointConfig": partial(self._delete, self.configs),
        }

    def image(self, model: Mapping[str, Any]) -> str:
        """The image of a model by the engine's name.

        Raises:
            RefusedError: if it isn't there.
        """
        return self._parts.images.resolve(self.container(model)["Image"])

    def container(self, model: Mapping[str, Any]) -> Mapping[str, Any]:
        """A model's container, with what it has of its model package.

        Raises:
            RefusedError: if there is no such package.
        """
        container = container_of(model)
        package = container.get("ModelPackageName")
        if package is None:
            return container
        packaged = self._packages.container(package)
        environment = {
            **packaged.get("Environment", {}),
            **container.get("Environment", {}),
        }
        return {**packaged, **container, "Environment": environment}

    def _create_model(self, parameters: Parameters) -> Result:
        self.models.check_free(parameters["ModelName"])
        containers = parameters.get("Containers", [])
        if len(containers) > 1:
            raise invalid("a model of several containers isn't offered here")
        if not containers and "PrimaryContainer" not in parameters:
            raise invalid("You must provide either PrimaryContainer or Containers")
        container = self.container(parameters)
        if "Image" not in container:
            raise invalid("the container has neither an Image nor a ModelPackageName")
        self._parts.clients.check_role(parameters.get("ExecutionRoleArn", ""))
        self._parts.images.resolve(container["Image"])
        self._check_data(container)
        return self._add(self.models, parameters)

    def _check_data(self, container: Mapping[str, Any]) -> None:
        location = model_location(container)
        if location is None:
            return
        try:
            found = self._parts.clients.objects(location)
        except FailureReasonError:
            found = []
        # Models may be put below a multi-model container's prefix later.
        if not found and not is_multi_model(container):
            region = self._parts.settings.region
            raise invalid(
                f"Could not access model data at {location}. Please ensure that the "
                'role exists, that it has "s3:GetObject" permissions and that the '
                f"object is located in {region}."
            )

    def _create_config(self, parameters: Parameters) -> Result:
        self.configs.check_free(parameters["EndpointConfigName"])
        variants = parameters["ProductionVariants"]
        names = {variant["VariantName"] for variant in variants}
        if len(names) < len(variants):
            raise invalid("Duplicate variant names in ProductionVariants")
        for variant in variants:
            self._check_variant(variant)
        return self._add(self.configs, parameters)

    def _check_variant(self, variant: Mapping[str, Any]) -> None:
        name = variant["VariantName"]
        if "ModelName" not in variant:
            raise invalid(f"variant {name} has no ModelName")
        self.models.get(variant["ModelName"])
        if ("ServerlessConfig" in variant) == ("InstanceType" in variant):
            raise invalid(
                f"variant {name} needs either an InstanceType or a ServerlessConfig"
            )

    def _add(self, descriptions: Descriptions, parameters: Parameters) -> Result:
        arn = descriptions.add(without_tags(parameters))
        self._parts.tags.put(arn, parameters)
        return {descriptions.kind.arn: arn}

    def _delete(self, descriptions: Descriptions, parameters: Parameters) -> Result:
        removed = descriptions.remove(parameters[descriptions.kind.name])
        self._parts.tags.drop(removed[descriptions.kind.arn])
        return {}
