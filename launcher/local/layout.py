"""The directory that a training container sees as ``/opt/ml``, made from the job's
request and from S3.

Follows the developer guide's "How Amazon SageMaker provides training information".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.local.cloud import Cloud, parse_s3_uri
from launcher.local.errors import JobError
from launcher.s3_uri import S3Uri

DEFAULT_CHECKPOINTS = "/opt/ml/checkpoints"
_NETWORK_INTERFACE = "eth0"


@dataclass(frozen=True, slots=True)
class Channel:
    """One entry of InputDataConfig, its defaults filled in.

    Attributes:
        name: of the channel.
        mode: ``File``, ``FastFile`` or ``Pipe``.
        uri: where its objects are.
        kind: ``S3Prefix`` or ``ManifestFile``.
        is_sharded: whether each host gets its own objects.
        is_compressed: whether a pipe unpacks them.
        declared: what ``inputdataconfig.json`` says.
    """

    name: str
    mode: str
    uri: str
    kind: str
    is_sharded: bool
    is_compressed: bool
    declared: Mapping[str, Any]

    @classmethod
    def of(cls, entry: Mapping[str, Any], job_mode: str) -> Channel:
        """From a request."""
        source = entry["DataSource"]["S3DataSource"]
        mode = entry.get("InputMode", job_mode)
        distribution = source.get("S3DataDistributionType", "FullyReplicated")
        declared = {
            "TrainingInputMode": mode,
            "S3DistributionType": distribution,
            "RecordWrapperType": entry.get("RecordWrapperType", "None"),
            **({"ContentType": entry["ContentType"]} if "ContentType" in entry else {}),
        }
        is_compressed = entry.get("CompressionType") == "Gzip"
        is_sharded = distribution == "ShardedByS3Key"
        return cls(
            entry["ChannelName"],
            mode,
            source["S3Uri"],
            source["S3DataType"],
            is_sharded,
            is_compressed,
            declared,
        )


@dataclass(frozen=True, slots=True)
class Item:
    """One object of a channel and its path below the channel's directory."""

    where: S3Uri
    path: str


def items(cloud: Cloud, channel: Channel) -> list[Item]:
    """All objects of a channel, in order of their keys.

    Raises:
        JobError: if there are none.
    """
    found = (
        manifest_items(cloud, channel.uri)
        if channel.kind == "ManifestFile"
        else prefix_items(cloud, channel.uri)
    )
    if not found:
        raise JobError("no objects begin with that")
    return found


def prefix_items(cloud: Cloud, uri: str) -> list[Item]:
    """The objects whose keys begin so; their paths begin behind the prefix's last
    folder.
    """
    where = parse_s3_uri(uri)
    keys = [key for key, _ in cloud.keys(where)]
    # A prefix may end anywhere: what stands before its last slash is cut off, or all of
    # it where it is a folder.
    folder = f"{where.key.rstrip('/')}/" if where.key else ""
    if not all(key.startswith(folder) for key in keys):
        folder = where.key.rpartition("/")[0]
        folder += "/" if folder else ""
    return [Item(S3Uri(where.bucket, key), key.removeprefix(folder)) for key in keys]


def manifest_items(cloud: Cloud, uri: str) -> list[Item]:
    """The objects that a manifest names: a prefix, and what to put behind it."""
    first, *rest = json.loads(cloud.read(parse_s3_uri(uri)))
    return [Item(parse_s3_uri(f"{first['prefix']}{name}"), name) for name in rest]


def shard(
    found: Sequence[Item], channel: Channel, index: int, n_hosts: int
) -> list[Item]:
    """What the host of that number gets."""
    return list(found[index::n_hosts]) if channel.is_sharded else list(found)


def write_configuration(
    base: Path,
    job: Mapping[str, Any],
    channels: Sequence[Channel],
    hosts: Sequence[str],
    host: str,
) -> None:
    """Make the directories and ``input/config`` of one host."""
    config = base / "input" / "config"
    for directory in (
        config,
        base / "input" / "data",
        base / "model",
        base / "output" / "data",
    ):
        directory.mkdir(parents=True)
    instance_type = job["ResourceConfig"]["InstanceType"]
    group = {
        "instance_group_name": "homogeneousCluster",
        "instance_type": instance_type,
        "hosts": list(hosts),
    }
    documents: dict[str, Any] = {
        "hyperparameters": job.get("HyperParameters", {}),
        "inputdataconfig": {channel.name: channel.declared for channel in channels},
        "resourceconfig": {
            "current_host": host,
            "current_instance_type": instance_type,
            "current_group_name": group["instance_group_name"],
            "hosts": list(hosts),
            "instance_groups": [group],
            "network_interface_name": _NETWORK_INTERFACE,
        },
    }
    if "CheckpointConfig" in job:
        documents["checkpointconfig"] = {"LocalPath": checkpoint_path(job)}
    for name, document in documents.items():
        (config / f"{name}.json").write_text(json.dumps(document))


def checkpoint_path(job: Mapping[str, Any]) -> str:
    """Where the container finds its checkpoints."""
    return str(job["CheckpointConfig"].get("LocalPath", DEFAULT_CHECKPOINTS))
