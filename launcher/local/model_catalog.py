"""The operations on models and endpoint configurations."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launcher.local.descriptions import Descriptions, ResourceKind
from launcher.local.errors import FailureReasonError, invalid
from launcher.local.model_container import (
    ModelContainers,
    container_of,
    is_multi_model,
    model_location,
)
from launcher.local.model_packages import ModelPackages
from launcher.local.moto_tables import check_role
from launcher.local.operation import Operation, Parameters, Result
from launcher.local.stack_parts import StackParts

MODEL = ResourceKind("model")
ENDPOINT_CONFIG = ResourceKind(
    "endpoint-config",
    absent='Could not find endpoint configuration "{arn}".',
    present='Cannot create already existing endpoint configuration "{arn}".',
)


class ModelCatalog:
    """Models and endpoint configurations. Neither changes once it is made."""

    def __init__(self, parts: StackParts, packages: ModelPackages) -> None:
        self._parts = parts
        self._packages = packages
        region = parts.settings.region
        self.models = Descriptions(MODEL, region, parts.tags)
        self.configs = Descriptions(ENDPOINT_CONFIG, region, parts.tags)
        self.operations: dict[str, Operation] = {
            **self.models.operations,
            **self.configs.operations,
            "CreateModel": self._create_model,
            "CreateEndpointConfig": self._create_config,
        }

    def containers(
        self, model: str, directory: Path, log_group: str, log_stream: str
    ) -> ModelContainers:
        """Runs containers of a model.

        Args:
            model: its name.
            directory: for the model's files.
            log_group: of the containers.
            log_stream: the beginning of its streams' names.

        Raises:
            RefusedError: if there is no such model, or its image isn't there.
        """
        found = self.models.get(model)
        container = self.container(found)
        return ModelContainers(
            self._parts, found, container, directory, log_group, log_stream
        )

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
        containers = parameters.get("Containers", [])
        if len(containers) > 1:
            raise invalid("a model of several containers isn't offered here")
        if not containers and "PrimaryContainer" not in parameters:
            raise invalid("You must provide either PrimaryContainer or Containers")
        container = self.container(parameters)
        if "Image" not in container:
            raise invalid("the container has neither an Image nor a ModelPackageName")
        check_role(parameters.get("ExecutionRoleArn", ""))
        self._parts.images.resolve(container["Image"])
        self._check_data(container)
        return self.models.add(parameters)

    def _check_data(self, container: Mapping[str, Any]) -> None:
        location = model_location(container)
        if is_multi_model(container):
            # Models may be put below that prefix later.
            if location is None:
                raise invalid("a multi-model container needs a ModelDataUrl")
            return
        if location is None:
            return
        with contextlib.suppress(FailureReasonError):
            if self._parts.clients.objects(location):
                return
        raise invalid(
            f"Could not access model data at {location}. Please ensure that the role "
            'exists, that it has "s3:GetObject" permissions and that the object is '
            f"located in {self._parts.settings.region}."
        )

    def _create_config(self, parameters: Parameters) -> Result:
        variants = parameters["ProductionVariants"]
        names = {variant["VariantName"] for variant in variants}
        if len(names) < len(variants):
            raise invalid("Duplicate variant names in ProductionVariants")
        for variant in variants:
            name = variant["VariantName"]
            if "ModelName" not in variant:
                raise invalid(f"variant {name} has no ModelName")
            self.models.get(variant["ModelName"])
            if ("ServerlessConfig" in variant) == ("InstanceType" in variant):
                raise invalid(
                    f"variant {name} needs either an InstanceType or a ServerlessConfig"
                )
        return self.configs.add(parameters)
