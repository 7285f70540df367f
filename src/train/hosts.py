"""The hosts of a job, as ``resourceconfig.json`` names them.

All instance groups count. The names are sorted, and the first host leads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeGuard

from train.errors import JobError


@dataclass(frozen=True, slots=True)
class Hosts:
    """Who takes part.

    Attributes:
        names: sorted, so that all hosts agree on the order.
        current: the host that this process runs on.
    """

    names: tuple[str, ...]
    current: str

    @classmethod
    def of(cls, resources: Mapping[str, Any]) -> Self:
        """The hosts in the content of ``resourceconfig.json``.

        Raises:
            JobError: if it doesn't name them.
        """
        names = resources.get("hosts")
        current = resources.get("current_host")
        if not _are_names(names) or not isinstance(current, str):
            raise JobError(
                f"resourceconfig.json has hosts {names!r} and current_host "
                f"{current!r}, expected a list of names and a name"
            )
        if current not in names:
            raise JobError(
                f"resourceconfig.json has current_host {current}, which is not among "
                f"hosts {names}"
            )
        return cls(tuple(sorted(set(names))), current)

    @property
    def rank(self) -> int:
        """The position of this host, from 0."""
        return self.names.index(self.current)

    @property
    def is_first(self) -> bool:
        """Whether this host leads: it alone writes the model."""
        return self.rank == 0

    def __len__(self) -> int:
        return len(self.names)


def _are_names(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
