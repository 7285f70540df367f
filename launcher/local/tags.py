"""The tags of the stack's own resources, by ARN."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from launcher.local.errors import invalid
from launcher.local.operation import Operation, Parameters, Result, page


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

    def put(self, arn: str, entries: Sequence[Mapping[str, str]]) -> None:
        """Keep the tags of a new resource.

        Raises:
            RefusedError: if a key occurs twice.
        """
        tags = _as_dict(entries)
        if len(tags) < len(entries):
            raise invalid("Duplicate tag keys")
        self._by_arn[arn] = tags

    def drop(self, arn: str) -> None:
        """Forget a resource."""
        self._by_arn.pop(arn, None)

    def _tags(self, parameters: Parameters) -> dict[str, str]:
        arn = parameters["ResourceArn"]
        if arn not in self._by_arn:
            raise invalid(f"Could not find resource {arn}")
        return self._by_arn[arn]

    def _add(self, parameters: Parameters) -> Result:
        with self._lock:
            self._tags(parameters).update(_as_dict(parameters["Tags"]))
        return {"Tags": _as_entries(self._tags(parameters))}

    def _list(self, parameters: Parameters) -> Result:
        return page(_as_entries(self._tags(parameters)), parameters, "Tags")

    def _delete(self, parameters: Parameters) -> Result:
        with self._lock:
            for key in parameters["TagKeys"]:
                self._tags(parameters).pop(key, None)
        return {}


def _as_dict(entries: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {entry["Key"]: entry["Value"] for entry in entries}


def _as_entries(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in dict(tags).items()]
