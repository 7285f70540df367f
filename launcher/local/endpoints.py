"""Endpoints: fleets of serving containers behind a name, exchanged only when the new one is good."""

from __future__ import annotations

import logging
import random
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from launcher.local.cloud import LogStream
from launcher.local.errors import JobError, RefusedError, invalid
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
from launcher.local.records import Kind, Record, Records
from launcher.local.replica import Replica

KIND = Kind(
    noun="endpoint",
    prefix="Endpoint",
    state="EndpointStatus",
    absent='Could not find endpoint "{arn}".',
    present='Cannot create already existing endpoint "{arn}".',
)
LOG_GROUP = "/aws/sagemaker/Endpoints"
_SUMMARY = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
_UNDER_WAY = ("Creating", "Updating", "Deleting")

_log = logging.getLogger(__name__)


class Variant:
    """The containers of one production variant."""

    def __init__(self, platform: Platform, models: Models, endpoint: str, variant: Mapping[str, Any], directory: Path):
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
            stream = LogStream(self._platform.cloud, self._group, f"{self.log_stream}-{i}")
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
            **({"CurrentServerlessConfig": self._variant["ServerlessConfig"]} if self.is_serverless else {}),
        }

    def _options(self) -> list[str]:
        container = container_of(self._model)
        region = self._platform.settings.region
        options = []
        if self.is_serverless:
            options += ["--memory", f"{self._variant['ServerlessConfig']['MemorySizeInMB']}m"]
        if container.get("Mode") == MULTI_MODEL:
            where = model_location(container)
            if where is None:
                raise JobError("a multi-model endpoint needs a ModelDataUrl, the place of its models")
            directory = self._directory / "models"
            directory.mkdir(parents=True)
            self.loaded = LoadedModels(self._platform.cloud, where, directory)
            mounted = ["--volume", f"{directory}:{MOUNTED}:ro"]
            return options + mounted + environment_options(container, region, SAGEMAKER_MULTI_MODEL="true")
        directory = self._directory / "model"
        download_model(self._platform.cloud, self._model, directory)
        return [*options, "--volume", f"{directory}:/opt/ml/model:ro", *environment_options(container, region)]


class Fleet:
    """All variants of one endpoint configuration."""

    def __init__(self, platform: Platform, models: Models, endpoint: str, config: Record) -> None:
        self.config = config
        self._directory = platform.settings.directory / "endpoints" / f"{endpoint}-{uuid.uuid4().hex[:8]}"
        entries = config["ProductionVariants"]
        self.variants = [Variant(platform, models, endpoint, entry, self._directory) for entry in entries]

    def start(self) -> None:
        """Return when all are healthy; where one isn't, all are ended.

        Raises:
            JobError: with the FailureReason.
        """
        try:
            for variant in self.variants:
                variant.start()
        except BaseException:
            self.stop()
            raise

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
            return random.choices(self.variants, [variant.weight for variant in self.variants])[0]
        for variant in self.variants:
            if variant.name == wanted:
                return variant
        raise RefusedError("ValidationError", f"Variant {wanted} is not a variant of this endpoint.")


class Endpoints:
    """The operations on endpoints."""

    def __init__(self, platform: Platform, models: Models) -> None:
        self._platform = platform
        self._models = models
        self._lock = threading.Lock()
        self._fleets: dict[str, Fleet] = {}
        self.records = Records(KIND, platform.settings.region)
        self.operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "CreateEndpoint": self._create,
            "DescribeEndpoint": lambda request: self.records.get(request["EndpointName"]),
            "ListEndpoints": lambda request: self.records.listing(request, "Endpoints", _SUMMARY),
            "UpdateEndpoint": self._update,
            "DeleteEndpoint": self._delete,
        }

    def fleet(self, name: str) -> Fleet:
        """What answers under a name.

        Raises:
            RefusedError: if nothing does.
        """
        with self._lock:
            fleet = self._fleets.get(name)
        if fleet is None:
            raise RefusedError("ValidationError", f"Endpoint {name} of account not found.")
        return fleet

    def _create(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        self.records.check_free(name)
        fleet = self._new_fleet(request)
        record = {
            "EndpointName": name,
            "EndpointConfigName": request["EndpointConfigName"],
            "EndpointStatus": "Creating",
        }
        arn = self.records.add(record)
        self._platform.tags.put(arn, request)
        self._in_thread(self._bring_up, name, fleet)
        return {"EndpointArn": arn}

    def _bring_up(self, name: str, fleet: Fleet) -> None:
        if (reason := self._start(fleet)) is not None:
            self.records.set(name, EndpointStatus="Failed", FailureReason=reason)
            return
        with self._lock:
            self._fleets[name] = fleet
        self._in_service(name, fleet)

    def _update(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        record = self.records.get(name)
        if record["EndpointStatus"] != "InService":
            raise invalid(f'Cannot update in-progress endpoint "{record["EndpointArn"]}".')
        fleet = self._new_fleet(request)
        self.records.set(name, EndpointStatus="Updating")
        self._in_thread(self._exchange, name, fleet)
        return {"EndpointArn": record["EndpointArn"]}

    def _exchange(self, name: str, fleet: Fleet) -> None:
        """The old fleet answers until the new one is good, and goes on where it isn't."""
        if (reason := self._start(fleet)) is not None:
            self.records.set(name, EndpointStatus="InService", FailureReason=reason)
            return
        with self._lock:
            old, self._fleets[name] = self._fleets[name], fleet
        self.records.update(name, lambda record: record.pop("FailureReason", None))
        self._in_service(name, fleet)
        old.stop()

    def _delete(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        record = self.records.get(name)
        if record["EndpointStatus"] in _UNDER_WAY:
            raise invalid(f'Cannot update in-progress endpoint "{record["EndpointArn"]}".')
        self.records.set(name, EndpointStatus="Deleting")
        with self._lock:
            fleet = self._fleets.pop(name, None)
        self._in_thread(self._take_down, name, fleet)
        return {}

    def _take_down(self, name: str, fleet: Fleet | None) -> None:
        if fleet is not None:
            fleet.stop()
        self._platform.tags.drop(self.records.remove(name)["EndpointArn"])

    def _new_fleet(self, request: Mapping[str, Any]) -> Fleet:
        config = self._models.configs.get(request["EndpointConfigName"])
        for variant in config["ProductionVariants"]:
            if "InstanceType" in variant:
                count = variant.get("InitialInstanceCount", 1)
                self._platform.quotas.check(variant["InstanceType"], "endpoint usage", count)
        return Fleet(self._platform, self._models, request["EndpointName"], config)

    def _start(self, fleet: Fleet) -> str | None:
        """Why it isn't good, or None."""
        try:
            fleet.start()
        except JobError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 the boundary: an endpoint must not stay Creating for ever
            _log.exception("endpoint")
            return f"InternalServerError: {type(error).__name__}: {error}"
        return None

    def _in_service(self, name: str, fleet: Fleet) -> None:
        def change(record: Record) -> None:
            # The configuration before may have had it.
            record.pop("AsyncInferenceConfig", None)
            record |= {
                "EndpointStatus": "InService",
                "EndpointConfigName": fleet.config["EndpointConfigName"],
                "ProductionVariants": [variant.describe() for variant in fleet.variants],
            }
            if "AsyncInferenceConfig" in fleet.config:
                record["AsyncInferenceConfig"] = fleet.config["AsyncInferenceConfig"]

        self.records.update(name, change)

    def _in_thread(self, target: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=target, args=arguments, daemon=True, name="endpoint").start()
