"""The hosts of a job, as ``resourceconfig.json`` names them: of all instance groups,
sorted; the first one leads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from train.errors import JobError


@dataclass(frozen=True, slots=True)
class Hosts:
    """Who takes part.

    Attributes:
        names: sorted, which is the order that all hosts agree on.
        current: the one that this process runs on.
    """

    names: tuple[str, ...]
    current: str

    @classmethod
    def of(cls, resources: Mapping[str, Any]) -> Self:
        """From the platform's object; raises JobError where it doesn't name them."""
        names, current = resources.get("hosts"), resources.get("current_host")
        named = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if not (isinstance(names, list) and named and isinstance(current, str)):
            raise JobError(
                f"resourceconfig.json has hosts {names!r} and current_host {current!r}, "
                "expected a list of names and a name"
            )
        if current not in names:
            raise JobError(
                f"resourceconfig.json has current_host {current}, which is not among hosts {names}"
            )
        return cls(tuple(sorted(set(names))), current)

    @property
    def rank(self) -> int:
        """The place of this host among all."""
        return self.names.index(self.current)

    @property
    def is_first(self) -> bool:
        """Whether this host leads: it alone writes the model."""
        return self.rank == 0

    def __len__(self) -> int:
        return len(self.names)
