"""What Describe and List operations answer: the state of each resource of one kind,
changed by requests and by running jobs at the same time.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launcher.local.errors import RefusedError, invalid
from launcher.local.operation import Parameters, Result
from launcher.local.settings import ACCOUNT

Description = dict[str, Any]
UNDER_WAY = ("InProgress", "Stopping")
_FIRST_PAGE = "0"
_PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """One kind of resource, and the words that the service has for it.

    Attributes:
        noun: its name in an ARN, such as ``training-job``.
        prefix: of the members of its requests, such as ``TrainingJob``.
        summaries: the member of a List operation's result with the summaries.
        absent: what the service says if there is no resource of a name; ``{arn}`` and
            ``{name}`` are filled in.
        present: what it says if a name is taken, likewise.
        absent_code: the error code that goes with ``absent``.
        present_code: the error code that goes with ``present``.
        has_status: whether resources of this kind ever change.
        summarized: members of a summary besides name, ARN, times and status.
    """

    noun: str
    prefix: str
    summaries: str
    absent: str
    present: str
    absent_code: str = "ValidationException"
    present_code: str = "ValidationException"
    has_status: bool = True
    summarized: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The member with the name."""
        return f"{self.prefix}Name"

    @property
    def arn(self) -> str:
        """The member with the ARN."""
        return f"{self.prefix}Arn"

    @property
    def status(self) -> str:
        """The member with the status."""
        return f"{self.prefix}Status"


class Descriptions:
    """The descriptions of one kind of resource, in order of creation."""

    def __init__(self, kind: ResourceKind, region: str) -> None:
        self.kind = kind
        self._region = region
        self._lock = threading.RLock()
        self._by_name: dict[str, Description] = {}

    def arn_of(self, name: str) -> str:
        """The ARN that belongs to a name."""
        return f"arn:aws:sagemaker:{self._region}:{ACCOUNT}:{self.kind.noun}/{name}"

    def add(self, members: Mapping[str, Any]) -> str:
        """Keep a new resource, with its ARN and the time.

        Returns:
            The ARN.

        Raises:
            RefusedError: if the name is taken.
        """
        name = members[self.kind.name]
        arn = self.arn_of(name)
        now = time.time()
        description = copy.deepcopy(dict(members))
        description |= {self.kind.arn: arn, "CreationTime": now}
        if self.kind.has_status:
            description["LastModifiedTime"] = now
        with self._lock:
            self.check_free(name)
            self._by_name[name] = description
        return arn

    def check_free(self, name: str) -> None:
        """Return if the name isn't taken.

        Raises:
            RefusedError: if it is.
        """
        with self._lock:
            if name in self._by_name:
                message = self.kind.present.format(arn=self.arn_of(name), name=name)
                raise RefusedError(self.kind.present_code, message)

    def check_under_way(self, name: str) -> None:
        """Return if a job runs.

        Raises:
            RefusedError: if there is none of that name, or it has ended.
        """
        self._check_status(name, is_under_way=True)

    def check_ended(self, name: str) -> None:
        """Return if a job has ended.

        Raises:
            RefusedError: if there is none of that name, or it runs.
        """
        self._check_status(name, is_under_way=False)

    def _check_status(self, name: str, *, is_under_way: bool) -> None:
        status = self.get(name)[self.kind.status]
        if (status in UNDER_WAY) is not is_under_way:
            noun = self.kind.noun.replace("-", " ")
            raise invalid(
                f"The request was rejected because the {noun} is in status {status}."
            )

    def get(self, name: str) -> Description:
        """A copy of the description of that name.

        Raises:
            RefusedError: if there is none.
        """
        with self._lock:
            if name not in self._by_name:
                message = self.kind.absent.format(arn=self.arn_of(name), name=name)
                raise RefusedError(self.kind.absent_code, message)
            return copy.deepcopy(self._by_name[name])

    def update(self, name: str, change: Callable[[Description], None]) -> None:
        """Change a description in place; nothing happens if it is gone."""
        with self._lock:
            description = self._by_name.get(name)
            if description is not None:
                change(description)
                description["LastModifiedTime"] = time.time()

    def set(self, name: str, **members: Any) -> None:
        """Set members of a description; nothing happens if it is gone."""
        self.update(name, lambda description: description.update(members))

    def remove(self, name: str) -> Description:
        """Forget a resource and return its description.

        Raises:
            RefusedError: if there is none of that name.
        """
        with self._lock:
            description = self.get(name)
            del self._by_name[name]
        return description

    def all(self) -> list[Description]:
        """Copies of all."""
        with self._lock:
            return copy.deepcopy(list(self._by_name.values()))

    def describe(self, parameters: Parameters) -> Result:
        """The Describe operation.

        Raises:
            RefusedError: if there is none of that name.
        """
        return self.get(parameters[self.kind.name])

    def list(self, parameters: Parameters) -> Result:
        """The List operation: summaries, filtered, sorted and paged.

        Raises:
            RefusedError: if ``NextToken`` isn't one that an earlier page gave.
        """
        found = self.found(parameters, lambda _entry: True)
        return page(found, parameters, self.kind.summaries)

    def found(
        self, parameters: Parameters, is_wanted: Callable[[Description], bool]
    ) -> Sequence[Result]:
        """Summaries of what a List operation looks for, sorted.

        Args:
            parameters: of the request.
            is_wanted: decides beside the filters that all List operations have.
        """
        found = [
            entry
            for entry in self.all()
            if self._is_wanted(entry, parameters) and is_wanted(entry)
        ]
        members = {
            "Name": self.kind.name,
            "Status": self.kind.status,
            "CreationTime": "CreationTime",
        }
        member = members[parameters.get("SortBy", "CreationTime")]
        order = parameters.get("SortOrder", "Descending")
        found.sort(key=lambda entry: entry[member], reverse=order == "Descending")
        return [self._summary(entry) for entry in found]

    def _is_wanted(self, entry: Description, parameters: Parameters) -> bool:
        filters: dict[str, Callable[[Any], bool]] = {
            "NameContains": lambda text: text.lower() in entry[self.kind.name].lower(),
            "StatusEquals": lambda status: entry[self.kind.status] == status,
            "CreationTimeAfter": lambda when: entry["CreationTime"] >= when,
            "CreationTimeBefore": lambda when: entry["CreationTime"] <= when,
            "LastModifiedTimeAfter": lambda when: entry["LastModifiedTime"] >= when,
            "LastModifiedTimeBefore": lambda when: entry["LastModifiedTime"] <= when,
        }
        return all(
            passes(parameters[name])
            for name, passes in filters.items()
            if name in parameters
        )

    def _summary(self, entry: Description) -> Result:
        members = (
            self.kind.name,
            self.kind.arn,
            self.kind.status,
            "CreationTime",
            "LastModifiedTime",
            *self.kind.summarized,
        )
        return {member: entry[member] for member in members if member in entry}


def page(
    summaries: Sequence[Mapping[str, Any]], parameters: Parameters, member: str
) -> Result:
    """The part of a list that a request asks for, and the token for the next part.

    Args:
        summaries: the whole list.
        parameters: of the request.
        member: of the result, for the part.

    Raises:
        RefusedError: if ``NextToken`` isn't one that an earlier page gave.
    """
    token = parameters.get("NextToken", _FIRST_PAGE)
    is_short_number = token.isascii() and token.isdecimal() and len(token) < 10
    if not is_short_number:
        raise invalid("Invalid pagination token.")
    start = int(token)
    end = start + parameters.get("MaxResults", _PAGE_SIZE)
    result: Result = {member: list(summaries[start:end])}
    if end < len(summaries):
        result["NextToken"] = str(end)
    return result
