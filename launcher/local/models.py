"""Models and endpoint configurations: their operations, and what it takes to run the
container of a model.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.local.archives import download_archive
from launcher.local.descriptions import Descriptions, ResourceKind
from launcher.local.engine import variables
from launcher.local.errors import FailureReasonError, invalid
from launcher.local.log_stream import LogStream
from launcher.local.model_packages import ModelPackages
from launcher.local.moto_tables import check_role
from launcher.local.operation import Operation, Parameters, Result
from launcher.local.service_clients import parse_s3_uri
from launcher.local.serving_container import MOUNTED, LoadedModels, ServingContainer
from launcher.local.stack_parts import StackParts
from launcher.s3_uri import S3Uri

MODEL = ResourceKind("model")
ENDPOINT_CONFIG = ResourceKind(
    "endpoint-config",
    absent='Could not find endpoint configuration "{arn}".',
    present='Cannot create already existing endpoint configuration "{arn}".',
)


def container_of(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """A model's only container, which may be given in two ways."""
    primary = model.get("PrimaryContainer")
    return dict(primary or model["Containers"][0])


def is_multi_model(container: Mapping[str, Any]) -> bool:
    """Whether the container serves all models below a prefix, each when asked for."""
    return container.get("Mode") == "MultiModel"


def model_location(container: Mapping[str, Any]) -> S3Uri | None:
    """Where the model's files are, if it has any.

    Raises:
        RefusedError: if that isn't an S3 address.
    """
    uri = container.get("ModelDataUrl", _data_source(container).get("S3Uri"))
    return parse_s3_uri(uri) if uri else None


@dataclass
class ModelContainers:
    """Runs containers of one model.

    Attributes:
        parts: of the stack, with the model's role.
        model: its description.
        container: the model's, with what it has of its model package.
        directory: for the model's files; made by `prepare`.
        log_group: of the containers.
        log_stream: the beginning of its streams' names.
        loaded_models: of a multi-model container, else None; set by `prepare`.
        image: by the engine's name.
        clients: with the model's role.
    """

    parts: StackParts
    model: Mapping[str, Any]
    container: Mapping[str, Any]
    directory: Path
    log_group: str
    log_stream: str
    loaded_models: LoadedModels | None = None

    def __post_init__(self) -> None:
        self.image = self.parts.images.resolve(self.container["Image"])
        self.parts = self.parts.as_role(self.model["ExecutionRoleArn"])
        self.clients = self.parts.clients
        self.log_stream = f"{self.log_stream}/{uuid.uuid4().hex[:12]}"
        self._n_started = 0
        self._options: list[str] = []

    def prepare(self, added: Mapping[str, str], options: Sequence[str] = ()) -> None:
        """Pull the image, and download the model, if it is a single one.

        Args:
            added: variables of the environment; the container's own win over them.
            options: of ``docker run``.

        Raises:
            FailureReasonError: if that fails.
        """
        self.parts.engine.pull(self.image)
        self.directory.mkdir(parents=True)
        location = model_location(self.container)
        mounted = "/opt/ml/model"
        if is_multi_model(self.container) and location is not None:
            self.loaded_models = LoadedModels(self.clients, location, self.directory)
            mounted = MOUNTED
            added = {**added, "SAGEMAKER_MULTI_MODEL": "true"}
        elif location is not None:
            self._download(location)
        own = self.container.get("Environment", {})
        environment = variables(self.parts.settings.region, added, own)
        volume = f"{self.directory}:{mounted}:ro"
        self._options = [*options, "--volume", volume, *environment]

    def _download(self, location: S3Uri) -> None:
        """Download the model's files, which may be an archive."""
        source = _data_source(self.container)
        is_prefix = source.get("S3DataType") == "S3Prefix"
        if is_prefix or source.get("CompressionType") == "None":
            self.clients.download_folder(location, self.directory)
        else:
            download_archive(self.clients, location, self.directory)

    def log(self, name: str) -> LogStream:
        """A stream beside those of the containers."""
        return LogStream(self.clients, self.log_group, f"{self.log_stream}{name}")

    def start(self) -> ServingContainer:
        """A further container, once it is healthy.

        Raises:
            FailureReasonError: if it isn't.
        """
        self._n_started += 1
        serving = ServingContainer(
            self.parts,
            self.image,
            self._options,
            self.log(f"-{self._n_started}"),
            is_isolated=bool(self.model.get("EnableNetworkIsolation")),
        )
        try:
            serving.start()
        except FailureReasonError:
            serving.stop()
            raise
        return serving


def _data_source(container: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict(container.get("ModelDataSource", {}).get("S3DataSource", {}))


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
