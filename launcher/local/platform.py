"""What every kind of job and endpoint is made with."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from launcher.local.cloud import Cloud
from launcher.local.docker import Docker
from launcher.local.errors import invalid
from launcher.local.images import Images
from launcher.local.quotas import Quotas
from launcher.local.settings import Settings


@dataclass(frozen=True, slots=True)
class Platform:
    """The stack's parts, for jobs and endpoints."""

    settings: Settings
    docker: Docker
    cloud: Cloud
    images: Images
    tags: Tags = field(default_factory=lambda: Tags())
    quotas: Quotas = field(default_factory=Quotas)

    def user_options(self) -> list[str]:
        """The platform runs containers as root; where we aren't root, what they write
        must still be ours to remove.
        """
        return [] if os.geteuid() == 0 else ["--user", f"{os.geteuid()}:{os.getegid()}"]


class Tags:
    """The tags of our own resources, by ARN."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tags: dict[str, dict[str, str]] = {}
        self.operations = {
            "AddTags": self._add,
            "ListTags": self._list,
            "DeleteTags": self._delete,
        }

    def put(self, arn: str, request: Mapping[str, Any]) -> None:
        """Keep the tags of a request that makes a resource.

        Raises:
            RefusedError: if a key occurs twice.
        """
        entries = request.get("Tags", [])
        tags = {tag["Key"]: tag["Value"] for tag in entries}
        if len(tags) < len(entries):
            raise invalid("Duplicate tag keys")
        with self._lock:
            self._tags[arn] = tags

    def drop(self, arn: str) -> None:
        """Forget a resource."""
        with self._lock:
            self._tags.pop(arn, None)

    def owns(self, request: Mapping[str, Any]) -> bool:
        """Whether a request is about one of ours; other kinds are stock moto's."""
        with self._lock:
            return request.get("ResourceArn") in self._tags

    def _add(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._tags[request["ResourceArn"]] |= {
                tag["Key"]: tag["Value"] for tag in request["Tags"]
            }
        return self._list(request)

    def _list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            tags = self._tags[request["ResourceArn"]]
            return {
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]
            }

    def _delete(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            for key in request["TagKeys"]:
                self._tags[request["ResourceArn"]].pop(key, None)
        return {}
