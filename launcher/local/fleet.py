"""The containers behind an endpoint: a fleet of its variants, each with as many as its
configuration says.
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

from launcher.local.cloud import LogStream
from launcher.local.errors import JobError, RefusedError
from launcher.local.models import (
    MULTI_MODEL,
    Models,
    container_of,
    download_model,
    environment_options,
    model_location,
)
from launcher.local.multi_model import MOUNTED, LoadedModels
from launcher.local.platform import Platform
from launcher.local.records import Record
from launcher.local.replica import Replica

LOG_GROUP = "/aws/sagemaker/Endpoints"


class Variant:
    """The containers of one production variant."""

    def __init__(
        self,
        platform: Platform,
        models: Models,
        endpoint: str,
        variant: Mapping[str, Any],
        directory: Path,
    ):
        self.name = variant["VariantName"]
        self.weight = float(variant.get("InitialVariantWeight", 1.0))
        self.is_serverless = "ServerlessConfig" in variant
        self.log_stream = f"{self.name}/{uuid.uuid4().hex[:12]}"
        self.loaded: LoadedModels | None = None
        self._platform = platform
        self._group = f"{LOG_GROUP}/{endpoint}"
        self._variant = variant
        self._directory = directory / self.name
        self._model = models.models.get(variant["ModelName"])
        self._image = models.image(self._model)
        self._replicas: list[Replica] = []

    def start(self) -> None:
        """Return when all containers are healthy.

        Raises:
            JobError: with the FailureReason.
        """
        self._platform.docker.pull(self._image)
        options = self._options()
        for i in range(self._variant.get("InitialInstanceCount", 1)):
            stream = LogStream(
                self._platform.cloud, self._group, f"{self.log_stream}-{i}"
            )
            replica = Replica(self._platform, self._image, options, stream)
            self._replicas.append(replica)
            try:
                replica.start()
            except JobError as error:
                raise JobError(
                    f"The primary container for production variant {self.name} did not pass the ping health check: "
                    f"{error}. Please check CloudWatch logs for this endpoint."
                ) from error

    def stop(self) -> None:
        """End them."""
        for replica in self._replicas:
            replica.stop()

    def replica(self) -> Replica:
        """Any of the containers."""
        return random.choice(self._replicas)

    def describe(self) -> dict[str, Any]:
        """As DescribeEndpoint tells it."""
        count = self._variant.get("InitialInstanceCount", 0)
        return {
            "VariantName": self.name,
            "DeployedImages": [
                {
                    "SpecifiedImage": container_of(self._model)["Image"],
                    "ResolvedImage": self._image,
                    "ResolutionTime": time.time(),
                }
            ],
            "CurrentWeight": self.weight,
            "DesiredWeight": self.weight,
            "CurrentInstanceCount": count,
            "DesiredInstanceCount": count,
            **(
                {"CurrentServerlessConfig": self._variant["ServerlessConfig"]}
                if self.is_serverless
                else {}
            ),
        }

    def _options(self) -> list[str]:
        container = container_of(self._model)
        region = self._platform.settings.region
        options = []
        if self.is_serverless:
            options += [
                "--memory",
                f"{self._variant['ServerlessConfig']['MemorySizeInMB']}m",
            ]
        if container.get("Mode") == MULTI_MODEL:
            where = model_location(container)
            if where is None:
                raise JobError(
                    "a multi-model endpoint needs a ModelDataUrl, the place of its models"
                )
            directory = self._directory / "models"
            directory.mkdir(parents=True)
            self.loaded = LoadedModels(self._platform.cloud, where, directory)
            mounted = ["--volume", f"{directory}:{MOUNTED}:ro"]
            return (
                options
                + mounted
                + environment_options(container, region, SAGEMAKER_MULTI_MODEL="true")
            )
        directory = self._directory / "model"
        download_model(self._platform.cloud, self._model, directory)
        return [
            *options,
            "--volume",
            f"{directory}:/opt/ml/model:ro",
            *environment_options(container, region),
        ]


class Fleet:
    """All variants of one endpoint configuration."""

    def __init__(
        self, platform: Platform, models: Models, endpoint: str, config: Record
    ) -> None:
        self.config = config
        self._directory = (
            platform.settings.directory
            / "endpoints"
            / f"{endpoint}-{uuid.uuid4().hex[:8]}"
        )
        entries = config["ProductionVariants"]
        self.variants = [
            Variant(platform, models, endpoint, entry, self._directory)
            for entry in entries
        ]

    def start(self) -> None:
        """Return when all are healthy; where one isn't, all are ended.

        Raises:
            JobError: with the FailureReason.
        """
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            for variant in self.variants:
                variant.start()
            undo.pop_all()

    def stop(self) -> None:
        """End all, and remove their files."""
        for variant in self.variants:
            variant.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def choose(self, wanted: str | None) -> Variant:
        """The wanted variant, or one drawn by the weights.

        Raises:
            RefusedError: if there is none of that name.
        """
        if wanted is None:
            return random.choices(
                self.variants, [variant.weight for variant in self.variants]
            )[0]
        for variant in self.variants:
            if variant.name == wanted:
                return variant
        raise RefusedError(
            "ValidationError", f"Variant {wanted} is not a variant of this endpoint."
        )
