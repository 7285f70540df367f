"""The directory that a training container sees as ``/opt/ml``: how it is made, and what
is kept of it: the model and other output in S3, or the reason why the job failed.

Follows the developer guide's "How Amazon SageMaker provides training information".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from launcher.local.archives import is_plain
from launcher.local.errors import REASON_CHARACTERS
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


def failure_reason(bases: Mapping[str, Path], statuses: Mapping[str, int]) -> str:
    """The FailureReason of a job: its failure file and the exit status.

    A host that was ended because another one failed has no failure file. So the first
    host that has one counts, or else the first that failed. A long text is cut.

    Args:
        bases: each host's ``/opt/ml``.
        statuses: exit statuses of the hosts that failed; at least one.
    """
    failed_host = next(iter(statuses))
    text = ""
    for host in statuses:
        path = bases[host] / "output" / "failure"
        if is_plain(path) and path.is_file():
            failed_host = host
            with path.open(errors="replace") as file:
                text = file.read(REASON_CHARACTERS)
            break

    suffix = f", exit code: {statuses[failed_host]}"
    reason = f"AlgorithmError: {text}"
    return reason[: REASON_CHARACTERS - len(suffix)] + suffix
