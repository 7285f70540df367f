"""The state of resources: what Describe and List operations answer, and tags. Requests
and running jobs change it at the same time.
"""

from __future__ import annotations

import copy
import functools
import math
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moto.core.utils import get_service_model
from moto.utilities.tagging_service import TaggingService

from launcher.local.errors import RefusedError, invalid
from launcher.local.operation import Operation, Parameters, Result, page
from launcher.local.settings import ACCOUNT

Description = dict[str, Any]


@dataclass(eq=False)
class ResourceKind:
    """One kind of resource, and the words that the service has for it.

    Attributes:
        noun: its name in an ARN, such as ``training-job``.
        prefix: of the members of its requests, such as ``TrainingJob``.
        name: the member with the name, such as ``TrainingJobName``.
        arn: the member with the ARN.
        status: the member with the status.
        ended: the member with the time at which a job has ended.
        absent: what the service says if there is no resource of a name; ``{noun}``,
            ``{arn}`` and ``{name}`` are filled in.
        present: what it says if a name is taken, likewise.
        busy: what it says if the status isn't one for a request, likewise.
        absent_code: the error code that goes with ``absent``.
        present_code: the error code that goes with ``present``; jobs have their own.
    """

    noun: str
    absent: str = 'Could not find {noun} "{arn}".'
    present: str = 'Cannot create already existing {noun} "{arn}".'
    busy: str = "The request was rejected because {name} is in status {status}."
    absent_code: str = "ValidationException"

    def __post_init__(self) -> None:
        self.prefix = "".join(word.capitalize() for word in self.noun.split("-"))
        self.name = f"{self.prefix}Name"
        self.arn = f"{self.prefix}Arn"
        self.status = f"{self.prefix}Status"
        self.present_code = "ValidationException"
        if self.noun.endswith("-job"):
            self.present_code = "ResourceInUse"
            self.present = "Names of jobs must be unique, and {arn} already exists."
        self.ended = f"{self.prefix.removesuffix('Job')}EndTime"


@functools.cache
def summary_members(operation: str) -> tuple[str, list[str]]:
    """The member of a List operation's result with the summaries, and the members of a
    summary, as the service model has them.
    """
    result = get_service_model("sagemaker").operation_model(operation).output_shape
    (found,) = [
        (name, list(shape.member.members))
        for name, shape in result.members.items()
        if shape.type_name == "list"
    ]
    return found


def summary_of(entry: Description, operation: str) -> Result:
    """The members of a description that a List operation shows."""
    _, members = summary_members(operation)
    return {member: entry[member] for member in members if member in entry}


class Tags:
    """Keeps tags, and answers the operations on them."""

    def __init__(self) -> None:
        self._tagger = TaggingService()
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
        if len({entry["Key"] for entry in entries}) < len(entries):
            raise invalid("Duplicate tag keys")
        self._tagger.tag_resource(arn, [dict(entry) for entry in entries])

    def drop(self, arn: str) -> None:
        """Forget a resource."""
        self._tagger.delete_all_tags_for_resource(arn)

    def _arn(self, parameters: Parameters) -> str:
        arn = str(parameters["ResourceArn"])
        if not self._tagger.has_tags(arn):
            raise invalid(f"Could not find resource {arn}")
        return arn

    def _add(self, parameters: Parameters) -> Result:
        arn = self._arn(parameters)
        self._tagger.tag_resource(arn, parameters["Tags"])
        return dict(self._tagger.list_tags_for_resource(arn))

    def _list(self, parameters: Parameters) -> Result:
        tags = self._tagger.list_tags_for_resource(self._arn(parameters))["Tags"]
        return page(tags, parameters, "Tags")

    def _delete(self, parameters: Parameters) -> Result:
        arn = self._arn(parameters)
        self._tagger.untag_resource_using_names(arn, parameters["TagKeys"])
        return {}


class Descriptions:
    """The descriptions of one kind of resource, in order of creation.

    Attributes:
        kind: of the resources.
        operations: Describe, List and Delete.
    """

    def __init__(self, kind: ResourceKind, region: str, tags: Tags) -> None:
        self.kind = kind
        self._listing = f"List{kind.prefix}s"
        self.operations: dict[str, Operation] = {
            f"Describe{kind.prefix}": self.describe,
            self._listing: self.list,
            f"Delete{kind.prefix}": self.delete,
        }
        self._arns = f"arn:aws:sagemaker:{region}:{ACCOUNT}:{kind.noun}/"
        self._tags = tags
        self._lock = threading.RLock()
        self._by_name: dict[str, Description] = {}

    def add(self, members: Mapping[str, Any]) -> Result:
        """Keep a new resource, with its ARN and the time; its tags are kept apart.

        Returns:
            The result of the Create operation.

        Raises:
            RefusedError: if the name is taken.
        """
        name = members[self.kind.name]
        arn = f"{self._arns}{name}"
        now = time.time()
        times = {"CreationTime": now, "LastModifiedTime": now}
        description = copy.deepcopy(dict(members))
        tags = description.pop("Tags", [])
        description |= {self.kind.arn: arn, **times}
        with self._lock:
            if name in self._by_name:
                message = self._filled_in(self.kind.present, name)
                raise RefusedError(self.kind.present_code, message)
            self._tags.put(arn, tags)
            self._by_name[name] = description
        return {self.kind.arn: arn}

    def get(self, name: str) -> Description:
        """A copy of the description of that name or ARN.

        Raises:
            RefusedError: if there is none.
        """
        name = name.removeprefix(self._arns)
        with self._lock:
            if name not in self._by_name:
                message = self._filled_in(self.kind.absent, name)
                raise RefusedError(self.kind.absent_code, message)
            return copy.deepcopy(self._by_name[name])

    def check(self, name: str, statuses: Collection[str]) -> Description:
        """The same, if its status is one of those.

        Raises:
            RefusedError: if it isn't, or there is none.
        """
        found = self.get(name)
        status = found[self.kind.status]
        if status not in statuses:
            raise invalid(self._filled_in(self.kind.busy, name, status))
        return found

    def _filled_in(self, text: str, name: str, status: str = "") -> str:
        noun = self.kind.noun.replace("-", " ")
        arn = f"{self._arns}{name}"
        return text.format(noun=noun, arn=arn, name=name, status=status)

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

    def delete(self, parameters: Parameters) -> Result:
        """The Delete operation.

        Raises:
            RefusedError: if there is none of that name.
        """
        with self._lock:
            arn = self.describe(parameters)[self.kind.arn]
            del self._by_name[arn.removeprefix(self._arns)]
        self._tags.drop(arn)
        return {}

    def list(self, parameters: Parameters) -> Result:
        """The List operation: summaries, filtered, sorted and paged.

        Raises:
            RefusedError: if ``NextToken`` isn't one that an earlier page gave.
        """
        found = [entry for entry in self.all() if self._is_wanted(entry, parameters)]
        members = {
            "Name": self.kind.name,
            "Status": self.kind.status,
            "CreationTime": "CreationTime",
        }
        key = members[parameters.get("SortBy", "CreationTime")]
        order = parameters.get("SortOrder", "Descending")
        found.sort(key=lambda entry: entry[key], reverse=order == "Descending")
        summaries = [summary_of(entry, self._listing) for entry in found]
        member, _ = summary_members(self._listing)
        return page(summaries, parameters, member)

    def _is_wanted(self, entry: Description, parameters: Parameters) -> bool:
        kind = self.kind
        contained = parameters.get("NameContains", "")
        checks = [contained.lower() in entry[kind.name].lower()]
        for time_of in ("CreationTime", "LastModifiedTime"):
            after = parameters.get(f"{time_of}After", -math.inf)
            before = parameters.get(f"{time_of}Before", math.inf)
            checks.append(after <= entry[time_of] <= before)
        status = parameters.get("StatusEquals", entry.get(kind.status))
        checks.append(status == entry.get(kind.status))
        # Such as ModelApprovalStatus of ListModelPackages.
        checks += [
            entry[name] == parameters[name] for name in parameters.keys() & entry
        ]
        return all(checks)
