"""Models, endpoint configurations, and where a model's files come from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from launcher.local.archives import unpack
from launcher.local.cloud import Cloud, parse_s3_uri
from launcher.local.errors import JobError, invalid
from launcher.local.platform import Platform
from launcher.local.records import Kind, Record, Records
from launcher.s3_uri import S3Uri

MODEL = Kind(
    noun="model",
    prefix="Model",
    state="",
    absent='Could not find model "{arn}".',
    present='Cannot create already existing model "{arn}".',
)
CONFIG = Kind(
    noun="endpoint-config",
    prefix="EndpointConfig",
    state="",
    absent='Could not find endpoint configuration "{arn}".',
    present='Cannot create already existing endpoint configuration "{arn}".',
)
MULTI_MODEL = "MultiModel"
# What would be passed over silently otherwise.
_NOT_OFFERED = ("EnableNetworkIsolation", "InferenceExecutionConfig")


class Models:
    """Both kinds: neither ever changes."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        region = platform.settings.region
        self.models = Records(MODEL, region)
        self.configs = Records(CONFIG, region)
        self.operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "CreateModel": self._create_model,
            "DescribeModel": lambda request: self.models.get(request["ModelName"]),
            "ListModels": lambda request: self.models.listing(
                request, "Models", ("ModelName", "ModelArn", "CreationTime")
            ),
            "DeleteModel": lambda request: self._delete(
                self.models, request["ModelName"]
            ),
            "CreateEndpointConfig": self._create_config,
            "DescribeEndpointConfig": lambda request: self.configs.get(
                request["EndpointConfigName"]
            ),
            "ListEndpointConfigs": lambda request: self.configs.listing(
                request,
                "EndpointConfigs",
                ("EndpointConfigName", "EndpointConfigArn", "CreationTime"),
            ),
            "DeleteEndpointConfig": lambda request: self._delete(
                self.configs, request["EndpointConfigName"]
            ),
        }

    def image(self, model: Mapping[str, Any]) -> str:
        """A model's image as the engine pulls it."""
        return self._platform.images.resolve(container_of(model)["Image"])

    def _create_model(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.models.check_free(request["ModelName"])
        if unknown := [name for name in _NOT_OFFERED if request.get(name)]:
            raise invalid(f"{unknown[0]} isn't offered here for models")
        if len(request.get("Containers", [])) > 1:
            raise invalid("a model of several containers isn't offered here")
        if not request.get("Containers") and "PrimaryContainer" not in request:
            raise invalid("You must provide either PrimaryContainer or Containers")
        container = container_of(request)
        if "Image" not in container:
            raise invalid(
                "the container has no Image; model packages aren't offered here"
            )
        self._platform.cloud.check_role(request.get("ExecutionRoleArn", ""))
        self._platform.images.resolve(container["Image"])
        self._check_data(container)
        return self._add(self.models, request)

    def _check_data(self, container: Mapping[str, Any]) -> None:
        if (where := model_location(container)) is None:
            return
        try:
            found = self._platform.cloud.keys(where)
        except JobError:
            found = []
        if not found and container.get("Mode") != MULTI_MODEL:
            raise invalid(
                f"Could not access model data at {where}. Please ensure that the role exists, that it has "
                f'"s3:GetObject" permissions and that the object is located in {self._platform.settings.region}.'
            )

    def _create_config(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.configs.check_free(request["EndpointConfigName"])
        variants = request["ProductionVariants"]
        if request.get("ShadowProductionVariants"):
            raise invalid("shadow variants aren't offered here")
        if len({variant["VariantName"] for variant in variants}) < len(variants):
            raise invalid("Duplicate variant names in ProductionVariants")
        for variant in variants:
            if "ModelName" not in variant:
                raise invalid(f"variant {variant['VariantName']} has no ModelName")
            self.models.get(variant["ModelName"])
            if ("ServerlessConfig" in variant) == ("InstanceType" in variant):
                raise invalid(
                    f"variant {variant['VariantName']} needs either an InstanceType or a ServerlessConfig"
                )
        return self._add(self.configs, request)

    def _add(self, records: Records, request: Mapping[str, Any]) -> dict[str, Any]:
        arn = records.add(
            {name: value for name, value in request.items() if name != "Tags"}
        )
        self._platform.tags.put(arn, request)
        return {records.kind.arn: arn}

    def _delete(self, records: Records, name: str) -> dict[str, Any]:
        self._platform.tags.drop(records.remove(name)[records.kind.arn])
        return {}


def container_of(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """A model's one container."""
    container: Mapping[str, Any] = (
        model["PrimaryContainer"]
        if "PrimaryContainer" in model
        else model["Containers"][0]
    )
    return container


def model_location(container: Mapping[str, Any]) -> S3Uri | None:
    """Where the model's files are, if it has any."""
    if "ModelDataUrl" in container:
        return parse_s3_uri(container["ModelDataUrl"])
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    return parse_s3_uri(source["S3Uri"]) if source else None


def download_model(cloud: Cloud, model: Record, directory: Path) -> None:
    """Have a model's files in a directory, which is made.

    Raises:
        JobError: if they aren't there, or aren't an archive.
    """
    container = container_of(model)
    directory.mkdir(parents=True)
    where = model_location(container)
    if where is None:
        return
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    if (
        source.get("S3DataType") == "S3Prefix"
        or source.get("CompressionType") == "None"
    ):
        for key, _ in cloud.keys(where):
            cloud.download(
                S3Uri(where.bucket, key),
                directory / key.removeprefix(where.key).lstrip("/"),
            )
        return
    archive = directory.with_name("model.tar.gz")
    cloud.download(where, archive)
    unpack(archive, directory)
    archive.unlink()


def environment_options(
    container: Mapping[str, Any], region: str, **more: str
) -> list[str]:
    """``--env`` options of a serving container."""
    variables = {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        **more,
        **container.get("Environment", {}),
    }
    return [
        part
        for name, value in variables.items()
        for part in ("--env", f"{name}={value}")
    ]


def dumped(value: Any) -> bytes:
    """A JSON body."""
    return json.dumps(value).encode()
