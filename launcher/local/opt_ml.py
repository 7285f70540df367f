"""The directory that a training container sees as ``/opt/ml``.

Follows the developer guide's "How Amazon SageMaker provides training information".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from launcher.local.input_channels import InputChannel

_DEFAULT_CHECKPOINTS = "/opt/ml/checkpoints"
_INSTANCE_GROUP = "homogeneousCluster"
_NETWORK_INTERFACE = "eth0"


def make_directories(
    base: Path,
    job: Mapping[str, Any],
    channels: Sequence[InputChannel],
    hosts: Sequence[str],
    host: str,
) -> None:
    """Make a host's directories, and the JSON documents of ``input/config``.

    Args:
        base: what becomes the host's ``/opt/ml``.
        job: the request.
        channels: of the job.
        hosts: the names of all hosts.
        host: this one's.
    """
    config = base / "input" / "config"
    data = base / "input" / "data"
    for directory in (config, data, base / "model", base / "output" / "data"):
        directory.mkdir(parents=True)

    instance_type = job["ResourceConfig"]["InstanceType"]
    group = {
        "instance_group_name": _INSTANCE_GROUP,
        "instance_type": instance_type,
        "hosts": list(hosts),
    }
    resources = {
        "current_host": host,
        "current_instance_type": instance_type,
        "current_group_name": _INSTANCE_GROUP,
        "hosts": list(hosts),
        "instance_groups": [group],
        "network_interface_name": _NETWORK_INTERFACE,
    }
    documents: dict[str, Any] = {
        "hyperparameters": job.get("HyperParameters", {}),
        "inputdataconfig": {channel.name: channel.declared for channel in channels},
        "resourceconfig": resources,
    }
    if "CheckpointConfig" in job:
        documents["checkpointconfig"] = {"LocalPath": checkpoints_in_container(job)}
    for name, document in documents.items():
        (config / f"{name}.json").write_text(json.dumps(document))


def checkpoints_in_container(job: Mapping[str, Any]) -> str:
    """Where a container finds its checkpoints, which may be outside ``/opt/ml``."""
    return str(job["CheckpointConfig"].get("LocalPath", _DEFAULT_CHECKPOINTS))


def checkpoints_on_host(base: Path) -> Path:
    """The directory on this machine that is mounted there: a neighbour of ``base``."""
    return base.with_name(f"{base.name}-checkpoints")
