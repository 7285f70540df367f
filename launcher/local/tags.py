"""The tags of the stack's own resources, by ARN; other resources' are moto's."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from launcher.local.errors import invalid
from launcher.local.operation import Operation, Parameters, Result


class Tags:
    """Keeps tags, and answers the operations on them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_arn: dict[str, dict[str, str]] = {}
        self.operations: dict[str, Operation] = {
            "AddTags": self._add,
            "ListTags": self._list,
            "DeleteTags": self._delete,
        }

    def put(self, arn: str, parameters: Parameters) -> None:
        """Keep the tags of a request that makes a resource.

        Raises:
            RefusedError: if a key occurs twice.
        """
        entries = parameters.get("Tags", [])
        tags = _as_dict(entries)
        if len(tags) < len(entries):
            raise invalid("Duplicate tag keys")
        with self._lock:
            self._by_arn[arn] = tags

    def drop(self, arn: str) -> None:
        """Forget a resource."""
        with self._lock:
            self._by_arn.pop(arn, None)

    def _add(self, parameters: Parameters) -> Result | None:
        with self._lock:
            tags = self._by_arn.get(parameters["ResourceArn"])
            if tags is not None:
                tags |= _as_dict(parameters["Tags"])
        return self._list(parameters)

    def _list(self, parameters: Parameters) -> Result | None:
        with self._lock:
            tags = self._by_arn.get(parameters["ResourceArn"])
            if tags is None:
                return None
            entries = [{"Key": key, "Value": value} for key, value in tags.items()]
            return {"Tags": entries}

    def _delete(self, parameters: Parameters) -> Result | None:
        with self._lock:
            tags = self._by_arn.get(parameters["ResourceArn"])
            if tags is None:
                return None
            for key in parameters["TagKeys"]:
                tags.pop(key, None)
            return {}


def _as_dict(entries: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {entry["Key"]: entry["Value"] for entry in entries}
