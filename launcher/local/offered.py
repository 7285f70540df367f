"""What is offered: the services, the operations of ours, and the members of their
requests that are honoured.

Whatever isn't offered is refused by its name, so nothing succeeds without having
happened. A member that asks for nothing, such as ``false``, may be anywhere.

``offered.txt`` lists SageMaker's operations, and below each the members of its request.
``A.B: C D`` are the members C and D of B, which is in A; with ``C=x|y``, only the
values x and y are honoured. Whatever is within a member belongs to it. ``@list`` stands
for what all lists are filtered and sorted by.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from launcher.local.errors import RefusedError, invalid
from launcher.local.operation import Parameters

_LIST = Path(__file__).with_suffix(".txt")
# Services by the names that requests are signed for, with the operations that moto
# answers; those of SageMaker's control plane are in the list below.
_EC2 = r"(Create|Describe|Delete)(Vpc|Subnet|SecurityGroup)s?"
_ECR = (
    r"GetAuthorizationToken|(List|Describe)Images|PutImage\w+|"
    r"\w+(Repository|Repositories|RepositoryPolicy|LifecyclePolicy|Resource|TagsFor\w+)"
)
_SERVICES = {
    "application-autoscaling": ".*",
    "ec2": _EC2,
    "ecr": _ECR,
    "iam": ".*",
    "kms": ".*",
    "logs": ".*",
    # Metrics are those of jobs and endpoints.
    "monitoring": "(?!PutMetricData$).*",
    "s3": ".*",
    "sagemaker": "",
    "servicequotas": "ListServiceQuotas",
    "sts": ".*",
}


@functools.cache
def operations() -> Mapping[str, Mapping[str, frozenset[str]]]:
    """The honoured values of each member by its path, for each operation; an empty set
    is any value.
    """
    found: dict[str, dict[str, frozenset[str]]] = {}
    for line in _LIST.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if not line.startswith(" "):
            members = found.setdefault(line, {})
            continue
        place, colon, names = line.rpartition(": ")
        prefix = f"{place.strip()}." if colon else ""
        for entry in names.split():
            if entry in found:
                members.update(found[entry])
                continue
            name, _, values = entry.partition("=")
            members[prefix + name] = frozenset(values.split("|") if values else ())
    return {name: found[name] for name in found if not name.startswith("@")}


def check_service(service: str, operation: str) -> None:
    """Return if an operation is ours, or moto's to answer.

    Args:
        service: the name that the request is signed for.
        operation: its name; empty if the service's requests don't have one.

    Raises:
        RefusedError: if it is neither.
    """
    pattern = _SERVICES.get(service)
    is_known = pattern is not None and (
        not operation
        or operation in operations()
        or re.fullmatch(pattern, operation) is not None
    )
    if not is_known:
        name = f"{service} {operation}".strip()
        raise RefusedError(
            "UnknownOperationException", f"`launcher local` doesn't offer {name}"
        )


def check_members(operation: str, parameters: Parameters) -> None:
    """Return if all members of a request to SageMaker are honoured.

    Raises:
        RefusedError: names all that aren't.
    """
    faults = list(_faults("", parameters, operations()[operation]))
    if faults:
        raise invalid(f"`launcher local` doesn't offer {operation} {', '.join(faults)}")


def _faults(
    path: str, value: Any, members: Mapping[str, frozenset[str]]
) -> Iterator[str]:
    if path in members:
        honoured = members[path]
        if honoured and value not in honoured:
            yield f"with {path} {value}, only {' and '.join(sorted(honoured))}"
    elif isinstance(value, list):
        for item in value:
            yield from _faults(path, item, members)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _faults(f"{path}.{name}" if path else name, item, members)
    elif value:
        yield f"with {path}"
