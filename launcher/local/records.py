"""What Describe answers, by name: the state of one kind of resource, changed by
requests and jobs at the same time.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launcher.local.errors import RefusedError, invalid
from launcher.local.settings import ACCOUNT

Record = dict[str, Any]
_FIRST_PAGE = "0"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource.

    Attributes:
        noun: what an ARN and a List operation call it, such as ``training-job``.
        prefix: of its members, such as ``TrainingJob``.
        state: member with its state, or empty.
        absent: what the service says where there is none of a name; ``{arn}`` and
            ``{name}`` are filled in.
        present: the same where a name is taken.
        absent_code: goes with ``absent``.
        present_code: goes with ``present``.
    """

    noun: str
    prefix: str
    state: str
    absent: str
    present: str
    absent_code: str = "ValidationException"
    present_code: str = "ValidationException"

    @property
    def name(self) -> str:
        """The member with the name."""
        return f"{self.prefix}Name"

    @property
    def arn(self) -> str:
        """The member with the ARN."""
        return f"{self.prefix}Arn"


class Records:
    """The resources of a kind, in order of creation."""

    def __init__(self, kind: Kind, region: str) -> None:
        self.kind = kind
        self._region = region
        self._lock = threading.RLock()
        self._records: dict[str, Record] = {}

    def arn_of(self, name: str) -> str:
        """The ARN that a name has."""
        return f"arn:aws:sagemaker:{self._region}:{ACCOUNT}:{self.kind.noun}/{name}"

    def add(self, record: Mapping[str, Any]) -> str:
        """Keep a new one, with its ARN and the time; gives the ARN.

        Raises:
            RefusedError: if the name is taken.
        """
        name = record[self.kind.name]
        arn = self.arn_of(name)
        with self._lock:
            self.check_free(name)
            now = time.time()
            self._records[name] = {
                **copy.deepcopy(dict(record)),
                self.kind.arn: arn,
                "CreationTime": now,
            }
            if self.kind.state:
                self._records[name]["LastModifiedTime"] = now
        return arn

    def check_free(self, name: str) -> None:
        """Return when the name isn't taken.

        Raises:
            RefusedError: if it is.
        """
        with self._lock:
            if name in self._records:
                message = self.kind.present.format(arn=self.arn_of(name), name=name)
                raise RefusedError(self.kind.present_code, message)

    def get(self, name: str) -> Record:
        """A copy of the one with that name.

        Raises:
            RefusedError: if there is none.
        """
        with self._lock:
            if name not in self._records:
                message = self.kind.absent.format(arn=self.arn_of(name), name=name)
                raise RefusedError(self.kind.absent_code, message)
            return copy.deepcopy(self._records[name])

    def update(self, name: str, change: Callable[[Record], None]) -> None:
        """Change one in place; nothing happens if it is gone."""
        with self._lock:
            if (record := self._records.get(name)) is not None:
                change(record)
                record["LastModifiedTime"] = time.time()

    def set(self, name: str, **members: Any) -> None:
        """Change members of one."""
        self.update(name, lambda record: record.update(members))

    def remove(self, name: str) -> Record:
        """Forget one, and give it.

        Raises:
            RefusedError: if there is none.
        """
        with self._lock:
            record = self.get(name)
            del self._records[name]
            return record

    def all(self) -> list[Record]:
        """Copies of all."""
        with self._lock:
            return copy.deepcopy(list(self._records.values()))

    def listing(
        self, request: Mapping[str, Any], member: str, members: Collection[str]
    ) -> dict[str, Any]:
        """The answer of a List operation: filtered, sorted, paged, each with the named
        members that it has.
        """
        found = [record for record in self.all() if self._passes(record, request)]
        by = {"Name": self.kind.name, "Status": self.kind.state}.get(
            request.get("SortBy", ""), "CreationTime"
        )
        # The services' default is the newest first.
        found.sort(
            key=lambda record: record[by],
            reverse=request.get("SortOrder", "Descending") == "Descending",
        )
        return page(
            [
                {name: record[name] for name in members if name in record}
                for record in found
            ],
            request,
            member,
        )

    def _passes(self, record: Record, request: Mapping[str, Any]) -> bool:
        wanted: dict[str, Callable[[Any], bool]] = {
            "NameContains": lambda text: text.lower() in record[self.kind.name].lower(),
            "StatusEquals": lambda state: record[self.kind.state] == state,
            "CreationTimeAfter": lambda time_: record["CreationTime"] >= time_,
            "CreationTimeBefore": lambda time_: record["CreationTime"] <= time_,
            "LastModifiedTimeAfter": lambda time_: record["LastModifiedTime"] >= time_,
            "LastModifiedTimeBefore": lambda time_: record["LastModifiedTime"] <= time_,
        }
        return all(
            test(request[name]) for name, test in wanted.items() if name in request
        )


def page(
    found: Sequence[Mapping[str, Any]], request: Mapping[str, Any], member: str
) -> dict[str, Any]:
    """The part of a list that a request asks for, with the token that leads to the
    next.

    Raises:
        RefusedError: for a token that none was given as.
    """
    token = request.get("NextToken", _FIRST_PAGE)
    if not token.isdecimal():
        raise invalid("Invalid pagination token.")
    start, end = int(token), int(token) + request.get("MaxResults", 100)
    return {
        member: list(found[start:end]),
        **({"NextToken": str(end)} if end < len(found) else {}),
    }
