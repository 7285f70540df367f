"""The shape of an operation of AWS's JSON APIs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Parameters = Mapping[str, Any]
Result = dict[str, Any]
# None leaves the request to moto.
Operation = Callable[[Parameters], Result | None]


class HasOperations(Protocol):
    """What answers operations, by their names."""

    operations: dict[str, Operation]


def without_tags(parameters: Parameters) -> Result:
    """What a resource keeps of its request; tags are kept apart, by ARN."""
    return {name: value for name, value in parameters.items() if name != "Tags"}
