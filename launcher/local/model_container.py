"""The container of a model: where its files are, and how they and its environment reach
the machine that serves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launcher.local.archives import unpack
from launcher.local.service_clients import ServiceClients, parse_s3_uri
from launcher.s3_uri import S3Uri


def container_of(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """A model's only container, which may be given in two ways."""
    primary: Mapping[str, Any] | None = model.get("PrimaryContainer")
    if primary is not None:
        return primary
    first: Mapping[str, Any] = model["Containers"][0]
    return first


def is_multi_model(container: Mapping[str, Any]) -> bool:
    """Whether the container serves all models below a prefix, each when asked for."""
    return container.get("Mode") == "MultiModel"


def model_location(container: Mapping[str, Any]) -> S3Uri | None:
    """Where the model's files are, if it has any.

    Raises:
        RefusedError: if that isn't an S3 address.
    """
    if "ModelDataUrl" in container:
        return parse_s3_uri(container["ModelDataUrl"])
    source = _data_source(container)
    return parse_s3_uri(source["S3Uri"]) if source else None


def download_model(
    clients: ServiceClients, container: Mapping[str, Any], directory: Path
) -> None:
    """Download a model's files into a directory, which is made.

    Raises:
        FailureReasonError: if they aren't there, or aren't an archive.
    """
    directory.mkdir(parents=True)
    location = model_location(container)
    if location is None:
        return

    source = _data_source(container)
    is_prefix = source.get("S3DataType") == "S3Prefix"
    if is_prefix or source.get("CompressionType") == "None":
        for found in clients.objects(location):
            name = found.key.removeprefix(location.key).lstrip("/")
            clients.download(found, directory / name)
        return

    archive = directory.with_name("model.tar.gz")
    clients.download(location, archive)
    unpack(archive, directory)
    archive.unlink()


def environment_options(
    container: Mapping[str, Any], region: str, added: Mapping[str, str]
) -> list[str]:
    """The ``--env`` options of ``docker run`` for a serving container.

    The container's own variables win over ``added`` ones, and these over the region's.
    """
    variables = {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        **added,
        **container.get("Environment", {}),
    }
    options = []
    for name, value in variables.items():
        options += ["--env", f"{name}={value}"]
    return options


def _data_source(container: Mapping[str, Any]) -> Mapping[str, Any]:
    source: Mapping[str, Any] = container.get("ModelDataSource", {})
    s3_source: Mapping[str, Any] = source.get("S3DataSource", {})
    return s3_source
