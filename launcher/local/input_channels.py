"""The input of a job in S3: channels, and the objects that belong to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from launcher.local.errors import FailureReasonError, failing
from launcher.local.service_clients import ServiceClients, parse_s3_uri
from launcher.s3_uri import S3Uri
from movielens.json_text import parse_json


@dataclass(frozen=True, slots=True)
class InputObject:
    """An object of a channel.

    Attributes:
        source: where it is.
        path: relative to the channel's directory.
    """

    source: S3Uri
    path: str


class InputChannel:
    """An entry of InputDataConfig with its defaults filled in.

    Args:
        entry: of the request.
        job_mode: TrainingInputMode, for a channel without a mode of its own.

    Attributes:
        name: of the channel.
        mode: ``File``, ``FastFile`` or ``Pipe``.
        source: its S3DataSource.
        is_sharded: whether each host gets objects of its own.
        is_compressed: whether a pipe has to decompress the objects.
        declared: its entry in ``inputdataconfig.json``.
    """

    def __init__(self, entry: Mapping[str, Any], job_mode: str) -> None:
        self.name: str = entry["ChannelName"]
        self.mode: str = entry.get("InputMode", job_mode)
        self.source: Mapping[str, str] = entry["DataSource"]["S3DataSource"]
        distribution = self.source.get("S3DataDistributionType", "FullyReplicated")
        self.is_sharded = distribution == "ShardedByS3Key"
        self.is_compressed = entry.get("CompressionType") == "Gzip"
        self.declared = {
            "TrainingInputMode": self.mode,
            "S3DistributionType": distribution,
            "RecordWrapperType": entry.get("RecordWrapperType", "None"),
        }
        if "ContentType" in entry:
            self.declared["ContentType"] = entry["ContentType"]

    def shard(
        self, found: Sequence[InputObject], host_index: int, n_hosts: int
    ) -> list[InputObject]:
        """The objects that a host gets: all, or every ``n_hosts``-th."""
        return list(found[host_index::n_hosts] if self.is_sharded else found)


def channels_of(job: Mapping[str, Any]) -> list[InputChannel]:
    """The channels of a request for a training job."""
    mode = job["AlgorithmSpecification"].get("TrainingInputMode", "File")
    entries = job.get("InputDataConfig", [])
    return [InputChannel(entry, mode) for entry in entries]


def objects_of(clients: ServiceClients, source: Mapping[str, str]) -> list[InputObject]:
    """The objects of an S3DataSource: those below a prefix, in order of their keys, or
    those of a manifest.

    Raises:
        FailureReasonError: if there are none.
    """
    is_manifest = source["S3DataType"] == "ManifestFile"
    find = objects_in_manifest if is_manifest else objects_under_prefix
    found = find(clients, source["S3Uri"])
    if not found:
        raise FailureReasonError(
            f"ClientError: No S3 objects found under {source['S3Uri']}"
        )
    return found


def objects_under_prefix(clients: ServiceClients, uri: str) -> list[InputObject]:
    """The objects whose keys begin with a prefix.

    A prefix may be a folder, or may end anywhere in a name. Paths are relative to the
    folder: of ``data`` and the key ``data/a.csv`` the path is ``a.csv``, and of
    ``data/rat`` and ``data/ratings.csv`` it is ``ratings.csv``.
    """
    prefix = parse_s3_uri(uri)
    found = clients.objects(prefix)
    folder = f"{prefix.key.rstrip('/')}/" if prefix.key else ""
    if not all(source.key.startswith(folder) for source in found):
        parent, slash, _ = prefix.key.rpartition("/")
        folder = parent + slash
    # A key may have several slashes there, and an absolute path would lead elsewhere.
    return [
        InputObject(source, source.key.removeprefix(folder).lstrip("/"))
        for source in found
    ]


def objects_in_manifest(clients: ServiceClients, uri: str) -> list[InputObject]:
    """The objects that a manifest lists: first a prefix, then what follows it."""
    text = clients.read(parse_s3_uri(uri))
    reason = f"ClientError: Invalid manifest {uri}"
    with failing(reason, LookupError, TypeError, ValueError):
        first, *names = parse_json(text)
        prefix = first["prefix"]
        return [_listed(prefix, name) for name in names]


def _listed(prefix: str, name: str) -> InputObject:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name!r} leads out of the channel")
    return InputObject(parse_s3_uri(f"{prefix}{name}"), name)
