"""What answers for an endpoint: the containers of all variants of one endpoint
configuration.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launcher.local.descriptions import Description
from launcher.local.errors import FailureReasonError, RefusedError
from launcher.local.log_stream import LogStream
from launcher.local.model_catalog import ModelCatalog
from launcher.local.model_container import (
    container_of,
    download_model,
    environment_options,
    is_multi_model,
    model_location,
)
from launcher.local.multi_model import MOUNTED, LoadedModels
from launcher.local.serving_container import ServingContainer
from launcher.local.stack_parts import StackParts

LOG_GROUP = "/aws/sagemaker/Endpoints"


class Variant:
    """The containers of one production variant.

    Args:
        parts: of the stack.
        catalog: has the variant's model.
        endpoint: the endpoint's name.
        entry: of ProductionVariants.
        directory: for the files of the deployment.

    Attributes:
        name: of the variant.
        weight: its share of the requests, relative to the other variants'.
        is_serverless: whether it has a ServerlessConfig.
        loaded_models: of a multi-model container, else None; set by `start`.
    """

    def __init__(
        self,
        parts: StackParts,
        catalog: ModelCatalog,
        endpoint: str,
        entry: Mapping[str, Any],
        directory: Path,
    ) -> None:
        self.name: str = entry["VariantName"]
        self.weight = float(entry.get("InitialVariantWeight", 1.0))
        self.is_serverless = "ServerlessConfig" in entry
        self.loaded_models: LoadedModels | None = None
        self._parts = parts
        self._log_group = f"{LOG_GROUP}/{endpoint}"
        self._log_stream = f"{self.name}/{uuid.uuid4().hex[:12]}"
        self._entry = entry
        self._directory = directory / self.name
        model = catalog.models.get(entry["ModelName"])
        self._model_container = container_of(model)
        self._image = catalog.image(model)
        self._containers: list[ServingContainer] = []

    def start(self) -> None:
        """Return when all containers are healthy.

        Raises:
            FailureReasonError: if one isn't.
        """
        self._parts.engine.pull(self._image)
        options = [*self._memory_options(), *self._model_options()]
        for i in range(self._entry.get("InitialInstanceCount", 1)):
            stream = LogStream(
                self._parts.clients, self._log_group, f"{self._log_stream}-{i}"
            )
            container = ServingContainer(self._parts, self._image, options, stream)
            self._containers.append(container)
            try:
                container.start()
            except FailureReasonError as error:
                raise FailureReasonError(
                    f"The primary container for production variant {self.name} did "
                    f"not pass the ping health check: {error}. Please check "
                    "CloudWatch logs for this endpoint."
                ) from error

    def stop(self) -> None:
        """End the containers."""
        for container in self._containers:
            container.stop()

    def any_container(self) -> ServingContainer:
        """One of the containers, at random."""
        return random.choice(self._containers)

    def describe(self) -> dict[str, Any]:
        """The variant's entry in the result of DescribeEndpoint."""
        # A serverless variant has no count.
        count = self._entry.get("InitialInstanceCount", 0)
        image = {
            "SpecifiedImage": self._model_container["Image"],
            "ResolvedImage": self._image,
            "ResolutionTime": time.time(),
        }
        description = {
            "VariantName": self.name,
            "DeployedImages": [image],
            "CurrentWeight": self.weight,
            "DesiredWeight": self.weight,
            "CurrentInstanceCount": count,
            "DesiredInstanceCount": count,
        }
        if self.is_serverless:
            description["CurrentServerlessConfig"] = self._entry["ServerlessConfig"]
        return description

    def _memory_options(self) -> list[str]:
        if not self.is_serverless:
            return []
        mebibytes = self._entry["ServerlessConfig"]["MemorySizeInMB"]
        return ["--memory", f"{mebibytes}m"]

    def _model_options(self) -> list[str]:
        """Options that mount the model, which is downloaded, or the place for several
        models, which is empty at first.
        """
        added = {}
        if is_multi_model(self._model_container):
            directory = self._directory / "models"
            directory.mkdir(parents=True)
            self.loaded_models = self._no_models_yet(directory)
            mounted = MOUNTED
            added["SAGEMAKER_MULTI_MODEL"] = "true"
        else:
            directory = self._directory / "model"
            download_model(self._parts.clients, self._model_container, directory)
            mounted = "/opt/ml/model"
        environment = environment_options(
            self._model_container, self._parts.settings.region, added
        )
        return ["--volume", f"{directory}:{mounted}:ro", *environment]

    def _no_models_yet(self, directory: Path) -> LoadedModels:
        prefix = model_location(self._model_container)
        if prefix is None:
            raise FailureReasonError(
                "a multi-model endpoint needs a ModelDataUrl, the prefix of its models"
            )
        return LoadedModels(self._parts.clients, prefix, directory)


class Deployment:
    """All variants of one endpoint configuration.

    Args:
        parts: of the stack.
        catalog: has the variants' models.
        endpoint: the endpoint's name.
        config: the endpoint configuration.
    """

    def __init__(
        self,
        parts: StackParts,
        catalog: ModelCatalog,
        endpoint: str,
        config: Description,
    ) -> None:
        self.config = config
        # An endpoint has two deployments for a while when it is updated.
        name = f"{endpoint}-{uuid.uuid4().hex[:8]}"
        self._directory = parts.settings.directory / "endpoints" / name
        self.variants = [
            Variant(parts, catalog, endpoint, entry, self._directory)
            for entry in config["ProductionVariants"]
        ]

    @property
    def is_async(self) -> bool:
        """Whether answers go to S3."""
        return "AsyncInferenceConfig" in self.config

    def start(self) -> None:
        """Return when all containers are healthy; if one isn't, all are ended.

        Raises:
            FailureReasonError: if one isn't healthy.
        """
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            for variant in self.variants:
                variant.start()
            undo.pop_all()

    def stop(self) -> None:
        """End all containers, and remove their files."""
        for variant in self.variants:
            variant.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def choose(self, wanted: str | None = None) -> Variant:
        """The variant of a name, or one drawn by the weights.

        Raises:
            RefusedError: if there is none of that name.
        """
        if wanted is None:
            weights = [variant.weight for variant in self.variants]
            return random.choices(self.variants, weights)[0]
        for variant in self.variants:
            if variant.name == wanted:
                return variant
        raise RefusedError(
            "ValidationError", f"Variant {wanted} is not a variant of this endpoint."
        )
